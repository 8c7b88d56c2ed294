"""What stands in Deploy/kubernetes, read as kustomize puts it together, as far as these files need it.

`Tests/Kubernetes/run` has kubectl build the same, and compares.
"""

import copy
import re
from pathlib import Path

import yaml

import evidence

KUBERNETES = evidence.ROOT / "Deploy/kubernetes"
#: By what the elements of a list in a pod are told apart when a patch is merged in.
KEYS = {"volumeMounts": "mountPath", "containers": "name", "volumes": "name", "env": "name"}


def documents(path: str) -> list[dict]:
    """The objects of a file."""
    return list(yaml.safe_load_all((KUBERNETES / path).read_text()))


def one(path: str) -> dict:
    """The object of a file that has one."""
    (document,) = documents(path)
    return document


def merged(base, patch, key: str | None = None):
    """`patch` over `base`, as a strategic merge does."""
    if isinstance(base, dict) and isinstance(patch, dict):
        result = copy.deepcopy(base)
        for name, value in patch.items():
            result[name] = merged(result[name], value, name) if name in result else copy.deepcopy(value)
        return result
    if isinstance(base, list) and isinstance(patch, list) and key in KEYS:
        by, result = KEYS[key], copy.deepcopy(base)
        for value in patch:
            index = next((index for index, each in enumerate(result) if each[by] == value[by]), None)
            if index is None:
                result.append(copy.deepcopy(value))
            else:
                result[index] = merged(result[index], value)
        return result
    return copy.deepcopy(patch)


class Overlay:
    """An overlay: its deployment, and the configuration of its gateway."""

    NAMES = ("sqlite", "postgresql")

    def __init__(self, name: str):
        self.name = name
        self.folder = KUBERNETES / "overlays" / name
        self.deployment = merged(one("base/deployment.yaml"), one(f"overlays/{name}/deployment.yaml"))
        self.text = (self.folder / "gateway.yaml").read_text()
        self.configuration = yaml.safe_load(self.text)

    @property
    def pod(self) -> dict:
        return self.deployment["spec"]["template"]["spec"]

    @property
    def container(self) -> dict:
        (container,) = self.pod["containers"]
        return container

    @property
    def mounts(self) -> dict[str, str]:
        """The volumes, by where they are."""
        return {mount["mountPath"]: mount["name"] for mount in self.container["volumeMounts"]}

    def volume(self, name: str) -> dict:
        return next(volume for volume in self.pod["volumes"] if volume["name"] == name)

    @property
    def secret_files(self) -> set[str]:
        """The files that the secret is in the container."""
        place = next(path for path, name in self.mounts.items() if name == "secrets")
        return {f"{place}/{item['path']}" for item in self.volume("secrets")["secret"]["items"]}

    def at(self, directory: Path) -> str:
        """gateway.yaml with its files in a directory of this machine, where each is made, and free ports."""
        contents = {"sealing": "q6urq6urq6urq6urq6urq6urq6urq6urq6urq6urq6s=", "crt": "", "": "a secret of the test"}
        text = self.text
        for path in sorted(self.secret_files):
            file = directory / Path(path).name
            kind = next(kind for kind in contents if kind in file.name)
            file.write_text(contents[kind])
            text = text.replace(path, str(file))
        text = text.replace("/var/lib/export-gateway", str(directory))
        return re.sub(r"(\bport: )\d+", r"\g<1>0", text)


def seconds(duration: str) -> float:
    """A duration as the configuration writes it."""
    number, unit = re.fullmatch(r"(\d+)(ms|s|m|h)", duration).groups()
    return int(number) * {"ms": 0.001, "s": 1, "m": 60, "h": 3600}[unit]


def quantity(text: str) -> int:
    """Bytes as Kubernetes writes them."""
    number, unit = re.fullmatch(r"(\d+)(Ki|Mi|Gi)?", text).groups()
    return int(number) * {None: 1, "Ki": 1 << 10, "Mi": 1 << 20, "Gi": 1 << 30}[unit]
