"""A gibibyte for a slow reader: the gateway's memory stays where it was, and every byte arrives."""

import time

import pytest

import bodies
import servers

GIBIBYTE = 1 << 30
MEBIBYTE = 1 << 20
SLOW_SECONDS = 20
ALLOWED_GROWTH = 32 * MEBIBYTE


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
        gateway.process.forget_peak()
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
