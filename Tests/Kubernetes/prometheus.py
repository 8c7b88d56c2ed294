"""A Prometheus of Debian's, on loopback, with a directory of its own."""

import json
import math
from pathlib import Path
from urllib.parse import urlencode

import yaml

import evidence
import servers
from client import call, poll
from queries import MONITORING

#: How long a rate looks back here, in place of the dashboard's own choice.
WINDOW = "30s"


class Prometheus:
    """It scrapes each target every second, and evaluates the alert rules as often."""

    # Whether some of the gateways share a ledger, and what their pods are called.
    has_replicas = False
    pods: frozenset[str] | set[str] = frozenset()

    def __init__(self, targets: dict[str, str]):
        binary = servers.program("prometheus")
        assert binary.exists(), "there is no prometheus: Deploy/install-packages --kubernetes takes it out of Debian's package"
        directory = evidence.directory("prometheus")
        configuration = {
            "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
            "rule_files": [str(MONITORING / "alerts.yaml")],
            "scrape_configs": [{
                # The name that the alert rules have; the labels are those that the operator adds.
                "job_name": "export-gateway",
                "static_configs": [
                    {"targets": [target], "labels": {"namespace": "export-gateway", "pod": f"export-gateway-{name}"}}
                    for name, target in targets.items()
                ],
            }],
        }
        file = directory / "prometheus.yml"
        file.write_text(yaml.safe_dump(configuration))
        port = servers.free_port()
        self.address, self._targets = f"http://127.0.0.1:{port}", len(targets)
        words = [f"--config.file={file}", f"--storage.tsdb.path={directory / 'data'}", f"--web.listen-address=127.0.0.1:{port}"]
        self.process = servers.Process(words, directory, program=binary)
        self.process.start()
        poll("the first scrapes", self._has_scraped)

    def _has_scraped(self) -> bool:
        assert self.process.exit_code is None, self.process.lines()
        try:
            if call(self.address, "GET", "/-/ready").status != 200:
                return False
        except OSError:
            return False
        found = self.ask("targets")["activeTargets"]
        return [target["health"] for target in found] == ["up"] * self._targets

    def ask(self, path: str, **parameters: str):
        answer = call(self.address, "GET", f"/api/v1/{path}?{urlencode(parameters)}")
        document = json.loads(answer.body)
        assert document["status"] == "success", (parameters, document)
        return document["data"]

    def values(self, expression: str) -> list[tuple[dict, float]]:
        """What a query gives now: labels and values, those that are no number left out."""
        found = self.ask("query", query=expression)["result"]
        values = [(series["metric"], float(series["value"][1])) for series in found]
        return [(labels, value) for labels, value in values if not math.isnan(value)]

    def rules(self) -> list[dict]:
        return [rule for group in self.ask("rules")["groups"] for rule in group["rules"]]


def filled(expression: str) -> str:
    """A query of the dashboard as Grafana would send it, with all jobs and replicas chosen."""
    return (
        expression.replace("$__rate_interval", WINDOW).replace("$__range", "5m")
        .replace("$job", "export-gateway").replace("$instance", ".+")
    )


def adapter_query(directory: Path = MONITORING) -> str:
    """The query that prometheus-adapter makes of its rule for the pods of a namespace."""
    (rule,) = yaml.safe_load((directory / "prometheus-adapter.yaml").read_text())["rules"]["custom"]
    series = rule["seriesQuery"].partition("{")[0]
    return (
        rule["metricsQuery"].replace("<<.Series>>", series)
        .replace("<<.LabelMatchers>>", 'namespace="export-gateway",pod=~"export-gateway-.+"')
        .replace("<<.GroupBy>>", "pod")
    )
