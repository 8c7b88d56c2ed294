"""Files that break in every way, on bare sockets at both ends: what looks whole to a client is the file, always.

The upstream breaks the bytes (`raw_upstream`), the client believes only the framing (`raw_client`), and the file's true
bytes decide.
"""

import collections
from concurrent.futures import ThreadPoolExecutor

import pytest

import raw_servers
from raw_upstream import Source
from truncation import FIRST, ask, judged, outcome_of
from truncation_cases import RANGE, WAYS, Case, all_cases

IMPATIENT = {"idleTimeout": "1s", "firstByteTimeout": "4s", "resumeAttempts": 2}
WORKERS = raw_servers.Pair.LINES


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
