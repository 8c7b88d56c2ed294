"""Two hundred downloads that are cut at random: each is the file to the byte, or visibly broken."""

import collections
import os
import random
from concurrent.futures import ThreadPoolExecutor

import pytest

import raw_client
import raw_servers
from raw_upstream import Fault, Source
from truncation_cases import csv

DOWNLOADS = 200
SIZE = 700_001
CONTENT, CHANGED = csv(11, SIZE), csv(12, SIZE)
MODES = ("ranges", "no ranges", "changed")


@pytest.fixture(scope="module")
def pair():
    with raw_servers.pair(downloads={"idleTimeout": "1s"}) as pair:
        yield pair


@pytest.mark.long
def test_no_cut_download_is_wrong(pair, figure):
    # Another number gives other cuts: CUTS_SEED=7 Tests/run
    seed = int(os.environ.get("CUTS_SEED", "20260101"))
    lots = random.Random(seed)
    plans = [plan(lots, MODES[number % len(MODES)]) for number in range(DOWNLOADS)]
    with ThreadPoolExecutor(raw_servers.Pair.LINES) as pool:
        outcomes = list(pool.map(lambda planned: outcome(pair, *planned), plans))
    counts = collections.Counter(outcomes)
    text = "; ".join(
        f"{mode}: {counts[mode, 'whole']} whole, {counts[mode, 'broken']} visibly broken, {counts[mode, 'wrong']} wrong"
        for mode in MODES
    )
    figure(f"{DOWNLOADS} downloads cut at random, seed {seed}: {text}")
    assert sum(counts[mode, "wrong"] for mode in MODES) == 0
    assert sum(counts.values()) == DOWNLOADS
    # Where the upstream still has the file, a cut or two is nothing that a caller notices.
    for mode in ("ranges", "no ranges"):
        assert counts[mode, "broken"] == 0
    assert counts["changed", "broken"] > 0


def plan(lots: random.Random, mode: str):
    cuts = [
        Fault(lots.choice(("rst", "fin", "rst", "fin", "stall")), at=lots.randrange(SIZE))
        for _ in range(lots.choice((1, 1, 2)))
    ]
    source = Source(
        CONTENT,
        framing=lots.choice(("fixed", "chunked")),
        faults=[*cuts, None],
        serves_ranges=mode != "no ranges",
        changed=CHANGED if mode == "changed" else None,
        tells_size=lots.random() < 0.5,
    )
    return mode, source, lots.choice(("identity", "gzip", "zstd")), lots.choice(("graph", "power-bi"))


def outcome(pair, mode: str, source: Source, coding: str, keeper: str) -> tuple[str, str]:
    path = pair.export([source], keeper) + "/content"
    seen = raw_client.fetch(pair.gateway.port, path, pair.key | {"Accept-Encoding": coding})
    assert seen.ended != "silence"
    if not seen.looks_whole:
        return mode, "broken"
    # The file as it was, or as it is now; never some of each.
    right = {CONTENT, CHANGED} if mode == "changed" else {CONTENT}
    try:
        return mode, "whole" if seen.file() in right else "wrong"
    except Exception:
        return mode, "wrong"
