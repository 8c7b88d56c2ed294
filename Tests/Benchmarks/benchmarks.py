"""Measures the gateway and its peers on the same bytes, in the same run, on the same cores.

`Tests/Benchmarks/run` starts it; `--help` tells the options. Nothing here passes or fails: it prints what was measured,
and next to each aim whether it was met.
"""

import argparse
import json
import os
import platform
import shutil
import sys
import tempfile
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import bodies
import origin
import subjects
from measure import Figures, measure, measure_tool

MIB = 1 << 20
#: What gzip is measured with: one kind of text is not all kinds.
TEXTS = ("csv", "items")


class Run:
    """The bytes, the origin, and what has been measured so far."""

    def __init__(self, options, directory: Path):
        self.options, self.directory = options, directory
        self.figures: list[Figures] = []
        self.aims: list[dict] = []
        self._digests: dict[Path, str] = {}
        self._store = Path(options.files or directory / "files")

    def file(self, kind: str, size: int) -> Path:
        return bodies.make(self._store, kind, size)

    def digest(self, file: Path) -> str:
        if file not in self._digests:
            self._digests[file] = bodies.sha256(file)
        return self._digests[file]

    def downloads(self, scenario, makers, file, *, cores=1, tls=False, coding="identity", limit_rate=0.0, check=True,
                  repetitions=None):
        """`makers` are of `subjects`, with the arguments that differ; all run at once and are asked in turn."""
        server_cores, other_cores = ("1", "0") if cores == 1 else ("0,1", "0,1")
        with ExitStack() as stack:
            home = origin.start(self.directory / "origin", {file.stem: file}, other_cores)
            stack.callback(home.server.stop)
            started = []
            for number, (maker, arguments) in enumerate(makers):
                place = self.directory / f"{scenario}-{number}".replace("/", "-").replace(" ", "-")
                place.mkdir(parents=True, exist_ok=True)
                started.append(stack.enter_context(maker(place, home, server_cores, tls=tls, **arguments)))
            figures = measure(
                scenario, started, file, self.digest(file) if check else None, client_cores=other_cores, coding=coding,
                repetitions=repetitions or self.options.repetitions, limit_rate=limit_rate, check=check,
            )
        return self.add(figures)

    def add(self, figures):
        for figure in figures:
            print(
                f"  {figure.subject:<22}{figure.speed:9.1f} MB/s {figure.sent / 1e6:10.3f} MB sent "
                f"{figure.cpu_per_gb:8.3f} CPU s/GB {figure.peak / MIB:8.1f} MiB peak (+{figure.growth / MIB:.1f})",
                flush=True,
            )
        self.figures += figures
        return figures

    def aim(self, text: str, value: float, bound: float, at_least: bool = True, unit: str = "x") -> None:
        met = value >= bound if at_least else value <= bound
        relation = ">=" if at_least else "<="
        print(f"    {'met ' if met else 'MISSED'} {text}: {value:.3f}{unit} (aim {relation} {bound}{unit})", flush=True)
        self.aims.append({"aim": text, "value": round(value, 4), "relation": relation, "bound": bound, "met": met})


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
    ours, nginx, *_ = run.downloads(
        f"identity, upstream over {'TLS' if tls else 'HTTP'}, {cores} core{'s' * (cores > 1)}",
        [(subjects.gateway, {}), (subjects.nginx, {}), (subjects.haproxy, {}), (subjects.caddy, {})],
        file, cores=cores, tls=tls,
    )
    label = f"identity over {'TLS' if tls else 'HTTP'}, {cores} core(s)"
    run.aim(f"{label}: speed of nginx", ours.speed / nginx.speed, 1.0)
    run.aim(f"{label}: CPU per GB of nginx", ours.cpu_per_gb / nginx.cpu_per_gb, 1.5, at_least=False)


def kinds(run: Run) -> None:
    for kind in bodies.KINDS:
        ours, nginx = run.downloads(
            f"identity, {kind}, HTTP, 1 core", [(subjects.gateway, {}), (subjects.nginx, {})],
            run.file(kind, run.options.size),
        )
        run.aim(f"identity, {kind}: speed of nginx", ours.speed / nginx.speed, 1.0)


def forced(run: Run) -> None:
    """Files that are not worth it, for a client that takes nothing but gzip."""
    for kind in ("pst", "pdf", "random"):
        run.downloads(
            f"gzip forced, {kind}, HTTP, 1 core", [(subjects.gateway, {"gzip": "fast"})],
            run.file(kind, run.options.size), coding="gzip,identity;q=0",
        )


def fast(run: Run) -> None:
    for kind in TEXTS:
        file = run.file(kind, run.options.size)
        igzip, = run.add([measure_tool(f"igzip, {kind}, 1 core", ["igzip", "-3"], file, "1", run.options.repetitions)])
        ours, nginx, haproxy, _ = run.downloads(
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
        two, = run.downloads(f"gzip fast, {kind}, HTTP, 2 cores", [(subjects.gateway, {"gzip": "fast"})], file,
                             cores=2, coding="gzip")
        run.aim(f"gzip fast, {kind}: two cores of one", two.speed / ours.speed, 1.7)


def balanced(run: Run) -> None:
    for kind in TEXTS:
        run.downloads(
            f"gzip balanced, {kind}, HTTP, 1 core",
            [(subjects.gateway, {"gzip": "balanced"}), (subjects.nginx, {"gzip": 6})],
            run.file(kind, run.options.size), coding="gzip",
        )


def best(run: Run) -> None:
    for kind in TEXTS:
        ours, nginx = run.downloads(
            f"gzip best, {kind}, HTTP, 2 cores", [(subjects.gateway, {"gzip": "best"}), (subjects.nginx, {"gzip": 6})],
            run.file(kind, run.options.size), cores=2, coding="gzip",
        )
        run.aim(f"gzip best, {kind}: bytes of nginx -6", ours.sent / nginx.sent, 1.0, at_least=False)
        run.aim(f"gzip best, {kind}: speed of nginx -6 on two cores", ours.speed / nginx.speed, 1.8)


def adaptive(run: Run) -> None:
    levels = ("fast", "balanced", "best", "adaptive")
    for limit, size in ((2, 16), (20, 64), (200, 256), (0, 256)):
        file = run.file("csv", size * MIB * run.options.size // (256 * MIB))
        figures = run.downloads(
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
        ours, *_ = run.downloads(f"{coding}, {label}, HTTP, 1 core", makers, file, coding=coding, check=False,
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
    "balanced": balanced,
    "best": best,
    "adaptive": adaptive,
    "memory": memory,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", default=",".join(CASES), help="comma-separated; all: %(default)s")
    parser.add_argument("--repetitions", type=int, default=5, help="medians are of this many")
    parser.add_argument("--size", type=int, default=256, help="MiB of a file; identity takes four times, memory sixteen")
    parser.add_argument("--files", help="where the files are kept; default: made anew in memory")
    parser.add_argument("--json", type=Path, help="where the figures are written as JSON too")
    options = parser.parse_args()
    options.size *= MIB
    wanted = options.cases.split(",")
    if unknown := set(wanted) - set(CASES):
        parser.error(f"no such case: {', '.join(sorted(unknown))}; there are {', '.join(CASES)}")
    if not subjects.BINARY.exists():
        parser.error(f"{subjects.BINARY} is not built: swift build -c release --product export-gateway")
    memory_disk = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    directory = Path(tempfile.mkdtemp(prefix="export-gateway-benchmarks-", dir=memory_disk))
    run = Run(options, directory)
    print(f"{_processor()}, {os.cpu_count()} cores, {platform.platform()}, load {os.getloadavg()[0]:.2f}")
    try:
        for name in wanted:
            print(f"\n== {name} (load {os.getloadavg()[0]:.2f})", flush=True)
            CASES[name](run)
    finally:
        shutil.rmtree(directory, ignore_errors=True)
        _report(run)


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _report(run: Run) -> None:
    print("\n| scenario | subject | MB/s | sent MB | CPU s/GB | peak MiB |\n|---|---|---:|---:|---:|---:|")
    for f in run.figures:
        print(f"| {f.scenario} | {f.subject} | {f.speed:.1f} | {f.sent / 1e6:.1f} | {f.cpu_per_gb:.3f} "
              f"| {f.peak / MIB:.1f} |")
    if run.aims:
        print("\n| aim | value | wanted | met |\n|---|---:|---:|---|")
        for aim in run.aims:
            print(f"| {aim['aim']} | {aim['value']:.3f} | {aim['relation']} {aim['bound']} "
                  f"| {'yes' if aim['met'] else 'no'} |")
    print("\nCommand lines (server, then client):")
    for f in run.figures:
        print(f"  {f.scenario} · {f.subject}:\n    {f.command}" + (f"\n    {f.client}" if f.client else ""))
    if run.options.json:
        document = {
            "at": datetime.now(UTC).isoformat(timespec="seconds"), "processor": _processor(),
            "cores": os.cpu_count(), "figures": [f.as_json() for f in run.figures], "aims": run.aims,
        }
        run.options.json.write_text(json.dumps(document, indent=1) + "\n")


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parent))
    main()
