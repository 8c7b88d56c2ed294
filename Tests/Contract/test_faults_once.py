"""A start is made at most once, and what is not seen is not taken for what did not happen.

Rows A4, A6 and B1 to B6 of the article "Faults that were found".
"""

import hashlib
import sqlite3
import time
import uuid
from datetime import datetime, timedelta, timezone

import pytest

import bodies
from client import poll
from scripted import GOOD, Reply, Reset, Scripted, scripted_connections, scripted_gateway

# Each wait of an engine is short, and none of the tests depends on how short.
QUICK = {"reconcileDelay": "100ms", "maximumPollInterval": "300ms"}

MISSING = Reply(404, {"error": {"code": "NotFound", "message": "not known here"}})


def started_unseen(upstream, kind, status=504):
    """A start that is carried out, and whose answer is lost."""

    def answer(request):
        upstream.start_job(request, kind)
        return Reply(status, {"error": {"code": "UnknownError", "message": "a gateway in between gave up"}})

    return answer


def hidden_for(upstream, kind, seconds):
    """A list that shows no job until so long after the first one was started."""

    def answer(request):
        jobs = [job for job in upstream.jobs if job.kind == kind]
        if not jobs or time.monotonic() < jobs[0].start.at + seconds:
            return Reply(200, {"value": []})
        return upstream.good(request)

    return answer


def starts(upstream):
    return [request for request in upstream.requests if request.operation.endswith(".start")]


def notice(export):
    return export.get("notice", {})


# A4


@pytest.mark.fault("A4")
@pytest.mark.parametrize(
    "operation, body",
    [("bi.status", bodies.paginated_csv()), ("goals.job", bodies.goals()), ("graph.operation", bodies.search_result())],
)
def test_answers_that_there_is_no_job_end_nothing_in_a_hurry(operation, body):
    """Some of the upstream's servers do not know the job yet; whoever asks often gets three such answers in no time."""
    with Scripted() as upstream, scripted_gateway(upstream, engine=QUICK) as gateway:
        upstream.script(operation, MISSING, stays=True)
        export = gateway.create(body)
        headers = bodies.headers_for(export) | {"Cache-Control": "no-cache"}

        def asked():
            latest = gateway.call("GET", f"/exports/{export['id']}", headers).json
            assert latest["status"] != "failed", latest
            return len(upstream.calls(operation)) >= 5

        poll("five answers that there is no job", asked, 20, every=0.05)
        upstream.script(operation, GOOD, stays=True)
        gateway.succeeded(export, within=60)
        assert len(upstream.jobs) == 1


# A6


@pytest.mark.fault("A6")
@pytest.mark.parametrize("phase", ["tracking", "accepted"])
def test_a_clock_that_ran_ahead_delays_nothing(phase):
    """What was stored by a clock that was a day ahead is not waited for once the clock is right again."""
    with Scripted() as upstream, scripted_gateway(upstream, engine=QUICK) as gateway:
        running = lambda request: Reply(200, upstream.bi_json(upstream.job(request.ids[-1])) | {"status": "Running"})  # noqa: E731
        if phase == "tracking":
            upstream.script("bi.status", running, stays=True)
        else:
            upstream.script("bi.start", Reply(429, {}, {"Retry-After": "2"}), stays=True)
        export = gateway.create(bodies.paginated_csv())
        reached = "running" if phase == "tracking" else "notStarted"
        gateway.watch(export, until=lambda export: export["status"] == reached and len(upstream.requests) >= 3)
        gateway.process.stop()
        upstream.unscript("bi.status")
        upstream.unscript("bi.start")
        run_ahead(gateway, timedelta(days=1))
        gateway.start()
        ended = gateway.succeeded(export, within=60)
        assert ended["upstream"]["id"] == upstream.jobs[0].id
        assert len(upstream.jobs) == 1


def run_ahead(gateway, by):
    """What the ledger would hold if the clock had been ahead all the time."""
    ledger = sqlite3.connect(gateway.directory / "ledger.sqlite")
    with ledger:
        names = [row[1] for row in ledger.execute("PRAGMA table_info(export)")]
        times = [name for name in names if name.endswith(("_at", "_since")) and name != "expires_at"]
        milliseconds = int(by.total_seconds() * 1000)
        ledger.execute("UPDATE export SET " + ", ".join(f"{name} = {name} + {milliseconds}" for name in times))
    ledger.close()


# B1


@pytest.mark.fault("B1")
@pytest.mark.parametrize("kind, body", [("graph", bodies.search_result()), ("goals", bodies.goals())])
def test_a_lost_answer_and_a_late_list_start_one_job(kind, body):
    """The job runs although its start was answered 504, and the list shows it late."""
    with Scripted() as upstream, scripted_gateway(upstream, engine=QUICK) as gateway:
        upstream.script(f"{kind}.start", started_unseen(upstream, kind), stays=True)
        upstream.script(f"{kind}.list", hidden_for(upstream, kind, 2), stays=True)
        export = gateway.create(body)
        ended = gateway.succeeded(export, within=60)
        assert len(upstream.jobs) == 1, [job.start.body for job in upstream.jobs]
        assert ended["upstream"]["id"] == upstream.jobs[0].id
        # More than two attempts found nothing, and nothing was concluded from that.
        assert len(upstream.calls(f"{kind}.list")) > 3


# B2


@pytest.mark.fault("B2")
@pytest.mark.parametrize("body", [bodies.search_result(), bodies.review_set()])
def test_the_only_possible_job_is_taken_where_its_mark_is_not_shown(body):
    """The list shows the job at once, without its description."""
    with Scripted() as upstream, scripted_gateway(upstream, engine=QUICK) as gateway:

        def unmarked(request):
            # Older, of another name, and of another kind: none of them is ours.
            for number, extra in enumerate(
                ({"createdDateTime": ago(600)}, {"outputName": "Another", "displayName": "Another"}, {"action": "holdUpdate"})
            ):
                upstream.start_job(request, "graph", f"{number:032x}").extra = {"description": ""} | extra
            upstream.start_job(request, "graph").extra = {"description": ""}
            return Reply(504)

        upstream.script("graph.start", unmarked, stays=True)
        export = gateway.create(body)
        poll("an attempt", lambda: len(upstream.calls("graph.list")) >= 3 or gateway.export(export)["status"] == "succeeded", 60)
        assert len(upstream.calls("graph.start")) == 1
        assert gateway.succeeded(export, within=60)["upstream"]["id"] == upstream.jobs[3].id
        assert len(upstream.calls("graph.start")) == 1


@pytest.mark.fault("B2")
def test_of_two_possible_jobs_none_is_taken_and_somebody_decides():
    with Scripted() as upstream:
        with scripted_gateway(upstream, engine=QUICK) as gateway:

            def twice(request):
                for _ in range(2):
                    upstream.start_job(request, "graph").extra = {"description": ""}
                return Reply(504)

            upstream.script("graph.start", twice, stays=True)
            export = gateway.create(bodies.search_result())
            poll("three attempts", lambda: len(upstream.calls("graph.list")) >= 3, 60)
            assert len(upstream.calls("graph.start")) == 1
            waiting = gateway.watch(export, until=lambda export: "Several jobs" in notice(export).get("detail", ""), within=60)
            assert waiting["status"] == "unknown"
            assert notice(waiting)["code"] == "submission-unconfirmed"
            for job in upstream.jobs:
                assert job.id in notice(waiting)["detail"]
            assert "id" not in waiting.get("upstream", {})
            assert "completedAt" not in waiting
            assert "PUT /exports/{id}/submission" in gateway.process.lines()


def ago(seconds):
    return (datetime.now(timezone.utc) - timedelta(seconds=seconds)).isoformat().replace("+00:00", "Z")


# B3


def accepted_without_address(upstream, kind):
    def answer(request):
        upstream.start_job(request, kind)
        return Reply(202)

    return answer


@pytest.mark.fault("B3")
@pytest.mark.parametrize("kind, body", [("graph", bodies.search_result()), ("goals", bodies.goals())])
def test_what_was_accepted_is_not_started_again(kind, body):
    """202, and the job's id nowhere in the answer."""
    with Scripted() as upstream, scripted_gateway(upstream, engine=QUICK) as gateway:
        upstream.script(f"{kind}.start", accepted_without_address(upstream, kind), stays=True)
        upstream.script(f"{kind}.list", hidden_for(upstream, kind, 2), stays=True)
        export = gateway.create(body)
        assert gateway.succeeded(export, within=60)["upstream"]["id"] == upstream.jobs[0].id
        assert len(upstream.jobs) == 1


@pytest.mark.fault("B3")
@pytest.mark.parametrize("place", ["Operation-Location", "body", "wrapped body", "@odata.id"])
def test_the_id_is_taken_from_wherever_it_stands(place):
    with Scripted() as upstream, scripted_gateway(upstream, engine=QUICK) as gateway:

        def answer(request):
            job = upstream.start_job(request, "graph", "7cbbd274-a940-467a-9d3e-077cac9a19cd")
            address = upstream.operation_address(job)
            return {
                "Operation-Location": Reply(202, b"", {"Operation-Location": address}),
                "body": Reply(202, {"id": job.id, "status": "notStarted"}),
                "wrapped body": Reply(202, {"value": {"id": job.id}}),
                "@odata.id": Reply(202, {"@odata.id": address}),
            }[place]

        upstream.script("graph.start", answer, stays=True)
        upstream.script("graph.list", Reply(200, {"value": []}), stays=True)
        export = gateway.create(bodies.search_result())
        poll("a decision", lambda: upstream.calls("graph.operation") or len(upstream.calls("graph.start")) > 1, 60)
        assert len(upstream.calls("graph.start")) == 1
        assert gateway.succeeded(export, within=60)["upstream"]["id"] == upstream.jobs[0].id
        assert not upstream.calls("graph.list")


# B4


@pytest.mark.fault("B4")
@pytest.mark.parametrize("place", ["Location", "relative Location", "Operation-Location", "resourceLocation"])
def test_power_bi_names_the_export_in_an_address(place):
    """202 without a body that has an id."""
    with Scripted() as upstream, scripted_gateway(upstream, engine=QUICK) as gateway:

        def answer(request):
            job = upstream.start_job(request, "bi", "MS9CbG9iSWRWMi0xMjM0NTY3OA==")
            path = request.path.removesuffix("ExportTo") + "exports/" + job.id.replace("=", "%3D")
            if place == "resourceLocation":
                return Reply(202, {"resourceLocation": f"{upstream.address}{path}/file"})
            address = path if place == "relative Location" else upstream.address + path
            return Reply(202, b"", {place.removeprefix("relative "): address})

        upstream.script("bi.start", answer, stays=True)
        export = gateway.create(bodies.paginated_csv())
        ended = gateway.watch(export, until=lambda export: export["status"] not in ("notStarted", "running"), within=60)
        assert ended["status"] == "succeeded", ended
        assert ended["upstream"]["id"] == upstream.jobs[0].id
        assert len(upstream.calls("bi.start")) == 1


# B5


@pytest.mark.fault("B5")
def test_an_older_job_of_somebody_else_is_not_taken():
    """The start was answered 500 and never happened; the view has a job of 20 seconds before."""
    with Scripted() as upstream, scripted_gateway(upstream, engine=QUICK) as gateway:

        def failed(request):
            upstream.start_job(request, "goals", "j!alices").extra = {"createdDateTime": ago(20)}
            return Reply(500)

        upstream.script("goals.start", failed, stays=True)
        export = gateway.create(bodies.goals())
        poll("three attempts", lambda: len(upstream.calls("goals.list")) >= 3 or gateway.export(export)["status"] == "succeeded", 60)
        latest = gateway.export(export)
        assert latest.get("upstream", {}).get("id") != "j!alices", latest
        assert latest["status"] == "unknown"
        assert notice(latest)["code"] == "submission-unconfirmed"
        assert len(upstream.calls("goals.start")) == 1


@pytest.mark.fault("B5")
def test_a_job_that_another_export_is_bound_to_is_not_taken():
    """Two starts of one view: the first is lost and never happened, the second is well."""
    with Scripted() as upstream, scripted_gateway(upstream, engine=QUICK) as gateway:
        upstream.script("goals.start", Reply(500), GOOD)
        body = bodies.goals()
        lost = gateway.create(body)
        poll("the lost start", lambda: upstream.calls("goals.start"), 60)
        upstream.script("goals.list", Reply(200, {"value": []}), Reply(200, {"value": []}), GOOD, stays=True)
        well = gateway.succeeded(gateway.create(body), within=60)
        seen = len(upstream.calls("goals.list"))
        poll("an attempt afterwards", lambda: len(upstream.calls("goals.list")) >= max(4, seen + 1), 60)
        latest = gateway.export(lost)
        assert latest.get("upstream", {}).get("id") != well["upstream"]["id"], latest
        assert latest["status"] == "unknown"


# B6


class Resetting(Scripted):
    """Resets a connection when a start comes on one that was used before."""

    def __init__(self):
        super().__init__()
        self.used = set()
        self.resets = 0

    def _answer(self, wire, raw):
        is_start = raw.method == "POST" and "/token" not in raw.path
        if is_start and id(wire) in self.used:
            self.resets += 1
            return Reset().send(wire)
        self.used.add(id(wire))
        self.wires = [*getattr(self, "wires", []), wire]  # Kept, so that no id is given out twice.
        return super()._answer(wire, raw)


@pytest.mark.fault("B6")
@pytest.mark.parametrize("body", [bodies.paginated_csv(), bodies.search_result()])
def test_starts_do_not_go_out_on_used_connections(body):
    with Resetting() as upstream, scripted_gateway(upstream, engine=QUICK) as gateway:
        upstream.script("graph.list", Reply(200, {"value": []}), stays=True)
        for _ in range(3):
            export = gateway.create(body)
            ended = gateway.watch(
                export, until=lambda export: export["status"] not in ("notStarted", "running") or upstream.resets, within=60
            )
            assert not upstream.resets, "a start went out on a connection that had been used"
            assert ended["status"] == "succeeded", ended
        assert len(upstream.jobs) == 3
        assert len(starts(upstream)) == 3


# What an operator decides


def test_somebody_decides_what_became_of_a_start():
    with Scripted() as upstream, scripted_gateway(
        upstream, engine=QUICK, authenticated=False, server={"apiKeys": keys()}
    ) as gateway:
        gateway.key = "callers-key"
        upstream.script("bi.start", started_unseen(upstream, "bi"), started_unseen(upstream, "bi"), Reply(500), GOOD)
        first, second, third = [unconfirmed(gateway, bodies.paginated_csv(f"Ledger {n}")) for n in range(3)]

        def put(export, key="operator-key", **decision):
            headers = {"Authorization": f"Bearer {key}"}
            return gateway.call("PUT", f"/exports/{export['id']}/submission", headers, decision)

        # Nobody may who was not allowed to, and nobody sees another's export.
        put(first, key=gateway.key, outcome="abandoned").problem(403, "forbidden")
        put(first, key="blind-operator-key", outcome="abandoned").problem(404, "not-found")

        put(first, outcome="started").problem(422, "invalid-export")
        put(first, outcome="started", upstreamId="never-heard-of").problem(422, "invalid-export")
        started = put(first, outcome="started", upstreamId=upstream.jobs[0].id)
        assert started.status == 200, started.body
        assert started.json["upstream"]["id"] == upstream.jobs[0].id
        ended = gateway.succeeded(first, within=60)
        assert "error" not in ended
        # The same once more changes nothing; another one is too late.
        assert put(first, outcome="started", upstreamId=upstream.jobs[0].id).json["status"] == "succeeded"
        put(first, outcome="notStarted").problem(409, "submission-known")
        # A job is one export's.
        put(second, outcome="started", upstreamId=upstream.jobs[0].id).problem(409, "upstream-id-in-use")

        abandoned = put(second, outcome="abandoned").json
        assert (abandoned["status"], abandoned["error"]["code"]) == ("canceled", "canceled")
        assert abandoned["completedAt"]

        again = put(third, outcome="notStarted").json
        assert again["status"] == "notStarted" and "completedAt" not in again
        assert gateway.succeeded(third, within=60)["upstream"]["id"] == upstream.jobs[2].id
        assert len(upstream.calls("bi.start")) == 4
        decided = [line for line in gateway.process.lines().splitlines() if "an unconfirmed start was decided" in line]
        assert len(decided) == 3 and all("operator" in line for line in decided)


def test_a_job_is_one_exports_in_whatever_way_its_id_is_written():
    """Graph writes the id of an operation with dashes and without, and takes both."""
    with Scripted() as upstream, scripted_gateway(
        upstream, engine=QUICK, authenticated=False, server={"apiKeys": keys()}
    ) as gateway:
        gateway.key = "callers-key"
        first = gateway.succeeded(gateway.create(bodies.search_result()), within=60)
        job = first["upstream"]["id"]
        upstream.script("graph.start", started_unseen(upstream, "graph"))
        upstream.script("graph.list", Reply(200, {"value": []}), stays=True)
        second = gateway.create(bodies.search_result())
        gateway.watch(second, until=lambda export: export["status"] == "unknown", within=60)
        for spelling in {str(uuid.UUID(job)), uuid.UUID(job).hex, uuid.UUID(job).hex.upper(), str(uuid.UUID(job)).upper()}:
            answer = gateway.call(
                "PUT",
                f"/exports/{second['id']}/submission",
                {"Authorization": "Bearer operator-key"},
                {"outcome": "started", "upstreamId": spelling},
            )
            answer.problem(409, "upstream-id-in-use")


def unconfirmed(gateway, body):
    export = gateway.create(body)
    return gateway.watch(export, until=lambda export: export["status"] == "unknown" and "completedAt" in export, within=60)


def keys():
    """The keys of the caller, of an operator, and of one who sees its own exports only."""

    def entry(id, key, *permissions):
        return {"id": id, "sha256": hashlib.sha256(key.encode()).hexdigest(), "permissions": list(permissions)}

    return [
        {"id": "caller", "sha256": hashlib.sha256(b"callers-key").hexdigest()},
        entry("operator", "operator-key", "Exports.ReadAll", "Exports.Resolve"),
        entry("blind", "blind-operator-key", "Exports.Read", "Exports.Resolve"),
    ]


def test_a_start_is_repeated_where_the_operator_accepts_doubles():
    with Scripted() as upstream:
        connections = scripted_connections(upstream, ambiguousStart="repeat")
        with scripted_gateway(upstream, engine=QUICK, connections=connections) as gateway:
            upstream.script("graph.start", Reply(504), GOOD)
            upstream.script("bi.start", Reply(504), GOOD)
            for body in (bodies.search_result(), bodies.paginated_csv()):
                gateway.succeeded(gateway.create(body), within=60)
            assert len(upstream.calls("graph.start")) == 2
            assert len(upstream.calls("graph.list")) == 2
            assert len(upstream.calls("bi.start")) == 2
