"""Servers as processes: pinned, watched, and ended with whoever started them."""

import ctypes
import os
import re
import signal
import socket
import subprocess
import time
from pathlib import Path


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    """One running server and its children, all on the same cores."""

    def __init__(self, command: list[str], cores: str, log: Path, port: int, environment: dict[str, str] | None = None):
        self.command = ["taskset", "-c", cores, *command]
        self._log = log
        with log.open("ab") as out:
            self._process = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                env=_environment() | (environment or {}),
                preexec_fn=_die_with_parent,
            )
        deadline = time.monotonic() + 300
        while True:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    return
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"{command[0]} does not listen on {port}:\n{log.read_text(errors='replace')[-2000:]}")
            time.sleep(0.002)

    def _pids(self) -> list[int]:
        found = [self._process.pid]
        for pid in found:
            for task in _tasks(pid):
                found += [int(child) for child in (task / "children").read_text().split()]
        return found

    def cpu_seconds(self) -> float:
        """What all threads have used so far, to the microsecond."""
        total = 0
        for pid in self._pids():
            for task in _tasks(pid):
                total += int((task / "schedstat").read_text().split()[0])
        return total / 1e9

    def settle(self) -> None:
        """Returns once the server has done what was asked of it: after a second of which it used less than a twentieth. No
        later than after 40 seconds: requests may be held for 60."""
        used = self.cpu_seconds()
        for _ in range(40):
            time.sleep(1)
            before, used = used, self.cpu_seconds()
            if used - before < 0.05:
                return

    def reset_peak(self) -> None:
        for pid in self._pids():
            Path(f"/proc/{pid}/clear_refs").write_text("5")

    def peak_bytes(self) -> int:
        return self._memory("VmHWM")

    def resident_bytes(self) -> int:
        return self._memory("VmRSS")

    def bytes_written(self) -> int:
        """What was, or is to be, written to disks: files in memory do not count."""
        return sum(int(re.search(r"^write_bytes: (\d+)", Path(f"/proc/{pid}/io").read_text(), re.M)[1])
                   for pid in self._pids())

    def _memory(self, name: str) -> int:
        total = 0
        for pid in self._pids():
            found = re.search(rf"^{name}:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text(), re.M)
            total += int(found[1]) * 1024 if found else 0
        return total

    def stop(self) -> None:
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


def _environment() -> dict[str, str]:
    """Ours, without what the gateway would take for its configuration."""
    return {name: value for name, value in os.environ.items() if not name.startswith("EXPORT_GATEWAY_")}


def _tasks(pid: int) -> list[Path]:
    return list(Path(f"/proc/{pid}/task").iterdir())


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)
