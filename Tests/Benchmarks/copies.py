"""The case `copies`: `export-gateway ledger` copies, checks and backs up many exports, in SQLite and PostgreSQL.

A copy is killed in the middle and goes on, too. PostgreSQL is started for it, with its own defaults, where it is installed.
"""

import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from gateways import BINARY
from measure import MIB
from results import Run
from stored import stored

#: Where Debian puts what is not on the PATH.
_DEBIAN = "/usr/lib/postgresql/15/bin"
#: Of a copy, before it is killed.
_SECONDS = 5
#: Seconds between two readings of a command's peak of memory.
_SAMPLING = 0.1


@dataclass
class Ended:
    seconds: float
    peak: int
    output: str


def copies(run: Run) -> None:
    ledger = stored(run)
    place = run.place("copies", on_disk=True)
    here = place / "copy.sqlite"
    whole = _tell(run, "SQLite to SQLite", _ledger("copy", "--from", ledger.path, "--to", here))
    digests = set(_digests(whole))
    _tell(run, "check, SQLite", _ledger("check", here))
    _tell(run, "backup", _ledger("backup", here, "--to", place / "backup.sqlite"))
    cut = place / "cut.sqlite"
    words = ["copy", "--from", ledger.path, "--to", cut]
    _kill(run, words)
    _tell(run, "SQLite to SQLite, the rest", _ledger(*words))
    if not _program("postgres"):
        run.note("PostgreSQL is not installed")
        return
    with _postgresql(place) as uri:
        there = _tell(run, "SQLite to PostgreSQL", _ledger("copy", "--from", ledger.path, "--to", uri("whole")))
        _tell(run, "check, PostgreSQL", _ledger("check", uri("whole")))
        back = _tell(run, "PostgreSQL to SQLite",
                     _ledger("copy", "--from", uri("whole"), "--to", place / "back.sqlite"))
        words = ["copy", "--from", ledger.path, "--to", uri("cut")]
        _kill(run, words)
        _tell(run, "SQLite to PostgreSQL, the rest", _ledger(*words))
    if digests != set(_digests(there)) or digests != set(_digests(back)):
        raise SystemExit("the digests are not equal")
    run.note("the digests of all copies are equal")


def _ledger(*words: str | Path) -> Ended:
    """Runs a command to its end."""
    began = time.monotonic()
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen([str(BINARY), "ledger", *map(str, words)], stdout=output, stderr=subprocess.STDOUT)
        peak = 0
        # What the system accounts for a child that has ended begins with the memory of its parent.
        while process.poll() is None:
            peak = max(peak, _peak_bytes(process.pid))
            time.sleep(_SAMPLING)
        seconds = time.monotonic() - began
        output.seek(0)
        said = output.read()
    if process.returncode:
        raise SystemExit(f"{words} ended with {process.returncode}: {said}")
    return Ended(seconds, peak, said)


def _peak_bytes(pid: int) -> int:
    """Of a process; 0 where it has ended."""
    found = re.search(r"^VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text(), re.M)
    return int(found[1]) * 1024 if found else 0


def _tell(run: Run, what: str, ended: Ended) -> Ended:
    run.note(f"{what:<32}{ended.seconds:8.1f} s {ended.peak / MIB:8.1f} MiB peak; {ended.output.splitlines()[-1]}")
    return ended


def _digests(ended: Ended) -> list[str]:
    """One for each table, which is that of both sides."""
    pairs = re.findall(r"sha256 (\w{64}) in the source, (\w{64}) in the copy", ended.output)
    if not pairs or any(source != target for source, target in pairs):
        raise SystemExit(f"the digests are not equal: {ended.output}")
    return [source for source, _ in pairs]


def _kill(run: Run, words: list) -> None:
    process = subprocess.Popen([str(BINARY), "ledger", *map(str, words)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    time.sleep(_SECONDS)
    process.send_signal(signal.SIGKILL)
    if process.wait() != -signal.SIGKILL:
        raise SystemExit(f"the copy ended within {_SECONDS} s: give more --exports")
    lines = process.stderr.read().splitlines()
    run.note(f"killed after {_SECONDS} s: {lines[-1] if lines else 'nothing said yet'}")


@contextmanager
def _postgresql(place: Path):
    """A server with its own defaults; gives what makes a database and its URI."""
    user = [] if os.geteuid() else _other_user()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    data = place / "postgresql"
    data.mkdir()
    if user:
        for directory in (place, place.parent):
            directory.chmod(0o755)
        shutil.chown(data, pwd.getpwnam("nobody").pw_uid)
    made = [_program("initdb"), "--encoding=UTF8", "--no-locale", "--auth=trust", "--username=gateway", f"--pgdata={data}"]
    subprocess.run([*user, *made], check=True, stdout=subprocess.DEVNULL, cwd="/")
    server = subprocess.Popen([*user, _program("postgres"), "-D", str(data), "-p", str(port), "-k", str(data)],
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/")
    address = ["-h", "127.0.0.1", "-p", str(port), "-U", "gateway"]
    try:
        while subprocess.run([_program("pg_isready"), *address], stdout=subprocess.DEVNULL, check=False).returncode:
            time.sleep(0.1)

        def uri(name: str) -> str:
            listed = subprocess.run(["psql", *address, "-Atc", "SELECT datname FROM pg_database", "postgres"],
                                    check=True, capture_output=True, text=True).stdout.split()
            if name not in listed:
                subprocess.run([_program("createdb"), *address, name], check=True)
            return f"postgresql://gateway@127.0.0.1:{port}/{name}"

        yield uri
    finally:
        server.send_signal(signal.SIGINT)
        server.wait()


def _other_user() -> list[str]:
    """The server refuses to be root."""
    return ["setpriv", f"--reuid={pwd.getpwnam('nobody').pw_uid}", "--clear-groups", "--pdeathsig", "QUIT", "--"]


def _program(name: str) -> str | None:
    return shutil.which(name) or shutil.which(name, path=_DEBIAN)
