"""The commands of clients, in a pipe and on a terminal: what they print, how they end, and what they download."""

import base64
import hashlib
import json
import os
import re
import signal
import socket
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

import bodies
import raw_servers
import servers
from client import poll
from command_line import Caller, CompletingProxy, Standin, problem, reply, standin
from raw_upstream import Source
from tcp_proxy import TCPProxy

REPORT = ["power-bi", f"groupId={bodies.GROUP}", f"reportId={bodies.REPORT}", "format=PDF"]
RUNNING = {"id": "01981f3e-7c1a-7b52-9d3e-0242ac120002", "status": "running", "files": []}
ENDED = RUNNING | {"completedAt": "2026-07-02T09:16:40.765Z"}
#: A fault of the moment is not tried for long.
ONCE = ["--retries", "0"]
MIB = 1 << 20


@pytest.fixture(scope="module")
def service():
    with servers.sandbox() as upstream, servers.gateway(upstream) as gateway:
        yield upstream, gateway


@pytest.fixture
def caller(service, tmp_path):
    upstream, gateway = service
    yield Caller(gateway.address, gateway.key, tmp_path / "home")
    upstream.remove_rules()


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


# The one line, and what is printed.


def test_one_line_creates_waits_and_downloads(caller, tmp_path):
    ended = caller.run("exports", "create", *REPORT, "--name", "Sales", "--download", tmp_path / "files", "-o", "json")
    assert ended.code == 0, ended.err
    assert ended.json["export"]["status"] == "succeeded" and ended.json["export"]["name"] == "Sales"
    (file,) = ended.json["downloads"]
    assert names(tmp_path / "files") == [Path(file["path"]).name]
    assert file["sha256"] == digest(Path(file["path"])) and file["check"] in ("digest", "delivery")
    assert "\x1b" not in ended.err and "accepted" in ended.err and "succeeded" in ended.err


def test_each_command_prints_json_and_tables(caller, tmp_path):
    # A list of one has a next page where there are two.
    assert caller.run("exports", "create", *REPORT, "-o", "json").code == 0
    created = caller.run("exports", "create", *REPORT, "-o", "json").json
    watched = caller.run("exports", "watch", created["id"], "-o", "json")
    assert (watched.code, watched.json["status"]) == (0, "succeeded")
    assert caller.run("exports", "download", created["id"], tmp_path / "files").code == 0
    commands = {
        "show": ["exports", "show", created["id"]],
        "list": ["exports", "list", "--limit", "1"],
        "deliveries": ["exports", "deliveries", created["id"]],
        "cancel": ["exports", "cancel", created["id"]],
        "providers": ["providers"],
        "provider": ["providers", "power-bi"],
    }
    found = {name: caller.run(*words, "-o", "json") for name, words in commands.items()}
    tables = {name: caller.run(*words) for name, words in commands.items()}
    assert {ended.code for ended in [*found.values(), *tables.values()]} == {0}
    assert found["show"].json["files"][0]["sha256"] in tables["show"].out
    assert found["list"].json["nextCursor"] in tables["list"].out and created["id"] in tables["list"].out
    (row,) = found["deliveries"].json["value"]
    assert row["sha256"] in tables["deliveries"].out and row["outcome"] == "whole"
    assert found["provider"].json["optionsMember"] == "powerBI" and "reportId" in tables["provider"].out
    assert {provider["id"] for provider in found["providers"].json["value"]} >= {"power-bi", "viva-goals"}


def test_a_list_goes_on_behind_its_cursor(caller):
    ids = [caller.run("exports", "create", *REPORT, "-o", "json").json["id"] for _ in range(3)]
    first = caller.run("exports", "list", "--limit", "2", "-o", "json").json
    second = caller.run("exports", "list", "--limit", "1", "--cursor", first["nextCursor"], "-o", "json").json
    assert [export["id"] for export in first["value"] + second["value"]] == ids[::-1]


def test_files_of_an_export_come_beside_each_other(caller, tmp_path):
    body = tmp_path / "body.json"
    body.write_text(json.dumps(bodies.search_result()))
    ended = caller.run("exports", "create", "--body", body, "--download", tmp_path / "files", "-o", "json")
    assert ended.code == 0, ended.err
    assert len(ended.json["downloads"]) == len(ended.json["export"]["files"]) > 1
    assert all(file["sha256"] == digest(Path(file["path"])) for file in ended.json["downloads"])
    again = caller.run("exports", "download", ended.json["export"]["id"], tmp_path / "files", "-o", "json")
    assert again.code == 0 and {file["fetchedBytes"] for file in again.json["downloads"]} == {0}


def test_a_callers_own_token_comes_from_the_environment(service, tmp_path):
    _, gateway = service
    caller = Caller(gateway.address, gateway.key, tmp_path, EXPORT_GATEWAY_UPSTREAM_TOKEN=bodies.GOALS_TOKEN)
    ended = caller.run("exports", "create", "--body", "-", "--download", tmp_path / "files", stdin=json.dumps(bodies.goals()))
    assert ended.code == 0, ended.err
    assert bodies.GOALS_TOKEN not in ended.out + ended.err


# A create is never doubled.


def test_a_create_whose_answer_is_lost_is_not_doubled(service, tmp_path):
    upstream, gateway = service
    before = len(upstream.jobs())
    target = gateway.address
    lost = []

    def answer(handler, method, path, fields, body):
        passed = {name: value for name, value in fields.items() if name not in ("host", "connection")}
        reached = servers.call(target, method, path, passed, body or None)
        if method == "POST" and len(lost) < 2:
            lost.append(fields["idempotency-key"])
            handler.close_connection = True
            return
        reply(handler, reached.status, reached.body, {"Content-Type": "application/json", "ETag": reached.headers.get("etag", "")})

    with Standin(answer) as proxy:
        ended = Caller(proxy.address, gateway.key, tmp_path).run("exports", "create", *REPORT, "--wait", "-o", "json")
        keys = {fields["idempotency-key"] for method, _, fields in proxy.calls if method == "POST"}
        assert sum(method == "POST" for method, _, _ in proxy.calls) == 3
    assert ended.code == 0, ended.err
    assert len(keys) == 1 and len(lost) == 2
    assert len(upstream.jobs()) == before + 1


def test_an_unknown_create_can_be_repeated_later(service, tmp_path):
    upstream, gateway = service
    with Standin(lambda handler, *_: setattr(handler, "close_connection", True)) as nobody:
        caller = Caller(nobody.address, gateway.key, tmp_path)
        ended = caller.run("exports", "create", "--body", "-", *ONCE, stdin=json.dumps(bodies.report()))
    assert ended.code == 40
    key = re.search(r"--idempotency-key (\S+)", ended.err)[1]
    before = len(upstream.jobs())
    caller = Caller(gateway.address, gateway.key, tmp_path)
    command = ["exports", "create", "--body", "-", "--idempotency-key", key, "--wait", "-o", "json"]
    found = {caller.run(*command, stdin=json.dumps(bodies.report())).json["id"] for _ in range(2)}
    assert len(found) == 1 and len(upstream.jobs()) == before + 1


@pytest.mark.parametrize(("answer", "code", "may"), [
    ((200, b"<html>"), 43, True), ((500, {"code": "internal-error", "detail": "No."}), 1, True), ((502, b""), 40, True),
    ((409, {"code": "idempotency-key-in-flight", "detail": "No."}), 24, True),
    ((422, {"code": "invalid-export", "detail": "No."}), 23, False), ((403, {"code": "forbidden", "detail": "No."}), 22, False),
])
def test_the_key_is_shown_unless_the_create_was_refused(tmp_path, answer, code, may):
    with standin(*answer) as gateway:
        ended = Caller(gateway.address, None, tmp_path).run("exports", "create", "--body", "-", *ONCE, stdin="{}")
        (_, _, fields), = gateway.calls
    key = fields["idempotency-key"].strip('"')
    assert ended.code == code and (f"--idempotency-key {key}" in ended.err) == may, ended.err


def test_a_create_that_was_ended_goes_on_and_is_not_doubled(tmp_path):
    with servers.sandbox(job_duration="4s") as upstream, servers.gateway(upstream) as gateway:
        caller = Caller(gateway.address, gateway.key, tmp_path)
        create = ["exports", "create", *REPORT, "--download", tmp_path / "files"]
        ended = caller.run(*create, "--timeout", "1s")
        assert ended.code == 42
        export, key = re.search(r"(\S+): accepted", ended.err)[1], re.search(r"--idempotency-key (\S+)", ended.err)[1]
        assert f"exports download {export} {tmp_path / 'files'} --wait" in ended.err
        again = caller.run(*create, "--idempotency-key", key, "-o", "json")
        assert (again.code, again.json["export"]["id"]) == (0, export), again.err
        assert caller.run("exports", "download", export, tmp_path / "files", "--wait").code == 0
        assert len(upstream.jobs()) == 1


# Every end has its code.


@pytest.mark.parametrize(("status", "code"), [
    ("succeeded", 0), ("failed", 10), ("canceled", 11), ("expired", 12), ("unknown", 13), ("partiallySucceeded", 14),
])
def test_the_end_of_an_export_is_the_code(tmp_path, status, code):
    with standin(200, ENDED | {"status": status}) as gateway:
        caller = Caller(gateway.address, None, tmp_path)
        assert caller.run("exports", "watch", RUNNING["id"]).code == code
        # Where files are wanted, a success without any is none.
        download = 15 if status in ("succeeded", "partiallySucceeded") else code
        for words in ([], ["--wait"]):
            assert caller.run("exports", "download", RUNNING["id"], tmp_path, *words).code == download
        assert caller.run("exports", "show", RUNNING["id"]).code == 0


BODY = ["exports", "create", "--body", "-", "-o", "json"]


def test_files_that_went_elsewhere_are_24(tmp_path):
    with standin(200, ENDED | {"status": "succeeded", "destination": "https://storage.example.com/x", "tracking": "background"}) as gateway:
        caller = Caller(gateway.address, None, tmp_path)
        for words in (["create", "--body", "-", "--download", tmp_path / "files"], ["download", RUNNING["id"], tmp_path / "files", "--wait"]):
            ended = caller.run("exports", *words, stdin="{}")
            assert ended.code == 24 and "https://storage.example.com/x" in ended.err
    assert not (tmp_path / "files").exists()


def test_files_that_are_late_are_waited_for(tmp_path):
    late = ENDED | {"status": "succeeded", "tracking": "background"}
    content = b"late"
    digest = {"Unencoded-Digest": f"sha-256=:{base64.b64encode(hashlib.sha256(content).digest()).decode()}:"}
    asked = []

    def answer(handler, method, path, fields, body):
        if "/files/" in path:
            return reply(handler, 200, content, digest)
        asked.append(method)
        export = late | {"files": [{"id": "1", "name": "late.csv"}]} if len(asked) > 3 else late
        reply(handler, 200, export, {"ETag": f'"{len(asked)}"'})

    with Standin(answer) as gateway:
        caller = Caller(gateway.address, None, tmp_path)
        assert caller.run("exports", "download", RUNNING["id"], tmp_path / "files").code == 24
        ended = caller.run(*BODY, "--download", tmp_path / "files", stdin="{}")
        assert ended.code == 0, ended.err
        assert (tmp_path / "files" / "late.csv").read_bytes() == content
        asked.clear()
        ended = caller.run(*BODY, "--download", tmp_path / "files", "--timeout", "1s", stdin="{}")
    assert ended.code == 42, ended.err


def test_a_real_export_that_failed_or_was_canceled(caller, service, tmp_path):
    upstream, _ = service
    upstream.rule("power-bi.*", {"kind": "failed"})
    ended = caller.run("exports", "create", *REPORT, "--download", tmp_path / "files")
    assert ended.code == 10 and "export-failed" in ended.out and not (tmp_path / "files").exists()
    upstream.remove_rules()
    upstream.rule("*", {"kind": "stuck"})
    stuck = caller.run("exports", "create", *REPORT, "-o", "json").json["id"]
    assert caller.run("exports", "download", stuck, tmp_path).code == 24
    watching = caller.start("exports", "watch", stuck)
    assert caller.run("exports", "cancel", stuck).code == 0
    assert caller.end(watching).code == 11


@pytest.mark.parametrize(("status", "name", "code"), [
    (400, "invalid-parameter", 23), (401, "unauthenticated", 21), (403, "forbidden", 22), (404, "not-found", 20),
    (409, "not-ready", 24), (410, "expired", 12), (422, "invalid-export", 23), (429, "too-many-requests", 25),
    (500, "internal-error", 1), (502, "upstream-broken", 26), (503, "unavailable", 25), (504, "upstream-timeout", 26),
])
def test_a_refusal_is_the_code(tmp_path, status, name, code):
    with problem(status, name) as gateway:
        ended = Caller(gateway.address, "a-key", tmp_path).run("exports", "show", "x", *ONCE)
    assert ended.code == code and f"This is {name}." in ended.err and ended.out == ""


def test_the_gateways_own_refusals(caller, service, tmp_path):
    _, gateway = service
    assert caller.run("exports", "show", RUNNING["id"]).code == 20
    wrong = caller.run("exports", "create", "power-bi", "reportId=x", "formt=PDF")
    assert wrong.code == 23 and "/powerBI/formt" in wrong.err and 'did you mean "format"' in wrong.err
    assert Caller(gateway.address, "no-key-of-this-gateway", tmp_path).run("exports", "list").code == 21
    assert caller.run("exports", "create", "no-such-provider", "a=b").code == 20


@pytest.mark.parametrize("words", [
    ["exports", "create"], ["exports", "list", "--limit", "0"], ["exports", "show"], ["exports", "list", "--server", "x"],
    ["exports", "list", "--key-file", "/nowhere"], ["exports", "create", "p", "x"], ["exports", "create", "p", "x:={"],
    ["exports", "list", "--server", "http://exports.example.com"], ["exports", "nothing"], ["exports", "list", "-o", "xml"],
    ["exports", "watch", "x", "--timeout", "5"], ["exports", "download", "x", "--parallel", "17"],
])
def test_a_mistake_on_the_command_line_is_64(words, tmp_path):
    ended = Caller("http://127.0.0.1:1", "a-key", tmp_path).run(*words)
    assert ended.code == 64 and ended.err and ended.out == "", (ended.out, ended.err)


def test_a_gateway_that_is_not_there_is_40(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        caller = Caller(f"http://127.0.0.1:{taken.getsockname()[1]}", "a-key", tmp_path)
        ended = caller.run("exports", "list", "--retries", "1")
    assert ended.code == 40 and "Trying again" in ended.err and "refused" in ended.err


def test_what_is_no_gateway_is_43(tmp_path):
    for answer in [(200, b"<html>"), (307, b"", {"Location": "http://127.0.0.1:1/"}), (404, b"<html>"), (200, {"value": 1})]:
        with standin(*answer) as other:
            assert Caller(other.address, "a-key", tmp_path).run("exports", "list").code == 43


def test_no_tls_where_tls_was_asked_for_is_41(tmp_path):
    with standin(200, b"") as plain:
        caller = Caller(plain.address.replace("http:", "https:"), "a-key", tmp_path)
        assert caller.run("exports", "list", *ONCE).code == 41
        assert plain.calls == []


def test_the_time_is_over_and_the_export_goes_on(tmp_path):
    with servers.sandbox(job_duration="4s") as upstream, servers.gateway(upstream) as gateway:
        caller = Caller(gateway.address, gateway.key, tmp_path)
        ended = caller.run("exports", "create", *REPORT, "--wait", "--timeout", "1s")
        assert ended.code == 42 and ": accepted" in ended.err
        export = re.search(r"(\S+): accepted", ended.err)[1]
        assert caller.run("exports", "watch", export, "--timeout", "60s").code == 0


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_is_the_code(tmp_path, number, code):
    waiting = []

    def answer(handler, method, path, fields, body):
        if "if-none-match" in fields:
            waiting.append(path)
            time.sleep(2)
        reply(handler, 200, RUNNING, {"ETag": 'W/"1"'})

    with Standin(answer) as gateway:
        caller = Caller(gateway.address, None, tmp_path)
        process = caller.start("exports", "watch", RUNNING["id"])
        poll("the wait", lambda: waiting)
        process.send_signal(number)
        assert caller.end(process).code == code


def test_standard_output_that_nobody_reads_is_1(caller):
    process = caller.start("exports", "list")
    process.stdout.close()
    process.stdout = None
    ended = caller.end(process)
    assert ended.code == 1 and "Standard output" in ended.err


# Keys.


def test_login_stores_what_commands_then_use(service, tmp_path):
    _, gateway = service
    caller = Caller(gateway.address, None, tmp_path)
    assert caller.run("exports", "list").code == 21
    assert caller.run("login", stdin="wrong-key-0123456789\n").code == 21
    store = tmp_path / ".config/export-gateway/keys.json"
    assert not store.exists()
    ended = caller.run("login", stdin=gateway.key + "\n")
    assert ended.code == 0 and gateway.key not in ended.out + ended.err
    assert store.stat().st_mode & 0o777 == 0o600 and store.parent.stat().st_mode & 0o777 == 0o700
    # The only gateway in the store need not be named.
    assert Caller("", None, tmp_path).run("exports", "list").code == 0
    os.chmod(store, 0o644)
    ended = caller.run("exports", "list")
    assert ended.code == 64 and "chmod 600" in ended.err
    os.chmod(store, 0o600)
    assert caller.run("login", "--remove").code == 0
    assert caller.run("exports", "list").code == 21


def test_a_key_file_goes_before_the_environment(service, tmp_path):
    _, gateway = service
    (tmp_path / "key").write_text(gateway.key + "\n")
    caller = Caller(gateway.address, "wrong-key-0123456789", tmp_path)
    assert caller.run("exports", "list").code == 21
    assert caller.run("exports", "list", "--key-file", tmp_path / "key").code == 0


def test_a_terminal_does_not_show_the_key(service, tmp_path):
    _, gateway = service

    def meanwhile(terminal):
        terminal.until("key for")
        # The prompt is there, so that what is typed from now on is hidden, and is not dropped.
        assert not terminal.echoes()
        terminal.type(gateway.key + "\n")

    ended = Caller(gateway.address, None, tmp_path).on_terminal("login", meanwhile=meanwhile)
    assert ended.code == 0 and "stored" in ended.err
    assert gateway.key not in ended.err


def test_the_key_does_not_follow_a_redirect(tmp_path):
    with standin(200, {"value": []}) as other, standin(308, b"", {"Location": other.address + "/exports"}) as gateway:
        assert Caller(gateway.address, "a-key", tmp_path).run("exports", "list").code == 43
        assert other.calls == [] and gateway.calls[0][2]["authorization"] == "Bearer a-key"


def test_completion_scripts_come_from_the_program(caller):
    for shell in ("bash", "zsh", "fish"):
        ended = caller.run("--generate-completion-script", shell)
        assert ended.code == 0 and "deliveries" in ended.out


# Downloads.


@contextmanager
def large_file(size: int, tmp_path: Path, **source):
    """A gateway in front of one file of random bytes, whose digest it knows, and who may download it."""
    content = os.urandom(size)
    with raw_servers.pair() as pair:
        export = pair.export([Source(content, serves_ranges=True, **source)], keeper="bi")
        id_ = export.rpartition("/")[2]
        caller = Caller(pair.gateway.address, pair.gateway.key, tmp_path / "home")
        yield pair.gateway, caller, id_, content


def learn(caller: Caller, export: str, tmp_path: Path) -> None:
    """A first whole download, from which the gateway knows the digest."""
    assert caller.run("exports", "download", export, tmp_path / "first").code == 0


@pytest.mark.long
def test_a_download_that_is_cut_five_times_is_whole(tmp_path, figure):
    size = 96 * MIB
    with large_file(size, tmp_path) as (gateway, caller, export, content):
        learn(caller, export, tmp_path)
        with TCPProxy(gateway.port) as proxy:
            caller.address = f"http://127.0.0.1:{proxy.port}"
            process = caller.start("exports", "download", export, tmp_path / "files", "-o", "json")
            part = tmp_path / "files" / "Raw.csv.export-gateway-part"
            for number in range(1, 6):
                poll(f"cut {number}", lambda: process.poll() is not None or part.exists() and part.stat().st_size >= number * size // 7,
                     every=0.002)
                proxy.cut()
            ended = caller.end(process)
    assert ended.code == 0, ended.err
    (file,) = ended.json["downloads"]
    breaks = ended.err.count("Trying again")
    assert Path(file["path"]).read_bytes() == content
    assert file["sha256"] == hashlib.sha256(content).hexdigest() and file["check"] == "digest"
    twice = file["fetchedBytes"] - size
    figure(f"{size >> 20} MiB, cut {breaks} times: {twice} bytes fetched twice, {100 * twice / size:.3f} %")
    assert breaks == 5 and 0 <= twice <= size // 100
    assert names(tmp_path / "files") == ["Raw.csv"]


def test_another_run_goes_on_with_what_one_left(tmp_path):
    size = 64 * MIB
    with large_file(size, tmp_path) as (gateway, caller, export, content):
        learn(caller, export, tmp_path)
        with TCPProxy(gateway.port) as proxy:
            caller.address = f"http://127.0.0.1:{proxy.port}"
            process = caller.start("exports", "download", export, tmp_path / "files")
            part = tmp_path / "files" / "Raw.csv.export-gateway-part"
            poll("a third", lambda: part.exists() and part.stat().st_size >= size // 3, every=0.002)
            proxy.stall()
            process.send_signal(signal.SIGINT)
            assert caller.end(process).code == 130
            left = part.stat().st_size
            assert names(tmp_path / "files") == ["Raw.csv.export-gateway-part", "Raw.csv.export-gateway-part.json"]
            proxy.resume()
            ended = caller.run("exports", "download", export, tmp_path / "files", "-o", "json")
    (file,) = ended.json["downloads"]
    assert ended.code == 0 and f"going on at byte {left}" in ended.err
    assert file["fetchedBytes"] == size - left and Path(file["path"]).read_bytes() == content


@pytest.mark.parametrize("chunked", [True, False])
@pytest.mark.parametrize("known", ["digest", "record of the delivery"])
def test_half_a_file_that_a_proxy_completes_is_found(tmp_path, chunked, known):
    """With the digest in the head or in the record lost on the way too, the gateway's record of the delivery tells."""
    with large_file(MIB, tmp_path, has_tag=False, tells_size=False) as (gateway, caller, export, _):
        if known == "digest":
            learn(caller, export, tmp_path)
        with CompletingProxy(gateway.address, chunked=chunked) as proxy:
            caller.address = proxy.address
            ended = caller.run("exports", "download", export, tmp_path / "files", "--retries", "1")
    assert ended.code in (30, 31), ended.err
    assert not (tmp_path / "files" / "Raw.csv").exists()


def test_the_rest_of_half_a_file_is_fetched(tmp_path):
    """A proxy that completes half a file once: the strong validator lets the other half follow."""
    with large_file(MIB, tmp_path) as (gateway, caller, export, content):
        learn(caller, export, tmp_path)
        with CompletingProxy(gateway.address, chunked=True, spares=2) as proxy:
            caller.address = proxy.address
            ended = caller.run("exports", "download", export, tmp_path / "files", "-o", "json")
    assert ended.code == 0, ended.err
    (file,) = ended.json["downloads"]
    assert Path(file["path"]).read_bytes() == content and file["fetchedBytes"] == MIB


def test_the_first_download_is_verified_by_its_trailer_or_its_delivery(tmp_path):
    for framing, check in (("chunked", "digest"), ("fixed", "delivery")):
        with large_file(MIB, tmp_path, framing=framing, tells_size=False) as (_, caller, export, content):
            ended = caller.run("exports", "download", export, tmp_path / framing, "-o", "json")
            (file,) = ended.json["downloads"]
            assert (ended.code, file["check"]) == (0, check), ended.err
            assert Path(file["path"]).read_bytes() == content


def test_a_file_that_is_there_is_not_replaced_unasked(caller, tmp_path):
    created = caller.run("exports", "create", *REPORT, "--download", tmp_path / "files", "-o", "json").json
    path = Path(created["downloads"][0]["path"])
    path.write_text("mine")
    download = ["exports", "download", created["export"]["id"], tmp_path / "files"]
    ended = caller.run(*download)
    assert ended.code == 33 and path.read_text() == "mine"
    assert caller.run(*download, "--replace").code == 0 and digest(path) == created["downloads"][0]["sha256"]


def test_a_directory_that_cannot_be_written_is_33(caller, tmp_path):
    created = caller.run("exports", "create", *REPORT, "--wait", "-o", "json").json
    (tmp_path / "file").write_text("")
    ended = caller.run("exports", "download", created["id"], tmp_path / "file" / "below")
    assert ended.code == 33
    ended = caller.run("exports", "download", created["id"], tmp_path, "--file", "7")
    assert ended.code == 33 and "no file 7" in ended.err


def test_memory_does_not_grow_with_the_file(tmp_path, figure):
    """The highest resident memory, of a small and of a large file."""
    peaks = {}
    for size in (MIB, 256 * MIB):
        with large_file(size, tmp_path) as (_, caller, export, _):
            process = caller.start("exports", "download", export, tmp_path / str(size))
            while process.poll() is None:
                # The kernel keeps the highest value; what the process had before its program was loaded is not in it.
                if peak := re.search(r"^VmHWM:\s+(\d+) kB", Path(f"/proc/{process.pid}/status").read_text(), re.M):
                    peaks[size] = int(peak[1]) * 1024
                time.sleep(0.005)
            assert caller.end(process).code == 0
            (tmp_path / str(size) / "Raw.csv").unlink()
    small, large = peaks.values()
    figure(f"peak memory: {small / MIB:.1f} MiB for a file of 1 MiB, {large / MIB:.1f} MiB for one of 256 MiB")
    assert large - small < 24 * MIB


# A terminal and a pipe.


def test_a_terminal_shows_bars_with_rate_and_remaining_time(tmp_path):
    with large_file(48 * MIB, tmp_path) as (gateway, caller, export, _):
        learn(caller, export, tmp_path)
        with TCPProxy(gateway.port) as proxy:
            caller.address = f"http://127.0.0.1:{proxy.port}"
            proxy.stall()

            def a_little():
                proxy.resume()
                proxy.stall()

            def meanwhile(terminal):
                # A rate takes two frames: the file must not be there before them.
                terminal.until(" left", meanwhile=a_little)
                proxy.cut()
                terminal.until("Trying again")
                proxy.resume()

            ended = caller.on_terminal("exports", "download", export, tmp_path / "files", meanwhile=meanwhile)
        assert ended.code == 0, ended.err
        piped = caller.run("exports", "download", export, tmp_path / "piped", "--server", gateway.address)
    bars = re.findall(r"Raw\.csv +\[#*-*\] +\d+%  \S+ \S+ of 48\.0 MiB", ended.err)
    assert bars and re.search(r"[\d.]+ [KMG]?i?B/s", ended.err) and re.search(r"\d+:\d\d left", ended.err)
    assert "\x1b[" in ended.err and "SHA-256 verified" in ended.err
    # One that is the first of its file: only the head of the answer tells the length.
    with large_file(48 * MIB, tmp_path / "other") as (gateway, caller, export, _), TCPProxy(gateway.port) as proxy:
        caller.address = f"http://127.0.0.1:{proxy.port}"
        proxy.stall()

        def until_a_bar(terminal):
            terminal.until(" of 48.0 MiB", meanwhile=a_little)
            proxy.resume()

        first = caller.on_terminal("exports", "download", export, tmp_path / "other", meanwhile=until_a_bar)
    assert re.search(r"\[#*-*\] +\d+%  \S+ \S+ of 48\.0 MiB", first.err)
    assert "\x1b" not in piped.err and "\r" not in piped.err and "[#" not in piped.err
    assert "SHA-256 verified" in piped.err


def test_ctrl_c_on_a_terminal_is_130(caller, service):
    upstream, _ = service
    upstream.rule("*", {"kind": "stuck"})

    def meanwhile(terminal):
        terminal.until("running")
        terminal.type("\x03")

    ended = caller.on_terminal("exports", "create", *REPORT, "--wait", meanwhile=meanwhile)
    assert ended.code == 130
