"""Runs last: no secret that any test used stands in anything that any server wrote.

Looked at, byte by byte: logs, ledgers with their write-ahead logs, configurations, metrics, and every answer but the
files themselves. Looked for: every token and SAS signature that a sandbox issued, its client secret, the callers' own
tokens and API keys.
"""

import re

import pytest

import bodies
import evidence
import servers

pytestmark = pytest.mark.alone

# Files that tests downloaded hold what the upstream sent.
DOWNLOADED = {"body"}
FIXED = {bodies.CLIENT_SECRET, bodies.EXPIRED_SECRET, bodies.GOALS_TOKEN, bodies.IDENTITY_HEADER}


def written() -> list:
    return [path for path in evidence.EVIDENCE.rglob("*") if is_searched(path)]


def is_searched(path) -> bool:
    return path.is_file() and evidence.SECRETS not in path.parents and path.name not in DOWNLOADED


def test_no_secret_was_written_anywhere(figure):
    files, needles = written(), evidence.kept_secrets() | FIXED
    names = {path.name for path in files}
    if not {"stderr.log", "ledger.sqlite", "answers.log"} <= names:
        pytest.fail(f"there is nothing to look at: run the other tests first; found {sorted(names)}")
    figure(f"{len(files)} files, {sum(path.stat().st_size for path in files)} bytes, {len(needles)} secrets")
    assert len(needles) > 10
    hits = evidence.occurrences(files, needles)
    assert hits == [], f"{len(hits)} places hold a secret: {[path for path, _ in hits][:10]}"


def test_no_signature_was_written_anywhere():
    pattern = re.compile(rb"[?&]sig=[^&\s\"'<]{4,}|sig%3[Dd][^&\s\"'<]{4,}|eyJ[A-Za-z0-9_-]{10,}\.eyJ")
    files = evidence.holding(written(), [b"sig=", b"sig%3", b"eyJ"])
    hits = [(str(path), match[0][:12]) for path in files for match in pattern.finditer(path.read_bytes())]
    assert hits == []


def test_a_planted_secret_would_be_found():
    """The tokens that were really used are found where one is planted: in a log, and deep in a ledger's pages."""
    with servers.sandbox() as upstream, servers.gateway(upstream) as gateway:
        gateway.succeeded(gateway.create(bodies.report()))
        (token,) = [value for value in upstream.secrets() if value not in FIXED][:1]
        # An export's name is the caller's own text: kept, logged or shown as it is.
        export = gateway.create(bodies.report(name=f"planted {token}"))
        gateway.succeeded(export)
        gateway.kill()
        files = [path for path in gateway.directory.iterdir() if is_searched(path)]
        found = {path.rpartition("/")[2] for path, _ in evidence.occurrences(files, {token})}
        assert "answers.log" in found
        assert found & {"ledger.sqlite", "ledger.sqlite-wal"}
        # It was planted on purpose, and must not be taken for a leak by a later search.
        for path in files:
            path.unlink()
