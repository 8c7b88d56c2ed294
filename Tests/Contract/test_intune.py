"""Reports of Intune over sockets: a whole export, jobs that are replaced, links that expire, and a kill between two jobs."""

import contextlib
import csv
import hashlib
import io
import json
import sqlite3
import zipfile

import pytest

import bodies
import servers
from client import poll

COLUMNS = ["DeviceId", "DeviceName", "ComplianceState"]
THROTTLED = {"error": {"code": "InternalServerError", "message": "Rate limit reached because of too many requests to query broker."}}


def intune_gateway(upstream, **more):
    """A gateway whose only connection is Intune's; `more` goes into it."""
    return servers.gateway(upstream, connections=[servers.intune_connection(upstream, **more)])


def member(gateway, export) -> tuple[str, bytes]:
    """The only file in the archive of an export."""
    answer = gateway.call("GET", f"/exports/{export['id']}/content")
    assert answer.status == 200, answer.body
    with zipfile.ZipFile(io.BytesIO(answer.body)) as archive:
        assert archive.testzip() is None
        (name,) = archive.namelist()
        return name, archive.read(name)


@pytest.mark.parametrize("key_form", ["slash", "quotes"])
def test_from_creation_to_the_rows(upstream, key_form):
    with intune_gateway(upstream, keyForm=key_form) as gateway:
        export = gateway.succeeded(gateway.create(bodies.intune(select=COLUMNS, filter="(OwnerType eq '1')")))
        (job,) = upstream.jobs()
        assert job["service"] == "intune" and job["status"] == "completed"
        assert export["upstream"] == {"id": job["id"], "status": "completed"}
        assert export["source"] == {
            "reportName": "DeviceCompliance", "select": COLUMNS, "filter": "(OwnerType eq '1')", "format": "csv",
        }
        (file,) = export["files"]
        assert file["name"] == job["id"] + ".zip" and file["contentType"] == "application/zip"
        assert export["expiresAt"] > export["completedAt"]

        name, text = member(gateway, export)
        assert name == job["id"] + ".csv"
        rows = list(csv.reader(io.StringIO(text.decode("utf-8-sig"))))
        assert rows[0] == COLUMNS and len(rows) > 100

        # A part of the file comes from storage, which serves parts.
        part = gateway.call("GET", f"/exports/{export['id']}/content", {"Range": "bytes=0-3"})
        assert part.status == 206 and part.body == b"PK\x03\x04"
        # Storage refuses a token, and was shown none.
        calls = [call for call in upstream.account()["calls"] if call["operation"] == "download.blob"]
        assert calls and {call["status"] for call in calls} <= {200, 206}
        paths = {call["path"] for call in upstream.account()["calls"] if call["operation"] == "intune.status"}
        assert all(("('" in path) == (key_form == "quotes") for path in paths)


def test_a_report_as_json(gateway):
    export = gateway.succeeded(gateway.create(bodies.intune(select=COLUMNS, format="json")))
    name, text = member(gateway, export)
    assert name.endswith(".json")
    assert set(json.loads(text)[0]) == set(COLUMNS)


def test_an_empty_report_is_a_success(gateway, upstream):
    upstream.rule("intune.start", {"kind": "report", "rows": 0})
    _, text = member(gateway, gateway.succeeded(gateway.create(bodies.intune(select=COLUMNS))))
    assert text.decode("utf-8-sig").splitlines() == [",".join(COLUMNS)]


@pytest.mark.parametrize(
    "options, pointer, words",
    [
        ({"reportName": "AppInvByDevice"}, "/intune/filter", "DeviceId"),
        ({"format": "pdf"}, "/intune/format", "csv, json"),
        ({"select": []}, "/intune/select", "1 to 256"),
        ({"localisationType": "x"}, "/intune/localisationType", "localizationType"),
    ],
)
def test_mistakes_are_named_before_anything_is_started(gateway, upstream, options, pointer, words):
    problem = gateway.call("POST", "/exports", body=bodies.intune(**options)).problem(422, "invalid-export")
    details = {error["pointer"]: error["detail"] for error in problem["errors"]}
    assert words in details[pointer], details
    assert upstream.jobs() == []


def test_a_refused_report_says_what_to_change(gateway):
    ended = gateway.watch(gateway.create(bodies.intune(reportName="DeviceComplianse")))
    assert ended["status"] == "failed" and ended["error"]["code"] == "upstream-invalid-request"
    assert "reportName" in ended["error"]["detail"]
    # The words within the words.
    assert ended["error"]["upstream"]["message"].startswith("PostExportJobAsync not supported")


def test_a_job_that_does_not_end_is_replaced(upstream):
    upstream.rule("intune.start", {"kind": "stuck"}, times=1)
    with intune_gateway(upstream, stuckAfter="1s", maximumJobs=2) as gateway:
        notices = {}

        def ended(export):
            if "notice" in export:
                notices[export["notice"]["detail"]] = export["notice"]["code"]
            return export["status"] in servers.TERMINAL

        export = gateway.watch(gateway.create(bodies.intune()), until=ended)
        assert export["status"] == "succeeded", export
        stuck, good = upstream.jobs()
        assert (stuck["status"], good["status"]) == ("inProgress", "completed")
        assert export["upstream"]["id"] == good["id"] and "notice" not in export
        assert set(notices.values()) == {"tracking-timed-out"}
        assert any(stuck["id"] in detail and "job 2 of at most 2" in detail for detail in notices), notices
        assert member(gateway, export)[0] == good["id"] + ".csv"


def test_a_job_that_fails_is_replaced_and_the_last_one_is_not(upstream):
    with intune_gateway(upstream, maximumJobs=3) as gateway:
        upstream.rule("intune.start", {"kind": "failed"}, times=2)
        export = gateway.succeeded(gateway.create(bodies.intune()))
        assert [job["status"] for job in upstream.jobs()] == ["failed", "failed", "completed"]
        assert export["upstream"]["id"] == upstream.jobs()[-1]["id"]
        upstream.rule("intune.start", {"kind": "failed"})
        ended = gateway.watch(gateway.create(bodies.intune()))
        assert ended["status"] == "failed" and ended["error"]["code"] == "export-failed"
        assert len(upstream.jobs()) == 6


def test_completed_without_a_link_is_not_finished(upstream):
    upstream.rule("intune.start", {"kind": "metadataLag", "seconds": 3})
    with intune_gateway(upstream, stuckAfter="1s") as gateway:
        export = gateway.create(bodies.intune())
        waiting = gateway.watch(export, until=lambda export: export.get("upstream", {}).get("status") == "completed")
        assert waiting["status"] == "running" and "completedAt" not in waiting
        gateway.succeeded(export)
        # Another job would have been no better.
        assert len(upstream.jobs()) == 1


def test_a_link_that_is_refused_is_asked_for_again(gateway, upstream):
    export = gateway.succeeded(gateway.create(bodies.intune()))
    polls = upstream.account()["counts"]["intune.status"]
    upstream.rule("download.blob", {"kind": "expiredLink"}, times=1)
    member(gateway, export)
    assert upstream.account()["counts"]["intune.status"] == polls + 2


def test_a_file_whose_time_is_over_is_gone():
    with servers.sandbox(download_lifetime="2s") as upstream, intune_gateway(upstream) as gateway:
        export = gateway.succeeded(gateway.create(bodies.intune()))
        path = f"/exports/{export['id']}/content"
        poll("the end of the link's time", lambda: gateway.call("GET", path).status == 410, 30)
        assert gateway.call("GET", path).problem(410, "expired")
        assert gateway.export(export)["status"] == "expired"


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "throttled", "withoutHeader": True},
        {"kind": "throttled", "retryAfter": "0.5"},
        {"kind": "status", "status": 500, "body": THROTTLED},
    ],
    ids=["429 alone", "429 with a fraction", "500 with the broker's words"],
)
def test_throttled_starts_and_polls_are_repeated(gateway, upstream, fault):
    upstream.rule("intune.start", fault, times=1)
    upstream.rule("intune.status", fault, times=1)
    gateway.succeeded(gateway.create(bodies.intune()))
    assert len(upstream.jobs()) == 1


def test_a_job_that_is_not_found_at_once_is_waited_for(gateway, upstream):
    missing = {"error": {"code": "ResourceNotFound", "message": "Not found."}}
    upstream.rule("intune.status", {"kind": "status", "status": 404, "body": missing}, times=2)
    gateway.succeeded(gateway.create(bodies.intune()))


def test_a_kill_while_a_job_is_replaced_starts_nothing_twice(upstream):
    upstream.rule("intune.start", {"kind": "stuck"}, times=1)
    upstream.rule("intune.start", {"kind": "slow", "milliseconds": 4000}, after=1, times=1)
    connections = [servers.intune_connection(upstream, stuckAfter="1s", maximumJobs=3)]
    own = ["Exports.Create", "Exports.Read", "Exports.Resolve", "Connections.Use:devices"]
    keys = [{"id": "operator", "sha256": hashlib.sha256(b"operators-key").hexdigest(), "permissions": own}]
    with servers.gateway(upstream, connections=connections, authenticated=False, server={"apiKeys": keys}) as gateway:
        gateway.key = "operators-key"
        export = gateway.create(bodies.intune())
        gateway.watch(export, until=lambda export: "notice" in export)
        poll("the start of the second job", lambda: phase(gateway) == "submitting", 30)
        gateway.kill()
        poll("the job of the second start", lambda: len(upstream.jobs()) == 2, 30)
        gateway.start()
        lost = gateway.watch(export, until=lambda export: "completedAt" in export)
        assert lost["status"] == "unknown" and lost["error"]["code"] == "submission-unconfirmed", lost
        # The id of the job before would mislead whoever looks for this one.
        assert "upstream" not in lost
        assert len(upstream.jobs()) == 2
        # Somebody finds the job, and it is the export's.
        job = upstream.jobs()[-1]["id"]
        decision = {"outcome": "started", "upstreamId": job}
        answer = gateway.call("PUT", f"/exports/{export['id']}/submission", body=decision)
        assert answer.status == 200, answer.body
        assert gateway.succeeded(export)["upstream"]["id"] == job
        assert len(upstream.jobs()) == 2


def phase(gateway) -> str:
    """What the ledger says of the only export."""
    with contextlib.closing(sqlite3.connect(gateway.directory / "ledger.sqlite")) as ledger:
        return ledger.execute("SELECT phase FROM export").fetchone()[0]
