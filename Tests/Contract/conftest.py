"""What every test gets: a check that the executable is there, and a clean place for the evidence."""

import os
import shutil

import pytest

import evidence
import servers


def pytest_sessionstart(session):
    if not servers.BINARY.exists():
        pytest.exit(f"{servers.BINARY} is not built: run `swift build` first", returncode=2)
    # Tests/run cleans up itself and has more than one program write there.
    if "EXPORT_GATEWAY_EVIDENCE" not in os.environ:
        shutil.rmtree(evidence.EVIDENCE, ignore_errors=True)


@pytest.fixture
def upstream():
    """A sandbox of the test's own."""
    with servers.sandbox() as sandbox:
        yield sandbox


@pytest.fixture
def gateway(upstream):
    """A gateway in front of it."""
    with servers.gateway(upstream) as gateway:
        yield gateway
