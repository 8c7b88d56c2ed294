"""Every query of Deploy/monitoring, run by Prometheus on what the gateway serves."""

import re

import pytest

from client import poll
from prometheus import Prometheus, adapter_query, filled
from queries import Query, alerts, queries
from workload import site

#: What has no data here, because it takes a condition that is not brought about: `Tests/Contract/test_alerts.py` knows that its
#: metrics and labels exist, and its cases that the rule fires.
RARE = {
    "ExportGatewayAbsent": "there are targets",
    "ExportGatewayNotReady": "no gateway is stopping for ten minutes",
    "ExportGatewayFailing": "nothing ends with 500",
    "ExportGatewaySigningKeysFailing": "the authority answers",
    "ExportGatewayDeliveriesUnrecorded": "the ledger takes them",
    "Deliveries that were not recorded": "the ledger takes them",
    "Entries that cannot be read": "the sandbox writes them well",
}


@pytest.fixture(scope="module")
def prometheus():
    with site() as gateways:
        server = Prometheus(gateways.targets)
        try:
            # Twice, so that counters are seen to grow: a rate of one value is none.
            for _ in range(2):
                gateways.exports()
                gateways.broken_downloads()
                gateways.callers()
                poll("a scrape", scraped(server))
            gateways.unusable_certificate()
            poll("the file's change", lambda: server.values('export_gateway_tls_reloads_total{outcome="unusable"}'))
            server.has_replicas = bool(gateways.shared)
            server.pods = {f"export-gateway-{name}" for name in gateways.targets}
            yield server
        finally:
            server.process.stop()


def scraped(server: Prometheus):
    """Whether two more scrapes were made."""
    def count() -> float:
        return sum(value for _, value in server.values('count_over_time(up{job="export-gateway"}[1h])'))

    before = count()
    return lambda: count() >= before + 4


def condition_removed(expression: str) -> str:
    """An alert's query without the comparison that decides: it gives what would be compared."""
    return re.sub(r"\s+(?:>|<|==)\s+[\d.*\s]+$", "", expression)


def data(prometheus: Prometheus, query: Query) -> list[tuple[dict, float]]:
    return prometheus.values(condition_removed(filled(query.expression)))


@pytest.mark.parametrize("query", queries(), ids=lambda query: query.place)
def test_a_query_has_data(prometheus, query):
    found = data(prometheus, query)
    if query.is_of_replicas and not prometheus.has_replicas:
        return  # It was run, and is no mistake for Prometheus.
    if query.place in RARE:
        assert not found, "it does have data: take it off the list"
        return
    assert found, query.expression
    # What it groups by is a label of each of its series.
    for labels, _ in found:
        assert query.result_labels() <= labels.keys() | {"http_route"}, labels


def test_the_rules_are_evaluated(prometheus):
    # What did happen is told: these rules wait for nothing.
    told = {"ExportGatewayDecisionNeeded", "ExportGatewayStartsUnconfirmed", "ExportGatewayCertificateUnusable"}
    poll("the alerts", lambda: told <= {rule["name"] for rule in prometheus.rules() if rule["state"] == "firing"}, within=10)
    rules = {rule["name"]: rule for rule in prometheus.rules()}
    assert rules.keys() == {rule["alert"] for rule in alerts()}
    assert {name: (rule["health"], rule.get("lastError")) for name, rule in rules.items()} == dict.fromkeys(rules, ("ok", None))
    assert {name for name, rule in rules.items() if rule["state"] == "firing"} == told
    for name in told:
        for alert in rules[name]["alerts"]:
            assert "<no value>" not in str(alert["annotations"]), alert


def test_the_autoscaler_is_told_a_number_for_each_pod(prometheus):
    found = prometheus.values(adapter_query())
    assert {labels["pod"] for labels, _ in found} == prometheus.pods
