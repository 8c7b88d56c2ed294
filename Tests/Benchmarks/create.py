"""The case `create`: `POST /exports`, 32 at once, each on the disk before it is answered, beside an earlier release."""

import json
import os
from contextlib import ExitStack

from gateways import BASELINE, connection, order, start_gateway
from jobs import RUNS, start_jobs
from load import Rate, load
from results import Run

#: The release that is compared with.
RELEASE = "5581fdf"
#: Starts and polls a minute, Purview's own allowance: what was created waits for them and takes little of the core.
BUDGET = 5
#: Nothing that the earlier release does not know.
OLD_ENOUGH: dict = {}


def create(run: Run) -> None:
    builds = [("gateway", None)]
    if BASELINE:
        builds.append((f"gateway {RELEASE}", BASELINE))
    else:
        run.note(
            f"without {RELEASE} to compare with. In a clone of the repository: git checkout {RELEASE} && "
            "swift build -c release --product export-gateway; then set EXPORT_GATEWAY_BASELINE to its "
            ".build/release/export-gateway"
        )
    rates = [Rate("create, 32 at once", name, "") for name, _ in builds]
    for _ in range(run.options.repetitions):
        for (name, binary), rate in zip(builds, rates, strict=True):
            _round(run, name, binary, rate)
    run.add_rates(rates)
    if BASELINE:
        run.aim(f"create: requests/s of {RELEASE}", rates[0].per_second / rates[1].per_second, 3)
    run.aim("create: p99", rates[0].p99, 30, at_least=False, unit=" ms")


def _round(run: Run, name: str, binary, figure: Rate) -> None:
    """A new ledger for each, all on the same disk."""
    with ExitStack() as stack:
        place = run.place("create")
        jobs = stack.enter_context(start_jobs(place / "jobs", "0"))
        ledger = run.place("create", on_disk=True) / "ledger.sqlite"
        gateway = stack.enter_context(start_gateway(place, "1", ledger, [connection(jobs.base, requestsPerMinute=BUDGET)],
                                                    name=name, binary=binary, downloads=OLD_ENOUGH))
        gateway.path = "/exports"
        body = place / "body.json"
        body.write_text(json.dumps(order(RUNS)))
        before = gateway.server.cpu_seconds()
        result = load(gateway, "0", run.options.seconds, headers={"Content-Type": "application/json"}, body=body,
                      timed=True)
        figure.rates.append(result.per_second)
        figure.cpu_seconds.append((gateway.server.cpu_seconds() - before) /
                                  (result.per_second * (run.options.seconds + 1)))
        figure.times.append((result.percentile(0.5), result.percentile(0.99)))
        figure.command, figure.client = gateway.command, result.command
        found = gateway.call("GET", "/exports?limit=1")["value"]
        if not found:
            raise SystemExit(f"{name} created nothing")
    for file in ledger.parent.iterdir():
        os.unlink(file)
