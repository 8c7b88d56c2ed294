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


FIGURES = pytest.StashKey[list]()


@pytest.fixture
def figure(request):
    """Notes what a test measured or drew by lot; shown at the end of the run, whatever comes of the test."""
    figures = request.config.stash.setdefault(FIGURES, [])
    return lambda text: figures.append(f"{request.node.name}: {text}")


def pytest_terminal_summary(terminalreporter, config):
    if figures := config.stash.get(FIGURES, []):
        terminalreporter.section("figures")
        for line in figures:
            terminalreporter.line(line)


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
