"""What one run has measured so far, and how it is told."""

import json
import os
import platform
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import bodies
from load import Rate
from measure import MIB, Figures


class Run:
    """The options, the directories, and the results.

    `directory` is in memory where that is possible; `disk` is made on the disk that the repository is on, for what must
    be written through.
    """

    def __init__(self, options, directory: Path, disk: Path):
        self.options, self.directory, self.disk = options, directory, disk
        self.figures: list[Figures] = []
        self.rates: list[Rate] = []
        self.aims: list[dict] = []
        self._digests: dict[Path, str] = {}
        self._store = Path(options.files or directory / "files")

    def file(self, kind: str, size: int) -> Path:
        return bodies.make(self._store, kind, size)

    def digest(self, file: Path) -> str:
        if file not in self._digests:
            self._digests[file] = bodies.sha256(file)
        return self._digests[file]

    def place(self, name: str, on_disk: bool = False) -> Path:
        """A new directory."""
        return Path(tempfile.mkdtemp(prefix=f"{name}-", dir=self.disk if on_disk else self.directory))

    def add(self, figures):
        for figure in figures:
            print(
                f"  {figure.subject:<22}{figure.speed:9.1f} MB/s {figure.sent / 1e6:10.3f} MB sent "
                f"{figure.cpu_per_gb:8.3f} CPU s/GB {figure.peak / MIB:8.1f} MiB peak (+{figure.growth / MIB:.1f})",
                flush=True,
            )
        self.figures += figures
        return figures

    def add_rates(self, rates: list[Rate]) -> list[Rate]:
        for rate in rates:
            print(f"  {rate.scenario}, {rate.subject}: {rate.told}", flush=True)
        self.rates += rates
        return rates

    def note(self, text: str) -> None:
        print(f"  {text}", flush=True)

    def aim(self, text: str, value: float, bound: float, at_least: bool = True, unit: str = "x") -> None:
        met = value >= bound if at_least else value <= bound
        relation = ">=" if at_least else "<="
        print(f"    {'met ' if met else 'MISSED'} {text}: {value:.3f}{unit} (aim {relation} {bound}{unit})", flush=True)
        self.aims.append({"aim": text, "value": round(value, 4), "relation": relation, "bound": bound, "met": met})

    def report(self) -> None:
        if self.figures:
            print("\n| scenario | subject | MB/s | sent MB | CPU s/GB | peak MiB |\n|---|---|---:|---:|---:|---:|")
        for f in self.figures:
            print(f"| {f.scenario} | {f.subject} | {f.speed:.1f} | {f.sent / 1e6:.1f} | {f.cpu_per_gb:.3f} "
                  f"| {f.peak / MIB:.1f} |")
        if self.rates:
            print("\n| scenario | subject | requests/s | CPU µs each | p50 ms | p99 ms |\n|---|---|---:|---:|---:|---:|")
        for r in self.rates:
            times = f"{r.p50:.2f} | {r.p99:.2f}" if r.times else "– | –"
            print(f"| {r.scenario} | {r.subject} | {r.per_second:.0f} | {r.cpu_each:.0f} | {times} |")
        if self.aims:
            print("\n| aim | value | wanted | met |\n|---|---:|---:|---|")
        for aim in self.aims:
            print(f"| {aim['aim']} | {aim['value']:.3f} | {aim['relation']} {aim['bound']} "
                  f"| {'yes' if aim['met'] else 'no'} |")
        print("\nCommand lines (server, then client):")
        for f in [*self.figures, *self.rates]:
            print(f"  {f.scenario} · {f.subject}:\n    {f.command}" + (f"\n    {f.client}" if f.client else ""))
        if self.options.json:
            self._write_json()

    def _write_json(self) -> None:
        document = {
            "at": datetime.now(UTC).isoformat(timespec="seconds"), "processor": processor(), "cores": os.cpu_count(),
            "figures": [f.as_json() for f in self.figures], "rates": [r.as_json() for r in self.rates],
            "aims": self.aims,
        }
        self.options.json.write_text(json.dumps(document, indent=1) + "\n")


def processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
