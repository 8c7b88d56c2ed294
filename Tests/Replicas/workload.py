"""Callers of several replicas: they create exports at a steady pace, cancel a few, watch each to its end, and download some."""

import random
import threading
import time
import uuid
from collections import Counter
from dataclasses import dataclass, field

import bodies
import servers
from retrying_client import RetryingClient

TERMINAL = servers.TERMINAL
#: Connections of Viva Goals that have a budget, and so a lease, of their own each.
GOALS = ["goals", "goals-2", "goals-3"]


def connections(upstream, **more) -> list[dict]:
    """Those of `servers.connections`, and two more of Viva Goals; `more` goes into each."""
    known = servers.connections(upstream)
    (goals,) = [each for each in known if each["name"] == "goals"]
    return [each | more for each in [*known, *({**goals, "name": name} for name in GOALS[1:])]]


@dataclass
class Order:
    """One export as its caller knows it."""

    number: int
    body: dict
    key: str
    id: str = ""
    created: float = 0.0
    status: str = ""
    revision: int = 0
    #: Not asked for again before this.
    due: float = 0.0
    cancel_at: float | None = None
    ended: bool = False
    answers: list[str] = field(default_factory=list)

    @property
    def headers(self) -> dict[str, str]:
        return bodies.headers_for(self.body)


class Workload:
    """`count` exports in `seconds`. `watch_every` is how often each caller asks."""

    def __init__(self, client: RetryingClient, dice: random.Random, count: int, seconds: float, watch_every: float = 1.0):
        self._client, self._count, self._seconds, self._watch_every = client, count, seconds, watch_every
        self.orders = [self._order(dice, number) for number in range(1, count + 1)]
        self._waiting = list(reversed(self.orders))
        self._open: list[Order] = []
        self._guard = threading.Lock()
        self._began = time.monotonic()
        self._ends = threading.Event()
        #: What no caller may see.
        self.reverted: list[str] = []
        self.lost: list[str] = []
        self.refused: list[str] = []
        self.broken_downloads: list[str] = []
        self.downloads = Counter()
        self.behind: list[str] = []
        self._threads: list[threading.Thread] = []

    def _order(self, dice: random.Random, number: int) -> Order:
        name = f"Export {number} {uuid.uuid4().hex[:8]}"
        makers = [
            lambda: bodies.search_result(name),
            lambda: bodies.review_set(name),
            lambda: bodies.review_set(name, connection="purview-former"),
            lambda: bodies.report(name),
            lambda: bodies.paginated_csv(name),
            lambda: bodies.goals(name) | {"connection": dice.choice(GOALS)},
        ]
        if servers.knows_intune():
            makers.append(lambda: bodies.intune(name))
        order = Order(number, dice.choice(makers)(), f"order-{number}-{uuid.uuid4()}")
        order.cancel_at = dice.uniform(0, 4) if dice.random() < 0.04 else None
        return order

    def start(self, creators: int = 8, watchers: int = 8, downloaders: int = 1) -> None:
        jobs = [self._create] * creators + [self._watch] * watchers + [self._download] * downloaders
        self._threads = [threading.Thread(target=job, daemon=True) for job in jobs]
        for thread in self._threads:
            thread.start()

    def left(self) -> int:
        """How many have not ended, as far as their callers know."""
        with self._guard:
            return len(self._waiting) + sum(not order.ended for order in self.orders if order.id)

    def stop(self) -> None:
        self._ends.set()
        for thread in self._threads:
            thread.join(60)

    def _create(self) -> None:
        while not self._ends.is_set():
            with self._guard:
                if not self._waiting:
                    return
                order = self._waiting[-1]
                at = self._began + (order.number - 1) * self._seconds / self._count
                if at <= time.monotonic():
                    self._waiting.pop()
            if at > time.monotonic():
                time.sleep(max(0, min(0.05, at - time.monotonic())))
                continue
            try:
                answer = self._client.create(order.body, order.headers, order.key)
            except TimeoutError as error:
                self.refused.append(f"{order.number}: {error}")
                continue
            if answer.status not in (200, 202):
                self.refused.append(f"{order.number}: {answer.status} {answer.body[:300]!r}")
                continue
            order.id, order.created = answer.json["id"], time.monotonic()
            if order.cancel_at is not None:
                order.cancel_at += order.created
            with self._guard:
                self._open.append(order)

    def _watch(self) -> None:
        while not self._ends.is_set():
            order = self._next()
            if order is None:
                time.sleep(0.02)
                continue
            try:
                if order.cancel_at is not None and order.cancel_at <= time.monotonic():
                    order.cancel_at = None
                    self._client.call("DELETE", f"/exports/{order.id}", order.headers)
                answer = self._client.call("GET", f"/exports/{order.id}", order.headers)
                if answer.status != 200:
                    self.lost.append(f"{order.number} {order.id}: {answer.status} {answer.body[:200]!r}")
                else:
                    self._see(order, answer.json)
            except TimeoutError:
                pass
            with self._guard:
                order.due = time.monotonic() + self._watch_every * (1 if not order.ended else 20)
                self._open.append(order)

    def _next(self) -> Order | None:
        """The one that is due for longest. Ended ones are asked for now and then too: they must not change back."""
        with self._guard:
            if not self._open:
                return None
            order = min(self._open, key=lambda each: each.due)
            if order.due > time.monotonic():
                return None
            self._open.remove(order)
            return order

    def _see(self, order: Order, export: dict) -> None:
        status = export["status"]
        if order.status in TERMINAL and status != order.status:
            text = f"{order.number} {order.id}: {order.status} and then {status}, stale {export.get('stale')}"
            # What a replica says is old may be old.
            (self.behind if export.get("stale") else self.reverted).append(text)
            return
        if not order.answers or order.answers[-1] != status:
            order.answers.append(status)
        order.status = status
        code = export.get("error", {}).get("code")
        order.ended = status in TERMINAL or (status == "unknown" and code == "submission-unconfirmed")

    def _download(self) -> None:
        while not self._ends.is_set():
            with self._guard:
                ready = [order for order in self.orders if order.status == "succeeded"]
            if not ready:
                time.sleep(0.2)
                continue
            order = random.choice(ready)
            try:
                answer = self._client.call("GET", f"/exports/{order.id}/content", order.headers, patience=10)
                self.downloads[answer.status] += 1
            except TimeoutError:
                self.downloads["nobody answered"] += 1
            time.sleep(0.3)
