"""Files are read once in the background, so that their first caller is told their length: what is read, and what is not."""

import hashlib
import threading

import pytest

import bodies
import servers
from client import poll
from credentials import Credential, in_ediscovery
from scripted import Reply, Scripted, scripted_gateway
from test_credentials import succeeded as succeeded_with

CONTENT = b"".join(b"%d,row of a ledger that nobody knows the length of\n" % n for n in range(20_000))
DIGEST = hashlib.sha256(CONTENT).hexdigest()
MEASURED = {"downloads": {"measure": "unknownLength"}}


@pytest.fixture
def upstream():
    """Its Power BI tells a file's length neither in the status nor with the file."""
    with Scripted() as server:
        server.content = CONTENT
        server.script("bi.file", Reply(200, CONTENT, framing="chunked"), stays=True)
        yield server


def measurements(gateway, export, count=1):
    """The rows of the export's measurements, which have to become so many, and to end."""

    def ended():
        rows = [row for row in rows_of(gateway, export) if row["kind"] == "measurement"]
        assert len(rows) <= count, rows
        return rows if len(rows) == count and all("endedAt" in row for row in rows) else None

    return poll(f"{count} measurements", ended)


def rows_of(gateway, export):
    answer = gateway.get(f"{export['href']}/deliveries")
    assert answer.status == 200, answer.body
    return answer.json["value"]


def test_the_first_caller_is_told_the_length_and_can_resume(upstream):
    with scripted_gateway(upstream, **MEASURED) as gateway:
        export = gateway.succeeded(gateway.create(bodies.paginated_csv()))
        (row,) = measurements(gateway, export)
        assert row["outcome"] == "whole" and row["caller"] == "export-gateway" and row["fileId"] == "1"
        assert row["sha256"] == DIGEST and row["fileBytes"] == len(CONTENT) and row["bytesSent"] == 0
        assert len(upstream.calls("bi.file")) == 1

        file = gateway.export(export)["files"][0]
        assert file["size"] == len(CONTENT) and file["sizeSource"] == "gateway" and file["sizeState"] == "claimed"
        assert file["sha256"] == DIGEST and file["digestSource"] == "gateway"

        head = gateway.call("HEAD", f"{export['href']}/content")
        assert head.headers["content-length"] == str(len(CONTENT))
        assert head.headers["accept-ranges"] == "bytes"
        tag = head.headers["etag"]
        assert not tag.startswith("W/")
        path = f"{export['href']}/content"
        rest = gateway.call("GET", path, {"Range": "bytes=1000-", "If-Range": tag})
        assert rest.status == 206 and rest.body == CONTENT[1000:]
        first = gateway.download(path)
        assert first.headers["content-length"] == str(len(CONTENT)) and first.sha256 == DIGEST
        assert gateway.metric("export_gateway_measurements_total", outcome="whole") == 1
        assert gateway.metric("export_gateway_measurement_bytes_total") == len(CONTENT)
        # It was nobody's download. A download is counted after its last byte has been sent.
        poll("the count", lambda: gateway.metric("export_gateway_downloads_total", outcome="whole") == 2)


def test_the_first_callers_download_is_the_second_observation(upstream):
    with scripted_gateway(upstream, **MEASURED) as gateway:
        export = gateway.succeeded(gateway.create(bodies.paginated_csv()))
        measurements(gateway, export)
        first = gateway.download(f"{export['href']}/content")
        # One reading is a claim, which libraries that know the field would take for more.
        assert first.sha256 == DIGEST and "repr-digest" not in first.headers and "unencoded-digest" in first.headers

        def confirmed():
            file = gateway.export(export)["files"][0]
            return file["digestState"] == "confirmed" and file["sizeState"] == "confirmed"

        poll("the confirmation", confirmed)
        second = gateway.call("HEAD", f"{export['href']}/content", {"Accept-Encoding": "identity"})
        assert second.headers["repr-digest"] == second.headers["unencoded-digest"] == first.headers["unencoded-digest"]
        assert len(rows_of(gateway, export)) == 2


def test_what_the_upstream_tells_the_length_of_is_read_only_where_always_is_asked_for():
    with Scripted() as upstream:
        with scripted_gateway(upstream, **MEASURED) as gateway:
            export = gateway.succeeded(gateway.create(bodies.search_result()))
            # What is due is looked at in the order of its end: this one is read, the one before was not.
            later = gateway.succeeded(gateway.create(bodies.paginated_csv()))
            measurements(gateway, later)
            assert rows_of(gateway, export) == [] and upstream.calls("graph.file") == []
        with scripted_gateway(upstream, downloads={"measure": "always"}) as gateway:
            export = gateway.succeeded(gateway.create(bodies.search_result()))
            rows = measurements(gateway, export, len(export["files"]))
            assert [row["fileId"] for row in rows] == [file["id"] for file in export["files"]]
            assert all(row["outcome"] == "whole" for row in rows)
            assert all("sha256" in file for file in gateway.export(export)["files"])


def test_never_means_never(upstream):
    with scripted_gateway(upstream, downloads={"measure": "never"}) as gateway:
        export = gateway.succeeded(gateway.create(bodies.paginated_csv()))
        assert gateway.metric("export_gateway_measurements_total") == 0
        gateway.download(f"{export['href']}/content")
        assert len(upstream.calls("bi.file")) == 1
        # It is not lost: measured as soon as the operator wants it.
    with scripted_gateway(upstream, downloads={"measure": "never"}) as gateway:
        export = gateway.succeeded(gateway.create(bodies.paginated_csv()))
        gateway.process.stop()
        gateway.reconfigure(MEASURED)
        gateway.start()
        assert measurements(gateway, export)[0]["outcome"] == "whole"


def test_files_that_only_a_callers_token_opens_are_not_read():
    """Goals is passed through; so is eDiscovery here, and all that is known of its files is known from the upstream."""
    with servers.sandbox() as upstream:
        credential = in_ediscovery(Credential({"type": "passThrough"}), upstream)
        connections = servers.connections(upstream)
        connections[0] |= {"credential": credential.section}
        always = {"measure": "always"}
        with servers.gateway(upstream, connections=connections, downloads=always) as gateway:
            passed = succeeded_with(gateway, credential, bodies.search_result())
            goals = gateway.succeeded(gateway.create(bodies.goals()))
            measurements(gateway, gateway.succeeded(gateway.create(bodies.paginated_csv())))
            for export in (passed, goals):
                assert rows_of(gateway, export) == []
            counts = upstream.account()["counts"]
            assert counts.get("download.proxy", 0) == 0 and counts.get("goals.download", 0) == 0, counts


def test_a_kill_in_the_middle_is_told_and_made_good(upstream):
    downloads = {"measure": "unknownLength", "measureRate": len(CONTENT) // 60}
    with scripted_gateway(upstream, downloads=downloads) as gateway:
        export = gateway.succeeded(gateway.create(bodies.paginated_csv()))

        def under_way():
            return [row for row in rows_of(gateway, export) if row["outcome"] == "underWay"]

        (row,) = poll("a measurement that has begun", under_way)
        assert row["kind"] == "measurement"
        gateway.kill()
        gateway.start()
        (cut,) = rows_of(gateway, export)
        assert cut["outcome"] == "broken" and cut["reason"] == "gateway-stopped"
        # A caller does not wait for it.
        assert gateway.download(f"{export['href']}/content").sha256 == DIGEST


def test_a_measurement_ends_with_the_process_and_is_given_back(upstream):
    downloads = {"measure": "unknownLength", "measureRate": len(CONTENT) // 60}
    with scripted_gateway(upstream, downloads=downloads) as gateway:
        export = gateway.succeeded(gateway.create(bodies.paginated_csv()))
        poll("a measurement that has begun", lambda: rows_of(gateway, export))
        assert gateway.process.stop(within=10) == 0
        gateway.start()
        first, second = poll("the next one", lambda: len(rows := rows_of(gateway, export)) == 2 and rows)
        assert (first["kind"], first["outcome"], first["reason"]) == ("measurement", "abandoned", "cancelled")
        assert second["kind"] == "measurement" and second["outcome"] == "underWay"


def test_a_caller_who_downloads_comes_first(upstream):
    # More than the sockets between them take at once, so that the download is under way for as long as its client waits.
    content = CONTENT * 24
    upstream.content = content
    upstream.script("bi.file", Reply(200, content, framing="chunked"), stays=True)
    downloads = {"measure": "unknownLength", "measureRate": len(CONTENT) // 60, "perCaller": 1}
    with scripted_gateway(upstream, downloads=downloads) as gateway:
        export = gateway.succeeded(gateway.create(bodies.paginated_csv()))
        poll("a measurement that has begun", lambda: rows_of(gateway, export))
        seen = threading.Event()

        def check(read):
            if not seen.is_set():
                seen.set()
                poll("the measurement's end", lambda: rows_of(gateway, export)[0]["outcome"] != "underWay")

        # The measurement counts for no caller: one download at a time is what this one may have.
        download = gateway.download(f"{export['href']}/content", pace=check)
        assert download.sha256 == hashlib.sha256(content).hexdigest()
        row = rows_of(gateway, export)[0]
        assert (row["kind"], row["outcome"], row["reason"]) == ("measurement", "abandoned", "preempted")
        poll("the size", lambda: gateway.export(export)["files"][0].get("size") == len(content))


def test_a_file_that_is_too_long_is_left(upstream):
    downloads = {"measure": "unknownLength", "measureLargest": len(CONTENT) - 1}
    with scripted_gateway(upstream, downloads=downloads) as gateway:
        export = gateway.succeeded(gateway.create(bodies.paginated_csv()))
        (row,) = measurements(gateway, export)
        assert row["outcome"] == "abandoned" and row["reason"] == "too-large"
        assert "size" not in gateway.export(export)["files"][0]
        assert gateway.download(f"{export['href']}/content").sha256 == DIGEST


def test_a_measurement_that_breaks_is_told_and_tells_nothing(upstream):
    upstream.script("bi.file", Reply(200, CONTENT, framing="chunked", cut=len(CONTENT) // 2), stays=True)
    with scripted_gateway(upstream, downloads={"measure": "unknownLength", "resumeAttempts": 0}) as gateway:
        export = gateway.succeeded(gateway.create(bodies.paginated_csv()))
        (row,) = measurements(gateway, export)
        assert row["outcome"] == "broken" and row["reason"] == "upstream-failed" and "sha256" not in row
        assert "size" not in gateway.export(export)["files"][0]
        assert gateway.metric("export_gateway_measurements_total", outcome="broken") == 1
        assert gateway.metric("export_gateway_downloads_total", outcome="broken") == 0
