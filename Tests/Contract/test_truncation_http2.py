"""The truncation matrix over HTTP/2: an answer that breaks off ends with `RST_STREAM`, and only a whole one with `END_STREAM`.

What breaks is the same as over HTTP/1.1, so that a part of the cases is enough here; EXPORT_GATEWAY_HTTP2_CASES=all plays all.
"""

import collections
import os
import random
from concurrent.futures import ThreadPoolExecutor

import pytest

import http2_client
import raw_servers
from raw_upstream import Fault, Source
from test_truncation_matrix import IMPATIENT, WORKERS
from truncation import FIRST, ask, judged, outcome_of
from truncation_cases import WAYS, all_cases

PART = 120


@pytest.fixture(scope="module")
def pair():
    with raw_servers.pair(downloads=IMPATIENT, server={"http2": {"priorKnowledge": True}}) as pair:
        yield pair


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("framing", ["fixed", "chunked"])
def test_a_file_that_does_not_break_is_whole(pair, way, framing):
    seen = ask(pair, pair.export([Source(FIRST, framing=framing)]), way, http2_client.fetch)
    assert seen.looks_whole and seen.ended == "end"
    assert judged(seen, way, [FIRST], {FIRST}) == "whole"


def test_no_truncation_is_silent(pair, figure):
    cases = [case for case in all_cases() if not case.impossible]
    if os.environ.get("EXPORT_GATEWAY_HTTP2_CASES") != "all":
        cases = random.Random(9113).sample(cases, PART)
    with ThreadPoolExecutor(WORKERS) as pool:
        outcomes = dict(zip(cases, pool.map(lambda case: outcome_of(pair, case, http2_client.fetch), cases)))
    counts = collections.Counter(outcome.partition(":")[0] for outcome in outcomes.values())
    figure(
        f"HTTP/2: {counts['silent']} of {len(cases)} truncations silent; {counts['whole']} whole, "
        f"{counts['visible']} visibly broken, {counts['hung']} hung"
    )
    wrong = {str(case): outcome for case, outcome in outcomes.items() if outcome.startswith(("silent", "hung", "not played"))}
    assert wrong == {}
    broken = [str(case) for case, outcome in outcomes.items() if case.must_be_whole and outcome != "whole"]
    assert broken == []


@pytest.mark.parametrize("way", ["identity", "gzip"])
def test_a_break_resets_one_stream_alone(pair, way):
    """The other streams of the connection go on, and it takes new ones."""
    fault = Fault("rst", at=200_000)
    broken = pair.export([Source(FIRST, framing="chunked", faults=[fault], has_tag=False, tells_size=False)])
    whole = pair.export([Source(FIRST)])
    fields = pair.key | {"Accept-Encoding": way}
    with http2_client.Client(pair.gateway.port) as client:
        streams = {client.request(f"{path}/content", fields): path for path in (broken, whole, broken, whole)}
        for stream, path in streams.items():
            seen = client.answer(stream)
            assert seen.status == 200
            assert seen.looks_whole == (path == whole)
            if path == broken:
                assert client.resets[stream] == http2_client.INTERNAL_ERROR
            else:
                assert seen.file() == FIRST
        assert client.goaways == []
        assert client.answer(client.request("/livez")).status == 200
