"""SIGTERM at any moment of a start with many unfinished exports: the process ends well, within `drainTimeout`, and loses nothing.

EXPORT_GATEWAY_UNFINISHED=100000 is the full size.
"""

import contextlib
import importlib.util
import os
import re
import signal
import socket
import sqlite3
import time

import pytest

import bodies
import evidence
from client import call, poll
from scripted import Hang, Reply, Scripted, scripted_gateway

UNFINISHED = int(os.environ.get("EXPORT_GATEWAY_UNFINISHED", "2000"))
DRAIN = 5


def ledgers():
    """What fills the ledgers of the benchmarks."""
    spec = importlib.util.spec_from_file_location("ledgers", evidence.ROOT / "Tests/Benchmarks/ledgers.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def filled(gateway) -> None:
    """Copies the one export, which is tracked: each copy is due at once."""
    path, tools, now = gateway.directory / "ledger.sqlite", ledgers(), int(time.time() * 1000)
    with contextlib.closing(sqlite3.connect(path)) as ledger:
        ((template,),) = ledger.execute("SELECT id FROM export WHERE phase = 'tracking'").fetchall()
    writer = tools.LedgerWriter(path)
    columns = {"next_action_at": now, "scheduled_at": now}
    writer.add(tools.Copy(template, now - 3_600_000 + number, columns) for number in range(UNFINISHED - 1))
    writer.close()


def unfinished(gateway) -> float:
    """How many exports it has taken over; 0 before it says so. Asked past the record of answers, which would be of gigabytes."""
    try:
        text = call(gateway.address, "GET", "/metrics", timeout=5).body.decode()
    except OSError:
        return 0
    return sum(float(value) for value in re.findall(r"^export_gateway_exports_unfinished(?:\{.*\})? (\S+)$", text, re.M))


def is_open(gateway) -> bool:
    return " open" in (gateway.directory / "ledger.sqlite.lock").read_text(errors="replace")


def listens(gateway) -> bool:
    try:
        socket.create_connection(("127.0.0.1", gateway.port), timeout=5).close()
        return True
    except OSError:
        return False


def is_ready(gateway) -> bool:
    return listens(gateway) and call(gateway.address, "GET", "/readyz", timeout=5).status == 200


# In the order in which they come, and how often is looked for them: whoever asks for the metrics takes time from the process.
AT_ONCE, OFTEN = 0.001, 0.02
MOMENTS = {
    "signals are handled": (AT_ONCE, lambda gateway, upstream: gateway.process.handles(signal.SIGTERM)),
    "the ledger is open": (AT_ONCE, lambda gateway, upstream: gateway.process.handles(signal.SIGTERM) and is_open(gateway)),
    "it listens": (AT_ONCE, lambda gateway, upstream: listens(gateway)),
    "it is ready": (AT_ONCE, lambda gateway, upstream: is_ready(gateway)),
    "some are taken over": (OFTEN, lambda gateway, upstream: unfinished(gateway) > 0),
    "half are taken over": (OFTEN, lambda gateway, upstream: unfinished(gateway) >= UNFINISHED / 2),
    "all are taken over": (OFTEN, lambda gateway, upstream: unfinished(gateway) >= UNFINISHED),
    "one is asked for": (AT_ONCE, lambda gateway, upstream: len(upstream.calls("bi.status")) > 0),
}


@pytest.mark.long
@pytest.mark.fault("D3")
def test_sigterm_at_any_moment_of_a_start(figure):
    """The upstream says nothing when it is asked how the exports stand."""
    running = Reply(200, {"id": "x", "status": "Running", "percentComplete": 5})
    server = {"drainTimeout": f"{DRAIN}s", "drainDelay": "0s"}
    with Scripted() as upstream, scripted_gateway(upstream, server=server) as gateway:
        upstream.script("bi.status", running, stays=True)
        export = gateway.create(bodies.paginated_csv())
        gateway.watch(export, until=lambda export: export["status"] == "running")
        assert gateway.process.stop() == 0
        filled(gateway)
        upstream.script("bi.status", Hang(), stays=True)
        took = {}
        for moment, (every, has_come) in MOMENTS.items():
            for repetition in range(3):
                upstream.clear()
                gateway.start(ready=False)
                poll(f"{moment} ({repetition})", lambda has_come=has_come: has_come(gateway, upstream), every=every)
                begun = time.monotonic()
                gateway.process.signal(signal.SIGTERM)
                code = gateway.process.wait(DRAIN + 60)
                took[moment] = max(took.get(moment, 0.0), time.monotonic() - begun)
                assert code == 0, (moment, code, gateway.process.lines()[-2000:])
        figure(f"{UNFINISHED} unfinished exports, SIGTERM when " + ", ".join(f"{moment}: {seconds:.2f} s" for moment, seconds in took.items()))
        assert max(took.values()) < DRAIN, took
        with contextlib.closing(sqlite3.connect(gateway.directory / "ledger.sqlite")) as ledger:
            assert ledger.execute("SELECT count(*) FROM export WHERE phase = 'tracking'").fetchone() == (UNFINISHED,)
        assert "Fatal" not in gateway.process.lines()
        # What is left goes on.
        upstream.script("bi.status", Reply(200, {"id": "x", "status": "Succeeded", "percentComplete": 100}), stays=True)
        gateway.start()
        poll("one has ended", lambda: gateway.get("/exports?status=succeeded&limit=1").json["value"])
