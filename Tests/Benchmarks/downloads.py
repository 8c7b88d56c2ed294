"""The cases of downloads: the gateway and its peers send the same bytes, in the same run, on the same cores."""

from contextlib import ExitStack

import bodies
import origin
import subjects
from measure import MIB, measure, measure_tool
from results import Run

#: What gzip is measured with: one kind of text is not all kinds.
TEXTS = ("csv", "items")


def compare(run: Run, scenario, makers, file, *, cores=1, tls=False, coding="identity", limit_rate=0.0, check=True,
            repetitions=None):
    """`makers` are of `subjects`, with the arguments that differ; all run at once and are asked in turn.

    `coding` is what the client asks for: one for all, or a list with one for each.
    """
    server_cores, other_cores = ("1", "0") if cores == 1 else ("0,1", "0,1")
    with ExitStack() as stack:
        home = origin.start(run.directory / "origin", {file.stem: file}, other_cores)
        stack.callback(home.server.stop)
        started = []
        for number, (maker, arguments) in enumerate(makers):
            place = run.directory / f"{scenario}-{number}".replace("/", "-").replace(" ", "-")
            place.mkdir(parents=True, exist_ok=True)
            started.append(stack.enter_context(maker(place, home, server_cores, tls=tls, **arguments)))
        figures = measure(
            scenario, started, file, run.digest(file) if check else None, client_cores=other_cores, coding=coding,
            repetitions=repetitions or run.options.repetitions, limit_rate=limit_rate, check=check,
        )
    return run.add(figures)


def raw(run: Run) -> None:
    for kind in TEXTS:
        file = run.file(kind, run.options.size)
        for command in (["igzip", "-1"], ["igzip", "-2"], ["igzip", "-3"], ["gzip", "-6"], ["pigz", "-p", "1", "-6"]):
            run.add([measure_tool(f"tools, {kind}, one core", command, file, "1", run.options.repetitions)])
        run.add([
            measure_tool(f"tools, {kind}, two cores", ["pigz", "-p", "2", "-6"], file, "0,1", run.options.repetitions)
        ])


def identity(run: Run, tls: bool, cores: int) -> None:
    file = run.file("csv", 4 * run.options.size)
    ours, nginx, *_ = compare(
        run,
        f"identity, upstream over {'TLS' if tls else 'HTTP'}, {cores} core{'s' * (cores > 1)}",
        [(subjects.gateway, {}), (subjects.nginx, {}), (subjects.haproxy, {}), (subjects.caddy, {})],
        file, cores=cores, tls=tls,
    )
    label = f"identity over {'TLS' if tls else 'HTTP'}, {cores} core(s)"
    run.aim(f"{label}: speed of nginx", ours.speed / nginx.speed, 1.0)
    run.aim(f"{label}: CPU per GB of nginx", ours.cpu_per_gb / nginx.cpu_per_gb, 1.5, at_least=False)


def kinds(run: Run) -> None:
    for kind in bodies.KINDS:
        ours, nginx = compare(
            run,
            f"identity, {kind}, HTTP, 1 core", [(subjects.gateway, {}), (subjects.nginx, {})],
            run.file(kind, run.options.size),
        )
        run.aim(f"identity, {kind}: speed of nginx", ours.speed / nginx.speed, 1.0)


def forced(run: Run) -> None:
    """Files that are not worth it, for a client that takes nothing but gzip."""
    for kind in ("pst", "pdf", "random"):
        compare(
            run,
            f"gzip forced, {kind}, HTTP, 1 core", [(subjects.gateway, {"gzip": "fast"})],
            run.file(kind, run.options.size), coding="gzip,identity;q=0",
        )


def fast(run: Run) -> None:
    for kind in TEXTS:
        file = run.file(kind, run.options.size)
        igzip, = run.add([measure_tool(f"igzip, {kind}, 1 core", ["igzip", "-3"], file, "1", run.options.repetitions)])
        ours, nginx, haproxy, _ = compare(
            run,
            f"gzip fast, {kind}, HTTP, 1 core",
            [(subjects.gateway, {"gzip": "fast"}), (subjects.nginx, {"gzip": 6}), (subjects.haproxy, {"gzip": 1}),
             (subjects.caddy, {"gzip": 1})],
            file, coding="gzip",
        )
        run.aim(f"gzip fast, {kind}: speed of nginx -6", ours.speed / nginx.speed, 15)
        run.aim(f"gzip fast, {kind}: bytes of nginx -6", ours.sent / nginx.sent, 1.10, at_least=False)
        run.aim(f"gzip fast, {kind}: speed of haproxy", ours.speed / haproxy.speed, 1.2)
        run.aim(f"gzip fast, {kind}: bytes of haproxy", ours.sent / haproxy.sent, 0.70, at_least=False)
        run.aim(f"gzip fast, {kind}: speed of igzip -3 alone", ours.speed / igzip.speed, 0.85)
        two, = compare(run, f"gzip fast, {kind}, HTTP, 2 cores", [(subjects.gateway, {"gzip": "fast"})], file,
                             cores=2, coding="gzip")
        run.aim(f"gzip fast, {kind}: two cores of one", two.speed / ours.speed, 1.7)


def balanced(run: Run) -> None:
    for kind in TEXTS:
        compare(
            run,
            f"gzip balanced, {kind}, HTTP, 1 core",
            [(subjects.gateway, {"gzip": "balanced"}), (subjects.nginx, {"gzip": 6})],
            run.file(kind, run.options.size), coding="gzip",
        )


def zstd(run: Run) -> None:
    """zstd beside gzip at its fastest: from one gateway's own encoders, and Caddy's zstd, on one core and on two."""
    for kind in TEXTS:
        file = run.file(kind, run.options.size)
        for cores in (1, 2):
            ours, gzip, caddy, *_ = compare(
                run,
                f"zstd, {kind}, HTTP, {cores} core{'s' * (cores > 1)}",
                [(subjects.gateway, {"zstd": "fast"}), (subjects.gateway, {"gzip": "fast"}), (subjects.caddy, {"zstd": True}),
                 (subjects.gateway, {"zstd": "balanced"}), (subjects.gateway, {"zstd": "best"})],
                file, cores=cores, coding=["zstd", "gzip", "zstd", "zstd", "zstd"],
            )
            label = f"zstd fast, {kind}, {cores} core(s)"
            run.aim(f"{label}: speed of our gzip fast", ours.speed / gzip.speed, 1.0)
            run.aim(f"{label}: bytes of our gzip fast", ours.sent / gzip.sent, 0.88, at_least=False)
            run.aim(f"{label}: speed of caddy's zstd", ours.speed / caddy.speed, 1.0)
            run.aim(f"{label}: bytes of caddy's zstd", ours.sent / caddy.sent, 1.0, at_least=False)


def best(run: Run) -> None:
    for kind in TEXTS:
        ours, nginx = compare(
            run,
            f"gzip best, {kind}, HTTP, 2 cores", [(subjects.gateway, {"gzip": "best"}), (subjects.nginx, {"gzip": 6})],
            run.file(kind, run.options.size), cores=2, coding="gzip",
        )
        run.aim(f"gzip best, {kind}: bytes of nginx -6", ours.sent / nginx.sent, 1.0, at_least=False)
        run.aim(f"gzip best, {kind}: speed of nginx -6 on two cores", ours.speed / nginx.speed, 1.8)


def adaptive(run: Run) -> None:
    levels = ("fast", "balanced", "best", "adaptive")
    for limit, size in ((2, 16), (20, 64), (200, 256), (0, 256)):
        file = run.file("csv", size * MIB * run.options.size // (256 * MIB))
        figures = compare(
            run,
            f"client at {limit} MB/s, HTTP, 2 cores" if limit else "client unlimited, HTTP, 2 cores",
            [(subjects.gateway, {"gzip": level}) for level in levels], file, cores=2, coding="gzip",
            limit_rate=limit * 1e6,
        )
        fixed = min(figure.median_seconds for figure in figures[:3])
        run.aim(f"adaptive, client at {limit or 'any'} MB/s: time of the best level",
                figures[3].median_seconds / fixed, 1.10, at_least=False)


def memory(run: Run) -> None:
    file = run.file("csv", 16 * run.options.size)
    label = f"{file.stat().st_size >> 30} GiB"
    for coding, makers in (("identity", [(subjects.gateway, {}), (subjects.nginx, {})]),
                           ("gzip", [(subjects.gateway, {"gzip": "fast"})])):
        # The first download after the start: a second one would not grow. What comes is checked in the other cases.
        ours, *_ = compare(run, f"{coding}, {label}, HTTP, 1 core", makers, file, coding=coding, check=False,
                                 repetitions=1)
        run.aim(f"{coding}, {label}: resident memory grows by", ours.growth / MIB, 16, at_least=False, unit=" MiB")


CASES = {
    "raw": raw,
    "identity-http-1": lambda run: identity(run, False, 1),
    "identity-tls-1": lambda run: identity(run, True, 1),
    "identity-http-2": lambda run: identity(run, False, 2),
    "identity-tls-2": lambda run: identity(run, True, 2),
    "kinds": kinds,
    "forced": forced,
    "fast": fast,
    "zstd": zstd,
    "balanced": balanced,
    "best": best,
    "adaptive": adaptive,
    "memory": memory,
}
