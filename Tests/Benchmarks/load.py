"""Many small requests, by nghttp2's h2load: as fast as they are answered (closed loop), or at a rate (open loop)."""

import re
import statistics
import subprocess
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from measure import MEMORY_DISK

#: Connections; each has one request under way.
CLIENTS = 32


@dataclass
class Rate:
    """What was measured of one subject in one scenario; one element of each list for each repetition."""

    scenario: str
    subject: str
    command: str
    client: str = ""
    rates: list[float] = field(default_factory=list)
    cpu_seconds: list[float] = field(default_factory=list)
    #: Milliseconds: the median and the 99th percentile of each repetition.
    times: list[tuple[float, float]] = field(default_factory=list)

    @property
    def per_second(self) -> float:
        return statistics.median(self.rates)

    @property
    def cpu_each(self) -> float:
        """Microseconds of the server's CPU for one request."""
        return statistics.median(self.cpu_seconds) * 1e6

    @property
    def p50(self) -> float:
        return statistics.median(time[0] for time in self.times)

    @property
    def p99(self) -> float:
        return statistics.median(time[1] for time in self.times)

    @property
    def told(self) -> str:
        times = f", p50 {self.p50:.2f} ms, p99 {self.p99:.2f} ms" if self.times else ""
        return f"{self.per_second:.0f} requests/s, {self.cpu_each:.0f} CPU µs each{times}"

    def as_json(self) -> dict:
        return {
            "scenario": self.scenario, "subject": self.subject, "requestsPerSecond": self.rates,
            "cpuSecondsPerRequest": self.cpu_seconds, "millisecondsP50AndP99": self.times, "command": self.command,
            "client": self.client,
        }


@dataclass
class Result:
    """One load: answers in a second, the time of each in milliseconds (sorted; only where they were asked for)."""

    per_second: float
    answers: int
    times: list[float]
    command: str

    def percentile(self, share: float) -> float:
        return percentile(self.times, share)


def percentile(times: list[float], share: float) -> float:
    """Of a sorted list: the least value that `share` of all do not exceed."""
    return times[max(0, min(len(times) - 1, -(-int(len(times) * share * 1000) // 1000) - 1))] if times else 0.0


def load(target, cores: str, seconds: float, *, rate: float = 0, paths: list[str] | None = None,
         headers: dict[str, str] | None = None, body: Path | None = None, expect: int = 2, timed: bool = False) -> Result:
    """Asks `target` (a subject with `base`, `path` and `headers`) for `seconds`, after a second of warming up.

    With `rate`, so many requests a second, from one h2load for each connection: those of one process would all be sent
    at the same moment. With `paths`, they are asked in turn, each connection with its own part of them. All answers
    must be of the class `expect` (2: 2xx).
    """
    alone = bool(rate or paths)
    command = ["taskset", "-c", cores, "h2load", "--h1", "-t", "1", "-c", "1" if alone else str(CLIENTS),
               "-D", f"{seconds:g}"]
    if rate:
        command += ["--rps", f"{rate / CLIENTS:g}"]
    else:
        command += ["--warm-up-time", "1"]
    for name, value in (target.headers | (headers or {})).items():
        command += ["-H", f"{name}: {value}"]
    if body:
        command += ["-d", str(body)]
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=MEMORY_DISK)))
        started = []
        for number in range(CLIENTS if alone else 1):
            own = list(command)
            if paths:
                uris = directory / f"uris-{number}"
                uris.write_text("\n".join(target.base + path for path in paths[number::CLIENTS]) + "\n")
                own += ["-i", str(uris)]
            if timed or rate:
                own += ["--log-file", str(directory / f"times-{number}")]
            started.append(subprocess.Popen(own if paths else [*own, target.base + target.path], text=True,
                                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT))
        total, per_second = 0, 0.0
        for process in started:
            output = process.communicate()[0]
            answers, speed = _read(output, command, expect)
            total += answers
            per_second += speed
        times = sorted(int(line.split()[2]) / 1000 for log in directory.glob("times-*") for line in log.open())
    shown = " ".join(command[3:]) + (" -i PATHS" if paths else f" {target.path}")
    return Result(per_second, total, times, shown + (f"  # {CLIENTS} of them" if alone else ""))


def _read(output: str, command: list[str], expect: int) -> tuple[int, float]:
    speed = re.search(r"finished in [^,]+, ([\d.]+) req/s", output)
    counts = re.search(r"status codes: (\d+) 2xx, (\d+) 3xx, (\d+) 4xx, (\d+) 5xx", output)
    if not speed or not counts:
        raise SystemExit(f"{' '.join(command)} did not come to its end:\n{output[-2000:]}")
    by_class = [int(count) for count in counts.groups()]
    failed = re.search(r"(\d+) failed, (\d+) errored, (\d+) timeout", output)
    if by_class[expect - 2] != sum(by_class) or not sum(by_class) or any(int(count) for count in failed.groups()):
        raise SystemExit(f"{' '.join(command)} was not answered {expect}xx throughout:\n{output[-2000:]}")
    return by_class[expect - 2], float(speed[1])
