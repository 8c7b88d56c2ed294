"""The gateway behind each proxy: whole files, habits of HTTP, streams of events, and files that break off in the middle. Prints every cell.

    matrix.py [--all] [NAME...]      without a name: nginx, haproxy and caddy; with --all, every proxy of Deploy/proxies

A cell is a download through one proxy: of a file whose length is known, one that is encoded with gzip, or one whose length
nobody knows, while the upstream is cut or the gateway is killed. It is wrong where curl ends with 0 and has not the file.
"""

import argparse
import contextlib
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "Contract"))

import habits
import proxies
import raw_servers
import servers
import streams
from cells import BREAKS, CONTENT, KINDS, Cell, Scene, Side
from curl import Curl
from proxies import Place, Proxy
from raw_upstream import certificate

# The cells that cannot be made right with the files of Deploy/proxies, as (proxy, kind, break). The article `Proxies` says why.
WRONG = {
    ("caddy", "gzip", "gateway killed"),
    ("caddy", "unknown length", "upstream cut"),
    ("caddy", "unknown length", "cut at once"),
    ("caddy", "unknown length", "gateway killed"),
}


def table(cells: list[Cell]) -> None:
    """A row for each side and version, a column for each way to break: curl's exit code, with * where half a file passes."""
    print("\n" + " " * 39 + "".join(f"{end:27}" for end in BREAKS))
    kinds = "".join(f"{kind.split()[0]:8}" for kind in KINDS) + "   "
    print(f"{'curl ends with':28} {'asks':5}{'gets':5}" + kinds * len(BREAKS))
    rows: dict[tuple[str, str], dict[tuple[str, str], Cell]] = {}
    for cell in cells:
        rows.setdefault((cell.side.name, cell.version), {})[cell.end, cell.kind] = cell
    for (name, version), row in rows.items():
        got = "/".join(sorted({cell.got for cell in row.values()}))
        print(f"{name:28} {version:5}{got:5}", end="")
        for end in BREAKS:
            print("".join(f"{f'{row[end, kind].result}' + '*' * row[end, kind].is_wrong:8}" for kind in KINDS), end="   ")
        print()
    print("* curl ends with 0, and has half a file")


def check(cells: list[Cell], variants: set[str]) -> Iterator[str]:
    """The cells that are not as they have to be; `variants` are those whose file leaves HTTP/2 off, with it switched on."""
    for cell in cells:
        if cell.is_whole:
            yield f"{cell}: the whole file came, and nothing was broken"
        elif cell.is_wrong and cell.side.name not in variants and (cell.side.name, cell.kind, cell.end) not in WRONG:
            yield f"{cell}: curl ended with 0, and has {cell.size} of {len(CONTENT)} bytes"
    # What is said of a proxy has to be so: else its file or the article can be made better.
    for name, kind, end in WRONG:
        of_it = [cell for cell in cells if (cell.side.name, cell.kind, cell.end) == (name, kind, end)]
        if of_it and not any(cell.is_wrong for cell in of_it):
            yield f"{name}, {kind}, {end}: right, though the article Proxies says that it cannot be"
    for name in variants:
        if not any(cell.is_wrong for cell in cells if cell.side.name == name):
            yield f"{name}: right, though its file leaves HTTP/2 off"


def places(directory: Path, gateway: str, wanted: list[type[Proxy]]) -> Iterator[Proxy]:
    """Each proxy with its file; and once more with HTTP/2 switched on, where its file leaves that off."""
    chain, key = certificate(directory)
    pair = directory / "pair.pem"
    pair.write_bytes(chain.read_bytes() + key.read_bytes())
    for file in (key, pair):
        file.chmod(0o644)
    for kind in wanted:
        for is_variant in (False, True) if kind.http2_on else (False,):
            own = directory / (kind.name + ("-http2" if is_variant else ""))
            own.mkdir()
            yield kind(Place(own, servers.free_port(), gateway, chain, key, pair), is_variant)


def run(wanted: list[type[Proxy]], wait: int) -> Iterator[str]:
    with contextlib.ExitStack() as stack:
        directory = Path(tempfile.mkdtemp(prefix="proxies-"))
        stack.callback(shutil.rmtree, directory, ignore_errors=True)
        # Whoever the proxies run as has to find the way to their own directories.
        directory.chmod(0o755)
        downloads = {"resumeAttempts": 0, "perCaller": 256}
        server = {"trustedProxies": ["127.0.0.1"], "memory": 1 << 30, "events": {"heartbeat": "2s"}}
        pair = stack.enter_context(raw_servers.pair(downloads=downloads, server=server))
        running = list(places(directory, f"127.0.0.1:{pair.gateway.port}", wanted))
        for proxy in running:
            stack.callback(proxy.kill)
            proxy.start()
        for proxy in running:
            proxy.wait_until_it_listens()
        variants = {proxy.title for proxy in running if proxy.is_variant}
        sides = [Side("(no proxy)", pair.gateway.address, ["1.1"])]
        sides += [Side(proxy.title, proxy.address, proxy.versions, proxy.public) for proxy in running]
        scene = Scene(pair, Curl(directory, running[0].place.chain, pair.gateway.key), sides)

        waits = habits.Waits(scene, wait)
        for cell in scene.whole():
            if cell.result or not cell.is_whole:
                yield f"{cell}: curl ended with {cell.result}, and has {cell.size} of {len(CONTENT)} bytes"
        for side in sides:
            for version in side.versions if side.name not in variants else ():
                yield from habits.check(scene, side, version)
        yield from streams.Streams(scene, {side.name: [] if side.name in variants else side.versions for side in sides}).check()
        cells = scene.broken_at_once() + scene.broken("upstream cut", pair.upstream.cut)
        yield from waits.join()
        cells += scene.broken("gateway killed", pair.gateway.kill)
        table(cells)
        yield from check(cells, variants)
        for proxy in running:
            yield from proxy.stop()


def main() -> int:
    parser = argparse.ArgumentParser(usage="matrix.py [--all] [NAME...]")
    parser.add_argument("--all", action="store_true")
    parser.add_argument("names", nargs="*")
    arguments = parser.parse_args()
    unknown = set(arguments.names) - {kind.name for kind in proxies.ALL}
    if unknown:
        parser.error(f"no such proxy: {', '.join(sorted(unknown))}")
    wanted = [kind for kind in proxies.ALL if kind.name in arguments.names]
    wanted = wanted or (proxies.ALL if arguments.all else proxies.COMMON)
    # A signal takes the same way out as a failure: nothing is left behind.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _: sys.exit(128 + number))
    began = time.monotonic()
    faults = list(run(wanted, 60 if arguments.all else 30))
    print(f"\n{len(wanted)} proxies, {len(faults)} faults, {time.monotonic() - began:.0f} s")
    print(*faults, sep="\n")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
