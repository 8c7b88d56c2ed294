"""The ledger of many exports that the cases share: generated once in a run, into the schema of the gateway that is measured."""

import time
from dataclasses import dataclass
from pathlib import Path

from gateways import KEYS, connection, start_gateway
from jobs import FAILS, RUNS, SUCCEEDS, start_jobs
from ledgers import Copy, LedgerWriter
from results import Run

DAY = 86_400_000
#: Over so long the exports were created.
SPAN = 90 * DAY
_MADE: dict[tuple, "Stored"] = {}


@dataclass
class Stored:
    path: Path
    settled_of_first_caller: list[str]
    unfinished: int
    since: int
    until: int


@dataclass
class Templates:
    """Exports that a gateway has made and brought to their state."""

    succeeded: str
    failed: str
    running: str


def make_templates(run: Run, ledger: Path) -> Templates:
    """A new ledger with one export of each kind, closed again."""
    place = run.place("templates")
    with start_jobs(place / "jobs", "0") as jobs, \
            start_gateway(place, "0,1", ledger, [connection(jobs.base)]) as gateway:
        # Of a caller who is not measured.
        gateway.headers = {"Authorization": f"Bearer {KEYS['caller-9']}"}
        made = Templates(gateway.create(SUCCEEDS), gateway.create(FAILS), gateway.create(RUNS))
        gateway.await_status(made.succeeded, "succeeded")
        gateway.await_status(made.failed, "failed")
        gateway.await_status(made.running, "running")
    return made


def stored(run: Run) -> Stored:
    """`--exports` of them, a tenth unfinished, whose polls are due within half a minute before and after now.

    `caller-0` has three fifths of those that ended, all of them succeeded, on the connection `bi`. `caller-1` has the
    others: nine in ten succeeded, one failed; half of them are on the connection `other`, and some are of another provider.
    """
    count = run.options.exports
    if (found := _MADE.get(count)) is not None:
        return found
    began = time.monotonic()
    path = run.place("stored", on_disk=True) / "ledger.sqlite"
    templates = make_templates(run, path)
    now = int(time.time() * 1000)
    settled = count - count // 10
    until = now - 2 * DAY
    since = until - SPAN
    callers = list(KEYS)
    first: list[int] = []

    def copies():
        for number in range(settled):
            created = since + SPAN * number // settled
            if number % 5 < 3:
                first.append(number)
                yield Copy(templates.succeeded, created, {"created_by": callers[0]})
                continue
            columns = {"created_by": callers[1]}
            if number % 2:
                columns["connection"] = "other"
            if number % 20 == 3:
                columns |= {"provider": "viva-goals", "connection": "goals"}
            yield Copy(templates.failed if number % 10 == 9 else templates.succeeded, created, columns)
        for number in range(count - settled):
            # Young enough to be tracked on.
            due = now - 30_000 + 60_000 * number // max(1, count - settled)
            yield Copy(templates.running, now - 3_600_000 + number, {
                "created_by": callers[2], "next_action_at": due, "due_at": due, "scheduled_at": now - 60_000,
            })

    writer = LedgerWriter(path)
    ids = writer.add(copies())
    writer.close()
    run.note(f"a ledger of {count} exports: {path.stat().st_size / 1e6:.0f} MB, made in {time.monotonic() - began:.0f} s")
    made = Stored(path, [ids[number] for number in first], count - settled, since, until)
    _MADE[count] = made
    return made
