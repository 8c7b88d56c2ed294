"""Where everything that the servers wrote is kept until the leak test has looked at it.

One directory, `EXPORT_GATEWAY_EVIDENCE`, by default `.build-logs` at the top of the repository:
`servers/` holds logs, configurations, ledgers, metrics and answers; `secrets/` the values that must not be in there.
"""

import json
import os
import re
import subprocess
import tempfile
from pathlib import Path
from urllib.parse import quote

ROOT = Path(__file__).resolve().parents[2]
EVIDENCE = Path(os.environ.get("EXPORT_GATEWAY_EVIDENCE", ROOT / ".build-logs"))
SERVERS = EVIDENCE / "servers"
SECRETS = EVIDENCE / "secrets"


def directory(name: str) -> Path:
    """A new directory for one server, named after the running test."""
    test = os.environ.get("PYTEST_CURRENT_TEST", "outside").split(" ")[0].split("::")[-1]
    SERVERS.mkdir(parents=True, exist_ok=True)
    return Path(tempfile.mkdtemp(prefix=re.sub(r"[^A-Za-z0-9_.-]+", "_", f"{test}-{name}-"), dir=SERVERS))


def keep_secrets(values) -> None:
    """Notes values that no server may have written anywhere."""
    SECRETS.mkdir(parents=True, exist_ok=True, mode=0o700)
    handle, path = tempfile.mkstemp(suffix=".json", dir=SECRETS)
    with os.fdopen(handle, "w") as file:
        json.dump(sorted(set(values)), file)


def kept_secrets() -> set[str]:
    """Every value noted so far."""
    return {value for path in SECRETS.glob("*.json") for value in json.loads(path.read_text())}


def occurrences(files, needles) -> list[tuple[str, str]]:
    """Each file and each of `needles` in it, as it is or percent-encoded, wherever it stands."""
    wanted = sorted({form.encode() for needle in needles if needle for form in (needle, quote(needle, safe=""))})
    found = []
    for path in holding(files, wanted):
        content = path.read_bytes()
        found += [(str(path), needle.decode()) for needle in wanted if needle in content]
    return found


def holding(files, wanted: list[bytes]) -> list[Path]:
    """Those of the files in which one of these texts stands, and perhaps some more: grep looks for thousands of them at once."""
    with tempfile.NamedTemporaryFile() as patterns:
        patterns.write(b"".join(text + b"\n" for text in wanted))
        patterns.flush()
        command = ["xargs", "--null", "--no-run-if-empty", "grep", "--text", "--fixed-strings", "--files-with-matches", "--null"]
        # xargs ends with 123 where grep finds nothing in some of the files, or cannot read one; then it says so.
        result = subprocess.run(
            [*command, f"--file={patterns.name}", "--"],
            input=b"".join(os.fsencode(path) + b"\0" for path in files),
            env={"PATH": os.environ["PATH"], "LC_ALL": "C"},
            capture_output=True,
        )
    assert result.returncode in (0, 123) and not result.stderr, result
    return [Path(os.fsdecode(path)) for path in result.stdout.split(b"\0") if path]
