"""What a decoder that shares nothing with the gateway's encoder but the format makes of a body in zstd."""

import zstandard


def decoded(coded: bytes, piece: int = 4096) -> tuple[bytes, str]:
    """What can be read, and what the decoder says then."""
    # The window that a decoder of the content coding supports, and no more (RFC 9659, 3).
    decoder, plain = zstandard.ZstdDecompressor(max_window_size=8 << 20).decompressobj(), b""
    for start in range(0, len(coded), piece):
        try:
            plain += decoder.decompress(coded[start : start + piece])
        except zstandard.ZstdError as error:
            return plain, str(error)
        if decoder.eof:
            left = len(decoder.unused_data) + max(0, len(coded) - start - piece)
            return plain, f"{left} bytes behind the end" if left else "the end"
    return plain, "more is to come"


def whole(coded: bytes) -> bytes:
    """The content of exactly one whole frame; raises ValueError for anything else."""
    plain, verdict = decoded(coded, piece=1 << 20)
    if verdict != "the end":
        raise ValueError(verdict)
    return plain
