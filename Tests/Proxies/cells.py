"""One download through one proxy that breaks off in the middle, or does not."""

import contextlib
import hashlib
import subprocess
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import raw_servers
import truncation_cases
from curl import Curl
from raw_upstream import Fault, Source

# Several blocks of the encoder, and more than the buffers on the way hold.
CONTENT = truncation_cases.csv(seed=8, size=6 << 20)
DIGEST = hashlib.sha256(CONTENT).digest()
KINDS = ("known length", "gzip", "unknown length")
# At once: before the proxy has passed anything on.
BREAKS = ("upstream cut", "cut at once", "gateway killed")



@dataclass
class Side:
    """A way to the gateway: one proxy, or none. `versions`: what its clients ask for."""

    name: str
    address: str
    versions: list[str]
    # The address that the proxy tells the gateway, as its clients see it; None where there is none.
    public: str | None = None


@dataclass
class Cell:
    """One download. `version` is what the client asks for; `got` what was agreed on, `result` curl's exit code."""

    side: Side
    version: str
    kind: str
    end: str
    path: str
    result: int | None = None
    got: str = ""
    size: int = 0
    is_whole: bool = False
    _process: subprocess.Popen | None = None

    def start(self, curl: Curl) -> None:
        self._file = Path(tempfile.mkstemp(prefix="cell-", dir=curl.directory)[1])
        options = ["--compressed", "--header", "Accept-Encoding: gzip"] if self.kind == "gzip" else []
        options += ["--write-out", "%{http_code} %{http_version}", "--output", str(self._file)]
        command = curl.command(self.version, self.side.address + self.path, *options)
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)

    def has_begun(self) -> bool:
        """Whether curl has bytes of the file."""
        assert self._process.poll() is None, f"{self}: curl ended by itself, with {self._process.returncode}"
        return self._file.stat().st_size > 0

    def finish(self) -> None:
        output, _ = self._process.communicate(timeout=90)
        self.result = self._process.returncode
        status, self.got = output.split()
        content = self._file.read_bytes()
        self._file.unlink()
        assert status == "200", f"{self}: status {status}: {content[:500]}"
        self.size, self.is_whole = len(content), hashlib.sha256(content).digest() == DIGEST

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    @property
    def is_wrong(self) -> bool:
        """Whether half a file passes for the whole."""
        return self.result == 0 and not self.is_whole

    def __str__(self) -> str:
        return f"{self.side.name}, HTTP/{self.version}, {self.kind}, {self.end}"


@dataclass
class Scene:
    """An upstream, the gateway in front of it, and the ways to that."""

    pair: raw_servers.Pair
    curl: Curl
    sides: list[Side]

    def export(self, kind: str = "known length", fault: Fault | None = None) -> str:
        """The path of a new export's content. Each is downloaded once: the first delivery tells a file's length."""
        is_known = kind != "unknown length"
        source = Source(CONTENT, "fixed" if is_known else "chunked", [fault], tells_size=is_known, serves_ranges=is_known)
        return self.pair.export([source]) + "/content"

    def cells(self, end: str, fault: Fault | None) -> list[Cell]:
        return [
            Cell(side, version, kind, end, self.export(kind, fault))
            for side in self.sides
            for version in side.versions
            for kind in KINDS
        ]

    def broken_at_once(self) -> list[Cell]:
        """The upstream ends when it has sent the first of each file."""
        with stopping(self.cells("cut at once", Fault("fin", at=50_000))) as cells, ThreadPoolExecutor(8) as pool:
            list(pool.map(self._download, cells))
        return cells

    def _download(self, cell: Cell) -> None:
        cell.start(self.curl)
        cell.finish()

    def whole(self) -> list[Cell]:
        """Downloads of which nothing breaks."""
        with stopping(self.cells("nothing breaks", None)) as cells, ThreadPoolExecutor(4) as pool:
            list(pool.map(self._download, cells))
        return cells

    def broken(self, end: str, break_it) -> list[Cell]:
        """All at once; `break_it` is called when each has some of its file and is given no more."""
        with stopping(self.cells(end, Fault("stall"))) as cells:
            for cell in cells:
                cell.start(self.curl)
            deadline = time.monotonic() + 25
            while not all([cell.has_begun() for cell in cells]):
                assert time.monotonic() < deadline, [str(cell) for cell in cells if not cell.has_begun()]
                time.sleep(0.05)
            break_it()
            for cell in cells:
                cell.finish()
        return cells


@contextlib.contextmanager
def stopping(cells: list[Cell]):
    try:
        yield cells
    finally:
        for cell in cells:
            cell.stop()
