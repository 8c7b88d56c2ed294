#!/usr/bin/env bash
# libzstd 1.5.4 (Debian 12, libzstd1 1.5.4+dfsg2-5), without workers.
#
# A stream that has begun a frame sets another compression level, as an encoder would whose reader has become slower. Parameters of a
# frame that has begun cannot be set, so that an error (ZSTD_error_stage_wrong) was expected, or the new level. Seen: the call succeeds,
# and the bytes are those of the old level, from the first to the last. `ZSTD_CCtx_getParameter` tells the new level meanwhile.
# With one worker (`ZSTD_c_nbWorkers`), the same call has an effect in the same frame.
#
# Prints, without and with a worker: whether the call succeeded, the level that is told then, the bytes of the frame with and without
# the call. Ends with 0 as long as that is so, else with 1.
# Needs Debian 12 (amd64), apt-get and python3; unpacks the package into a temporary folder and installs nothing.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
apt-get download -qq -o APT::Sandbox::User=root libzstd1=1.5.4+dfsg2-5
dpkg-deb -x libzstd1_*.deb root

python3 - "$(ls root/usr/lib/x86_64-linux-gnu/libzstd.so.1.*)" <<'PYTHON'
import ctypes
import random
import sys

zstd = ctypes.CDLL(sys.argv[1])
zstd.ZSTD_createCCtx.restype = ctypes.c_void_p
zstd.ZSTD_CCtx_setParameter.restype = ctypes.c_size_t
zstd.ZSTD_CCtx_setParameter.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_int]
zstd.ZSTD_CCtx_getParameter.restype = ctypes.c_size_t
zstd.ZSTD_CCtx_getParameter.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.POINTER(ctypes.c_int)]
zstd.ZSTD_freeCCtx.argtypes = [ctypes.c_void_p]


class Buffer(ctypes.Structure):
    _fields_ = [("data", ctypes.c_char_p), ("size", ctypes.c_size_t), ("pos", ctypes.c_size_t)]


zstd.ZSTD_compressStream2.restype = ctypes.c_size_t
zstd.ZSTD_compressStream2.argtypes = [ctypes.c_void_p, ctypes.POINTER(Buffer), ctypes.POINTER(Buffer), ctypes.c_int]
LEVEL, WORKERS, FLUSH, END = 100, 400, 1, 2

dice = random.Random(1)
rows = "".join(f"{number},{dice.choice('abcdefgh')},{dice.randrange(100000)}\n" for number in range(400_000)).encode()
halves = [rows[: len(rows) // 2], rows[len(rows) // 2 :]]


def frame(workers: int, second_level: int | None) -> tuple[bytes, bool, int]:
    context = zstd.ZSTD_createCCtx()
    for name, value in ((WORKERS, workers), (LEVEL, 1)):
        assert not zstd.ZSTD_isError(ctypes.c_size_t(zstd.ZSTD_CCtx_setParameter(context, name, value)))
    space = ctypes.create_string_buffer(2 * len(rows))
    out = Buffer(ctypes.cast(space, ctypes.c_char_p), len(space), 0)
    accepted = True
    for half, order in zip(halves, (FLUSH, END)):
        if order == END and second_level:
            accepted = not zstd.ZSTD_isError(ctypes.c_size_t(zstd.ZSTD_CCtx_setParameter(context, LEVEL, second_level)))
        given = Buffer(half, len(half), 0)
        while zstd.ZSTD_compressStream2(context, out, given, order):
            pass
    told = ctypes.c_int()
    zstd.ZSTD_CCtx_getParameter(context, LEVEL, told)
    zstd.ZSTD_freeCCtx(context)
    return space.raw[: out.pos], accepted, told.value


seen = []
for workers in (0, 1):
    plain, _, _ = frame(workers, None)
    changed, accepted, level = frame(workers, 12)
    print(f"workers {workers}: accepted {accepted}, level told {level}, frame {len(changed)} bytes with the call, {len(plain)} without it")
    seen.append((accepted, level, changed == plain))
if seen != [(True, 12, True), (True, 12, False)]:
    sys.exit("this has changed")
PYTHON
