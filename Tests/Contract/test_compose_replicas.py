"""Deploy/compose.replicas.yaml fits the programs, the proxy's files and itself. `Tests/Kubernetes/run` checks its schema."""

import re
import shutil
import subprocess
from urllib.parse import urlsplit

import pytest
import yaml

import evidence
import replicas
import servers

DEPLOY = evidence.ROOT / "Deploy"
COMPOSE = yaml.safe_load((DEPLOY / "compose.replicas.yaml").read_text())
SERVICES = COMPOSE["services"]
GATEWAYS = ("gateway-1", "gateway-2")


def configuration() -> str:
    """What the service `configuration` writes."""
    command = list(SERVICES["configuration"]["command"])
    at = command.index("--output")
    del command[at : at + 2]
    return subprocess.run([servers.SANDBOX, *command], capture_output=True, text=True, check=True, timeout=30).stdout


def test_both_gateways_are_the_same():
    first, second = (SERVICES[name] for name in GATEWAYS)
    assert first == second and "ports" not in first
    one = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]["gateway"]
    for name in ("build", "image", "command", "environment", "read_only", "cap_drop", "security_opt", "stop_grace_period"):
        assert first[name] == one[name], name


def test_the_configuration_names_the_database_and_the_secrets_that_there_are(tmp_path):
    text = configuration()
    written = yaml.safe_load(text)
    url = urlsplit(written["ledger"]["url"])
    database = SERVICES["postgresql"]
    assert (url.hostname, url.port, url.password) == ("postgresql", 5432, None)
    assert url.username == database["environment"]["POSTGRES_USER"]
    assert url.path == "/" + database["environment"]["POSTGRES_DB"]
    assert f"file:{database['environment']['POSTGRES_PASSWORD_FILE']}" == written["ledger"]["password"]
    named = set(re.findall(r"file:/run/secrets/([\w-]+)", text))
    assert named == set(SERVICES["gateway-1"]["secrets"]) and set(database["secrets"]) <= named
    if not replicas.knows_replicas():
        pytest.skip("the executable has no ledger.url")
    # The program takes it, with these files elsewhere.
    for name in named:
        (tmp_path / name).write_text("a secret of the test")
        text = text.replace(f"/run/secrets/{name}", str(tmp_path / name))
    file = tmp_path / "gateway.yaml"
    file.write_text(text)
    environment = SERVICES["gateway-1"]["environment"]
    checked = subprocess.run(
        [servers.BINARY, "check", "--offline", "--config", file], env=environment, capture_output=True, text=True, timeout=30
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_the_secrets_are_those_that_the_script_makes(tmp_path):
    shutil.copy(DEPLOY / "compose-secrets", tmp_path)
    for _ in range(2):
        subprocess.run([tmp_path / "compose-secrets"], check=True, capture_output=True, timeout=60)
    made = {path.name: path for path in (tmp_path / "secrets").iterdir()}
    assert {secret["file"] for secret in COMPOSE["secrets"].values()} == {f"./secrets/{name}" for name in made}
    used = [secret["source"] if isinstance(secret, dict) else secret for service in SERVICES.values() for secret in
            service.get("secrets", [])]
    assert set(used) == COMPOSE["secrets"].keys()
    assert (tmp_path / "secrets").stat().st_mode & 0o777 == 0o700
    assert len(made["ledger-password"].read_bytes()) == len(made["cursor-key"].read_bytes()) == 64
    pair = made["certificate.pem"].read_text()
    assert pair.count("BEGIN CERTIFICATE") == pair.count("BEGIN PRIVATE KEY") == 1
    assert "Deploy/secrets/" in (evidence.ROOT / ".gitignore").read_text().splitlines()


def test_the_proxy_has_its_files_and_knows_the_gateways():
    proxy = SERVICES["proxy"]
    mounted = dict(mount.split(":")[:2][::-1] for mount in proxy["volumes"])
    assert proxy["command"] == ["haproxy", *(word for path in mounted for word in ("-f", path))]
    own, replicas = ((DEPLOY / source).read_text() for source in mounted.values())
    (secret,) = proxy["secrets"]
    assert secret["target"] in own
    assert re.findall(r"^ +server (\S+) (\S+)$", replicas, re.M) == [(name, f"{name}:8080") for name in GATEWAYS]
    # The second file listens where the first one calls.
    (called,) = re.findall(r"^ +server gateway (\S+)$", own, re.M)
    assert re.findall(r"^ +bind (\S+)$", replicas, re.M) == [called]


def test_everything_starts_when_what_it_needs_is_there():
    needs = SERVICES["gateway-1"]["depends_on"]
    assert needs["postgresql"]["condition"] == "service_healthy" and "pg_isready" in SERVICES["postgresql"]["healthcheck"]["test"]
    assert needs["configuration"]["condition"] == "service_completed_successfully"
    assert {name: need["condition"] for name, need in SERVICES["proxy"]["depends_on"].items()} == dict.fromkeys(
        GATEWAYS, "service_healthy")
    assert "HEALTHCHECK" in (DEPLOY / "Dockerfile").read_text()
    volumes = {mount.split(":")[0] for service in SERVICES.values() for mount in service.get("volumes", []) if mount[0] != "."}
    assert volumes == COMPOSE["volumes"].keys()
