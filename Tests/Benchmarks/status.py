"""The case `status`: `GET /exports/{id}` of an export that has ended, by a caller with a key, beside its peers.

Each server runs on core 1, the load on core 0; the access log is on for all. First as fast as they answer, with 32
connections; then at half of that, at a fixed rate, for the latency. Last, reads spread evenly over many exports.
"""

import os
import random
from contextlib import ExitStack

import peers
from gateways import connection, start_gateway
from jobs import SUCCEEDS, start_jobs
from load import Rate, load
from results import Run
from stored import stored

SERVER, OTHER = "1", "0"


def status(run: Run) -> None:
    with ExitStack() as stack:
        place = run.place("status")
        jobs = stack.enter_context(start_jobs(place / "jobs", OTHER))
        ours = stack.enter_context(start_gateway(place, SERVER, run.place("status", on_disk=True) / "ledger.sqlite",
                                                 [connection(jobs.base)]))
        ours.log = place / "gateway.log"
        export = ours.create(SUCCEEDS)
        ours.await_status(export, "succeeded")
        answer = peers.answer_of(ours, f"/exports/{export}", place)
        ours.path = answer.path
        nginx = stack.enter_context(peers.nginx_cache(run.place("nginx"), SERVER, answer))
        buffered = stack.enter_context(peers.nginx_cache(run.place("nginx"), SERVER, answer, buffered=True))
        fastapi = stack.enter_context(peers.fastapi(place, SERVER, answer))
        bare = peers.bare_nio(place, SERVER, answer)
        subjects = [ours, nginx, buffered, fastapi]
        if bare:
            subjects.append(stack.enter_context(bare))
        else:
            run.note("bare NIO is left out: swift build -c release --product bare-nio")

        # Each 304 is measured right after its 200: the difference is small, and the machine's speed changes from minute to minute.
        full, unchanged = _fastest(run, subjects, {"status": ({}, 2), "status 304": ({"If-None-Match": answer.tag}, 3)})
        run.aim("status: requests/s of nginx proxy_cache", full[0].per_second / full[1].per_second, 0.6)
        run.aim("status: requests/s of FastAPI", full[0].per_second / full[3].per_second, 4)
        if bare:
            run.aim("status: requests/s of bare NIO", full[0].per_second / full[4].per_second, 0.75)
        # The same ratios by CPU: they hold too where something else runs on the core.
        for peer in full[1:]:
            run.note(f"status: {peer.cpu_each / full[0].cpu_each:.3f}x of {peer.subject}, by the CPU time of an answer")
        run.aim("status 304: requests/s of its 200", unchanged[0].per_second / full[0].per_second, 1.0)
        run.aim("status 304: requests/s of nginx proxy_cache", unchanged[0].per_second / unchanged[1].per_second, 0.6)
        halves = _at_half(run, subjects, full)
        run.aim("status: p99 at half of its maximum", halves[0].p99, 5, at_least=False, unit=" ms")
    _spread(run, full[1].per_second)


def _spread(run: Run, hits_per_second: float) -> None:
    """As many exports as `--exports` says, each as likely as the other; nginx has the same load, and always hits."""
    with ExitStack() as stack:
        place = run.place("spread")
        jobs = stack.enter_context(start_jobs(place / "jobs", OTHER))
        ledger = stored(run)
        ours = stack.enter_context(start_gateway(place, SERVER, ledger.path,
                                                 [connection(jobs.base, requestsPerMinute=1)]))
        ours.log = place / "gateway.log"
        # The unfinished ones are taken over by then.
        ours.server.settle()
        paths = [f"/exports/{export}" for export in ledger.settled_of_first_caller]
        random.Random(1).shuffle(paths)
        answer = peers.answer_of(ours, paths[0], place)
        nginx = stack.enter_context(peers.nginx_cache(run.place("nginx"), SERVER, answer))
        scenario = f"status spread over {len(paths)}"
        rates, = _fastest(run, [ours, nginx], {scenario: ({}, 2)}, paths)
        # This load takes more of its own core than the other: nginx counts as it was faster.
        run.aim(f"{scenario}: requests/s of nginx proxy_cache",
                rates[0].per_second / max(rates[1].per_second, hits_per_second), 0.15)


def _fastest(run: Run, subjects, scenarios, paths=None) -> list[list[Rate]]:
    """In turn, as many rounds as there are repetitions. A scenario has headers, and the class of its answers."""
    rates = [[Rate(scenario, subject.name, subject.command) for subject in subjects] for scenario in scenarios]
    for _ in range(run.options.repetitions):
        for number, subject in enumerate(subjects):
            for rate, (headers, expect) in zip(rates, scenarios.values(), strict=True):
                _measure(rate[number], subject, run.options.seconds, headers=headers, expect=expect, paths=paths)
    return [run.add_rates(rate) for rate in rates]


def _at_half(run: Run, subjects, fastest: list[Rate]) -> list[Rate]:
    rates = [Rate("status at half", subject.name, subject.command) for subject in subjects]
    for _ in range(run.options.repetitions):
        for subject, rate, most in zip(subjects, rates, fastest, strict=True):
            _measure(rate, subject, run.options.seconds, rate=most.per_second / 2)
    return run.add_rates(rates)


def _measure(figure: Rate, subject, seconds: float, **arguments) -> None:
    before = subject.server.cpu_seconds()
    result = load(subject, OTHER, seconds, **arguments)
    # The second of warming up is in the CPU time, and in this number.
    asked = result.answers if "rate" in arguments else result.per_second * (seconds + 1)
    figure.cpu_seconds.append((subject.server.cpu_seconds() - before) / asked)
    figure.rates.append(result.per_second)
    if result.times:
        figure.times.append((result.percentile(0.5), result.percentile(0.99)))
    figure.client = result.command
    # The lines lie in memory where the directory does.
    os.truncate(subject.log, 0)
