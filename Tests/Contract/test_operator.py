"""What an operator does, and what an operator does wrong: the key is named, and the exit code says whose mistake it is."""

import hashlib
import json
import re
import subprocess

import pytest

import bodies
import evidence
import servers

CONFIGURATION_ERROR = 78
USAGE = 64

GOOD = """\
server:
  host: 127.0.0.1
  port: 0
ledger:
  path: {directory}/ledger.sqlite
connections:
  - name: bi
    provider: power-bi
    apiRoot: {api}
    allowPlainHTTP: true
    credential:
      type: clientSecret
      authority: {api}
      tenantId: 11111111-1111-1111-1111-111111111111
      clientId: 22222222-2222-2222-2222-222222222222
      clientSecret: env:BI_SECRET
"""
ENVIRONMENT = {"BI_SECRET": "sandbox-client-secret-0f3c9a"}


def command(name, text, environment=ENVIRONMENT, *more):
    """Runs a command on a configuration."""
    directory = evidence.directory(name)
    file = directory / "gateway.yaml"
    file.write_text(text.replace("{directory}", str(directory)).replace("{api}", "http://127.0.0.1:9"))
    result = servers.run(name, "--config", str(file), *more, environment=environment)
    (directory / "stderr.log").write_text(result.stderr)
    (directory / "stdout.log").write_text(result.stdout)
    return result


# What is changed in a good configuration: (from, to), the environment, and what standard error has to name.
WRONG = {
    "unknown key": (("  host:", "  hots:"), ENVIRONMENT, ["server.hots", "host"]),
    "unknown section": (("ledger:", "leger:"), ENVIRONMENT, ["leger", "known are", "ledger"]),
    "literal secret": (("env:BI_SECRET", "hunter2-literal-secret"), ENVIRONMENT, ["clientSecret", "env:"]),
    "missing variable": (("env:BI_SECRET", "env:NOT_THERE"), ENVIRONMENT, ["clientSecret", "NOT_THERE"]),
    "missing file": (("env:BI_SECRET", "file:/not/there"), ENVIRONMENT, ["clientSecret", "/not/there"]),
    "open without keys": (("host: 127.0.0.1", "host: 0.0.0.0"), ENVIRONMENT, ["apiKeys"]),
    "bad duration": (("  port: 0", "  port: 0\n  drainTimeout: 30"), ENVIRONMENT, ["server.drainTimeout", "30s"]),
    "bad port": (("  port: 0", "  port: 70000"), ENVIRONMENT, ["server.port"]),
    "no connections": (("connections:", "x-connections:"), ENVIRONMENT, ["connections"]),
    "unknown provider": (("power-bi", "power-by"), ENVIRONMENT, ["provider", "power-bi"]),
    "plain http": (("    allowPlainHTTP: true\n", ""), ENVIRONMENT, ["https", "allowPlainHTTP"]),
    "bad name": (("name: bi", "name: B I"), ENVIRONMENT, ["name"]),
    "unknown variable": (
        ("port: 0", "port: 0"),
        ENVIRONMENT | {"EXPORT_GATEWAY_SERVER_PROT": "1"},
        ["EXPORT_GATEWAY_SERVER_PROT"],
    ),
    "bad variable": (
        ("port: 0", "port: 0"),
        ENVIRONMENT | {"EXPORT_GATEWAY_SERVER_PORT": "http"},
        ["EXPORT_GATEWAY_SERVER_PORT"],
    ),
    "not yaml": (("server:", "server: ["), ENVIRONMENT, ["YAML", "line"]),
}


@pytest.mark.parametrize("mistake", WRONG)
@pytest.mark.parametrize("name", ["serve", "check"])
def test_a_wrong_configuration_names_the_key(name, mistake):
    (old, new), environment, named = WRONG[mistake]
    assert old in GOOD
    more = ["--offline"] if name == "check" else []
    result = command(name, GOOD.replace(old, new, 1), environment, *more)
    assert result.returncode == CONFIGURATION_ERROR, result
    for word in named:
        assert word in result.stderr, result.stderr
    assert "hunter2" not in result.stderr
    assert ENVIRONMENT["BI_SECRET"] not in result.stderr


def test_an_unknown_key_is_found_by_its_line():
    result = command("check", GOOD.replace("  port: 0", "  port: 0\n  drainTimout: 30s"), ENVIRONMENT, "--offline")
    assert "drainTimeout" in result.stderr and re.search(r"\b4\b", result.stderr), result.stderr


def test_a_configuration_that_is_not_there():
    result = servers.run("serve", "--config", "/not/there.yaml")
    assert result.returncode == CONFIGURATION_ERROR and "/not/there.yaml" in result.stderr


def test_wrong_usage():
    assert servers.run("serve").returncode == USAGE
    assert servers.run("surve").returncode == USAGE
    assert servers.run("--help").returncode == 0


def test_check_offline():
    result = command("check", GOOD, ENVIRONMENT, "--offline")
    assert result.returncode == 0, result


def test_check_tries_a_token():
    with servers.sandbox() as upstream:
        text = GOOD.replace("{api}", upstream.api)
        result = command("check", text)
        assert result.returncode == 0, result
        assert upstream.account()["counts"]["entra.token"] == 1
        wrong = command("check", text, {"BI_SECRET": "wrong-secret-77aa"})
        assert wrong.returncode == 1, wrong
        assert "bi" in wrong.stdout + wrong.stderr
        assert "wrong-secret-77aa" not in wrong.stdout + wrong.stderr


@pytest.mark.long
def test_check_fails_where_the_authority_is_not_there():
    result = command("check", GOOD)
    assert result.returncode == 1, result


def test_hash_key():
    result = servers.run("hash-key", "--id", "reporting", stdin="a key of my own making, long enough\n")
    assert result.returncode == 0, result
    digest = hashlib.sha256(b"a key of my own making, long enough").hexdigest()
    assert "id: reporting" in result.stdout and digest in result.stdout
    assert "a key of my own" not in result.stdout


def test_a_generated_key_opens_the_gateway():
    result = servers.run("hash-key", "--generate", "--id", "reporting")
    assert result.returncode == 0, result
    digest = re.search(r"\b[0-9a-f]{64}\b", result.stdout)[0]
    (key,) = [word for word in result.stderr.split() if hashlib.sha256(word.encode()).hexdigest() == digest]
    assert key not in result.stdout
    evidence.keep_secrets([key])
    again = servers.run("hash-key", "--generate")
    assert digest not in again.stdout
    with servers.sandbox() as upstream:
        keys = [{"id": "reporting", "sha256": digest}]
        with servers.gateway(upstream, server={"apiKeys": keys}, authenticated=False) as gateway:
            assert servers.call(gateway.address, "GET", "/exports").status == 401
            assert servers.call(gateway.address, "GET", "/exports", {"Authorization": f"Bearer {key}"}).status == 200


def test_environment_overrides_the_file():
    with servers.sandbox() as upstream, servers.gateway(upstream, start=False) as gateway:
        port = servers.free_port()
        file = gateway.directory / "gateway.yaml"
        process = servers.Process(
            ["serve", "--config", str(file)],
            gateway.directory,
            {"SANDBOX_CLIENT_SECRET": "x", "EXPORT_GATEWAY_SERVER_PORT": str(port), "EXPORT_GATEWAY_LOG_FORMAT": "text"},
        )
        process.start()
        try:
            servers.poll("the other port", lambda: answers(f"http://127.0.0.1:{port}"))
        finally:
            assert process.stop() == 0
        first = process.lines().splitlines()[0]
        with pytest.raises(ValueError):
            json.loads(first)


def answers(address: str) -> bool:
    try:
        return servers.call(address, "GET", "/readyz", timeout=5).status == 200
    except OSError:
        return False


def test_a_second_gateway_on_the_same_ledger_is_refused():
    with servers.sandbox() as upstream, servers.gateway(upstream) as gateway:
        file = gateway.directory / "gateway.yaml"
        result = servers.run(
            "serve",
            "--config",
            str(file),
            environment={"SANDBOX_CLIENT_SECRET": "x", "EXPORT_GATEWAY_SERVER_PORT": str(servers.free_port())},
        )
        assert result.returncode == CONFIGURATION_ERROR and "ledger" in result.stderr, result
        assert gateway.get("/readyz").status == 200


def test_a_backup_made_while_it_runs_can_be_restored():
    with servers.sandbox() as upstream, servers.gateway(upstream) as gateway:
        export = gateway.succeeded(gateway.create(bodies.report()))
        ledger = gateway.directory / "ledger.sqlite"
        copy = gateway.directory / "copy.sqlite"
        subprocess.run(["sqlite3", str(ledger), f".backup '{copy}'"], check=True)
        later = gateway.create(bodies.report("Later"))
        gateway.succeeded(later)
        assert gateway.process.stop() == 0
        for path in gateway.directory.glob("ledger.sqlite*"):
            path.unlink()
        copy.rename(ledger)
        gateway.start()
        assert gateway.export(export)["status"] == "succeeded"
        assert gateway.download(f"{export['href']}/content").status == 200
        gateway.get(later["href"]).problem(404, "not-found")


def test_logs_are_json_lines():
    with servers.sandbox() as upstream, servers.gateway(upstream) as gateway:
        gateway.get("/exports")
        lines = [json.loads(line) for line in gateway.process.lines().splitlines()]
        listening = [line for line in lines if "Listening" in line["message"]]
        assert len(listening) == 1 and str(gateway.port) in json.dumps(listening[0])
