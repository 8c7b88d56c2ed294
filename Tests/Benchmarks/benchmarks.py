"""Measures the gateway and its peers on the same bytes, in the same run, on the same cores.

`Tests/Benchmarks/run` starts it; `--help` tells the options. Nothing here passes or fails: it prints what was measured,
and next to each aim whether it was met.
"""

import argparse
import os
import platform
import resource
import shutil
import signal
import sys
import tempfile
from pathlib import Path

import command_line
import copies
import create
import downloads
import events
import gateways
import lists
import overhead
import retention
import status
import tracking
import watchers
from measure import MEMORY_DISK, MIB
from results import Run, processor

CASES = downloads.CASES | {
    "status": status.status,
    "create": create.create,
    "command-line": command_line.command_line,
    "copies": copies.copies,
    "lists": lists.lists,
    "tracking": tracking.tracking,
    "watchers": watchers.watchers,
    "events": events.events,
    "retention": retention.retention,
    "traces": overhead.traces,
    "audit": overhead.audit,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", default=",".join(CASES), help="comma-separated; all: %(default)s")
    parser.add_argument("--repetitions", type=int, default=5, help="medians are of this many")
    parser.add_argument("--size", type=int, default=256, help="MiB of a file; identity and command-line take four times, memory sixteen")
    parser.add_argument("--exports", type=int, default=1_000_000, help="how many are stored; a tenth is unfinished")
    parser.add_argument("--seconds", type=float, default=5, help="for how long each load lasts")
    parser.add_argument("--interval", type=int, default=60, help="seconds between two polls of a tracked export")
    parser.add_argument("--watchers", type=int, default=10_000, help="of one export, and streams of its events")
    parser.add_argument("--files", help="where the files are kept; default: made for each run, in memory")
    parser.add_argument("--json", type=Path, help="where the figures are written as JSON too")
    options = parser.parse_args()
    options.size *= MIB
    wanted = options.cases.split(",")
    if unknown := set(wanted) - set(CASES):
        parser.error(f"no such case: {', '.join(sorted(unknown))}; there are {', '.join(CASES)}")
    if not gateways.BINARY.exists():
        parser.error(f"{gateways.BINARY} is not built: swift build -c release --product export-gateway")
    # Ended from outside, it still ends its servers and removes what it made.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    _raise_open_files()
    # The servers are given the other core, or both.
    os.sched_setaffinity(0, {0})
    directory = Path(tempfile.mkdtemp(prefix="export-gateway-benchmarks-", dir=MEMORY_DISK))
    disk = Path(tempfile.mkdtemp(prefix=".build-benchmarks-", dir=gateways.ROOT))
    run = Run(options, directory, disk)
    print(f"{processor()}, {os.cpu_count()} cores, {platform.platform()}, load {os.getloadavg()[0]:.2f}")
    try:
        for name in wanted:
            print(f"\n== {name} (load {os.getloadavg()[0]:.2f})", flush=True)
            CASES[name](run)
    finally:
        shutil.rmtree(directory, ignore_errors=True)
        shutil.rmtree(disk, ignore_errors=True)
        run.report()


def _raise_open_files() -> None:
    """Ten thousand connections have two ends here."""
    limit, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 65_536
    for pair in ((wanted, max(wanted, most)), (most, most)):
        if limit >= wanted:
            return
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, pair)
            return
        except (ValueError, OSError):
            continue


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parent))
    main()
