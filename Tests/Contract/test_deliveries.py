"""What was delivered, to whom, and whether it was whole: the chain of custody, as `GET /exports/{id}/deliveries` has it."""

import http.client
import signal
import threading

import pytest

import bodies
import servers
from client import ended_deliveries, poll

SIZE = 4 << 20


@pytest.fixture
def export(gateway, upstream):
    """A finished export with one CSV file of 4 MiB, whose digest the upstream does not tell."""
    upstream.rule("power-bi.start", {"kind": "fileContent", "bytes": SIZE, "content": "csv"})
    return gateway.succeeded(gateway.create(bodies.paginated_csv()))


def deliveries(gateway, export, count):
    """The export's deliveries, which have to become so many, and to end."""
    return ended_deliveries(lambda: gateway.get(f"{export['href']}/deliveries"), count)


def expected_digest(upstream):
    return upstream.jobs()[0]["files"][0]["sha256"]


def test_a_whole_delivery_tells_all_of_itself(gateway, upstream, export):
    assert "sha256" not in export["files"][0]
    plain = gateway.download(f"{export['href']}/content")
    packed = gateway.download(f"{export['href']}/content", {"Accept-Encoding": "gzip"})
    assert packed.wire_size < SIZE
    first, second = deliveries(gateway, export, 2)
    for row, download, coding in ((first, plain, "identity"), (second, packed, "gzip")):
        assert row["fileId"] == "1"
        assert row["caller"] == "black-box"
        assert row["requestId"] == download.headers["x-request-id"]
        assert row["coding"] == coding
        assert row["bytesSent"] == download.wire_size
        assert row["fileBytes"] == SIZE
        assert row["sha256"] == download.sha256 == expected_digest(upstream)
        assert row["outcome"] == "whole" and row["resumptions"] == 0
        assert "reason" not in row and "rangeFirst" not in row
        assert row["startedAt"] <= row["endedAt"]

    file = gateway.export(export)["files"][0]
    assert file["sha256"] == expected_digest(upstream)
    assert file["digestSource"] == "gateway"
    assert file["size"] == SIZE


def test_what_was_delivered_outlives_the_process(gateway, upstream, export):
    gateway.download(f"{export['href']}/content")
    before = deliveries(gateway, export, 1)
    gateway.kill()
    gateway.start()
    assert deliveries(gateway, export, 1) == before
    assert gateway.export(export)["files"][0]["sha256"] == expected_digest(upstream)


def test_a_part_is_recorded_as_that_part(gateway, export):
    gateway.download(f"{export['href']}/content")
    part = gateway.download(f"{export['href']}/content", {"Range": "bytes=1000-1999"})
    assert part.status == 206 and part.size == 1000
    row = deliveries(gateway, export, 2)[1]
    assert (row["rangeFirst"], row["rangeLast"], row["bytesSent"], row["fileBytes"]) == (1000, 1999, 1000, 1000)
    assert row["outcome"] == "whole" and "sha256" not in row


def test_an_upstream_that_breaks_once_is_continued_and_counted(gateway, upstream, export):
    upstream.rule("power-bi.download", {"kind": "cutDownload", "afterBytes": SIZE // 2}, times=1)
    download = gateway.download(f"{export['href']}/content")
    assert download.sha256 == expected_digest(upstream)
    (row,) = deliveries(gateway, export, 1)
    assert row["outcome"] == "whole" and row["resumptions"] >= 1
    assert row["sha256"] == download.sha256


def test_a_break_that_nothing_mends_is_recorded_as_one(gateway, upstream, export):
    upstream.rule("power-bi.download", {"kind": "cutDownload", "afterBytes": SIZE // 2})
    with pytest.raises((http.client.IncompleteRead, OSError)):
        gateway.download(f"{export['href']}/content")
    (row,) = deliveries(gateway, export, 1)
    assert row["outcome"] == "broken" and row["reason"]
    assert row["fileBytes"] < SIZE and "sha256" not in row
    assert "sha256" not in gateway.export(export)["files"][0]


def test_another_file_under_the_same_name_is_never_whole(gateway, upstream, export):
    # Two readings that agree vouch for the file from now on.
    digest, again = (gateway.download(f"{export['href']}/content").sha256 for _ in range(2))
    assert digest == again
    deliveries(gateway, export, 2)
    upstream.rule("power-bi.download", {"kind": "changedFile"})
    with pytest.raises((http.client.IncompleteRead, OSError)):
        gateway.download(f"{export['href']}/content")
    row = deliveries(gateway, export, 3)[2]
    assert row["outcome"] == "broken" and row["reason"]
    assert gateway.export(export)["files"][0]["sha256"] == digest == expected_digest(upstream)


def test_a_caller_who_leaves_is_recorded(gateway, upstream, export):
    upstream.rule("power-bi.download", {"kind": "dripDownload", "bytesPerSecond": SIZE // 4})

    class Left(Exception):
        pass

    def leave(read):
        if read >= SIZE // 8:
            raise Left

    with pytest.raises(Left):
        gateway.download(f"{export['href']}/content", pace=leave)
    (row,) = deliveries(gateway, export, 1)
    assert row["outcome"] == "abandoned"
    assert 0 < row["bytesSent"] < SIZE and "sha256" not in row


def test_a_delivery_that_the_end_of_the_process_cuts_is_recorded():
    with servers.sandbox() as upstream, servers.gateway(upstream, server={"drainTimeout": "1s"}) as gateway:
        upstream.rule("power-bi.start", {"kind": "fileContent", "bytes": SIZE, "content": "csv"})
        upstream.rule("power-bi.download", {"kind": "dripDownload", "bytesPerSecond": SIZE // 20})
        export = gateway.succeeded(gateway.create(bodies.paginated_csv()))
        begun = threading.Event()

        def downloading():
            try:
                gateway.download(f"{export['href']}/content", pace=lambda read: begun.set())
            except (http.client.HTTPException, OSError):
                pass  # It is cut, which the tests of the drain look at.
            begun.set()

        reader = threading.Thread(target=downloading)
        reader.start()
        assert begun.wait(30)
        gateway.process.signal(signal.SIGTERM)
        assert gateway.process.wait(within=30) == 0
        reader.join(30)
        gateway.start()
        (row,) = deliveries(gateway, export, 1)
        assert row["outcome"] in ("broken", "abandoned")
        assert 0 < row["bytesSent"] < SIZE


def test_a_download_under_way_is_told_as_that(gateway, upstream, export):
    upstream.rule("power-bi.download", {"kind": "dripDownload", "bytesPerSecond": SIZE // 2})
    seen = []

    def check(read):
        if not seen:
            seen.append(gateway.get(f"{export['href']}/deliveries?requestId=mine").json["value"])

    done = gateway.download(f"{export['href']}/content", {"X-Request-Id": "mine"}, pace=check)
    ((row,),) = seen
    assert row["outcome"] == "underWay" and row["kind"] == "delivery" and row["caller"] == "black-box"
    assert "endedAt" not in row and "sha256" not in row and "reason" not in row
    ended = poll("the end", lambda: (r := of_request(gateway, export, "mine")[0])["outcome"] != "underWay" and r)
    assert ended == row | {"outcome": "whole", "sha256": done.sha256, "endedAt": ended["endedAt"]} | {
        name: SIZE for name in ("bytesSent", "fileBytes")
    }


def test_a_download_that_the_kill_of_the_process_cuts_is_told_as_broken(gateway, upstream, export):
    """Its client asks afterwards, by the id of its own request, also where the process had no time for a last word."""
    whole = gateway.download(f"{export['href']}/content", {"X-Request-Id": "whole"})
    deliveries(gateway, export, 1)
    upstream.rule("power-bi.download", {"kind": "dripDownload", "bytesPerSecond": SIZE // 20})
    with pytest.raises((http.client.HTTPException, OSError)):
        gateway.download(f"{export['href']}/content", {"X-Request-Id": "cut"}, pace=lambda read: gateway.kill())
    gateway.start()
    (row,) = of_request(gateway, export, "cut")
    assert row["outcome"] == "broken" and row["reason"] == "gateway-stopped"
    assert row["endedAt"] >= row["startedAt"] and row["caller"] == "black-box" and "sha256" not in row
    (other,) = of_request(gateway, export, "whole")
    assert other["outcome"] == "whole" and other["sha256"] == whole.sha256
    assert of_request(gateway, export, "never-was") == []
    # What it said once stays.
    gateway.kill()
    gateway.start()
    assert of_request(gateway, export, "cut") == [row]


@pytest.mark.long
def test_an_archive_that_the_kill_of_the_process_cuts_is_one_broken_delivery(gateway, upstream):
    export = gateway.succeeded(gateway.create(bodies.search_result()))
    upstream.rule("graph.download", {"kind": "dripDownload", "bytesPerSecond": 4096})
    wanted = {"Accept": "application/zip", "X-Request-Id": "archive"}
    with pytest.raises((http.client.HTTPException, OSError)):
        gateway.download(f"{export['href']}/content", wanted, pace=lambda read: gateway.kill())
    gateway.start()
    (row,) = of_request(gateway, export, "archive")
    assert row["outcome"] == "broken" and row["reason"] == "gateway-stopped"
    assert row["coding"] == "zip" and "fileId" not in row


def of_request(gateway, export, request_id):
    answer = gateway.get(f"{export['href']}/deliveries?requestId={request_id}")
    assert answer.status == 200, answer.body
    return answer.json["value"]


def test_what_is_no_request_id_is_refused(gateway, export):
    for value in ("", "a%20b", "a" * 65, "%C3%A9"):
        problem = gateway.get(f"{export['href']}/deliveries?requestId={value}").problem(400, "invalid-parameter")
        assert problem["parameter"] == "requestId"


def test_pages_go_from_the_oldest_on(gateway, upstream, export):
    requests = [gateway.download(f"{export['href']}/content").headers["x-request-id"] for _ in range(5)]
    deliveries(gateway, export, 5)
    seen, path = [], f"{export['href']}/deliveries?limit=2"
    while path:
        page = gateway.get(path).json
        seen += [row["requestId"] for row in page["value"]]
        cursor = page.get("nextCursor")
        path = f"{export['href']}/deliveries?limit=2&cursor={cursor}" if cursor else None
    assert seen == requests


def test_each_file_has_its_own_rows(gateway, upstream):
    export = gateway.succeeded(gateway.create(bodies.search_result()))
    digests = [gateway.download(file["href"]).sha256 for file in export["files"]]
    rows = deliveries(gateway, export, len(digests))
    assert [row["sha256"] for row in rows] == digests
    assert [row["fileId"] for row in rows] == [file["id"] for file in export["files"]]
    assert [file["sha256"] for file in gateway.export(export)["files"]] == digests
