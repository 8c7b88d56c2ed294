"""The case `tracking`: a tenth of `--exports` on Power BI, each polled once in `--interval` seconds, with callers beside.

The upstream answers at once and always the same, so that every poll after the first finds nothing new. Its own log tells
when each export was polled. The first poll of an export is late against the time in the ledger, every other one
against the one before and the interval; an export that was not polled in time at the end is late by then.
"""

import time
from collections import defaultdict
from contextlib import ExitStack
from pathlib import Path

from gateways import KEYS, connection, start_gateway
from jobs import start_jobs
from ledgers import Copy, LedgerWriter
from load import Rate, load, percentile
from measure import MIB
from results import Run
from stored import make_templates

#: GETs a second.
READS = 1_000
#: What the gateway gets to start before the first poll is due, in seconds.
HEAD_START = 5


def tracking(run: Run) -> None:
    count, interval = max(1, run.options.exports // 10), run.options.interval
    with ExitStack() as stack:
        place = run.place("tracking")
        ledger = run.place("tracking", on_disk=True) / "ledger.sqlite"
        running = make_templates(run, ledger).running
        jobs = stack.enter_context(start_jobs(place / "jobs", "0", logs=True))
        now = time.time()
        dues = [now + HEAD_START + _seconds_to_fill(count) + interval * number / count for number in range(count)]
        ids = _fill(ledger, running, now, dues)
        gateway = stack.enter_context(start_gateway(
            place, "1", ledger, [connection(jobs.base, pollInterval=f"{interval}s")],
            engine={"maximumPollInterval": f"{interval}s"},
        ))
        server = gateway.server
        time.sleep(max(0, dues[0] - time.time()))
        server.reset_peak()
        written, cpu, size = server.bytes_written(), server.cpu_seconds(), _log_size(ledger)
        seconds = 2 * interval
        result = load(gateway, "0", seconds, rate=READS, paths=[f"/exports/{export}" for export in ids])
        ended = time.time()
        peak = server.peak_bytes()
        polls = _polls(jobs.log)
        total = sum(map(len, polls.values()))
        written, cpu = server.bytes_written() - written, server.cpu_seconds() - cpu
        grown = _log_size(ledger) - size
    lags = sorted(_lags(polls, dues, interval, ended))
    run.note(
        f"{count} exports, an interval of {interval} s, {seconds:.0f} s: {total} polls ({total / seconds:.0f}/s of "
        f"{count / interval:.0f}/s), {len(polls)} exports polled; {cpu / seconds * 100:.0f}% of the core"
    )
    run.note(f"poll lag p50 {percentile(lags, 0.5):.2f} s, p99 {percentile(lags, 0.99):.2f} s, most {lags[-1]:.2f} s")
    run.note(f"{written} bytes written to the disk, write-ahead log {grown:+} bytes; resident at most {peak / MIB:.0f} MiB")
    rate = Rate(f"GET beside {count} tracked", "gateway", gateway.command, result.command, [result.per_second],
                [cpu / max(1, result.answers)], [(result.percentile(0.5), result.percentile(0.99))])
    run.add_rates([rate])
    label = f"{count} tracked"
    run.aim(f"{label}: poll lag p99 of the interval", percentile(lags, 0.99) / interval * 100, 5, at_least=False, unit="%")
    run.aim(f"{label}: resident", peak / MIB, 200, at_least=False, unit=" MiB")
    run.aim(f"{label}: p99 of {READS} GETs a second", result.percentile(0.99), 20, at_least=False, unit=" ms")
    run.aim(f"{label}: bytes written for a poll", written / max(1, total), 64, at_least=False, unit=" B")


def _seconds_to_fill(count: int) -> float:
    """A generous guess, so that nothing is due before the ledger is made."""
    return 5 + count / 10_000


def _fill(ledger: Path, template: str, now: float, dues: list[float]) -> list[str]:
    """Every due time carries its own number: the address that is polled tells which export it was."""
    writer = LedgerWriter(ledger)
    first = int(now * 1000) - 3_600_000
    caller = list(KEYS)[0]
    ids = writer.add(
        (Copy(template, first + number, {
            "created_by": caller, "next_action_at": int(due * 1000), "due_at": int(due * 1000),
            "scheduled_at": int(now * 1000),
        }, job=f"{number:032x}") for number, due in enumerate(dues))
    )
    writer.close()
    return ids


def _polls(log: Path) -> dict[int, list[float]]:
    """By the number of the export."""
    polls = defaultdict(list)
    for line in log.open():
        moment, address = line.split()
        number = int(address.rpartition("/")[2], 16)
        polls[number].append(float(moment))
    return polls


def _lags(polls: dict[int, list[float]], dues: list[float], interval: float, ended: float):
    for number, due in enumerate(dues):
        for moment in polls.get(number, []):
            if moment > ended:
                break
            yield max(0.0, moment - due)
            due = moment + interval
        if due < ended:
            yield ended - due


def _log_size(ledger: Path) -> int:
    log = ledger.with_name(ledger.name + "-wal")
    return log.stat().st_size if log.exists() else 0
