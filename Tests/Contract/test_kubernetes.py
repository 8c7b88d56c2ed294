"""Deploy/kubernetes fits the image and the gateway. `Tests/Kubernetes/run` checks it against Kubernetes itself."""

import ipaddress
import json
import os
import re
import subprocess
from urllib.parse import parse_qs, urlsplit

import pytest
import yaml

import evidence
import replicas
import servers
from client import call, poll
from manifests import KUBERNETES, Overlay, documents, one, quantity, seconds

#: What the process takes after the drain at most, before it is gone: calls under way are cancelled (10 s), the log is written
#: (2 s). `Operations, Stopping` and `Operations, Logs` tell of both.
AFTERWARDS = 12
DOCKERFILE = (evidence.ROOT / "Deploy/Dockerfile").read_text()


@pytest.fixture(params=Overlay.NAMES)
def overlay(request):
    return Overlay(request.param)


def check(text: str, directory, environment: dict[str, str] | None = None) -> subprocess.CompletedProcess:
    """What `export-gateway check --offline` says of a configuration."""
    file = directory / "gateway.yaml"
    file.write_text(text)
    return subprocess.run(
        [servers.BINARY, "check", "--offline", "--config", file],
        env={"PATH": os.environ["PATH"]} | (environment or {}),
        capture_output=True,
        text=True,
        timeout=30,
    )


def skip_without_postgresql(overlay: Overlay) -> None:
    if overlay.name == "postgresql" and not replicas.knows_replicas():
        pytest.skip("the executable has no ledger.url")


def test_the_gateway_takes_its_configuration(overlay, tmp_path):
    skip_without_postgresql(overlay)
    result = check(overlay.at(tmp_path), tmp_path)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "valid, 1 connection(s)" in result.stdout


def test_a_workload_identity_takes_the_place_of_the_secret(overlay, tmp_path):
    skip_without_postgresql(overlay)
    configuration = yaml.load(overlay.at(tmp_path), yaml.BaseLoader)
    for connection in configuration["connections"]:
        connection["credential"] = "environment"
    (container,) = yaml.safe_load(one("components/federated-token/kustomization.yaml")["patches"][0]["patch"])["spec"]["template"][
        "spec"]["containers"]
    environment = {variable["name"]: variable["value"] for variable in container["env"]}
    (mount,) = container["volumeMounts"]
    path = environment["AZURE_FEDERATED_TOKEN_FILE"]
    assert path.startswith(mount["mountPath"] + "/")
    token = tmp_path / "token"
    token.write_text("a.b.c")
    result = check(json.dumps(configuration), tmp_path, environment | {"AZURE_FEDERATED_TOKEN_FILE": str(token)})
    assert result.returncode == 0, result.stdout + result.stderr


def test_variables_of_the_service_would_be_taken_for_configuration(tmp_path):
    overlay = Overlay("sqlite")
    result = check(overlay.at(tmp_path), tmp_path, {"EXPORT_GATEWAY_PORT": "tcp://10.0.0.1:8080"})
    assert result.returncode == 78 and "EXPORT_GATEWAY_PORT" in result.stderr, result.stderr
    assert overlay.pod["enableServiceLinks"] is False


def test_the_probes_are_answered_where_they_ask(overlay, tmp_path):
    ports = {port["name"]: port["containerPort"] for port in overlay.container["ports"]}
    server = overlay.configuration["server"]
    assert ports == {"api": server["port"], "operations": server["operations"]["port"]}
    assert server["host"] == server["operations"]["host"] == "0.0.0.0"
    probes = {name: overlay.container[name]["httpGet"] for name in ("startupProbe", "livenessProbe", "readinessProbe")}
    assert {probe["port"] for probe in probes.values()} == {"operations"}
    (endpoint,) = one("components/service-monitor/service-monitor.yaml")["spec"]["endpoints"]
    if overlay.name == "postgresql":
        return  # The listener is the same.
    configuration = yaml.load(overlay.at(tmp_path), yaml.BaseLoader)
    configuration["server"]["operations"]["port"] = port = servers.free_port()
    gateway = servers.Gateway(configuration, {}, None)
    gateway.process.start()
    address = f"http://127.0.0.1:{port}"

    def ready():
        assert gateway.process.exit_code is None, gateway.process.lines()
        try:
            return call(address, "GET", probes["readinessProbe"]["path"]).status == 200
        except OSError:
            return False

    try:
        poll("the gateway's readiness", ready)
        for path in {probe["path"] for probe in probes.values()} | {endpoint["path"]}:
            assert call(address, "GET", path).status == 200, path
        assert gateway.process.stop() == 0
    finally:
        gateway.kill()


def test_a_pod_has_the_time_that_its_gateway_takes_to_stop(overlay):
    server = overlay.configuration["server"]
    drain = seconds(server["drainDelay"]) + seconds(server["drainTimeout"])
    pause = overlay.container["lifecycle"]["preStop"]["sleep"]["seconds"]
    hand_over = seconds(overlay.configuration["ledger"].get("leaseDuration", "0s"))
    grace = overlay.pod["terminationGracePeriodSeconds"]
    assert grace >= pause + drain + AFTERWARDS + hand_over
    # The next pod of a rollout is not given up before its startup probe would.
    startup = overlay.container["startupProbe"]
    assert overlay.deployment["spec"]["progressDeadlineSeconds"] > startup["periodSeconds"] * startup["failureThreshold"]


def test_every_file_of_the_configuration_is_in_the_pod(overlay):
    named = set(re.findall(r"file:(/\S+)", overlay.text)) | set(re.findall(r"sslrootcert=(/[^\s&]+)", overlay.text))
    assert named == overlay.secret_files
    mode = overlay.volume("secrets")["secret"]["defaultMode"]
    assert mode == 0o440, "for the group, and for nobody else"
    # The places that the image has.
    program = json.loads(re.findall(r"^CMD (\[.*\])$", DOCKERFILE, re.M)[-1])
    assert f"{next(path for path, name in overlay.mounts.items() if name == 'configuration')}/gateway.yaml" == program[-1]
    (ledger,) = re.findall(r"^VOLUME (\S+)$", DOCKERFILE, re.M)
    if overlay.name == "sqlite":
        assert overlay.mounts[ledger] == "ledger"
        assert overlay.configuration["ledger"]["path"].startswith(ledger + "/")
        claim = overlay.volume("ledger")["persistentVolumeClaim"]["claimName"]
        assert claim == one("overlays/sqlite/ledger.yaml")["metadata"]["name"]
    else:
        assert ledger not in overlay.mounts


def test_memory_is_what_the_container_has(overlay):
    server = overlay.configuration["server"]
    limit = quantity(overlay.container["resources"]["limits"]["memory"])
    # As Deploy/gateway.example.yaml explains it.
    assert server["memory"] == limit - (128 << 20) - (64 << 10) * server["maximumConnections"]
    assert overlay.container["resources"]["requests"]["memory"] == overlay.container["resources"]["limits"]["memory"]


def test_pods_are_within_the_restricted_standard(overlay):
    """https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted"""
    assert one("base/namespace.yaml")["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    (user,) = {int(user) for user in re.findall(r"^USER (\d+)$", DOCKERFILE, re.M)}
    context = overlay.pod["securityContext"]
    assert context["runAsNonRoot"] and context["seccompProfile"] == {"type": "RuntimeDefault"}
    assert {context[name] for name in ("runAsUser", "runAsGroup", "fsGroup")} == {user}
    assert overlay.container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    allowed = {"configMap", "secret", "persistentVolumeClaim"}
    assert {kind for volume in overlay.pod["volumes"] for kind in volume if kind != "name"} <= allowed
    assert overlay.pod["automountServiceAccountToken"] is False
    assert one("base/service-account.yaml")["automountServiceAccountToken"] is False


def test_selectors_find_the_pods(overlay):
    labels = overlay.deployment["spec"]["template"]["metadata"]["labels"]
    selectors = [overlay.deployment["spec"]["selector"]["matchLabels"]]
    selectors += [service["spec"]["selector"] for service in documents("base/services.yaml")]
    selectors += [one("base/disruption-budget.yaml")["spec"]["selector"]["matchLabels"]]
    policies = [path for path in KUBERNETES.rglob("network-policy.yaml")]
    selectors += [one(str(path.relative_to(KUBERNETES)))["spec"]["podSelector"]["matchLabels"] for path in policies]
    selectors += [each["labelSelector"]["matchLabels"] for each in overlay.pod.get("topologySpreadConstraints", [])]
    assert len(policies) == 3
    for selector in selectors:
        assert selector.items() <= labels.items()
    monitor = one("components/service-monitor/service-monitor.yaml")["spec"]
    found = [
        service for service in documents("base/services.yaml")
        if monitor["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    ]
    assert [port["name"] for service in found for port in service["spec"]["ports"]] == [monitor["endpoints"][0]["port"]]
    # The job's name, which the alert rules have.
    assert found[0]["metadata"]["labels"][monitor["jobLabel"]] == "export-gateway"


PRIVATE = [
    "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "100.64.0.1", "127.0.0.1", "169.254.169.254", "169.254.20.10",
    "168.63.129.16", "0.0.0.0", "fd00::1", "fd00:ec2::254", "fe80::1", "::1", "::ffff:169.254.169.254",
]
PUBLIC = ["20.190.128.1", "40.126.0.1", "172.32.0.1", "11.0.0.1", "2603:1006:2000::1"]


def leaves(policy: dict, address: str, port: int) -> bool:
    """Whether a policy lets a pod out to this address, by its blocks."""
    target = ipaddress.ip_address(address)

    def inside(block: str) -> bool:
        network = ipaddress.ip_network(block)
        return network.version == target.version and target in network

    for rule in policy["spec"]["egress"]:
        if port in {each["port"] for each in rule["ports"]}:
            for block in (peer["ipBlock"] for peer in rule["to"] if "ipBlock" in peer):
                if inside(block["cidr"]) and not any(inside(each) for each in block.get("except", [])):
                    return True
    return False


def test_pods_are_let_out_to_the_internet_alone():
    policy = one("base/network-policy.yaml")
    assert policy["spec"]["policyTypes"] == ["Ingress", "Egress"]
    for address in PUBLIC:
        assert leaves(policy, address, 443) and not leaves(policy, address, 80), address
    for address in PRIVATE:
        assert not any(leaves(policy, address, port) for port in (80, 443)), address
    identity = one("components/managed-identity/network-policy.yaml")
    assert leaves(identity, "169.254.169.254", 80) and not leaves(identity, "168.63.129.16", 80)
    # Whatever has no addresses: names, in the cluster.
    others = [rule for rule in policy["spec"]["egress"] if not any("ipBlock" in peer for peer in rule["to"])]
    assert [{(port["port"], port["protocol"]) for port in rule["ports"]} for rule in others] == [{(53, "UDP"), (53, "TCP")}]
    # In: the API for all, metrics for monitoring.
    api, operations = policy["spec"]["ingress"]
    assert [port["port"] for port in api["ports"]] == ["api"] and "from" not in api
    assert [port["port"] for port in operations["ports"]] == ["operations"] and len(operations["from"]) == 1


def test_the_way_to_the_database_is_that_of_the_configuration():
    ledger = Overlay("postgresql").configuration["ledger"]
    url = urlsplit(ledger["url"])
    assert url.password is None and ledger["password"].startswith("file:/")
    assert parse_qs(url.query)["sslmode"] == ["verify-full"]
    (rule,) = one("overlays/postgresql/network-policy.yaml")["spec"]["egress"]
    assert [(port["port"], port["protocol"]) for port in rule["ports"]] == [(url.port, "TCP")]
    (peer,) = rule["to"]
    assert url.hostname.split(".")[1:3] == [peer["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"], "svc"]


def test_replicas_can_be_replaced_one_by_one():
    sqlite, postgresql = (Overlay(name) for name in Overlay.NAMES)
    assert sqlite.deployment["spec"]["replicas"] == 1
    assert sqlite.deployment["spec"]["strategy"] == {"type": "Recreate"}
    assert one("overlays/sqlite/ledger.yaml")["spec"]["accessModes"] == ["ReadWriteOncePod"]
    assert postgresql.deployment["spec"]["replicas"] == 3
    assert postgresql.deployment["spec"]["strategy"] == {
        "type": "RollingUpdate",
        "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1},
    }
    keys = {each["topologyKey"] for each in postgresql.pod["topologySpreadConstraints"]}
    assert keys == {"kubernetes.io/hostname", "topology.kubernetes.io/zone"}
    # What all replicas have to have in common is a file of the secret, and not made by each for itself.
    assert postgresql.configuration["server"]["cursorKey"] and postgresql.configuration["sealing"]["keys"]
    budget = one("base/disruption-budget.yaml")["spec"]
    assert budget["maxUnavailable"] == 1
    scaler = one("components/autoscaling/autoscaler.yaml")["spec"]
    assert scaler["minReplicas"] == postgresql.deployment["spec"]["replicas"]
    (metric,) = scaler["metrics"]
    (rule,) = yaml.safe_load((KUBERNETES.parent / "monitoring/prometheus-adapter.yaml").read_text())["rules"]["custom"]
    assert metric["pods"]["metric"]["name"] == rule["name"]["as"]
