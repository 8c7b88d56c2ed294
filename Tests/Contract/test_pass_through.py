"""eDiscovery on callers' own tokens, passed through: one for Graph, and with downloads a second one for the download proxy."""

import base64
import hashlib
import io
import secrets
import zipfile

import pytest

import bodies
import evidence
import servers
from client import call
from credentials import GRAPH, PURVIEW_DOWNLOAD, Credential, bearing, in_ediscovery
from test_credentials import succeeded
from test_on_behalf_of import CLAIMS

HEADER = "Upstream-Download-Authorization"
NEEDED = "upstream-authorization-required"


@pytest.fixture
def credential(upstream):
    return in_ediscovery(Credential({"type": "passThrough"}), upstream)


def gateway(upstream, credential: Credential, **sections):
    connection = servers.connections(upstream)[0] | {"credential": credential.section}
    return servers.gateway(upstream, connections=[connection], **sections)


def exported(server, credential) -> dict:
    return succeeded(server, credential, bodies.search_result())


def proxied(upstream) -> int:
    """How often the download proxy was called."""
    return upstream.account()["counts"].get("download.proxy", 0)


def test_a_download_needs_the_second_token_each_time(upstream, credential):
    with gateway(upstream, credential) as server:
        file = exported(server, credential)["files"][0]["href"]
        for _ in range(2):
            problem = server.call("GET", file, credential.headers).problem(403, NEEDED)
            assert HEADER in problem["detail"] and PURVIEW_DOWNLOAD in problem["detail"], problem
            # Nobody has asked the proxy; the token for Graph, which nobody has refused, is still there.
            assert proxied(upstream) == 0
            assert server.call("GET", file).problem(403, NEEDED)["detail"] == problem["detail"]
        assert server.call("GET", file, credential.with_downloads).status == 200
        served = proxied(upstream)
        assert served > 0
        # It is not kept.
        assert HEADER in server.call("GET", file).problem(403, NEEDED)["detail"]
        assert proxied(upstream) == served


def test_what_asks_no_upstream_needs_none(upstream, credential):
    with gateway(upstream, credential) as server:
        export = exported(server, credential)
        for headers in ({}, credential.with_downloads):
            answer = server.call("HEAD", export["files"][0]["href"], headers)
            assert answer.status == 200
        known = {"If-None-Match": "*"}
        assert server.call("GET", export["files"][0]["href"], known).status == 304
        assert proxied(upstream) == 0


def test_an_archive_takes_it_too(upstream, credential):
    with gateway(upstream, credential) as server:
        export = exported(server, credential)
        zipped = credential.headers | {"Accept": "application/zip"}
        server.call("GET", f"{export['href']}/content", zipped).problem(403, NEEDED)
        answer = server.call("GET", f"{export['href']}/content", zipped | credential.with_downloads)
        assert answer.status == 200
        (job,) = upstream.jobs()
        archive = zipfile.ZipFile(io.BytesIO(answer.body))
        digests = [hashlib.sha256(archive.read(name)).hexdigest() for name in archive.namelist()]
        assert sorted(digests) == sorted(file["sha256"] for file in job["files"])


def test_each_token_in_the_others_place_is_refused(upstream, credential):
    with gateway(upstream, credential) as server:
        file = exported(server, credential)["files"][0]["href"]
        problem = server.call("GET", file, bearing(upstream, GRAPH, HEADER)).problem(403, NEEDED)
        assert "eDiscovery.Download.Read" in problem["detail"], problem
        wrong = bearing(upstream, PURVIEW_DOWNLOAD) | credential.with_downloads
        problem = server.call("GET", file, wrong).problem(403, NEEDED)
        assert "Microsoft Graph refused" in problem["detail"], problem
        assert server.call("GET", file, credential.headers | credential.with_downloads).status == 200


def test_a_claims_challenge_of_the_proxy_goes_back_to_the_caller(upstream, credential):
    with gateway(upstream, credential) as server:
        file = exported(server, credential)["files"][0]["href"]
        encoded = base64.b64encode(CLAIMS.encode()).decode()
        challenge = f'Bearer realm="", error="insufficient_claims", claims="{encoded}"'
        upstream.rule("download.proxy", {"kind": "status", "status": 401, "headers": {"WWW-Authenticate": challenge}})
        answer = server.call("GET", file, credential.with_downloads)
        problem = answer.problem(401, "upstream-claims-required")
        assert f'claims="{encoded}"' in answer.headers["www-authenticate"]
        assert "in the header that the former one came in" in problem["detail"], problem
        assert proxied(upstream) == 1
        upstream.remove_rules()
        assert server.call("GET", file, bearing(upstream, PURVIEW_DOWNLOAD, HEADER)).status == 200


def test_it_is_refused_with_anything_else(upstream, credential):
    with gateway(upstream, credential) as server:
        export = exported(server, credential)
        both = credential.headers | credential.with_downloads
        path = export["href"]
        for method, target in [
            ("POST", "/exports"), ("GET", "/exports"), ("GET", path), ("DELETE", path), ("GET", f"{path}/files"),
            ("GET", f"{path}/deliveries"), ("GET", "/providers"), ("GET", "/livez"),
        ]:  # fmt: skip
            body = bodies.search_result() if method == "POST" else None
            problem = server.call(method, target, both, body).problem(400, "invalid-parameter")
            assert problem["parameter"] == HEADER and "/exports/{id}/content" in problem["detail"], target
        assert len(upstream.jobs()) == 1


def test_another_caller_downloads_with_tokens_of_its_own(upstream, credential):
    keys = {name: f"{name}-{secrets.token_hex(16)}" for name in ("owner", "auditor")}
    evidence.keep_secrets(list(keys.values()))
    entries = [{"id": name, "sha256": hashlib.sha256(key.encode()).hexdigest()} for name, key in keys.items()]
    entries[1]["permissions"] = ["Exports.ReadAll", "Exports.Download"]
    with gateway(upstream, credential, authenticated=False, server={"apiKeys": entries}) as server:
        owner, auditor = ({"Authorization": f"Bearer {keys[name]}"} for name in ("owner", "auditor"))
        mine = Credential(credential.section, headers=credential.headers | owner)
        file = exported(server, mine)["files"][0]["href"]
        problem = server.call("GET", file, auditor | credential.with_downloads).problem(403, NEEDED)
        assert "Upstream-Authorization" in problem["detail"], problem
        own = in_ediscovery(credential, upstream)
        both = auditor | own.headers | own.with_downloads
        for _ in range(2):
            assert server.call("GET", file, both).status == 200
        # Neither of them is there for the next call, and the owner's is.
        server.call("GET", file, auditor | own.with_downloads).problem(403, NEEDED)
        assert server.call("GET", file, owner | credential.with_downloads).status == 200


def test_check_says_what_callers_have_to_bring(upstream, credential):
    with gateway(upstream, credential, start=False) as server:
        result = servers.run("check", "--config", str(server.directory / "gateway.yaml"))
    assert result.returncode == 0, result
    for word in ("Upstream-Authorization", f"{GRAPH}/.default", HEADER, f"{PURVIEW_DOWNLOAD}/.default"):
        assert word in result.stdout, result
    assert call(upstream.api, "GET", "/_sandbox/account").json["tokens"] == {"clientSecret": 2}
