"""curl, as a caller of the gateway uses it."""

import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path


@dataclass
class Answer:
    status: int
    version: str
    # Names in lower case.
    fields: dict[str, str]
    body: bytes


@dataclass
class Curl:
    """`directory`: for its files; `authority`: whose certificates it takes; `key`: the caller's."""

    directory: Path
    authority: Path
    key: str

    def command(self, version: str, url: str, *options: str) -> list[str]:
        """The command line of one request over HTTP/1.1 or, where the other side has it, HTTP/2."""
        protocol = "--http1.1" if version == "1.1" else "--http2" if url.startswith("https:") else "--http2-prior-knowledge"
        own = ["--silent", "--show-error", "--max-time", "80", "--cacert", str(self.authority), protocol]
        key = [] if any(option.startswith("Authorization:") for option in options) else ["-H", f"Authorization: Bearer {self.key}"]
        return ["curl", "--disable", *own, *key, *options, url]

    def ask(self, version: str, url: str, *options: str) -> Answer:
        """The answer of one request; raises where curl fails."""
        with tempfile.TemporaryDirectory(dir=self.directory) as directory:
            head, body = Path(directory, "head"), Path(directory, "body")
            command = self.command(version, url, "--dump-header", str(head), "--output", str(body), *options)
            result = subprocess.run(command, capture_output=True, text=True, timeout=90)
            assert result.returncode == 0, f"curl {url}: {result.stderr}"
            # Of several heads (100, then the answer) the last one counts.
            first, *lines = head.read_text().strip().split("\n\n")[-1].splitlines()
            fields = {}
            for line in lines:
                name, _, value = line.partition(":")
                fields[name.lower()] = value.strip()
            protocol, status = first.split()[:2]
            return Answer(int(status), protocol.removeprefix("HTTP/"), fields, body.read_bytes() if body.exists() else b"")
