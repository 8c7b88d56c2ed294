"""What every test gets: a check that the executable is there, a clean place for the evidence, and that its servers end."""

import collections
import os
import shutil

import pytest

import evidence
import servers


def pytest_sessionstart(session):
    if not servers.BINARY.exists():
        pytest.exit(f"{servers.BINARY} is not built: run `swift build` first", returncode=2)
    # Tests/run cleans up itself and has more than one program write there; so have workers that run tests beside each other.
    if "EXPORT_GATEWAY_EVIDENCE" not in os.environ and not hasattr(session.config, "workerinput"):
        shutil.rmtree(evidence.EVIDENCE, ignore_errors=True)


def pytest_configure(config):
    config.addinivalue_line("markers", "fault(row): the row of the article Faults.md that the test stands for")
    config.addinivalue_line("markers", "alone: not beside other tests, and after them: it measures times, or looks at what they left")
    config.addinivalue_line("markers", "long: takes more than fifteen seconds, and is begun first where several run at once")


def pytest_collection_modifyitems(config, items):
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: item.get_closest_marker("long") is None)


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


@pytest.fixture(scope="module")
def browser():
    """The browser of the tests of the console."""
    # Here, because only these tests need the module.
    import console

    with console.chromium() as browser:
        yield browser


@pytest.fixture
def findings():
    """Nothing that a page of the console must not do is done by any test."""
    import console

    found = console.Findings()
    yield found
    found.none()


@pytest.fixture
def figure(request):
    """Notes what a test measured or drew by lot; shown at the end of the run, whatever comes of the test."""
    return lambda text: request.node.user_properties.append(("figure", text))


def pytest_terminal_summary(terminalreporter, config):
    if hasattr(config, "workerinput"):
        return  # Whoever started the workers has their reports.
    reports = [
        report
        for group in terminalreporter.stats.values()
        for report in group
        if isinstance(report, pytest.TestReport)
    ]
    figures = [
        f"{report.nodeid.rpartition('::')[2]}: {text}"
        for report in reports
        if report.when == "call"
        for name, text in report.user_properties
        if name == "figure"
    ]
    if figures:
        terminalreporter.section("figures")
        for line in figures:
            terminalreporter.line(line)
    keep_durations(reports)


def keep_durations(reports) -> None:
    """How long the tests of each file took goes into `durations.txt`, for the table of `Tests/run`."""
    seconds = collections.Counter()
    for report in reports:
        seconds[report.nodeid.partition("::")[0]] += report.duration
    if seconds:
        evidence.EVIDENCE.mkdir(parents=True, exist_ok=True)
        with (evidence.EVIDENCE / "durations.txt").open("a") as file:
            file.writelines(f"{taken:.1f} {name}\n" for name, taken in seconds.items())


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
def upstream():
    """A sandbox of the test's own."""
    with servers.sandbox() as sandbox:
        yield sandbox


@pytest.fixture
def gateway(upstream):
    """A gateway in front of it."""
    with servers.gateway(upstream) as gateway:
        yield gateway
