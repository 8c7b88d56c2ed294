"""Downloads in zstd: which clients get it, what is around the bytes, and what becomes of them when the upstream breaks off."""

import gzip

import pytest

import raw_client
import raw_servers
import truncation_cases
import zstd_frames
from client import ended_deliveries
from raw_upstream import Fault, Source

# Several blocks of the encoder.
CONTENT = truncation_cases.csv(seed=20, size=3_000_017)


@pytest.fixture(scope="module")
def pair():
    with raw_servers.pair(downloads={"resumeAttempts": 0}) as pair:
        yield pair


def ask(pair, href: str, method: str = "GET", **fields: str) -> raw_client.Seen:
    named = {name.replace("_", "-"): value for name, value in fields.items()}
    return raw_client.fetch(pair.gateway.port, f"{href}/content", pair.key | named, method=method)


def deliveries(pair, href: str, count: int = 1) -> list[dict]:
    return ended_deliveries(lambda: pair.gateway.get(f"{href}/deliveries"), count)


def test_a_whole_file(pair):
    for framing, size_is_known in (("fixed", True), ("chunked", False)):
        href = pair.export([Source(CONTENT, framing, tells_size=size_is_known)])
        seen = ask(pair, href, Accept_Encoding="gzip, deflate, br, zstd", TE="trailers")
        assert seen.status == 200 and seen.is_complete and seen.fields["content-encoding"] == "zstd"
        assert zstd_frames.decoded(seen.body) == (CONTENT, "the end")
        assert "content-length" not in seen.fields and "accept-ranges" not in seen.fields
        assert seen.fields["vary"] == "Accept, Accept-Encoding" and "unencoded-digest" in seen.trailers
        # RFC 8878, 3.1.1.1: a checksum, no dictionary, and the length of the content where it is known.
        assert seen.body[:4] == b"\x28\xb5\x2f\xfd" and seen.body[4] & 0b111 == 0b100
        if size_is_known:
            assert seen.body[4] >> 6 == 2
        assert not seen.body[4] & 0x20 and seen.body[5] >> 3 <= 13, "a window of more than 8 MiB"
        packed = ask(pair, href, Accept_Encoding="gzip")
        assert gzip.decompress(packed.body) == CONTENT and len(seen.body) < len(packed.body)
        assert sorted(row["coding"] for row in deliveries(pair, href, count=2)) == ["gzip", "zstd"]
    assert pair.gateway.metric("export_gateway_download_bytes_total", coding="zstd") > 0


def test_who_gets_it(pair):
    href = pair.export([Source(CONTENT)])
    for field, coding in (
        ("zstd", "zstd"),
        ("gzip, zstd", "zstd"),
        ("zstd;q=0.5, gzip;q=0.5", "zstd"),
        ("zstd;q=0.4, gzip;q=0.5", "gzip"),
        ("zstd;q=0, gzip", "gzip"),
        ("*", "gzip"),
        ("zstd;q=0.4, identity;q=0.5", None),
        ("identity", None),
    ):
        head = ask(pair, href, "HEAD", Accept_Encoding=field)
        assert head.status == 200 and head.fields.get("content-encoding") == coding, field
        assert ("content-length" in head.fields) == (coding is None)
    assert ask(pair, href, Accept_Encoding="br, identity;q=0").status == 406


def test_its_own_tag_and_no_parts(pair):
    href = pair.export([Source(CONTENT)])
    # Two readings confirm the digest, without which nothing is "not modified".
    for _ in range(2):
        assert ask(pair, href, Accept_Encoding="identity").body == CONTENT
    deliveries(pair, href, count=2)
    tags = {coding: ask(pair, href, "HEAD", Accept_Encoding=coding).fields["etag"] for coding in ("identity", "gzip", "zstd")}
    assert len(set(tags.values())) == 3
    assert tags["zstd"].startswith('W/"') and tags["zstd"].endswith('-zstd"') and not tags["identity"].startswith("W/")
    same = ask(pair, href, Accept_Encoding="zstd", If_None_Match=tags["zstd"])
    assert same.status == 304 and same.fields["etag"] == tags["zstd"] and same.fields["vary"] == "Accept, Accept-Encoding"
    # A part is of the plain bytes, and the tag of an encoding is no condition for one.
    part = ask(pair, href, Accept_Encoding="zstd", Range="bytes=10-19", If_Range=tags["identity"])
    assert part.status == 206 and part.body == CONTENT[10:20] and "content-encoding" not in part.fields
    encoded = ask(pair, href, Accept_Encoding="zstd", Range="bytes=10-19", If_Range=tags["zstd"])
    assert encoded.status == 200 and zstd_frames.whole(encoded.body) == CONTENT


def test_an_upstream_that_breaks_off_for_good(pair):
    for framing, place in (("fixed", 2_000_000), ("chunked", 2_000_000), ("chunked", 1000), ("fixed", len(CONTENT) - 1)):
        href = pair.export([Source(CONTENT, framing, [Fault("fin", at=place)])])
        seen = ask(pair, href, Accept_Encoding="zstd")
        assert seen.status == 200 and seen.fields["content-encoding"] == "zstd" and not seen.is_complete
        for piece in (1 << 20, 4096, 1):
            # One byte at a time through all of it shows nothing that the last of them would not.
            if piece == 1 and len(seen.body) > 100_000:
                continue
            plain, verdict = zstd_frames.decoded(seen.body, piece)
            assert verdict not in ("the end", "more is to come"), (verdict, framing, place)
            assert CONTENT.startswith(plain)
        (row,) = deliveries(pair, href)
        assert (row["outcome"], row["coding"]) == ("broken", "zstd")


def test_a_gateway_that_does_not_offer_it():
    with raw_servers.pair(downloads={"zstd": "never"}) as pair:
        href = pair.export([Source(CONTENT)])
        assert ask(pair, href, "HEAD", Accept_Encoding="gzip, zstd").fields["content-encoding"] == "gzip"
        assert "content-encoding" not in ask(pair, href, "HEAD", Accept_Encoding="zstd").fields
