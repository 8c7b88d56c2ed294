"""The tests here use what the black-box tests have: their servers, their requests, and what reads the files of Deploy."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "Contract"))

import evidence
import servers


def pytest_sessionstart(session):
    if not servers.BINARY.exists():
        pytest.exit(f"{servers.BINARY} is not built: run `swift build` first", returncode=2)


@pytest.fixture(scope="module", autouse=True)
def no_process_is_left():
    """Every server that the tests of a file started has ended with them."""
    yield
    left = [process for process in servers.Process.started if process.exit_code is None]
    servers.Process.started.clear()
    for process in left:
        process.kill()
    assert [process.log for process in left] == []


@pytest.fixture
def program():
    """Starts a program that is not ours; it ends with the test."""
    started = []

    def start(name: str, *arguments: str) -> servers.Process:
        path = servers.program(name)
        process = servers.Process(list(arguments), evidence.directory(name), program=path)
        started.append(process)
        process.start()
        return process

    yield start
    for process in started:
        process.kill()
