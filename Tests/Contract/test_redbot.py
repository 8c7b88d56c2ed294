"""REDbot, the droid that knows HTTP's rules, finds nothing bad and nothing to warn about."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

import bodies
import servers

PROGRAM = Path(__file__).with_name("redbot_notes.py")
# Notes of these levels have to be fixed in the gateway; what cannot be is named here with its reason.
WRONG = {"bad", "warning"}
ALLOWED: dict[str, str] = {}


@pytest.fixture(scope="module")
def served():
    with servers.sandbox() as upstream, servers.gateway(upstream) as gateway:
        export = gateway.succeeded(gateway.create(bodies.paginated_csv()))
        # The first whole delivery tells the file's digest, and with it the tag becomes a strong one: that changes once. The
        # second confirms it: only then is anything "not modified".
        for _ in range(2):
            gateway.download(f"{export['href']}/content")
        yield gateway, export


@pytest.mark.parametrize(
    "path, fields, proved",
    [
        ("", {}, {"INM_304"}),
        ("/content", {}, {"INM_304", "CONNEG_GZIP_GOOD"}),
        ("/content", {"Accept-Encoding": "gzip"}, {"INM_304"}),
        ("/files", {}, set()),
    ],
    ids=["status", "identity", "gzip", "files"],
)
def test_nothing_bad_and_nothing_to_warn_about(served, figure, path, fields, proved):
    gateway, export = served
    found = notes(gateway, export["href"] + path, fields)
    figure(f"{len(found['notes'])} notes on {len([status for status in found['status'].values() if status])} answers")
    assert found["errors"] == {}
    wrong = [note for note in found["notes"] if note["level"] in WRONG and note["note"] not in ALLOWED]
    assert wrong == []
    good = {note["note"] for note in found["notes"] if note["level"] == "good"}
    assert proved <= good, good


def test_what_is_allowed_is_still_needed(served):
    gateway, export = served
    seen = {note["note"] for path in ("", "/content") for note in notes(gateway, export["href"] + path, {})["notes"]}
    assert set(ALLOWED) <= seen


def notes(gateway, path: str, fields: dict[str, str]) -> dict:
    pairs = [part for pair in ({"Authorization": f"Bearer {gateway.key}"} | fields).items() for part in pair]
    command = [sys.executable, str(PROGRAM), gateway.address + path, *pairs]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)
