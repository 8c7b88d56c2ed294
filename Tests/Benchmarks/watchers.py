"""The case `watchers`: many callers wait for a change of one export (`Prefer: wait`), each on a connection of its own."""

import json
import re
import subprocess
import sys
import time
import urllib.request
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path

from gateways import connection, start_gateway
from jobs import CHANGES, start_jobs
from results import Run

_CLIENT = Path(__file__).resolve().parent / "watch_client.py"


def watchers(run: Run) -> None:
    count = run.options.watchers
    with ExitStack() as stack:
        place = run.place("watchers")
        jobs = stack.enter_context(start_jobs(place / "jobs", "0"))
        gateway = stack.enter_context(start_gateway(
            place, "1", run.place("watchers", on_disk=True) / "ledger.sqlite", [connection(jobs.base, pollInterval="1s")],
            server={"maximumConnections": count + 100},
        ))
        export = gateway.create(CHANGES)
        gateway.await_status(export, "running")
        address = f"{gateway.base}/exports/{export}"
        client = subprocess.Popen(
            [sys.executable, str(_CLIENT), address, "--authorization", gateway.headers["Authorization"], "--connections",
             str(count)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )
        stack.callback(client.kill)
        _expect(client, "idle")
        gateway.server.settle()
        idle, misses = gateway.server.resident_bytes(), _misses(gateway)
        client.stdin.write("wait\n")
        client.stdin.flush()
        _expect(client, "sent")
        gateway.server.settle()
        waiting = gateway.server.resident_bytes()
        jobs.set_state("Succeeded")
        told = json.loads(client.stdout.readline())
        reads = _misses(gateway) - misses if misses is not None else None
        changed = gateway.call("GET", f"/exports/{export}")["updatedAt"]
        latest = _latest(place / "gateway.log", count)
    run.note(gateway.command)
    run.note(f"{count} watchers of one export; answers by status: {told['answers']}; the client had them within "
             f"{told['seconds']:.2f} s of the first")
    run.note(f"resident: {idle >> 10} KiB with idle connections, {waiting >> 10} KiB with held requests")
    run.aim(f"{count} watchers: memory of each above an idle connection", (waiting - idle) / count / 1024, 8,
            at_least=False, unit=" KiB")
    seconds = (latest - datetime.fromisoformat(changed)).total_seconds()
    if told["answers"].get("succeeded") != count:
        run.note("not all were held until the change, so that the next figure is not what it says")
    run.aim(f"{count} watchers: the last one answered after the change", seconds, 2, at_least=False, unit=" s")
    if reads is None:
        run.note("this build does not count how often it reads the ledger for an answer")
    else:
        run.aim(f"{count} watchers: reads of the ledger", reads, 1, at_least=False, unit="")


def _expect(client: subprocess.Popen, line: str) -> None:
    if (found := client.stdout.readline().strip()) != line:
        raise SystemExit(f"{_CLIENT.name} said {found!r} in place of {line!r}")


def _misses(gateway) -> int | None:
    """Answers about an export for which the ledger was read."""
    with urllib.request.urlopen(f"{gateway.base}/metrics") as answer:
        text = answer.read().decode()
    found = re.search(r'^export_gateway_snapshot_reads_total\{outcome="miss"\} (\S+)', text, re.M)
    return int(float(found[1])) if found else None


def _latest(log: Path, count: int) -> datetime:
    """When the last of `count` held requests was answered, by the server's own stamps: they take longest, and are its last
    lines but the few that came after them."""
    # The log is written by a thread of its own.
    time.sleep(0.5)
    times = []
    for line in log.open():
        entry = json.loads(line)
        if entry.get("route") == "/exports/{id}" and float(entry["duration_ms"]) >= 500:
            times.append(datetime.fromisoformat(entry["time"]))
    if len(times) < count:
        raise SystemExit(f"the log has {len(times)} of {count} held requests")
    return max(times)
