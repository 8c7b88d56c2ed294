"""The alert rules and the dashboard name what there is. `Tests/Kubernetes/run` has a Prometheus run them."""

import re
import subprocess

import pytest
import yaml

import evidence
import servers
from queries import ADDED, ARTICLE, MONITORING, alerts, dashboard, described, panels, queries

RULES = MONITORING / "alerts.yaml"
CASES = evidence.ROOT / "Tests/Contract/alerts.yaml"


def promtool(*words: str) -> subprocess.CompletedProcess:
    return subprocess.run([servers.program("promtool"), *words], capture_output=True, text=True, timeout=60)


def test_promtool_takes_the_rules():
    result = promtool("check", "rules", str(RULES))
    assert result.returncode == 0 and not result.stderr, result.stdout + result.stderr


def test_each_rule_fires_in_its_case_and_no_other_one_does():
    result = promtool("test", "rules", str(CASES))
    assert result.returncode == 0, result.stdout + result.stderr
    firing = set(re.findall(r"alertname=\"(\w+)\"", CASES.read_text()))
    assert firing == {rule["alert"] for rule in alerts()}


def test_the_cases_can_fail(tmp_path):
    cases = yaml.safe_load(CASES.read_text())
    second = cases["tests"][1]
    second["promql_expr_test"][0]["exp_samples"][0]["labels"] = '{alertname="ExportGatewayAlone"}'
    case = tmp_path / "alerts.yaml"
    case.write_text(yaml.safe_dump(cases | {"rule_files": [str(RULES)], "tests": [second]}))
    assert promtool("test", "rules", str(case)).returncode != 0


@pytest.mark.parametrize("query", queries(), ids=lambda query: query.place)
def test_a_query_names_metrics_and_labels_that_there_are(query):
    listed = {"up": set()} | {name: labels for name, (_, labels) in described().items()}
    known = set()
    for name, labels in query.selectors():
        assert name in listed, name
        assert labels <= listed[name] | ADDED, name
        known |= listed[name]
    assert query.selectors() and query.groupings() <= known | ADDED
    # Names that other programs have too are those of the gateway's job only.
    if any(not name.startswith("export_gateway_") for name in query.metrics()):
        assert 'job="export-gateway"' in query.expression or 'job=~"$job"' in query.expression


def test_every_alert_says_what_to_do():
    names = [rule["alert"] for rule in alerts()]
    assert len(names) == len(set(names))
    for rule in alerts():
        assert rule["labels"].keys() == {"severity"} and rule["labels"]["severity"] in ("critical", "warning", "info")
        texts = rule["annotations"]
        assert texts.keys() == {"summary", "description", "article"}
        assert texts["summary"].endswith(".") and texts["description"].endswith("."), rule["alert"]
        assert texts["article"].strip("`").split(", ") == ["Alerts", rule["alert"]]


def test_every_alert_has_a_runbook_and_every_runbook_an_alert():
    sections = re.split(r"^## ", ARTICLE.with_name("Alerts.md").read_text(), flags=re.M)[1:]
    assert [section.split("\n")[0] for section in sections] == [rule["alert"] for rule in alerts()]
    for section in sections:
        # What callers notice, and at least one step.
        assert re.search(r"^\*\*Callers\.\*\* \S", section, re.M) and re.search(r"^1\. \S", section, re.M), section


def test_the_article_tells_which_alert_reads_which_metric():
    rows = re.findall(r"^\| `(ExportGateway\w+)` \| [^|]+ \| (\w+) \| ([^|]+) \|$", ARTICLE.read_text(), re.M)
    told = {name: (severity, set(re.findall(r"`(\w+)`", metrics))) for name, severity, metrics in rows}
    used = {query.place: query.metrics() for query in queries()}
    assert told == {rule["alert"]: (rule["labels"]["severity"], used[rule["alert"]]) for rule in alerts()}


def test_each_metric_names_the_alerts_that_read_it():
    rows = re.findall(r"^\| `(\w+)(?:\{[\w,]*\})?` \| (?:counter|gauge|histogram) \| .* \| ([^|]+) \|$", ARTICLE.read_text(), re.M)
    told = {name: re.findall(r"`(\w+)`", names) for name, names in rows}
    assert told.keys() == described().keys()
    used = {query.place: query.metrics() for query in queries()}
    for name, names in told.items():
        assert names == [rule["alert"] for rule in alerts() if name in used[rule["alert"]]], name


def test_the_dashboard_can_be_imported_anywhere():
    board = dashboard()
    assert board["id"] is None and board["uid"] == "export-gateway"
    variables = {variable["name"]: variable for variable in board["templating"]["list"]}
    assert variables.keys() == {"datasource", "job", "instance"} and variables["datasource"]["type"] == "datasource"
    ids = [panel["id"] for panel in board["panels"]]
    assert len(ids) == len(set(ids))
    taken = set()
    for panel in board["panels"]:
        place = panel["gridPos"]
        cells = {(x, y) for x in range(place["x"], place["x"] + place["w"]) for y in range(place["y"], place["y"] + place["h"])}
        assert place["x"] + place["w"] <= 24 and not cells & taken, panel["title"]
        taken |= cells
    source = {"type": "prometheus", "uid": "${datasource}"}
    for panel in panels():
        assert panel["datasource"] == source and panel["description"].endswith("."), panel["title"]
        for target in panel["targets"]:
            assert target["datasource"] == source
            # Every selector is of the job and the replicas that were chosen.
            assert target["expr"].count('{job=~"$job",instance=~"$instance"') == target["expr"].count("{")


def test_every_metric_is_shown():
    shown = {name for panel in panels() for target in panel["targets"] for name in
             re.findall(r"\b((?:export_gateway|http_server|process)_\w+?)(?:_bucket|_sum|_count)?\{", target["expr"])}
    missing = described().keys() - shown
    # Address space says nothing.
    assert missing == {"process_virtual_memory_bytes"}
