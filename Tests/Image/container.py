"""Containers of the image, run by runc as a container engine would run them: as the image's own user, with a root that cannot be
written, without capabilities, in a network that has loopback only."""

import contextlib
import json
import os
import secrets
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

#: For what ends by itself, or is killed.
PATIENCE = 30

#: What container engines mount, apart from what a caller adds.
SYSTEM_MOUNTS = [
    {"destination": "/proc", "type": "proc", "source": "proc"},
    {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "mode=755", "size=65536k"]},
    {"destination": "/dev/shm", "type": "tmpfs", "source": "shm", "options": ["nosuid", "noexec", "nodev", "size=65536k"]},
]


@dataclass(frozen=True)
class Image:
    """An unpacked image and its configuration, which is what `buildah inspect` calls Docker.config."""

    root: Path
    config: dict

    def user(self) -> dict:
        """The number that the image names, with the group that its /etc/passwd has for it."""
        number = int(self.config["User"])
        for line in (self.root / "etc/passwd").read_text().splitlines():
            _, _, uid, gid, *_ = line.split(":")
            if int(uid) == number:
                return {"uid": number, "gid": int(gid)}
        raise AssertionError(f"the image has no user {number}")

    def command(self) -> list[str]:
        return [*self.config["Entrypoint"], *self.config["Cmd"]]


@dataclass
class Container:
    """What runs, or ran. Its output is in `log`."""

    name: str
    process: subprocess.Popen
    log: Path
    state: Path

    def runc(self, *words: str) -> subprocess.CompletedProcess:
        return subprocess.run(["runc", "--root", self.state, *words], capture_output=True, text=True, timeout=PATIENCE)

    def wait(self, seconds: float = PATIENCE) -> int:
        """The exit code."""
        return self.process.wait(seconds)

    def output(self) -> str:
        return self.log.read_text()

    def until(self, text: str) -> None:
        """Returns when the container has said so."""
        end = time.monotonic() + PATIENCE
        while text not in self.output():
            assert self.process.poll() is None, f"ended with {self.process.returncode}:\n{self.output()}"
            assert time.monotonic() < end, f"{text!r} was not said:\n{self.output()}"
            time.sleep(0.05)

    def run(self, *command: str) -> subprocess.CompletedProcess:
        """Another command in the container, by its user, as health checks are run."""
        return self.runc("exec", self.name, *command)

    def in_its_network(self, *command: str) -> subprocess.CompletedProcess:
        """A command of this machine that sees the container's loopback."""
        number = json.loads(self.runc("state", self.name).stdout)["pid"]
        return subprocess.run(["nsenter", "--target", str(number), "--net", *command], capture_output=True, text=True,
                              timeout=PATIENCE)

    def signal(self, name: str) -> None:
        sent = self.runc("kill", self.name, name)
        assert sent.returncode == 0, sent.stderr


@contextlib.contextmanager
def running(image: Image, directory: Path, mounts: dict[str, tuple[Path, str]], command: list[str] | None = None,
            environment: dict[str, str] | None = None) -> Iterator[Container]:
    """The image's own command, or another one. `mounts` are folders and files by their places in the container, with `ro` or `rw`.
    Whatever is left of it at the end is killed."""
    name = f"image-{secrets.token_hex(6)}"
    bundle = directory / name
    bundle.mkdir(parents=True)
    specification = {
        "ociVersion": "1.0.2",
        "root": {"path": str(image.root), "readonly": True},
        "hostname": "gateway",
        "mounts": SYSTEM_MOUNTS + [
            {"destination": place, "type": "bind", "source": str(source), "options": ["bind", mode]}
            for place, (source, mode) in mounts.items()
        ],
        "process": {
            "args": command or image.command(),
            "cwd": image.config.get("WorkingDir") or "/",
            "env": [*image.config["Env"], *(f"{key}={value}" for key, value in (environment or {}).items())],
            "user": image.user(),
            "capabilities": {kind: [] for kind in ("bounding", "effective", "inheritable", "permitted", "ambient")},
            "noNewPrivileges": True,
        },
        "linux": {
            "namespaces": [{"type": kind} for kind in ("pid", "mount", "ipc", "uts", "network")],
            "maskedPaths": ["/proc/kcore", "/proc/keys", "/proc/timer_list"],
            "readonlyPaths": ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"],
        },
    }
    (bundle / "config.json").write_text(json.dumps(specification))
    state, log = directory / "state", bundle / "log"
    words = ["runc", "--root", state, "run", "--bundle", bundle, name]
    with log.open("w") as output:
        process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, env=dict(os.environ))
    container = Container(name, process, log, state)
    try:
        yield container
    finally:
        if process.poll() is None:
            container.runc("kill", name, "KILL")
            process.wait(PATIENCE)
        container.runc("delete", "--force", name)
