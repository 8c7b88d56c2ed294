"""`export-gateway check --live` against the sandbox: as documented, with deliberate differences, and what a report must not hold."""

import json
import signal
import subprocess

import pytest

import bodies
import command_line
import evidence
import servers

DIFFERS, INCOMPLETE, USAGE, INTERRUPTED = 1, 2, 64, 130
#: A name of a connection that stands nowhere else.
NAME = "planted-connection-{}"
MARKER = "planted-9f27"
ENVIRONMENT = {"SANDBOX_CLIENT_SECRET": bodies.CLIENT_SECRET}


@pytest.fixture(scope="module")
def sandbox():
    """One sandbox for all tests of this file: each removes its rules."""
    with servers.sandbox() as sandbox:
        yield sandbox


@pytest.fixture
def check(sandbox, tmp_path):
    """A check of the sandbox's connections."""
    yield Check(sandbox, tmp_path)
    sandbox.remove_rules()


class Check:
    """A configuration with a connection for each kind of export, and the files of the exports."""

    def __init__(self, sandbox, directory):
        self.sandbox = sandbox
        # What the operator has, the token included, is nothing that the command wrote.
        self.directory = directory
        self.written = evidence.directory("live-check")
        configuration, _ = servers.configured(sandbox, authenticated=False, sections={})
        self.names = {}
        for number, connection in enumerate(configuration["connections"]):
            self.names[connection["name"]] = connection["name"] = NAME.format(number)
        self.ledger = self.directory / "ledger.sqlite"
        configuration["ledger"] = {"path": str(self.ledger)}
        self.file = self.directory / "gateway.yaml"
        self.file.write_text(json.dumps(configuration))
        self.token = self.directory / "token"
        self.token.write_text(bodies.GOALS_TOKEN + "\n")

    def words(self, *exports, output="json", yes=True) -> list[str]:
        """The command line of a check of these exports: pairs of a connection of `servers.connections` and a body."""
        words = ["check", "--config", str(self.file), "--live", "--output", output, "--upstream-token-file", str(self.token)]
        for number, (connection, body) in enumerate(exports):
            file = self.directory / f"export-{number}.json"
            body = {name: value for name, value in body.items() if name != "connection"}
            file.write_text(json.dumps(body))
            words += ["--connection", self.names[connection], "--export", str(file)]
        return words + ["--yes"] * yes

    def run(self, *exports, output="json"):
        result = servers.run(*self.words(*exports, output=output), environment=ENVIRONMENT)
        (self.written / "stderr.log").write_text(result.stderr)
        (self.written / "stdout.log").write_text(result.stdout)
        self.tells_nothing(result.stdout)
        return result

    def tells_nothing(self, report: str) -> None:
        """No id, name, secret or planted text of this sandbox is in a report."""
        account = self.sandbox.account()
        private = [job["id"] for job in account["jobs"]] + self.sandbox.secrets() + [MARKER, "planted"]
        private += [
            bodies.CASE, bodies.SEARCH, bodies.REVIEW_SET, bodies.ORGANIZATION, bodies.VIEW, bodies.GROUP, bodies.REPORT,
            bodies.TENANT, bodies.CLIENT, self.sandbox.api, self.sandbox.proxy, self.sandbox.blob, "127.0.0.1",
        ]
        assert [text for text in private if text.lower() in report.lower()] == []


def section(cited: str) -> str:
    """A citation as reports have it."""
    return cited.strip("`")


def all_exports():
    return [
        ("purview", bodies.search_result(MARKER)), ("purview-former", bodies.review_set(MARKER)),
        ("goals", bodies.goals(MARKER)), ("devices", bodies.intune(MARKER)), ("bi", bodies.report(MARKER)),
    ]


def found(report: dict, operation: str, claim: str) -> dict:
    """The finding with this statement, of the export that has it last."""
    findings = [finding for export in report["exports"] for finding in export["findings"]]
    return [finding for finding in findings if (finding["operation"], finding["claim"]) == (operation, claim)][-1]


@pytest.mark.long
def test_all_providers_as_documented(check):
    result = check.run(*all_exports())
    assert result.returncode == 0, result.stdout + result.stderr
    report = json.loads(result.stdout)
    assert [export["provider"] for export in report["exports"]] == [
        "graph-ediscovery", "graph-ediscovery", "viva-goals", "intune", "power-bi",
    ]
    for export in report["exports"]:
        assert export["isComplete"] and not export["mayRun"], export
        assert export["download"]["bytesRead"] > 0
        assert export["calls"][-1]["statuses"], "its file was asked for"
        assert all(not call["otherMembers"] and not call["unnamedMembers"] for call in export["calls"]), export["calls"]
    assert report["summary"]["differs"] == 0
    # What nobody knew is decided, with the key that fits.
    parts = found(report, "power-bi.file", "Parts of the file are served.")
    assert (parts["outcome"], parts["isRight"], parts["setting"]) == ("decided", False, "ranges: false of the connection")
    parts = found(report, "intune.download", "Parts of the file are served.")
    assert (parts["outcome"], parts["observed"]) == ("as documented", "a part came, with the same bytes")
    # It works without a ledger.
    assert not check.ledger.exists()


#: What is switched on, which statement of which article it contradicts or decides, and what is told of it.
DIFFERENCES = [
    ("power-bi.start", {"kind": "statusCode", "status": 200}, "A start is answered with 202.",
     "`Upstream-PowerBI, Start`", "differs", "200 (1)"),
    ("power-bi.status", {"kind": "members", "remove": ["percentComplete"]}, "The answer tells the progress.",
     "`Upstream-PowerBI, Status`", "differs", "absent"),
    ("power-bi.file", {"kind": "ranges"}, "Parts of the file are served.",
     "`Upstream-PowerBI, File`", "decided", "with the same bytes"),
    ("intune.status", {"kind": "unknownStatus", "value": "hibernating"}, "The status is one of the enumeration.",
     "`Upstream-Intune, Status`", "differs", "a word that is not in the list (1)"),
    ("intune.start", {"kind": "headers", "set": {"Location": f"https://graph.example/{MARKER}"}},
     "The answer to a start has no Location.", "`Upstream-Intune, Calls`", "differs", "present (1)"),
    ("download.blob", {"kind": "noRanges"}, "Parts of the file are served.",
     "`Upstream-Intune, Download`", "differs", "the whole file came"),
    ("goals.get", {"kind": "wrappedEntity"}, "A single job comes bare, and not inside value.",
     "`Upstream-VivaGoals, Job`", "decided", "inside value"),
    ("goals.content", {"kind": "wrongContentType", "contentType": "text/plain"}, "The content is text/csv.",
     "`Upstream-VivaGoals, Content`", "differs", "another type"),
    ("graph.start", {"kind": "location", "place": "operationLocation"}, "Location holds the address of the operation.",
     "`Upstream-GraphEDiscovery, Start`", "differs", "absent (1)"),
    ("graph.status", {"kind": "rewrite", "find": '"size":', "with": '"length":'}, "Each file has its size.",
     "`Upstream-GraphEDiscovery, Files`", "differs", "absent"),
]


@pytest.mark.long
def test_each_difference_is_told_with_its_section(check):
    for operation, fault, *_ in DIFFERENCES:
        check.sandbox.rule(operation, fault, **({"times": 1} if fault["kind"] == "unknownStatus" else {}))
    exports = [(connection, body) for connection, body in all_exports() if connection != "purview-former"]
    result = check.run(*exports)
    assert result.returncode == DIFFERS, result.stdout + result.stderr
    findings = [finding for export in json.loads(result.stdout)["exports"] for finding in export["findings"]]
    for _, _, claim, cited, outcome, observed in DIFFERENCES:
        source = section(cited)
        matching = [finding for finding in findings if (finding["claim"], finding["source"]) == (claim, source)]
        assert any(
            finding["outcome"] == outcome and observed in finding.get("observed", "") for finding in matching
        ), (claim, source, matching)
    # Nothing else differs.
    expected = {(claim, section(cited)) for _, _, claim, cited, outcome, _ in DIFFERENCES if outcome == "differs"}
    # Location in another field has no form either.
    expected.add(("Location has keys in parentheses and quotes.", section("`Upstream-GraphEDiscovery, Start`")))
    differing = {(finding["claim"], finding["source"]) for finding in findings if finding["outcome"] == "differs"}
    assert differing == expected
    decided = next(finding for finding in findings if finding["claim"].startswith("Parts") and "PowerBI" in finding["source"])
    assert decided["setting"] == "ranges: true of the connection"


def test_a_report_holds_nothing_of_the_answers(check):
    """Every field, new members and their names, and texts of errors have a marker in them; `Check.run` looks for it."""
    check.sandbox.rule("*", {"kind": "headers", "set": {
        "X-Planted": MARKER, f"X-{MARKER}": "1", "request-id": MARKER, "RequestId": MARKER, "Server": MARKER,
        "Retry-After": f"1, {MARKER}",
    }})
    planted = {"extraMember": MARKER, MARKER: 1, "comments": [{MARKER: MARKER}], "reportName": MARKER, "statusDetail": MARKER}
    check.sandbox.rule("*.status", {"kind": "members", "set": planted})
    check.sandbox.rule("power-bi.file", {"kind": "status", "status": 403, "body": {"error": {"code": MARKER, "message": MARKER}}})
    result = check.run(("bi", bodies.report(MARKER)), ("goals", bodies.goals(MARKER)), output="text")
    assert result.returncode == DIFFERS, result.stdout + result.stderr
    # What looks like the name of a schema is shown, and the rest is counted.
    assert "members of no article: comments, extraMember" in result.stdout
    assert "others whose names are not shown: 1" in result.stdout
    assert "power-bi.file: The file is answered with 200, a part of it with 206. Observed: 403 (" in result.stdout
    assert f"[{section('`Upstream-PowerBI, Calls`')}, known]" in result.stdout


def test_an_export_that_comes_to_no_file(check):
    check.sandbox.rule("power-bi.start", {"kind": "failed"})
    result = check.run(("bi", bodies.report()))
    assert result.returncode == INCOMPLETE, result.stdout + result.stderr
    assert json.loads(result.stdout)["exports"][0]["end"] == "the export ended as failed, without a file that was read"


def test_nothing_is_started_unless_it_is_asked_for(check):
    """What is missing is named, and no export is made."""
    good = check.words(("bi", bodies.report()))
    before = len(check.sandbox.jobs())

    def refused(words, *named):
        result = servers.run(*words, environment=ENVIRONMENT)
        assert result.returncode == USAGE, result.stdout + result.stderr
        assert [word for word in named if word not in result.stderr] == []
        assert result.stdout == ""

    refused(good[:good.index("--connection")], "--connection")
    refused([word for word in good if word != "--yes"], "--yes")
    refused([word for word in good if word != "--live"], "--live")
    at = good.index("--export")
    refused(good[:at] + good[at + 2:], "--export")
    refused([*good, "--connection", "another", "--export", good[at + 1]], "another")
    refused(check.words(("devices", bodies.report())), "intune")
    refused(check.words(("bi", bodies.report(format="GIF"))), "/format")
    words = check.words(("goals", bodies.goals()))
    at = words.index("--upstream-token-file")
    refused(words[:at] + words[at + 2:], "--upstream-token-file")
    assert len(check.sandbox.jobs()) == before


def test_on_a_terminal_it_asks_first(check, tmp_path):
    caller = command_line.Caller("", None, tmp_path, **ENVIRONMENT)
    before = len(check.sandbox.jobs())

    def decline(terminal):
        terminal.until("Start? [y/N]")
        terminal.type("n\n")

    ended = caller.on_terminal(*check.words(("bi", bodies.report()), yes=False), meanwhile=decline)
    assert ended.code == USAGE, ended.err
    assert check.names["bi"] in ended.err and "nothing was started" in ended.err
    assert len(check.sandbox.jobs()) == before


def test_whoever_stops_it_learns_what_is_left_running(check):
    check.sandbox.rule("power-bi.start", {"kind": "stuck"})
    process = subprocess.Popen(
        [str(servers.BINARY), *check.words(("bi", bodies.report())), "--timeout", "60s"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL, env=ENVIRONMENT, text=True,
    )
    try:
        # Read without a limit: the process ends by itself when its time is over.
        for line in process.stderr:
            if "Running" in line:
                break
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == INTERRUPTED, err
    assert f'left running upstream on the connection "{check.names["bi"]}"' in err
    assert check.sandbox.jobs()[-1]["id"] in err
    check.tells_nothing(out)
    export = json.loads(out)["exports"][0]
    assert (export["end"], export["mayRun"]) == ("watch: stopped by the operator", True)
