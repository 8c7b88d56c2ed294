"""The case `events`: many streams of one export, each on a connection of its own."""

import json
import re
import subprocess
import sys
import urllib.request
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path

from gateways import connection, start_gateway
from jobs import CHANGES, start_jobs
from results import Run

_CLIENT = Path(__file__).resolve().parent / "stream_client.py"


def events(run: Run) -> None:
    count = run.options.watchers
    with ExitStack() as stack:
        place = run.place("events")
        jobs = stack.enter_context(start_jobs(place / "jobs", "0"))
        limits = {"maximumStreams": count, "streamsPerCaller": count}
        gateway = stack.enter_context(start_gateway(
            place, "1", run.place("events", on_disk=True) / "ledger.sqlite", [connection(jobs.base, pollInterval="1s")],
            server={"maximumConnections": count + 100, "events": limits},
        ))
        export = gateway.create(CHANGES)
        gateway.await_status(export, "running")
        client = subprocess.Popen(
            [sys.executable, str(_CLIENT), f"{gateway.base}/exports/{export}", "--authorization",
             gateway.headers["Authorization"], "--connections", str(count)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )
        stack.callback(client.kill)
        _expect(client, "idle")
        gateway.server.settle()
        idle = gateway.server.resident_bytes()
        client.stdin.write("stream\n")
        client.stdin.flush()
        _expect(client, "open")
        gateway.server.settle()
        streaming, reads = gateway.server.resident_bytes(), _figure(gateway, "export_gateway_event_reads_total")
        jobs.set_state("Succeeded")
        told = json.loads(client.stdout.readline())
        reads = _figure(gateway, "export_gateway_event_reads_total") - reads
        changed = datetime.fromisoformat(gateway.call("GET", f"/exports/{export}")["updatedAt"]).timestamp()
    run.note(gateway.command)
    run.note(f"{count} streams of one export; events of each: {told['events']}; told of the end: {told['succeeded']}")
    run.note(f"resident: {idle >> 10} KiB with idle connections that tasks have answered, {streaming >> 10} KiB with streams")
    run.aim(f"{count} streams: memory of each above a connection whose request a task answered", (streaming - idle) / count / 1024, 16,
            at_least=False, unit=" KiB")
    run.aim(f"{count} streams: the last one told after the change", told["last"] - changed, 2, at_least=False, unit=" s")
    # Besides those of each change, the rows are read once in each heartbeat's time.
    run.aim(f"{count} streams: reads of the ledger's changes", reads, 5, at_least=False, unit="")


def _expect(client: subprocess.Popen, line: str) -> None:
    if (found := client.stdout.readline().strip()) != line:
        raise SystemExit(f"{_CLIENT.name} said {found!r} in place of {line!r}")


def _figure(gateway, name: str) -> int:
    with urllib.request.urlopen(f"{gateway.base}/metrics") as answer:
        found = re.search(rf"^{name} (\S+)", answer.read().decode(), re.M)
    return int(float(found[1]))
