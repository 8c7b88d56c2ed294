"""The queries of Deploy/monitoring: the dashboard's and the alert rules', and what they name."""

import json
import re
from dataclasses import dataclass

import yaml

import evidence

MONITORING = evidence.ROOT / "Deploy/monitoring"
ARTICLE = evidence.ROOT / "Sources/App/GatewayServer/Documentation.docc/Metrics.md"

#: Metrics of several replicas that share a ledger: there are none of them with SQLite.
OF_REPLICAS = {f"export_gateway_{name}" for name in (
    "leases_held", "replicas", "feed_lag_seconds", "feed_connected", "lease_lost_total")}
#: Labels that Prometheus adds, and that of a histogram's buckets.
ADDED = {"job", "instance", "le"}

SELECTOR = re.compile(r"\b((?:export_gateway|http_server|process)_[a-z_]+|up)\b(?:\{([^}]*)\})?")
MATCHER = re.compile(r"(\w+)\s*(=~|!=|!~|=)\s*\"((?:[^\"\\]|\\.)*)\"")
GROUPING = re.compile(r"\b(?:by|without|on|ignoring)\s*\(([^)]*)\)")


@dataclass(frozen=True)
class Query:
    """One query, by where it stands."""

    place: str
    expression: str

    def selectors(self) -> list[tuple[str, set[str]]]:
        """Each metric that it reads, without what a histogram adds to its name, and the labels that it asks for."""
        return [
            (re.sub("_(bucket|sum|count)$", "", name), {label for label, _, _ in MATCHER.findall(matchers or "")})
            for name, matchers in SELECTOR.findall(self.expression)
        ]

    def metrics(self) -> set[str]:
        return {name for name, _ in self.selectors()}

    def result_labels(self) -> set[str]:
        """The labels that its result has, where it begins with a grouping."""
        first = re.match(r"(?:histogram_quantile\([\d.]+,\s*)?\w+ by \(([^)]*)\)", self.expression)
        return {label.strip() for label in first[1].split(",")} - {"le"} if first else set()

    def groupings(self) -> set[str]:
        """The labels that it groups by."""
        return {label.strip() for names in GROUPING.findall(self.expression) for label in names.split(",")} - {""}

    @property
    def is_of_replicas(self) -> bool:
        """Whether it may have no data with a ledger of one replica."""
        return bool(self.metrics() & OF_REPLICAS)


def dashboard() -> dict:
    return json.loads((MONITORING / "dashboard.json").read_text())


def panels() -> list[dict]:
    """The panels that show something."""
    return [panel for panel in dashboard()["panels"] if panel["type"] != "row"]


def alerts() -> list[dict]:
    groups = yaml.safe_load((MONITORING / "alerts.yaml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def queries() -> list[Query]:
    """All of them."""
    shown = [Query(panel["title"], target["expr"]) for panel in panels() for target in panel["targets"]]
    return shown + [Query(rule["alert"], rule["expr"]) for rule in alerts()]


def described() -> dict[str, tuple[str, set[str]]]:
    """The metrics of the article, each with its kind and its labels."""
    rows = re.findall(r"^\| `(\w+)(?:\{([\w,]*)\})?` \| (\w+) \|", ARTICLE.read_text(), re.M)
    metrics = {name: (kind, set(labels.split(",")) - {""}) for name, labels, kind in rows}
    assert len(metrics) == len(rows)
    return metrics
