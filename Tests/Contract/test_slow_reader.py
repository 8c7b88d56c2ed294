"""A gibibyte for a slow reader: the gateway's memory stays where it was, and every byte arrives."""

import threading
import time

import pytest

import bodies
import servers

GIBIBYTE = 1 << 30
MEBIBYTE = 1 << 20
SLOW_SECONDS = 20
ALLOWED_GROWTH = 32 * MEBIBYTE


class Watch:
    """The highest resident memory of a process, looked at ten times a second."""

    def __init__(self, process):
        self.process = process
        self.highest = self.idle = process.resident_bytes()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look)

    def _look(self):
        while not self._ended.wait(0.1):
            self.highest = max(self.highest, self.process.resident_bytes())

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._ended.set()
        self._thread.join()

    @property
    def growth(self) -> int:
        return self.highest - self.idle


@pytest.mark.parametrize("coding", ["identity", "gzip"])
def test_memory_does_not_grow_with_a_slow_reader(coding):
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

        with Watch(gateway.process) as watch:
            got = gateway.download(f"{large['href']}/content", headers, pace=pace, timeout=120)
        seconds = time.monotonic() - began
        print(
            f"{coding}: {got.size} bytes as {got.wire_size} in {seconds:.1f} s; "
            f"memory {watch.idle / MEBIBYTE:.1f} MiB idle, {watch.highest / MEBIBYTE:.1f} MiB at most"
        )
        assert got.headers.get("content-encoding") == (None if coding == "identity" else "gzip")
        assert got.size == GIBIBYTE
        (job,) = [job for job in upstream.jobs() if job["files"][0]["size"] == GIBIBYTE]
        assert got.sha256 == job["files"][0]["sha256"]
        assert seconds >= SLOW_SECONDS
        assert watch.growth < ALLOWED_GROWTH, f"memory grew by {watch.growth / MEBIBYTE:.1f} MiB"
