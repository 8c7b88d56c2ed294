#!/usr/bin/env python3
"""Checks the image that Tests/Image/run has built: what is in it, and how it starts, answers, is looked after and ends.

    checks.py WORK TEMPORARY      WORK: what the builds left; TEMPORARY: an empty folder that the image's user can pass
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import contents
from container import Container, Image, running

USER = 10001
DRAIN = 5
CONFIGURATION = {
    # In a network with loopback only, everybody in it may call.
    "server": {"host": "127.0.0.1", "port": 8080, "drainTimeout": f"{DRAIN}s"},
    "ledger": {"path": "/var/lib/export-gateway/ledger.sqlite"},
    # Nobody signs in, so that nobody is called.
    "connections": [{"name": "goals", "provider": "viva-goals", "credential": {"type": "passThrough"}}],
}


def buildah(*words: str) -> str:
    return subprocess.run(["buildah", *words], check=True, stdout=subprocess.PIPE, text=True).stdout.strip()


class Places:
    """The folders that a container gets."""

    def __init__(self, directory: Path):
        self.directory = directory
        self.volume = directory / "volume"
        self.configuration = directory / "configuration"
        for folder in (directory, self.volume, self.configuration):
            folder.mkdir()
        os.chown(self.volume, USER, USER)
        self.volume.chmod(0o750)
        # JSON is YAML.
        (self.configuration / "gateway.yaml").write_text(json.dumps(CONFIGURATION))

    def mounts(self, volume: str = "rw") -> dict[str, tuple[Path, str]]:
        return {"/etc/export-gateway": (self.configuration, "ro"), "/var/lib/export-gateway": (self.volume, volume)}


def health(image: Image, container: Container) -> subprocess.CompletedProcess:
    """What the image's own health check says."""
    kind, *command = image.config["Healthcheck"]["Test"]
    assert kind == "CMD"
    return container.run(*command)


def serves(image: Image, places: Places) -> str:
    began = time.monotonic()
    with running(image, places.directory / "run", places.mounts()) as container:
        container.until('"Listening"')
        seconds = time.monotonic() - began
        for path in ("livez", "readyz", "providers", "exports"):
            answer = container.in_its_network("curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}", f"http://127.0.0.1:8080/{path}")
            assert answer.stdout == "200", f"/{path}: {answer.stdout} {answer.stderr}"
        healthy = health(image, container)
        assert healthy.returncode == 0, healthy.stderr
        status = container.run("cat", "/proc/1/status").stdout
        fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
        assert fields["Uid"].split() == [str(USER)] * 4 and int(fields["CapEff"], 16) == 0 and fields["NoNewPrivs"] == "1"
        written = container.run("touch", "/usr/local/written")
        assert written.returncode and "Read-only file system" in written.stderr
        stopped = ends_on_signal(container)
        assert {path.name for path in places.volume.iterdir()} >= {"ledger.sqlite"}
    return f"listened after {seconds:.2f} s, healthy, as {USER} on a read-only root; {stopped}"


def ends_on_signal(container: Container) -> str:
    began = time.monotonic()
    container.signal("TERM")
    code = container.wait()
    seconds = time.monotonic() - began
    assert code == 0, f"SIGTERM: ended with {code}:\n{container.output()}"
    assert seconds < DRAIN, f"SIGTERM: ended after {seconds:.1f} s, with nothing under way"
    return f"SIGTERM: 0 after {seconds:.2f} s"


def unhealthy(image: Image, places: Places) -> str:
    """The health check notices a gateway that is there and does not answer, within its own timeout or that of the image."""
    with running(image, places.directory / "run", places.mounts()) as container:
        container.until('"Listening"')
        number = json.loads(container.runc("state", container.name).stdout)["pid"]
        os.kill(number, 19)
        try:
            began = time.monotonic()
            try:
                code = str(health(image, container).returncode)
            except subprocess.TimeoutExpired:
                code = "none"
            seconds = time.monotonic() - began
        finally:
            os.kill(number, 18)
        assert code not in ("0", "none"), f"the health check of a stopped gateway ended with {code}"
        assert health(image, container).returncode == 0
        ends_on_signal(container)
    return f"a stopped process is unhealthy ({code} after {seconds:.1f} s), and healthy again when it goes on"


def refuses(image: Image, places: Places, key: str, volume: str = "rw") -> str:
    """The start ends with 78, and names the key."""
    with running(image, places.directory / "run", places.mounts(volume)) as container:
        code, said = container.wait(), container.output().strip()
    assert code == 78, f"ended with {code}:\n{said}"
    assert key in said, said
    return said.splitlines()[-1]


def foreign_folder(image: Image, places: Places) -> str:
    os.chown(places.volume, 0, 0)
    places.volume.chmod(0o755)
    return refuses(image, places, "ledger.path")


def closed_folder(image: Image, places: Places) -> str:
    os.chown(places.volume, 0, 0)
    places.volume.chmod(0o700)
    return refuses(image, places, "ledger.path")


def read_only_volume(image: Image, places: Places) -> str:
    return refuses(image, places, "ledger.path", volume="ro")


def foreign_ledger(image: Image, places: Places) -> str:
    with running(image, places.directory / "first", places.mounts()) as container:
        container.until('"Listening"')
        ends_on_signal(container)
    for path in places.volume.iterdir():
        os.chown(path, 0, 0)
        path.chmod(0o600)
    return refuses(image, places, "ledger.path")


def closed_configuration(image: Image, places: Places) -> str:
    (places.configuration / "gateway.yaml").chmod(0o600)
    return refuses(image, places, "/etc/export-gateway/gateway.yaml")


def libraries(image: Image, places: Places) -> str:
    """ldd, in the image, finds everything; and the two commands that need neither network nor ledger work."""
    with running(image, places.directory / "run", {}, ["ldd", f"/{contents.BINARY}"]) as container:
        code, said = container.wait(), container.output()
    assert code == 0 and "not found" not in said, said
    offline = [f"/{contents.BINARY}", "check", "--offline", "--config", "/etc/export-gateway/gateway.yaml"]
    with running(image, places.directory / "check", places.mounts(), offline) as container:
        assert container.wait() == 0, container.output()
    found = [line.split()[0] for line in said.splitlines() if "=> /" in line]
    return f"{len(found)} found: {' '.join(found)}"


def main() -> int:
    work, temporary = map(Path, sys.argv[1:])
    unpacked = buildah("from", "--pull-never", "localhost/export-gateway")
    try:
        config = json.loads(buildah("inspect", "--type", "image", "localhost/export-gateway"))["Docker"]["config"]
        return check(Image(Path(buildah("mount", unpacked)), config), work, temporary)
    finally:
        buildah("rm", unpacked)


def check(image: Image, work: Path, temporary: Path) -> int:
    revision = (work / "revision").read_text().strip()
    base = "localhost/debian:bookworm-slim"
    digest = buildah("inspect", "--type", "image", "--format", "{{.FromImageDigest}}", base)
    # Those that read the files come first: to mount something, a container may make a folder.
    checks: list[tuple[str, Callable[[], str]]] = [
        ("labels", lambda: contents.labels(image, revision, (base, digest))),
        ("nothing else in it", lambda: contents.nothing_else(image)),
        ("the volume's folder", lambda: contents.ownership(image)),
        ("bill of materials", lambda: contents.bill_of_materials(image, work)),
        ("size", lambda: contents.size(temporary)),
        ("two builds, one executable", lambda: contents.one_binary(image, work)),
    ]
    for title, run in (
        ("libraries", libraries),
        ("starts, answers and ends", serves),
        ("health", unhealthy),
        ("a volume that belongs to root", foreign_folder),
        ("a volume that only root may enter", closed_folder),
        ("a volume that cannot be written", read_only_volume),
        ("a ledger that belongs to root", foreign_ledger),
        ("a configuration that only root may read", closed_configuration),
    ):
        places = temporary / run.__name__
        checks.append((title, lambda run=run, places=places: run(image, Places(places))))
    failed = 0
    for title, run in checks:
        try:
            print(f"ok    {title}: {run()}", flush=True)
        except (AssertionError, subprocess.SubprocessError, OSError) as error:
            failed += 1
            print(f"FAIL  {title}: {error}", flush=True)
    print(f"{len(checks) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
