"""Files that break in every way, on bare sockets at both ends: what looks whole to a client is the file, always.

The upstream breaks the bytes (`raw_upstream`), the client believes only the framing (`raw_client`), and the file's true
bytes decide.
"""

import collections
from concurrent.futures import ThreadPoolExecutor

import pytest

import raw_client
import raw_servers
from raw_upstream import Source
from truncation_cases import RANGE, WAYS, Case, all_cases, csv

IMPATIENT = {"idleTimeout": "1s", "firstByteTimeout": "4s", "resumeAttempts": 2}
WORKERS = raw_servers.Pair.LINES
FIRST, SECOND = csv(1), csv(2)
CHANGED = csv(3)


@pytest.fixture(scope="module")
def pair():
    # Impatient, because much of this waits for an upstream that never comes back.
    with raw_servers.pair(downloads=IMPATIENT) as pair:
        yield pair


@pytest.mark.parametrize("keeper", ["graph", "power-bi"])
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("framing", ["fixed", "chunked", "http1.0"])
def test_a_file_that_does_not_break_is_whole(pair, keeper, way, framing):
    sources = [Source(FIRST, framing=framing, tells_size=keeper == "graph")]
    seen = ask(pair, pair.export(sources, keeper), way)
    if framing == "http1.0" and keeper == "power-bi":
        assert seen.status == 502 and seen.is_complete
        return
    assert seen.looks_whole and not seen.rest
    assert judged(seen, way, [FIRST], {FIRST}) == "whole"
    if way in ("gzip", "zstd"):
        assert seen.fields["content-encoding"] == way
    if way == "range" and framing == "chunked" and keeper == "power-bi":
        assert seen.status == 200  # Nobody knows the length, and so not whether there is such a part: the whole comes.
    elif way == "range":
        assert seen.status == 206
        assert seen.fields["content-range"].startswith(f"bytes {RANGE[0]}-{RANGE[1]}/")
    if way == "zip":
        assert seen.fields["content-type"] == "application/zip"


@pytest.mark.long
def test_no_truncation_is_silent(pair, figure):
    every = list(all_cases())
    impossible = collections.Counter(reason for case in every if (reason := case.impossible))
    cases = [case for case in every if not case.impossible]
    outcomes: dict[Case, str] = {}
    with ThreadPoolExecutor(WORKERS) as pool:
        for case, outcome in pool.map(lambda case: (case, outcome_of(pair, case)), cases):
            outcomes[case] = outcome
    counts = collections.Counter(outcome.partition(":")[0] for outcome in outcomes.values())
    silent = [f"{case}: {outcome}" for case, outcome in outcomes.items() if outcome.startswith("silent")]
    hung = [str(case) for case, outcome in outcomes.items() if outcome == "hung"]
    unplayed = [str(case) for case, outcome in outcomes.items() if outcome == "not played"]
    resumable = [case for case in cases if case.must_be_whole]
    broken = [str(case) for case in resumable if outcomes[case] != "whole"]
    figure(
        f"{len(silent)} of {len(cases)} truncations silent; {counts['whole']} whole, {counts['visible']} visibly broken, "
        f"{len(hung)} hung; resumed whole {len(resumable) - len(broken)} of {len(resumable)} where it is possible"
    )
    for reason, count in impossible.items():
        figure(f"{count} combinations left out: {reason}")
    assert silent == []
    assert hung == []
    assert unplayed == []
    assert broken == []


def outcome_of(pair, case: Case) -> str:
    """whole, visible, silent with what came, hung, or not played when the fault never came about."""
    for _ in range(3):
        outcome = played(pair, case)
        # The call before the file's own may go out on a connection that another case has just broken.
        if outcome != "not played":
            break
    return outcome


def played(pair, case: Case) -> str:
    broken = case.source(FIRST, CHANGED, "first.csv")
    files = [FIRST]
    sources = [broken]
    if case.way == "zip" and case.keeper != "power-bi":
        # The first file is well: the archive is on its way when the second breaks.
        sources = [Source(SECOND, name="second.csv", tells_size=case.size_is_known), broken]
        files = [SECOND, FIRST]
    export = pair.export(sources, case.keeper)
    seen = ask(pair, export, case.way)
    if broken.requests == 0:
        return "not played"
    # A file that changes before anything of it was sent is as good as the one before.
    allowed = {FIRST, CHANGED} if case.recovery == "then changed" else {FIRST}
    return judged(seen, case.way, files, allowed)


def ask(pair, path: str, way: str, version: str = "HTTP/1.1") -> raw_client.Seen:
    fields = {
        "identity": {"Accept-Encoding": "identity"},
        "gzip": {"Accept-Encoding": "gzip"},
        "zstd": {"Accept-Encoding": "zstd"},
        "range": {"Range": f"bytes={RANGE[0]}-{RANGE[1]}"},
        "zip": {"Accept": "application/zip"},
    }[way]
    return raw_client.fetch(pair.gateway.port, f"{path}/content", pair.key | fields, version)


def judged(seen: raw_client.Seen, way: str, files: list[bytes], allowed: set[bytes]) -> str:
    """What a client makes of an answer, and whether it is right."""
    if seen.ended == "silence":
        return "hung"
    if not seen.looks_whole:
        return "visible"
    silent = f"silent: {seen.status}, {len(seen.body)} bytes, {seen.body[:40]!r}"
    try:
        if way == "zip":
            members = list(seen.members().values())
            return "whole" if members[:-1] == files[:-1] and members[-1] in allowed else silent
        got = seen.file()
    except Exception:  # Whatever a decoder says of a body whose framing was whole: HTTP alone did not show it.
        return silent
    if seen.status == 206:
        return "whole" if got in {file[RANGE[0] : RANGE[1] + 1] for file in allowed} else silent
    return "whole" if got in allowed else silent
