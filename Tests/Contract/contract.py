"""Holds a running gateway to openapi.yaml.

    python Tests/Contract/contract.py http://127.0.0.1:8080 [--key KEY]

Checks that the document is valid OpenAPI, as 3.0 and as 3.1; that the gateway serves it byte for byte; and, with
Schemathesis, that every answer to valid, invalid and stateful requests is as the document says. Exits with another status
than 0 when anything is not, and prints how many requests were judged.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import requests
import yaml
from openapi_spec_validator import OpenAPIV30SpecValidator, OpenAPIV31SpecValidator

HERE = Path(__file__).resolve().parent
DOCUMENT = HERE.parent.parent / "openapi.yaml"


def check_document() -> None:
    """The file is valid in both versions that it claims to be."""
    document = yaml.safe_load(DOCUMENT.read_text())
    OpenAPIV30SpecValidator(document).validate()
    OpenAPIV31SpecValidator(document | {"openapi": "3.1.0"}).validate()


def check_served(address: str) -> None:
    """The gateway serves the file that it was built with, and that is this one."""
    answer = requests.get(f"{address}/openapi.yaml", timeout=30)
    assert answer.status_code == 200, answer.status_code
    assert answer.content == DOCUMENT.read_bytes(), "the gateway serves another openapi.yaml than this one"


def run_schemathesis(address: str, key: str | None, max_examples: int, seed: int | None) -> tuple[int, int]:
    """All checks in all phases. Gives back the exit status and the number of requests."""
    with tempfile.TemporaryDirectory() as directory:
        report = Path(directory) / "report.ndjson"
        command = [
            str(Path(sys.executable).with_name("st")),
            "--config-file", str(HERE / "schemathesis.toml"),
            "run", str(DOCUMENT),
            "--url", address,
            # `DELETE /exports/{id}` cancels: the record stays and can be read, as the document says. This check takes every
            # DELETE for a removal and wants 404 afterwards.
            "--checks", "all",
            "--exclude-checks", "use_after_free",
            "--phases", "examples,coverage,fuzzing,stateful",
            "--mode", "all",
            "--max-examples", str(max_examples),
            "--continue-on-failure",
            "--request-timeout", "90",
            "--workers", "1",
            "--report", "ndjson",
            "--report-ndjson-path", str(report),
        ]  # fmt: skip
        if key:
            command += ["--header", f"Authorization: Bearer {key}"]
        if seed is not None:
            command += ["--seed", str(seed)]
        # Nothing of Schemathesis's own is left in the working directory.
        environment = os.environ | {"NO_COLOR": "1", "SCHEMATHESIS_HOOKS": str(HERE / "schemathesis_hooks.py")}
        status = subprocess.run(command, cwd=directory, env=environment, timeout=3000).returncode
        return status, count_requests(report)


def count_requests(report: Path) -> int:
    """The requests in Schemathesis's report."""

    def interactions(value) -> int:
        if isinstance(value, dict):
            own = len(value["interactions"]) if isinstance(value.get("interactions"), (dict, list)) else 0
            return own + sum(interactions(part) for name, part in value.items() if name != "interactions")
        if isinstance(value, list):
            return sum(interactions(part) for part in value)
        return 0

    with report.open() as lines:
        return sum(interactions(json.loads(line)) for line in lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("address", help="where the gateway listens, such as http://127.0.0.1:8080")
    parser.add_argument("--key", help="an API key, where the gateway wants one")
    parser.add_argument("--max-examples", type=int, default=50, help="requests per operation and phase, at most")
    parser.add_argument("--seed", type=int, help="repeats a run")
    arguments = parser.parse_args()
    address = arguments.address.rstrip("/")
    check_document()
    check_served(address)
    status, requests_made = run_schemathesis(address, arguments.key, arguments.max_examples, arguments.seed)
    print(f"contract: {requests_made} requests judged, {'no failures' if status == 0 else 'FAILED'}")
    # A run that tried next to nothing proves nothing.
    if status == 0 and requests_made < 500:
        print("contract: far fewer requests than expected", file=sys.stderr)
        return 1
    return status


if __name__ == "__main__":
    sys.exit(main())
