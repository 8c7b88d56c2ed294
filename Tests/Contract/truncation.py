"""Plays the cases of the truncation matrix, and says what a client makes of each answer."""

import raw_client
from raw_upstream import Source
from truncation_cases import RANGE, Case, csv

FIRST, SECOND = csv(1), csv(2)
CHANGED = csv(3)


def outcome_of(pair, case: Case, fetch=raw_client.fetch) -> str:
    """whole, visible, silent with what came, hung, or not played when the fault never came about."""
    for _ in range(3):
        outcome = played(pair, case, fetch)
        # The call before the file's own may go out on a connection that another case has just broken.
        if outcome != "not played":
            break
    return outcome


def played(pair, case: Case, fetch) -> str:
    broken = case.source(FIRST, CHANGED, "first.csv")
    files = [FIRST]
    sources = [broken]
    if case.way == "zip" and case.keeper != "power-bi":
        # The first file is well: the archive is on its way when the second breaks.
        sources = [Source(SECOND, name="second.csv", tells_size=case.size_is_known), broken]
        files = [SECOND, FIRST]
    export = pair.export(sources, case.keeper)
    seen = ask(pair, export, case.way, fetch)
    if broken.requests == 0:
        return "not played"
    # A file that changes before anything of it was sent is as good as the one before.
    allowed = {FIRST, CHANGED} if case.recovery == "then changed" else {FIRST}
    return judged(seen, case.way, files, allowed)


def ask(pair, path: str, way: str, fetch=raw_client.fetch) -> raw_client.Seen:
    fields = {
        "identity": {"Accept-Encoding": "identity"},
        "gzip": {"Accept-Encoding": "gzip"},
        "zstd": {"Accept-Encoding": "zstd"},
        "range": {"Range": f"bytes={RANGE[0]}-{RANGE[1]}"},
        "zip": {"Accept": "application/zip"},
    }[way]
    return fetch(pair.gateway.port, f"{path}/content", pair.key | fields)


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
