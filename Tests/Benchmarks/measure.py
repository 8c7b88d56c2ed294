"""One download measured, many downloads summed up, two subjects compared."""

import json
import os
import resource
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

MIB = 1 << 20
#: Where files cost no disk; None (the usual place) where there is none.
MEMORY_DISK = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
HERE = Path(__file__).resolve().parent


@dataclass
class Figures:
    """What was measured of one subject in one scenario. Sizes in bytes, speeds in MB/s (10^6) of the unencoded file."""

    scenario: str
    subject: str
    command: str
    client: str
    file_size: int
    seconds: list[float] = field(default_factory=list)
    cpu_seconds: list[float] = field(default_factory=list)
    sent: int = 0
    peak: int = 0
    #: How far the peak is above what was resident before the download.
    growth: int = 0
    coding: str = "identity"

    @property
    def median_seconds(self) -> float:
        return statistics.median(self.seconds)

    @property
    def speed(self) -> float:
        return self.file_size / self.median_seconds / 1e6

    @property
    def cpu_per_gb(self) -> float:
        return statistics.median(self.cpu_seconds) / (self.file_size / 1e9)

    def as_json(self) -> dict:
        return {
            "scenario": self.scenario, "subject": self.subject, "coding": self.coding, "fileBytes": self.file_size,
            "sentBytes": self.sent, "megabytesPerSecond": round(self.speed, 1), "seconds": self.seconds,
            "cpuSecondsPerGigabyte": round(self.cpu_per_gb, 3), "peakBytes": self.peak, "growthBytes": self.growth,
            "command": self.command, "client": self.client,
        }


def download(address: str, cores: str, coding: str, limit_rate: float = 0, verify: bool = False) -> tuple[dict, str]:
    """One download by a client of its own; the command line comes with the result."""
    command = ["taskset", "-c", cores, sys.executable, str(HERE / "client.py"), "--accept-encoding", coding, address]
    if limit_rate:
        command += ["--limit-rate", str(int(limit_rate))]
    if verify:
        command += ["--verify"]
    result = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    if not result["ok"]:
        raise SystemExit(f"{' '.join(command)}\ndid not get the whole file: {result}")
    return result, " ".join(command[3:]).replace(sys.executable, "python3").replace(str(HERE) + "/", "")


def measure(scenario, subjects, file, digest, *, client_cores, coding, repetitions, limit_rate=0.0, check=True):
    """Downloads `file` (a path) from each subject in turn, `repetitions` rounds after one that is only checked.

    `coding` is what the client asks for: one for all subjects, or a list with one for each.
    """
    codings = [coding] * len(subjects) if isinstance(coding, str) else coding
    figures = []
    for subject, coding in zip(subjects, codings, strict=True):
        subject.address(file.stem)
        if check:
            result, _ = download(subject.address(file.stem), client_cores, coding, verify=True)
            if result["sha256"] != digest:
                raise SystemExit(f"{subject.name} delivered another file: {result}")
        figures.append(Figures(scenario, subject.name, subject.command, "", file.stat().st_size))
    for _ in range(repetitions):
        for subject, coding, figure in zip(subjects, codings, figures, strict=True):
            before, resident = subject.server.cpu_seconds(), subject.server.resident_bytes()
            subject.server.reset_peak()
            result, figure.client = download(subject.address(file.stem), client_cores, coding, limit_rate)
            figure.cpu_seconds.append(subject.server.cpu_seconds() - before)
            figure.seconds.append(result["seconds"])
            figure.sent, figure.coding = result["bytes"], result["coding"]
            peak = subject.server.peak_bytes()
            figure.peak, figure.growth = max(figure.peak, peak), max(figure.growth, peak - resident)
    return figures


def measure_tool(scenario, command, file, cores, repetitions):
    """A compressor from a file in memory to a pipe that counts."""
    full = ["taskset", "-c", cores, *command, "-c", str(file)]
    figure = Figures(scenario, " ".join(command), " ".join(full) + " >/dev/null", "", file.stat().st_size)
    counted = subprocess.run([*full], check=True, capture_output=True)
    figure.sent, figure.coding = len(counted.stdout), "gzip"
    del counted
    for _ in range(repetitions):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        started = time.perf_counter()
        subprocess.run(full, check=True, stdout=subprocess.DEVNULL)
        figure.seconds.append(time.perf_counter() - started)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        figure.cpu_seconds.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return figure
