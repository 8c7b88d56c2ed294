"""Slow readers: the gateway's memory stays where it was, every byte arrives, and nothing is attributed to the upstream."""

import time

import pytest

import bodies
import servers
from client import ended_deliveries

GIBIBYTE = 1 << 30
MEBIBYTE = 1 << 20
SLOW_SECONDS = 20
ALLOWED_GROWTH = 32 * MEBIBYTE


@pytest.mark.long
@pytest.mark.parametrize("coding", ["identity", "gzip"])
def test_memory_does_not_grow_with_a_slow_reader(coding, figure):
    with servers.sandbox() as upstream, servers.gateway(upstream, log={"level": "info"}) as gateway:
        small = gateway.succeeded(gateway.create(bodies.paginated_csv("Small")))
        upstream.rule("power-bi.start", {"kind": "fileContent", "bytes": GIBIBYTE, "content": "csv"})
        large = gateway.succeeded(gateway.create(bodies.paginated_csv("Large")))
        headers = {"Accept-Encoding": coding}
        gateway.download(f"{small['href']}/content", headers)  # Idle means: has served, and serves nobody.

        began = time.monotonic()

        def pace(read: int):
            if time.monotonic() - began < SLOW_SECONDS:
                time.sleep(max(0.0, read / MEBIBYTE - (time.monotonic() - began)))

        idle = gateway.process.resident_bytes()
        gateway.process.reset_peak()
        got = gateway.download(f"{large['href']}/content", headers, pace=pace, timeout=120)
        peak = gateway.process.peak_bytes()
        seconds = time.monotonic() - began
        figure(
            f"{got.size} bytes as {got.wire_size} in {seconds:.1f} s; "
            f"memory {idle / MEBIBYTE:.1f} MiB idle, {peak / MEBIBYTE:.1f} MiB at its peak"
        )
        assert got.headers.get("content-encoding") == (None if coding == "identity" else "gzip")
        assert got.size == GIBIBYTE
        (job,) = [job for job in upstream.jobs() if job["files"][0]["size"] == GIBIBYTE]
        assert got.sha256 == job["files"][0]["sha256"]
        assert seconds >= SLOW_SECONDS
        assert peak - idle < ALLOWED_GROWTH


def test_a_pause_of_the_reader_is_not_the_upstreams_silence():
    with servers.sandbox() as upstream, servers.gateway(upstream, downloads={"idleTimeout": "1s"}) as gateway:
        upstream.rule("power-bi.start", {"kind": "fileContent", "bytes": 64 * MEBIBYTE, "content": "csv"})
        export = gateway.succeeded(gateway.create(bodies.paginated_csv()))
        pauses = []

        def pace(read: int):
            if read > MEBIBYTE and not pauses:
                pauses.append(read)
                time.sleep(4)

        got = gateway.download(f"{export['href']}/content", {"Accept-Encoding": "identity"}, pace=pace)
        assert pauses and got.size == 64 * MEBIBYTE
        (row,) = ended_deliveries(lambda: gateway.get(f"{export['href']}/deliveries"))
        assert row["outcome"] == "whole" and row["resumptions"] == 0
