"""What `kubectl kustomize` builds."""

import functools
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest
import yaml

from manifests import KUBERNETES


@functools.cache
def built(overlay: str, *components: str) -> tuple[dict, ...]:
    """The objects of an overlay, with these components added to its kustomization.yaml."""
    if shutil.which("kubectl") is None:
        pytest.fail("kubectl is not on this machine: https://kubernetes.io/docs/tasks/tools says how to install it")
    with tempfile.TemporaryDirectory() as directory:
        copy = shutil.copytree(KUBERNETES, Path(directory, "kubernetes"))
        file = copy / "overlays" / overlay / "kustomization.yaml"
        kustomization = yaml.safe_load(file.read_text())
        kustomization["components"] = [f"../../components/{component}" for component in components]
        file.write_text(yaml.safe_dump(kustomization))
        run = subprocess.run(["kubectl", "kustomize", file.parent], capture_output=True, text=True, timeout=60)
    assert run.returncode == 0, run.stderr
    # Deprecated fields are told here.
    assert not run.stderr, run.stderr
    return tuple(yaml.safe_load_all(run.stdout))


def of_kind(objects: tuple[dict, ...], kind: str) -> list[dict]:
    return [each for each in objects if each["kind"] == kind]
