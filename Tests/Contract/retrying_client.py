"""A caller who has the addresses of several replicas: it asks them in turn, and the next one where one does not answer."""

import http.client
import itertools
import json
import random
import threading
import time
from dataclasses import dataclass

from client import Answer, call

#: Answers after which the same request is made again: 5xx, and a key whose first request is still under way.
AGAIN = {"idempotency-key-in-flight"}


@dataclass(frozen=True)
class Sample:
    """One request of the caller, with all its attempts."""

    method: str
    began: float
    seconds: float
    attempts: int
    status: int


class RetryingClient:
    """May be used by several threads.

    One attempt takes `patience` seconds at most. An address that did not answer is left alone for `rest` seconds, as long
    as there are others. When all have failed in turn, there is a pause of `pause` seconds at most.
    """

    def __init__(self, addresses: list[str], headers: dict[str, str], patience: float = 2, rest: float = 2, pause: float = 0.2):
        self._addresses, self._headers = addresses, headers
        self._patience, self._rest, self._pause = patience, rest, pause
        self._turn = itertools.count()
        self._failed: dict[str, float] = {}
        self._guard = threading.Lock()
        self.samples: list[Sample] = []
        #: Answers of 500 and other statuses that nobody should get.
        self.faults: list[tuple[str, str, int, bytes]] = []

    def call(self, method: str, path: str, headers: dict | None = None, body=None, within: float = 120,
             patience: float | None = None) -> Answer:
        """The first answer that is not to be tried again; a `TimeoutError` where none comes within so many seconds."""
        began, attempts = time.monotonic(), 0
        while True:
            for address in self._order():
                attempts += 1
                answer = self._attempt(address, method, path, headers, body, patience or self._patience)
                if answer is not None:
                    sample = Sample(method, began, time.monotonic() - began, attempts, answer.status)
                    with self._guard:
                        self.samples.append(sample)
                    return answer
                if time.monotonic() > began + within:
                    raise TimeoutError(f"{method} {path} was not answered within {within} s by anybody")
            time.sleep(random.uniform(0, self._pause))

    def create(self, body: dict, headers: dict[str, str], key: str, within: float = 120) -> Answer:
        """`POST /exports` with an idempotency key, so that repeating it is safe."""
        return self.call("POST", "/exports", headers | {"Idempotency-Key": key}, body, within)

    def _order(self) -> list[str]:
        first = next(self._turn) % len(self._addresses)
        order = self._addresses[first:] + self._addresses[:first]
        now = time.monotonic()
        good = [address for address in order if self._failed.get(address, 0) + self._rest < now]
        return good or order

    def _attempt(self, address, method, path, headers, body, patience) -> Answer | None:
        try:
            answer = call(address, method, path, self._headers | (headers or {}), body, timeout=patience)
        except (OSError, http.client.HTTPException):
            self._failed[address] = time.monotonic()
            return None
        if answer.status >= 500 and answer.status != 503:
            with self._guard:
                self.faults.append((method, path, answer.status, answer.body[:500]))
        if answer.status >= 500:
            self._failed[address] = time.monotonic()
            return None
        return None if answer.status == 409 and _code(answer) in AGAIN else answer


def _code(answer: Answer) -> str:
    try:
        return json.loads(answer.body).get("code", "")
    except ValueError:
        return ""


def percentile(values: list[float], share: float) -> float:
    """The least value that `share` of all do not exceed; 0 where there are none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, -int(-len(ordered) * share // 1) - 1))] if ordered else 0.0
