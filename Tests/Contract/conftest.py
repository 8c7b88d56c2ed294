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


def pytest_configure(config):
    config.addinivalue_line("markers", "fault(row): the row of the article Faults.md that the test stands for")


def pytest_generate_tests(metafunc):
    """A test of a fault is named after it: `test_it[fault A1]`."""
    if rows := [marker.args[0] for marker in metafunc.definition.iter_markers("fault")]:
        metafunc.fixturenames.append("fault_row")
        metafunc.parametrize("fault_row", rows, ids=[f"fault {row}" for row in rows])


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """What became of each test of a fault stands in `faults.txt`, for `Tests/fault-table`."""
    report = yield
    if report.failed or report.skipped or report.when == "call":
        if row := getattr(item, "callspec", None) and item.callspec.params.get("fault_row"):
            evidence.EVIDENCE.mkdir(parents=True, exist_ok=True)
            with (evidence.EVIDENCE / "faults.txt").open("a") as file:
                file.write(f"fault {row} {report.outcome}: {item.name}\n")
    return report


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
