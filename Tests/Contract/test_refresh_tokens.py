"""In the caller's name, and beyond the caller's token: refresh tokens that rest sealed while their export runs, and no longer.

Jobs run longer here than the tokens that they were started with. The sandbox takes a user's token for 300 s after its end, as
Entra ID does, so a token that is to be good for 2 s ended 298 s ago.
"""

import contextlib
import json
import sqlite3
import subprocess

import pytest

import bodies
import evidence
import servers
from client import call, poll
from credentials import on_behalf_of
from test_credentials import check, checked, gateway

SKEW = 300
WAITS = "upstream-authorization-required"

# For what takes more than one start of the gateway, or more than one token of the user's.
slowly = pytest.mark.parametrize("upstream", ["22s"], indirect=True)
# Polls do not grow rare while a job runs: eDiscovery names no time for the next one.
BUSY = {"engine": {"maximumPollInterval": "300ms"}}


@pytest.fixture
def upstream(request):
    with servers.sandbox(job_duration=getattr(request, "param", "9s"), token_lifetime="3s") as sandbox:
        yield sandbox


@pytest.fixture
def credential(upstream, tmp_path):
    credential = on_behalf_of(upstream, tmp_path)
    credential.section["keepRefreshTokens"] = True
    return credential


@pytest.fixture
def server(upstream, credential, tmp_path):
    """A gateway with one sealing key, `a`."""
    with gateway(upstream, credential, sealing=sealing(tmp_path, "a"), **BUSY) as server:
        yield server


def sealing(directory, *ids: str) -> dict:
    """The section with these keys, made as `Identity-Upstream, Refresh tokens` says where they are new. The last one seals."""
    entries = []
    for id in ids:
        file = directory / f"sealing-{id}"
        if not file.exists():
            with file.open("wb") as output:
                subprocess.run(["openssl", "rand", "-base64", "32"], stdout=output, check=True)
            evidence.keep_secrets([file.read_text().strip()])
        entries.append({"id": id, "key": f"file:{file}"})
    return {"current": ids[-1], "keys": entries}


def user(upstream, seconds: int) -> dict[str, str]:
    """A user's token that the authority takes for so many seconds, and up to one more: its end is a whole second."""
    return {"Upstream-Authorization": f"Bearer {upstream.mint(lifetime=seconds + 1 - SKEW)}"}


def started(server, upstream) -> dict:
    """An export that runs, and whose user does not come back; its refresh token rests in the ledger."""
    answer = server.call("POST", "/exports", user(upstream, 2), bodies.search_result())
    assert answer.status == 202, answer.body
    export = server.watch(answer.json, until=lambda export: "id" in export.get("upstream", {}))
    poll("a refresh token at rest", lambda: resting(server))
    return export


def resting(server) -> list[bytes]:
    """What rests in the ledger."""
    with contextlib.closing(sqlite3.connect(server.directory / "ledger.sqlite")) as ledger:
        return [sealed for (sealed,) in ledger.execute("SELECT sealed FROM refresh_token")]


def key_of(sealed: bytes) -> str:
    """The id of the key that seals it: behind the version, its length, then its letters."""
    return sealed[2 : 2 + sealed[1]].decode()


def nothing_in_clear(server, upstream) -> None:
    """No refresh token that was ever issued stands in the ledger, its write-ahead log included, nor in a log."""
    issued = {secret for secret in upstream.secrets() if secret.startswith("sbxr.")}
    assert issued
    files = [path for path in server.directory.iterdir() if path.is_file()]
    assert {"ledger.sqlite", "ledger.sqlite-wal", "stderr.log"} <= {path.name for path in files}
    # Without the sandbox's mark too, in case that somebody takes tokens apart.
    assert evidence.occurrences(files, issued | {token.removeprefix("sbxr.") for token in issued}) == []


def went_on(server, upstream, export) -> None:
    """The export ended well with nobody watching but a caller without its user's token, and nothing rests any more."""
    nothing_in_clear(server, upstream)
    ended = server.succeeded(export)
    assert "notice" not in ended, ended
    assert upstream.tokens()["refreshToken"] >= 1
    assert len(upstream.jobs()) == 1
    assert resting(server) == []
    nothing_in_clear(server, upstream)
    checked(server, upstream, ended, user(upstream, 600))


def restarted(server, keys: dict | None = None) -> None:
    """`kill -9`, and a new start, with other keys where they are given."""
    server.kill()
    if keys is not None:
        server.configuration["sealing"] = keys
        (server.directory / "gateway.yaml").write_text(json.dumps(server.configuration))
    server.start()


def waits(server, export) -> None:
    """It says that its caller has to come, and nothing of its user's rests any more."""

    def says_so(export: dict) -> bool:
        return export.get("notice", {}).get("code") == WAITS

    assert server.watch(export, until=says_so)["tracking"] == "onRequest"
    assert resting(server) == []


def test_the_export_goes_on_after_its_users_token(server, upstream):
    went_on(server, upstream, started(server, upstream))


def test_without_the_setting_it_waits(upstream, tmp_path):
    with gateway(upstream, on_behalf_of(upstream, tmp_path), **BUSY) as server:
        export = server.call("POST", "/exports", user(upstream, 2), bodies.search_result()).json
        waits(server, export)
        assert not [secret for secret in upstream.secrets() if secret.startswith("sbxr.")]
        server.call("GET", f"/exports/{export['id']}", user(upstream, 600))
        server.succeeded(export)


def test_it_goes_on_after_a_crash_without_any_caller(server, upstream):
    export = started(server, upstream)
    restarted(server)
    went_on(server, upstream, export)


@pytest.mark.long
@slowly
def test_keys_are_rotated_over_three_starts(server, upstream, tmp_path):
    export = started(server, upstream)
    assert [key_of(sealed) for sealed in resting(server)] == ["a"]
    restarted(server, sealing(tmp_path, "a", "b"))
    poll("the token sealed anew", lambda: [key_of(sealed) for sealed in resting(server)] == ["b"])
    restarted(server, sealing(tmp_path, "b"))
    assert server.export(export)["tracking"] == "background"
    went_on(server, upstream, export)


@pytest.mark.long
@slowly
def test_a_key_that_is_gone_leaves_the_export_to_its_caller(server, upstream, tmp_path):
    export = started(server, upstream)
    restarted(server, sealing(tmp_path, "b"))
    waits(server, export)
    server.call("GET", f"/exports/{export['id']}", user(upstream, 600))
    server.succeeded(export)
    assert len(upstream.jobs()) == 1


@pytest.mark.long
@slowly
def test_what_is_revoked_is_removed_and_the_caller_is_asked(server, upstream):
    export = started(server, upstream)
    # Not before the user's own token has ended, which would get another refresh token.
    poll("the first use", lambda: upstream.tokens().get("refreshToken"))
    assert call(upstream.api, "DELETE", "/_sandbox/refresh-tokens").status == 204
    waits(server, export)
    used = upstream.tokens()["refreshToken"]
    # The user comes back for two seconds, and what comes of that is kept again.
    server.call("GET", f"/exports/{export['id']}", user(upstream, 2))
    went_on(server, upstream, export)
    assert upstream.tokens()["refreshToken"] > used


def test_it_is_removed_when_the_export_is_canceled(server, upstream):
    export = started(server, upstream)
    assert server.call("DELETE", f"/exports/{export['id']}").status in (200, 202, 204)
    server.watch(export)
    assert resting(server) == []
    nothing_in_clear(server, upstream)


def test_an_authority_that_is_down_costs_nothing(server, upstream):
    export = started(server, upstream)
    upstream.rule("entra.token", {"kind": "throttled", "retryAfter": "1"}, match="refresh_token", times=2)
    went_on(server, upstream, export)


def test_files_are_for_who_brings_a_token(server, upstream):
    """What is kept is for the export's own progress: it opens no file to somebody without a token."""
    export = started(server, upstream)
    path = server.succeeded(export)["files"][0]["href"]
    answer = server.call("GET", path)
    assert answer.status in (401, 403) and answer.json["code"] == WAITS, answer.body
    assert server.call("GET", path, user(upstream, 600)).status == 200


def test_check_names_the_keys_and_shows_none(server, upstream, tmp_path):
    result = servers.run("check", "--config", str(server.directory / "gateway.yaml"))
    assert result.returncode == 0, result
    assert "sealing: keys a; a seals" in result.stdout
    assert "Refresh tokens are kept, sealed" in result.stdout
    assert (tmp_path / "sealing-a").read_text().strip() not in result.stdout + result.stderr


def test_keeping_needs_a_key(upstream, credential):
    result = check("check", upstream, credential)
    assert result.returncode == 78, result
    assert "sealing.keys: is needed" in result.stderr
