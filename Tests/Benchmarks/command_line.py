"""The case `command-line`: a file downloaded by `export-gateway exports download` and by curl, in turn; and cut five times.

Both write into memory. Ours also digests what it writes, and compares; curl does not, so that `curl, then sha256sum` is measured too.
"""

import json
import os
import re
import resource
import shutil
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import origin
import subjects
from gateways import BINARY, ROOT
from measure import MIB, Figures
from results import Run

sys.path.insert(0, str(ROOT / "Tests/Contract"))
from tcp_proxy import TCPProxy

CUTS = 5


def command_line(run: Run) -> None:
    file = run.file("csv", 4 * run.options.size)
    # The client has a core of its own, as it has a machine of its own; gateway and origin share the other one.
    server_cores, client_cores = "1", "0"
    with ExitStack() as stack:
        home = origin.start(run.directory / "origin", {file.stem: file}, server_cores)
        stack.callback(home.server.stop)
        place = run.place("command-line")
        gateway = stack.enter_context(subjects.gateway(place, home, server_cores, tls=False))
        content = gateway.address(file.stem)
        export = content.removesuffix("/content").rpartition("/")[2]
        out = place / "out"
        out.mkdir()
        ours = [str(BINARY), "exports", "download", export, str(out), "-o", "json", "--server", gateway.base]
        commands = {
            "export-gateway": ours,
            "curl": ["curl", "-sS", "-o", str(out / "curl"), content],
            "curl, then sha256sum": ["sh", "-c", f"curl -sS -o '{out}/curl' '{content}' && sha256sum '{out}/curl'"],
        }
        # One that is not measured: from it, the gateway knows the digest.
        _measured(commands["export-gateway"], client_cores, out, file, run.digest(file))
        found = {name: Figures("command line, HTTP, 1 core", name, gateway.command, " ".join(words), file.stat().st_size)
                 for name, words in commands.items()}
        for number in range(run.options.repetitions):
            # None follows always the same one, whose traces it might pay for.
            order = list(commands.items())
            for name, words in order[number % len(order):] + order[:number % len(order)]:
                seconds, cpu, peak = _measured(words, client_cores, out, file,
                                                run.digest(file) if name == "export-gateway" else None)
                figures = found[name]
                figures.seconds.append(seconds)
                figures.cpu_seconds.append(cpu)
                figures.sent, figures.peak = file.stat().st_size, max(figures.peak, peak)
        run.add(list(found.values()))
        run.aim("command line: speed of curl", found["export-gateway"].speed / found["curl"].speed, 0.95)
        run.aim("command line: peak memory", found["export-gateway"].peak / MIB, 64, at_least=False, unit=" MiB")
        _cut(run, ours, gateway.base, out, file)


def _measured(words: list[str], cores: str, out: Path, source: Path, digest: str | None) -> tuple[float, float, int]:
    """Seconds, CPU seconds and highest resident memory of one download; with `digest`, it has to be ours, and verified."""
    for old in out.iterdir():
        old.unlink()
    # A virtual machine gives memory that is free for a while back to its host, and the next to write into it pays for having it
    # again, up to half a second for a gibibyte. So somebody else does, right before.
    shutil.copyfile(source, out / "before")
    (out / "before").unlink()
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.perf_counter()
    process = subprocess.Popen(["taskset", "-c", cores, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    peak = 0
    while process.poll() is None:
        # The kernel keeps the highest value. `ru_maxrss` would count what this process had when it forked.
        found = re.search(r"^VmHWM:\s+(\d+) kB", Path(f"/proc/{process.pid}/status").read_text(), re.M)
        peak = int(found[1]) * 1024 if found else peak
        time.sleep(0.005)
    seconds = time.perf_counter() - started
    said, errors = process.communicate()
    if process.returncode:
        raise SystemExit(f"{' '.join(words)}\nended with {process.returncode}: {errors}")
    if digest:
        (file,) = json.loads(said)["downloads"]
        if file["sha256"] != digest:
            raise SystemExit(f"another file came: {file}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return seconds, cpu, peak


def _cut(run: Run, words: list[str], base: str, out: Path, file: Path) -> None:
    """A download whose connection is reset five times, each time after another seventh of the file."""
    for old in out.iterdir():
        old.unlink()
    size = file.stat().st_size
    with TCPProxy(int(base.rpartition(":")[2])) as proxy:
        through = [word.replace(base, f"http://127.0.0.1:{proxy.port}") for word in words]
        process = subprocess.Popen(through, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for number in range(1, CUTS + 1):
            while process.poll() is None and sum(part.stat().st_size for part in out.glob("*.export-gateway-part")) < number * size // 7:
                time.sleep(0.002)
            proxy.cut()
        said, errors = process.communicate()
    if process.returncode:
        raise SystemExit(f"{' '.join(through)}\nended with {process.returncode}: {errors}")
    (done,) = json.loads(said)["downloads"]
    if done["sha256"] != run.digest(file):
        raise SystemExit(f"another file came: {done}")
    breaks = errors.count("Trying again")
    run.note(f"cut {breaks} times: whole, SHA-256 verified ({done['check']})")
    run.aim(f"cut {breaks} times: bytes fetched twice", 100 * (done["fetchedBytes"] - size) / size, 1.0, at_least=False, unit=" %")
