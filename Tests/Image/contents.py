"""What is in the image and what must not be, found in its unpacked files and its configuration; nothing of it runs."""

import gzip
import hashlib
import json
import os
import stat
import subprocess
from pathlib import Path

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from container import Image

ROOT = Path(__file__).resolve().parents[2]
BINARY = "usr/local/bin/export-gateway"
MIB = 1 << 20
#: The largest image that passes, in MiB: its layers as they are, and as a registry keeps them. It had 175.8 and 70.7.
LARGEST, LARGEST_COMPRESSED = 185, 75
#: Programs that nobody needs who only runs the gateway.
TOOLS = {"as", "c++", "cc", "clang", "cpp", "curl", "g++", "gcc", "gdb", "git", "ld", "lldb", "make", "python3", "ssh", "strip", "swift",
         "swiftc", "wget"}
#: How a build gets its packages, which Tests/Image/machine lends to it.
OF_THE_MACHINE = {".gitconfig", ".netrc", "gitconfig", "99this-machine"}
#: Folders that building fills, and that must be empty.
CACHES = ["mnt", "root/.cache", "src", "tmp", "var/cache/apt", "var/lib/apt/lists", "var/log/apt", "var/tmp"]
#: Files that no Debian package lists: what installing makes, and the gateway's.
MADE = ["etc/", "root/.", "run/", "usr/lib/locale/C.utf8", "usr/share/info/dir", "var/cache/debconf/", "var/cache/ldconfig/",
        "var/lib/dpkg/", "var/lib/pam/", "var/lib/apt/extended_states", "var/lib/shells.state", "var/lib/systemd/", "var/log/",
        "usr/local/share/export-gateway/", BINARY]


def files(root: Path) -> dict[str, os.stat_result]:
    """The regular files, by their paths without the first slash."""
    found = {}
    for folder, _, names in os.walk(root):
        for name in names:
            path = Path(folder, name)
            if stat.S_ISREG((status := path.lstat()).st_mode):
                found[str(path.relative_to(root))] = status
    return found


def one_binary(image: Image, work: Path) -> str:
    """Two builds of one commit gave the same executable."""
    first, second = (hashlib.sha256(path.read_bytes()).hexdigest()
                     for path in (image.root / BINARY, work / "built-again/export-gateway"))
    assert first == second, f"two builds differ: {first}, {second}"
    for path in (work / "built-again/built-from").iterdir():
        there = image.root / "usr/local/share/export-gateway" / path.name
        assert there.read_bytes() == path.read_bytes(), f"two builds differ in {path.name}"
    return f"sha256 {first}, {(image.root / BINARY).stat().st_size / MIB:.1f} MiB"


def nothing_else(image: Image) -> str:
    """No compiler, no other tool, no cache, no file with another user's rights, nothing of the machine that built it."""
    found = files(image.root)
    tools = [path for path in found if path.rpartition("/")[2] in TOOLS and "/bin/" in path]
    assert not tools, f"tools: {tools}"
    cached = [path for path in found if any(path.startswith(f"{folder}/") for folder in CACHES)]
    assert not cached, f"left over: {cached}"
    privileged = [path for path, status in found.items() if status.st_mode & (stat.S_ISUID | stat.S_ISGID)]
    assert not privileged, f"setuid or setgid: {privileged}"
    writable = [path for path, status in found.items() if status.st_mode & stat.S_IWOTH or status.st_uid]
    assert not writable, f"not only root may write: {writable}"
    machine = [path for path in found if path.rpartition("/")[2] in OF_THE_MACHINE]
    machine += [path for path in ("etc/hostname", "etc/hosts", "etc/resolv.conf") if path in found and found[path].st_size]
    assert not machine, f"of the machine that built it: {machine}"
    unknown = [path for path in found.keys() - packaged(image.root) if not path.startswith(tuple(MADE))]
    assert not unknown, f"of no package: {sorted(unknown)}"
    return f"{len(found)} files, none setuid, all of a Debian package, of its installation or of the gateway"


def packaged(root: Path) -> set[str]:
    """The paths that Debian packages list, in the merged /usr."""
    listed = set()
    for path in (root / "var/lib/dpkg/info").glob("*.list"):
        listed |= set(path.read_text().splitlines())
    return {f"usr{path}" if path.split("/")[1] in ("bin", "lib", "lib32", "lib64", "sbin") else path[1:] for path in listed}


def ownership(image: Image) -> str:
    """A volume that begins as the image's folder belongs to its user, and to nobody else."""
    status = (image.root / "var/lib/export-gateway").lstat()
    user = image.user()
    assert (status.st_uid, status.st_gid) == (user["uid"], user["gid"])
    assert stat.S_IMODE(status.st_mode) == 0o750
    assert list(image.config["Volumes"]) == ["/var/lib/export-gateway"]
    return "/var/lib/export-gateway belongs to the image's user, mode 0750"


def labels(image: Image, revision: str, base: tuple[str, str]) -> str:
    prefix = "org.opencontainers.image."
    found = {key.removeprefix(prefix): value for key, value in image.config["Labels"].items() if key.startswith(prefix)}
    assert found.pop("title") and found.pop("description")
    wanted = {"version": "0.0.0-test", "revision": revision, "base.name": base[0], "base.digest": base[1]}
    assert found == wanted, f"{found} instead of {wanted}"
    assert image.config["StopSignal"] == "SIGTERM"
    return f"revision {revision}, base {base[0]} {base[1]}"


def bill_of_materials(image: Image, work: Path) -> str:
    """It is valid, and names the packages that the image has: Debian's by another way of reading them, and linked ones."""
    of_image = {key.rpartition(".")[2]: value for key, value in image.config["Labels"].items()}
    command = [ROOT / "Deploy/sbom", "--version", of_image["version"], "--revision", of_image["revision"]]
    written = subprocess.run([*command, "--root", image.root], check=True, stdout=subprocess.PIPE).stdout
    archive = subprocess.Popen(["tar", "-c", "-C", image.root, "."], stdout=subprocess.PIPE)
    from_archive = subprocess.run(command, stdin=archive.stdout, check=True, stdout=subprocess.PIPE).stdout
    assert archive.wait() == 0 and from_archive == written, "from a tar file it is another one"
    assert (problem := JsonStrictValidator(SchemaVersion.V1_5).validate_str(written.decode())) is None, problem
    bill = json.loads(written)
    names = {kind: {(part["name"], part["version"]) for part in bill["components"] if part.get("purl", "").startswith(f"pkg:{kind}/")}
             for kind in ("deb", "swift")}
    query = ["dpkg-query", "--admindir", image.root / "var/lib/dpkg", "--show", "--showformat", "${Package} ${Version}\n"]
    installed = {tuple(line.split()) for line in subprocess.run(query, check=True, capture_output=True, text=True).stdout.splitlines()}
    assert names["deb"] == installed, names["deb"] ^ installed
    # Those that Package.swift names are linked, at its versions; what is for tests only has no package of its own.
    package = json.loads(subprocess.run(["swift", "package", "--package-path", ROOT, "dump-package"], check=True,
                                        stdout=subprocess.PIPE).stdout)
    for dependency in package["dependencies"]:
        [control] = dependency["sourceControl"]
        name = control["location"]["remote"][0]["urlString"].rpartition("/")[2]
        assert (name, control["requirement"]["exact"][0]) in names["swift"], f"{name} is missing"
    (work / "export-gateway.cdx.json").write_bytes(written)
    boringssl = sum(part["name"] == "boringssl" for outer in bill["components"] for part in outer.get("components", []))
    return f"CycloneDX 1.5, valid: {len(names['deb'])} Debian packages, {len(names['swift']) - 1} Swift packages, BoringSSL {boringssl}×"


def size(directory: Path) -> str:
    """The sum of the layers, as a registry keeps them and unpacked."""
    pushed = directory / "pushed"
    subprocess.run(["buildah", "push", "--quiet", "localhost/export-gateway", f"dir:{pushed}"], check=True, stdout=subprocess.DEVNULL)
    layers = [pushed / layer["digest"].partition(":")[2] for layer in json.loads((pushed / "manifest.json").read_text())["layers"]]
    compressed = sum(layer.stat().st_size for layer in layers) / MIB
    whole = 0
    for layer in layers:
        with gzip.open(layer) as content:
            while block := content.read(MIB):
                whole += len(block)
    whole /= MIB
    said = f"{whole:.1f} MiB, compressed {compressed:.1f} MiB, in {len(layers)} layers"
    assert whole <= LARGEST and compressed <= LARGEST_COMPRESSED, f"{said}: more than {LARGEST} and {LARGEST_COMPRESSED} MiB"
    return said
