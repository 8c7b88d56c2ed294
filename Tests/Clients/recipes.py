"""The recipes of Deploy/clients/recipes that run on Python's packages alone, against the gateway in front of the sandbox."""

import hashlib
import os
import subprocess
from pathlib import Path

import bodies
from clients import Scene

RECIPES = Path(__file__).resolve().parents[2] / "Deploy/clients/recipes"
# Asks for pages of two, so that there are several. Prints the id and the status of each export that it finds in the database.
LOAD = """
import sys, duckdb, dlt_exports
dlt_exports.load(sys.argv[1], sys.argv[2], limit=2).raise_on_failed_jobs()
for row in duckdb.connect(sys.argv[2]).execute("select id, status from export_gateway.exports order by created_at").fetchall():
    print(*row)
"""


def python(scene: Scene, directory: Path, *words) -> str:
    """What Python prints, with a caller's key, and a home that is thrown away."""
    environment = os.environ | {"EXPORT_GATEWAY_KEY": scene.gateway.key, "HOME": str(directory), "PYTHONPATH": str(RECIPES)}
    environment |= {"RUNTIME__DLTHUB_TELEMETRY": "false", "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        ["python3", *words],
        env=environment,
        cwd=directory,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    return done.stdout


def ten_lines(scene: Scene, directory: Path) -> None:
    """The file is the one of the only new export."""
    before = set(ids(scene))
    file = directory / "ledger.csv"
    python(scene, directory, RECIPES / "ten_lines.py", scene.gateway.address, file)
    (made,) = set(ids(scene)) - before
    sha256 = scene.gateway.get(f"/exports/{made}").json["files"][0]["sha256"]
    assert hashlib.sha256(file.read_bytes()).hexdigest() == sha256


def dlt_exports(scene: Scene, directory: Path) -> None:
    """Every export is there once, over several pages; and a later run brings what has become of them since."""
    for _ in range(2):
        scene.gateway.succeeded(scene.gateway.create(bodies.paginated_csv()))
    scene.upstream.rule("power-bi.start", {"kind": "stuck"})
    made = [scene.gateway.create(bodies.paginated_csv())["id"] for _ in range(3)]
    words = ["-c", LOAD, scene.gateway.address, directory / "exports.duckdb"]
    first = rows(python(scene, directory, *words))
    assert set(first) == set(ids(scene)) and len(first) > 4, first
    assert {first[id] for id in made} <= {"notStarted", "running"}, first
    for id in made:
        assert scene.gateway.call("DELETE", f"/exports/{id}").status == 200
    second = rows(python(scene, directory, *words))
    assert set(second) == set(first)
    assert {second[id] for id in made} == {"canceled"}, second
    scene.upstream.remove_rules()


def rows(printed: str) -> dict[str, str]:
    """The status of each id, none of which is there twice."""
    pairs = [line.split() for line in printed.splitlines()]
    found = dict(pairs)
    assert len(found) == len(pairs), printed
    return found


def ids(scene: Scene) -> list[str]:
    """All exports of the caller."""
    return [export["id"] for export in scene.gateway.get("/exports?limit=200").json["value"]]


ALL = {"ten_lines.py": ten_lines, "dlt_exports.py": dlt_exports}
