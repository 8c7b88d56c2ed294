"""The truncation matrix: every way in which an upstream's file can go wrong, and what has to come of it."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

from raw_upstream import BREAKS, FRAMINGS, PLACES, Fault, Source

# Longer than a block of the encoder and a socket's buffer, and no multiple of anything.
SIZE = 300_007
RANGE = (70_001, 249_999)

WAYS = ("identity", "gzip", "zstd", "range", "zip")
# Who has the file, and whether the record of the export tells its size.
KEEPERS = ("graph, size known", "graph, size unknown", "power-bi")
# What the upstream does when it is asked again.
RECOVERIES = ("then ranges", "then whole", "then changed", "always")


@dataclass(frozen=True)
class Case:
    framing: str
    kind: str
    place: str
    way: str
    keeper: str
    recovery: str

    def __str__(self) -> str:
        return ", ".join((self.framing, self.kind, self.place, self.way, self.keeper, self.recovery))

    @property
    def size_is_known(self) -> bool:
        return self.keeper == "graph, size known"

    @property
    def impossible(self) -> str | None:
        """Why there is no such case; None where there is one."""
        if self.place == "before the head" and self.kind in ("short", "long", "surplus"):
            return "before its head a message has neither a length nor an end"
        if self.kind == "surplus" and self.place != "last byte":
            return "bytes after the end are in no other place"
        if self.framing == "http1.0" and self.kind == "short":
            return "on HTTP/1.0 an early end of the message is a FIN, which is there"
        if self.framing == "http1.0" and self.kind == "surplus":
            return "on HTTP/1.0 bytes after the end are a long body, which is there"
        if self.kind in ("short", "long") and not self.size_is_known:
            return "a message in good order is the file, where nothing else tells its size"
        if self.kind in ("short", "long") and self.framing == "fixed" and self.recovery == "always":
            return "a length that two openings announce and a body has is the file's, whatever the export lists"
        return None

    @property
    def must_be_whole(self) -> bool:
        """Whether the client is to get the whole file and notice nothing: what broke can be continued."""
        if self.kind == "surplus":
            return True
        # Before the head nothing has begun: the client is told by a status, and asks again.
        if self.framing == "http1.0" and not self.size_is_known:
            return False  # Refused at once: its end could not be told from a break.
        breaks = self.kind in ("rst", "fin", "stall", "tls-cut")
        return breaks and self.recovery in ("then ranges", "then whole") and self.place != "before the head"

    def source(self, content: bytes, changed: bytes, name: str) -> Source:
        fault = Fault(self.kind, self.place)
        return Source(
            content,
            framing=self.framing,
            faults=[fault] if self.recovery == "always" else [fault, None],
            serves_ranges=self.recovery in ("then ranges", "then changed"),
            changed=changed if self.recovery == "then changed" else None,
            tells_size=self.size_is_known,
            is_tls=self.kind == "tls-cut",
            name=name,
        )


def all_cases() -> Iterator[Case]:
    for framing, kind, place, way, keeper, recovery in product(FRAMINGS, BREAKS, PLACES, WAYS, KEEPERS, RECOVERIES):
        yield Case(framing, kind, place, way, keeper, recovery)


def csv(seed: int, size: int = SIZE) -> bytes:
    """Text that gains by gzip, and in which no two places are alike."""
    lots = random.Random(seed)
    lines, length = [], 0
    while length < size:
        line = f"{lots.getrandbits(48):015d},{lots.choice(('north', 'south', 'east', 'west'))},{lots.random():.6f}\r\n"
        lines.append(line)
        length += len(line)
    return "".join(lines).encode()[:size]
