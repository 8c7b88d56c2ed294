"""The compose files fit their schema and each other, and HAProxy runs with the files that they mount."""

import contextlib
import re
import shutil
import ssl
import subprocess
import sys
import urllib.error
import urllib.request

import pytest

import bodies
import evidence
import identities
import postgresql
import replicas
import servers
from client import poll

DEPLOY = evidence.ROOT / "Deploy"
FILES = ("compose.yaml", "compose.replicas.yaml")


@pytest.mark.parametrize("file", FILES)
def test_a_file_fits_the_schema(file):
    """https://github.com/compose-spec/compose-spec, as check-jsonschema brings it along."""
    words = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(DEPLOY / file)]
    result = subprocess.run(words, capture_output=True, text=True, timeout=60)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize("file", FILES)
def test_compose_itself_takes_a_file(file):
    docker = shutil.which("docker")
    if docker is None or subprocess.run([docker, "compose", "version"], capture_output=True).returncode:
        pytest.skip("docker compose is not on this machine; the schema is all that was checked")
    result = subprocess.run([docker, "compose", "--file", DEPLOY / file, "config", "--quiet"], capture_output=True, text=True)
    assert result.returncode == 0 and not result.stderr, result.stderr


@contextlib.contextmanager
def two_gateways(upstream: servers.Sandbox):
    """On one database; where that cannot be, each on a ledger of its own."""
    if postgresql.available() and replicas.knows_replicas():
        with replicas.database() as database, replicas.replicas(upstream, database, 2) as group:
            yield tuple(group)
    else:
        with servers.gateway(upstream) as first, servers.gateway(upstream) as second:
            yield first, second


def test_haproxy_spreads_over_two_replicas_and_does_without_one(program):
    directory = evidence.directory("proxy")
    files = identities.server_files(directory)
    pair = directory / "pair.pem"
    pair.write_bytes(files.certificate.read_bytes() + files.key.read_bytes())
    port, inner = servers.free_port(), servers.free_port()
    with servers.sandbox() as upstream, two_gateways(upstream) as (first, second):
        # Only what a machine of its own would have is replaced: addresses, ports, the certificate's place, the user.
        own = {
            r"bind :443 ": f"bind 127.0.0.1:{port} ",
            r"127\.0\.0\.1:8080": f"127.0.0.1:{inner}",
            r"/etc/haproxy/exports\.example\.com\.pem": str(pair),
            r"^ +(?:user|group) haproxy\n": "",
        }
        both = {
            r"127\.0\.0\.1:8080": f"127.0.0.1:{inner}",
            r"gateway-1:8080": f"127.0.0.1:{first.port}",
            r"gateway-2:8080": f"127.0.0.1:{second.port}",
        }
        words = []
        for name, replaced in (("haproxy.cfg", own), ("haproxy-replicas.cfg", both)):
            text = (DEPLOY / "proxies" / name).read_text()
            for pattern, by in replaced.items():
                text, count = re.subn(pattern, by, text, flags=re.M)
                assert count, (name, pattern)
            (directory / name).write_text(text)
            words += ["-f", str(directory / name)]
        proxy = program("haproxy", "-db", *words)
        context = ssl.create_default_context(cafile=files.authority)

        def status(path: str = "/livez", **headers: str) -> int:
            request = urllib.request.Request(f"https://localhost:{port}{path}", headers=headers)
            try:
                with urllib.request.urlopen(request, context=context, timeout=10) as answer:
                    return answer.status
            except urllib.error.HTTPError as error:
                return error.code
            except OSError:
                assert proxy.exit_code is None, proxy.lines()
                return 0

        poll("the proxy", lambda: status() == 200)
        for _ in range(20):
            assert status() == 200

        def answered(gateway: servers.Gateway) -> float:
            return gateway.metric("http_server_request_duration_seconds_count", http_route="/livez")

        assert answered(first) >= 5 and answered(second) >= 5
        made = first.create(bodies.report())
        # One is gone without a word: a request that comes before that is noticed goes to the other one.
        first.kill()
        assert [status() for _ in range(20)] == [200] * 20
        if isinstance(second, replicas.Replica):
            # What it accepted is known to the other one, and goes on there.
            assert status(f"/exports/{made['id']}", Authorization=f"Bearer {second.key}") == 200
            second.succeeded(made)
        poll("the end of the checks", lambda: "is DOWN" in proxy.lines() + proxy.output.read_text(), within=20)
        assert [status() for _ in range(20)] == [200] * 20
        first.start()
        poll("its return", lambda: status() == 200 and answered(first) >= 1)
