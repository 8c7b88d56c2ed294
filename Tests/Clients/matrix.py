"""Generated clients against the running gateway in front of the sandbox: each has to do the whole scenario of Deploy/clients.

    matrix.py [NAME...]      without a name: every client of Deploy/clients, and the recipes that can be executed here

A client is generated from `openapi.yaml` as it is, by its own `build`, into `.build-clients`; again only when the document, the
folder of the client or the pinned packages have changed. Its `run` is the scenario that users copy.
"""

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "Contract"))

import recipes
import servers
from clients import CLIENTS, SIZE, Client, Failed, Scene, check

# The clients that take half a file for a whole one, so that only the scenario's check finds it out, and those that drop the status
# of an error that is no problem document. The article `Clients` says so.
TAKES_HALF = {"perl"}
DROPS_STATUS = {"openapi-python-client"}


def show(client: Client, seconds: Future[float], scene: Scene) -> list[str]:
    """Runs a client's scenario, with whole files and with half ones. Prints a row; returns what is wrong."""
    print(f"{client.name:24}", end="", flush=True)
    try:
        print(f" {seconds.result():6.1f} s", end="", flush=True)
        start = time.monotonic()
        lines = client.run(scene.gateway.address, scene.gateway.key, scene.file)
        wrong = list(check(scene.gateway, lines, scene.file))
        print(f" {time.monotonic() - start:6.1f} s", end="", flush=True)
        scene.file.unlink(missing_ok=True)
        scene.upstream.rule("power-bi.start", {"kind": "fileContent", "bytes": SIZE, "content": "csv"})
        scene.upstream.rule("power-bi.download", {"kind": "cutDownload", "afterBytes": SIZE // 2})
        noticed = client.run_cut(scene.gateway, scene.file)
        tells = client.run_at_a_page(scene.file)
        if (noticed == "the check") != (client.name in TAKES_HALF) or tells == (client.name in DROPS_STATUS):
            wrong.append("the article Clients says otherwise of half a file, or of a proxy's page")
        print(f"  {noticed:26} {'its status' if tells else 'nothing'}")
    except (Failed, OSError, subprocess.TimeoutExpired) as error:
        print("  FAILED")
        wrong = [str(error)]
    finally:
        scene.upstream.remove_rules()
    return wrong


def show_recipe(name: str, scene: Scene) -> list[str]:
    """Runs a recipe. Prints a row; returns what is wrong."""
    scene.file.mkdir()
    start = time.monotonic()
    try:
        recipes.ALL[name](scene, scene.file)
        wrong = []
    except (AssertionError, subprocess.TimeoutExpired) as error:
        wrong = [str(error)]
    finally:
        scene.upstream.remove_rules()
    print(f"{name:24} {'':8} {time.monotonic() - start:6.1f} s{'  FAILED' if wrong else ''}", flush=True)
    return wrong


def rows(clients: list[Client], others: list[str]) -> Iterator[list[str]]:
    """What is wrong with each of the clients and recipes."""
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        upstream = stack.enter_context(servers.sandbox())
        # A download that breaks off upstream breaks off here.
        gateway = stack.enter_context(servers.gateway(upstream, downloads={"resumeAttempts": 0, "measure": "never"}))
        pool = stack.enter_context(ThreadPoolExecutor(os.cpu_count()))
        building = [pool.submit(client.build) for client in clients]
        print(f"{'client':24} {'build':>8} {'run':>8}  half a file is noticed by  of a proxy's page is told")
        for client, seconds in zip(clients, building, strict=True):
            yield show(client, seconds, Scene(upstream, gateway, directory / client.name))
        for name in others:
            yield show_recipe(name, Scene(upstream, gateway, directory / name))


def main() -> int:
    known = sorted(path.parent.name for path in CLIENTS.glob("*/build"))
    parser = argparse.ArgumentParser(usage="matrix.py [NAME...]")
    parser.add_argument("names", nargs="*")
    names = parser.parse_args().names
    if unknown := set(names) - set(known):
        parser.error(f"no such client: {', '.join(sorted(unknown))}")
    # A signal takes the same way out as a failure: nothing is left behind.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _: sys.exit(128 + number))
    began = time.monotonic()
    found = list(rows([Client(name) for name in names or known], [] if names else list(recipes.ALL)))
    failed = [wrong for wrong in found if wrong]
    print(f"{len(found)} clients and recipes, {len(failed)} failed, {time.monotonic() - began:.0f} s")
    for wrong in failed:
        print("", *wrong, sep="\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
