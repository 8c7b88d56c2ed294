"""The gateway's own request budget: never exceeded, shared fairly, and never told as the upstream's wish.

Rows C1 to C8 of the article "Faults that were found". The budget's time is a minute: no test waits for it to pass.
"""

import hashlib
import io
import secrets
import threading
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor

import pytest

import bodies
import evidence
from client import poll
from scripted import Reply, Scripted, scripted_connections, scripted_gateway

QUICK = {"reconcileDelay": "100ms", "maximumPollInterval": "300ms"}


def paced(upstream, per_minute, **options):
    """A gateway whose connections may make so many calls a minute."""
    connections = [connection | {"requestsPerMinute": per_minute} for connection in scripted_connections(upstream)]
    return scripted_gateway(upstream, connections=connections, engine=QUICK | options.pop("engine", {}), **options)


def budgeted(upstream):
    """The calls that count: not those for tokens and links."""
    return [request for request in upstream.requests if request.operation.startswith(("bi.", "goals."))]


def starts(upstream):
    return [request for request in upstream.requests if request.operation.endswith(".start")]


def notice(export):
    return export.get("notice", {})


def running(upstream):
    return lambda request: Reply(200, upstream.bi_json(upstream.job(request.ids[-1])) | {"status": "Running"})


@pytest.mark.fault("C1")
def test_a_full_budget_is_not_exceeded_by_what_trickles_in():
    """60 a minute: a bucket that refills lets one more through each second, and so up to 120 in the first minute."""
    with Scripted() as upstream, paced(upstream, 60) as gateway:
        export = gateway.succeeded(gateway.create(bodies.paginated_csv()))
        first = budgeted(upstream)[0].at
        while len(budgeted(upstream)) < 60:
            assert gateway.call("GET", f"{export['href']}/content").status == 200
        answers = []
        threads = [
            threading.Thread(target=lambda: answers.append(gateway.call("GET", f"{export['href']}/content"))) for _ in range(3)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert time.monotonic() < first + 30, "too slow to tell"
        assert len(budgeted(upstream)) == 60
        for answer in answers:
            # It would have to wait for longer than a caller does, and is told so at once.
            problem = answer.problem(503, "queued")
            assert "own request budget" in problem["detail"]
            assert 20 < int(answer.headers["retry-after"]) <= 61


@pytest.mark.fault("C2")
@pytest.mark.parametrize("body", [bodies.paginated_csv(), bodies.search_result()])
def test_exports_that_wait_for_the_budget_do_not_fail(body):
    """The deadline for starts is over long before their place comes: nobody has throttled anything."""
    with Scripted() as upstream, paced(upstream, 2, engine={"submissionDeadline": "1s"}) as gateway:
        exports = [gateway.create(body) for _ in range(6)]

        def waiting():
            seen = [gateway.export(export) for export in exports]
            assert all(export["status"] in ("notStarted", "running", "succeeded") for export in seen), seen
            return [export for export in seen if notice(export).get("code") == "queued"]

        queued = poll("five exports that say that they wait", lambda: len(found := waiting()) == 5 and found, 10)
        assert sorted(notice(export)["position"] for export in queued)[-1] <= 5
        assert all(notice(export)["estimatedStart"] > export["createdAt"] for export in queued)
        # Nothing is concluded when the deadline has passed, by far.
        begun = time.monotonic()
        poll("the deadline has passed", lambda: waiting() and time.monotonic() > begun + 3, 10, every=0.5)
        assert len(waiting()) == 5
        canceled = gateway.call("DELETE", queued[0]["href"]).json
        assert canceled["status"] == "canceled"
        assert len(starts(upstream)) == 1
        # Those that wait do not hold up the end of the process, and are there afterwards.
        begun = time.monotonic()
        gateway.process.stop()
        assert time.monotonic() < begun + 15
        gateway.start()
        assert [gateway.export(export)["status"] for export in exports].count("failed") == 0


@pytest.mark.fault("C4")
def test_a_download_that_finds_no_place_is_told_so_in_the_gateways_own_name():
    with Scripted() as upstream, paced(upstream, 3) as gateway:
        export = gateway.succeeded(gateway.create(bodies.paginated_csv()))
        assert gateway.call("GET", f"{export['href']}/content").status == 200
        answer = gateway.call("GET", f"{export['href']}/content")
        problem = answer.problem(503, "queued")
        assert "upstream" not in problem["title"].lower()
        assert int(answer.headers["retry-after"]) > 0


@pytest.mark.fault("C4")
def test_an_archive_gets_all_its_links_with_one_call():
    def with_files(request):
        job = upstream.start_job(request, "graph")
        job.extra = {
            "exportFileMetadata": [
                {"fileName": f"part{number}.csv", "size": len(upstream.content), "downloadUrl": f"{upstream.address}/blob/{job.id}/{number}"}
                for number in range(8)
            ]
        }
        return Reply(202, b"", {"Location": upstream.operation_address(job)})

    with Scripted() as upstream, scripted_gateway(upstream, engine=QUICK) as gateway:
        upstream.script("graph.start", with_files)
        export = gateway.succeeded(gateway.create(bodies.search_result()))
        before = len(upstream.calls("graph.operation"))
        answer = gateway.call("GET", f"{export['href']}/content", {"Accept": "application/zip"})
        with zipfile.ZipFile(io.BytesIO(answer.body)) as archive:
            assert len(archive.namelist()) == 8 and archive.testzip() is None
            assert all(archive.read(name) == upstream.content for name in archive.namelist())
        assert len(upstream.calls("graph.operation")) - before == 1
        # A link that is no longer good is asked for anew, and nobody notices.
        upstream.script("graph.file", Reply(403, {"error": {"code": "AuthenticationFailed"}}))
        assert gateway.call("GET", export["files"][3]["href"]).body == upstream.content
        assert len(upstream.calls("graph.operation")) - before == 2


@pytest.mark.fault("C5")
def test_a_download_host_that_asks_to_wait_silences_nothing_else():
    with Scripted() as upstream, scripted_gateway(upstream, engine=QUICK) as gateway:
        first = gateway.succeeded(gateway.create(bodies.search_result()))
        upstream.script("graph.file", Reply(429, {}, {"Retry-After": "60"}))
        gateway.call("GET", f"{first['href']}/content").problem(503, "upstream-throttled")
        # Starts and polls of the same connection go on, and the host itself is left alone.
        gateway.succeeded(gateway.create(bodies.search_result()), within=10)
        asked = len(upstream.calls("graph.file"))
        answer = gateway.call("GET", f"{first['href']}/content")
        answer.problem(503, "upstream-throttled")
        assert 30 < int(answer.headers["retry-after"]) <= 60
        assert len(upstream.calls("graph.file")) == asked


@pytest.mark.fault("C6")
def test_connections_of_one_application_share_a_budget():
    with Scripted() as upstream, paced(upstream, 1) as gateway:
        gateway.create(bodies.review_set("First"))
        poll("the first start", lambda: upstream.calls("graph.start"), 10)
        second = gateway.create(bodies.review_set("Second", "purview-former"))
        poll("the second waits", lambda: notice(gateway.export(second)).get("code") == "queued", 10)
        assert len(upstream.calls("graph.start")) == 1
        (budget,) = gateway.get("/providers/graph-ediscovery").json["budgets"]
        assert budget["connections"] == ["purview", "purview-former"] and budget["count"] == budget["used"] == 1, budget
        assert budget["queueLength"]["start"] == 1 and 0 < budget["nextPlaceSeconds"] <= 61, budget
        labels = {"budget": "purview+purview-former", "priority": "start"}
        assert gateway.metric("export_gateway_budget_queue_length", **labels) == 1
        assert gateway.metric("export_gateway_budget_wait_seconds_count", **labels) == 1
        # Another API of the same application has a budget of its own.
        gateway.create(bodies.paginated_csv())
        poll("the start of another provider", lambda: upstream.calls("bi.start"), 10)


def two_callers(gateway):
    """The header of another caller than the one that `gateway` calls as; to be started afterwards."""
    other = "black-box-" + secrets.token_hex(16)
    evidence.keep_secrets([other])
    digest = hashlib.sha256(other.encode()).hexdigest()
    gateway.reconfigure({"server": {"apiKeys": [*gateway.configuration["server"]["apiKeys"], {"id": "other", "sha256": digest}]}})
    gateway.start()
    return {"Authorization": f"Bearer {other}"}


@pytest.mark.fault("C7")
def test_one_export_of_a_caller_comes_before_the_many_of_another():
    with Scripted() as upstream, paced(upstream, 2, start=False) as gateway:
        mine = two_callers(gateway)
        many = [gateway.create(bodies.paginated_csv(f"Many {number}")) for number in range(30)]

        def position(export, headers=None):
            return notice(gateway.call("GET", export["href"], headers).json).get("position")

        poll("the last of the many waits", lambda: (position(many[-1]) or 0) > 20, 20)
        one = gateway.call("POST", "/exports", mine, bodies.paginated_csv("One")).json
        found = poll("the one waits too", lambda: position(one, mine), 20)
        assert found <= 4, found


@pytest.mark.alone
@pytest.mark.fault("C7")
def test_the_only_export_of_a_caller_starts_as_soon_as_alone(figure):
    """Without a budget the upstream's own pace, 200 ms a start, is what 1,500 exports wait for."""
    with Scripted() as upstream, scripted_gateway(upstream, start=False) as gateway:
        mine = two_callers(gateway)

        def slowly(request):
            time.sleep(0.2)
            return upstream.good(request)

        upstream.script("bi.start", slowly, stays=True)

        def start_of_one():
            begun = time.monotonic()
            one = gateway.call("POST", "/exports", mine, bodies.paginated_csv("One")).json
            poll("the one is started", lambda: "upstream" in gateway.call("GET", one["href"], mine).json, 120, every=0.02)
            return time.monotonic() - begun

        alone = sorted(start_of_one() for _ in range(5))[2]
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda number: gateway.create(bodies.paginated_csv(f"Many {number}")), range(1500)))
        waiting = 1500 - (len(starts(upstream)) - 5)
        beside = sorted(start_of_one() for _ in range(5))[2]
        figure(f"alone {alone:.2f} s; beside {waiting} that wait {beside:.2f} s: {beside / alone:.1f} times; medians of 5")
        assert waiting > 500
        assert beside <= 3 * alone


@pytest.mark.fault("C8")
def test_a_fresh_status_is_not_waited_for_without_bound():
    with Scripted() as upstream, paced(upstream, 2) as gateway:
        upstream.script("bi.status", running(upstream), stays=True)
        export = gateway.create(bodies.paginated_csv())
        headers = {"Cache-Control": "no-cache"}
        gateway.watch(export, until=lambda export: "upstream" in export)
        begun = time.monotonic()
        # The first takes the place that is kept for callers.
        poll("the status", lambda: gateway.call("GET", export["href"], headers).json["status"] == "running", 15)
        answer = poll("an answer without news", lambda: (now := gateway.call("GET", export["href"], headers).json).get("stale") and now, 15)
        assert time.monotonic() < begun + 15
        assert answer["status"] == "running"
        assert len(budgeted(upstream)) == 2
