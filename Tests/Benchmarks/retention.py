"""The case `retention`: nearly all of many exports are purged while others are asked for.

The aim is the 99th percentile of `GET /exports/{id}` at a fixed rate while the gateway purges, over that of the same gateway on the
same ledger without rules. Then: how large the ledger is, that what is retained is kept, and that every purged id answers 410.
"""

import http.client
import random
import shutil
import sqlite3
import statistics
import time
import urllib.request
from contextlib import ExitStack, closing
from pathlib import Path

from gateways import connection, start_gateway
from jobs import start_jobs
from load import load
from results import Run
from stored import stored

#: Requests a second, on the connections of `load`.
RATE = 400
#: One of so many exports is retained.
RETAINED = 1_000
RULES = {"rules": [{"after": "10s"}], "changes": "1h"}
#: So many of the purged ids are asked for first.
SAMPLE = 1_000


def retention(run: Run) -> None:
    made = stored(run)
    place = run.place("retention", on_disk=True)
    ledger = place / "ledger.sqlite"
    shutil.copy(made.path, ledger)
    settled, kept = _retain(ledger)
    before = ledger.stat().st_size
    run.note(f"{len(settled)} exports to be purged, {len(kept)} retained, {before / 1e6:.0f} MB")
    asked = [f"/exports/{export}" for export in random.Random(1).sample(kept, min(len(kept), 500))]
    with _gateway(run, ledger) as gateway:
        run.note(gateway.command)
        idle = [_p99(run, gateway, asked) for _ in range(run.options.repetitions)]
    with _gateway(run, ledger, retention=RULES) as gateway:
        began = time.monotonic()
        while not _metric(gateway, "export_gateway_exports_purged_total"):
            time.sleep(0.5)
        busy = []
        while (purged := _metric(gateway, "export_gateway_exports_purged_total")) < len(settled):
            busy.append(_p99(run, gateway, asked))
        seconds = time.monotonic() - began
        run.note(f"{purged:.0f} purged in {seconds:.0f} s, {purged / seconds:.0f} a second")
        # Changes follow the exports.
        while _metric(gateway, "export_gateway_retention_rows_deleted_total", 'kind="change"') == 0:
            time.sleep(0.5)
        # The figures are taken twice a minute.
        time.sleep(31)
        sizes = {part: _metric(gateway, "export_gateway_ledger_bytes", f'part="{part}"') for part in ["file", "free", "log"]}
        run.note(", ".join(f"{part} {size / 1e6:.0f} MB" for part, size in sizes.items()))
        statuses = _statuses(gateway, kept)
        run.note(f"retained: {statuses}")
        run.aim("retention: retained exports that are kept", statuses.get(200, 0) / max(1, len(kept)), 1)
        sample = random.Random(2).sample(settled, min(SAMPLE, len(settled)))
        run.aim("retention: 410 of a sample of the purged", _statuses(gateway, sample).get(410, 0) / len(sample), 1)
        statuses = _statuses(gateway, settled)
        run.note(f"all purged: {statuses}")
        run.aim("retention: 410 of all purged", statuses.get(410, 0) / len(settled), 1)
    used = (sizes["file"] - sizes["free"]) / before
    run.aim("retention: pages in use after, of the file before", used, 0.5, at_least=False)
    run.note(f"p99 idle {statistics.median(idle):.2f} ms, while purging {statistics.median(busy):.2f} ms "
             f"(most {max(busy):.2f} ms, of {len(busy)})")
    run.aim("retention: p99 of GET while purging, of idle", statistics.median(busy) / statistics.median(idle), 2,
            at_least=False)


def _retain(ledger: Path) -> tuple[list[str], list[str]]:
    """Retains one of so many of those that have ended; gives back the others, and those that stay."""
    with closing(sqlite3.connect(ledger)) as database:
        database.execute(
            f"UPDATE export SET retained_at = 1 WHERE phase = 'settled' AND key % {RETAINED} = 0"
        )
        database.commit()
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")

        def ids(condition: str) -> list[str]:
            return [row[0] for row in database.execute(f"SELECT id FROM export WHERE {condition} ORDER BY id")]

        return ids("phase = 'settled' AND retained_at IS NULL"), ids("retained_at IS NOT NULL")


class _gateway(ExitStack):  # noqa: N801
    """A gateway on the ledger, with the upstream of its unfinished exports."""

    def __init__(self, run: Run, ledger: Path, **settings):
        super().__init__()
        self._run, self._ledger, self._settings = run, ledger, settings

    def __enter__(self):
        super().__enter__()
        place = self._run.place("retention")
        jobs = self.enter_context(start_jobs(place / "jobs", "0"))
        connections = [connection(jobs.base, name, requestsPerMinute=1) for name in ["bi", "other"]]
        # Callers are not told apart: each may ask for every export.
        return self.enter_context(
            start_gateway(place, "1", self._ledger, connections, callers=False, **self._settings)
        )


def _p99(run: Run, gateway, paths: list[str]) -> float:
    return load(gateway, "0", run.options.seconds, rate=RATE, paths=paths).percentile(0.99)


def _metric(gateway, name: str, labels: str = "") -> float:
    with urllib.request.urlopen(f"{gateway.base}/metrics") as answer:
        lines = answer.read().decode().splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith((name + "{", name + " ")) and labels in line)


def _statuses(gateway, ids: list[str]) -> dict[int, int]:
    """How many of these exports answer with which status."""
    found: dict[int, int] = {}
    asking = http.client.HTTPConnection(gateway.base.partition("//")[2])
    for export in ids:
        asking.request("GET", f"/exports/{export}")
        answer = asking.getresponse()
        answer.read()
        found[answer.status] = found.get(answer.status, 0) + 1
    asking.close()
    return found
