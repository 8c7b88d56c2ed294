"""What happens to replicas and their database in a run: kills, stops, cuts and stalls, drawn by lot, each undone after a time."""

import random
import signal
import time
from collections import Counter

from client import poll
from replicas import Database, Replica, Replicas

#: What a replica says that ends because it was started without a database.
UNREACHABLE = "ledger.url: The database cannot be used"


class Disturber:
    """Acts when `step` is called, always from the thread that started the processes: they end with it.

    `lease` is how long a registration lasts: a stop or a stall takes longer than that, or much less. At most `most` replicas are
    disturbed at a time.
    """

    def __init__(self, replicas: Replicas, database: Database | None, dice: random.Random, lease: float, most: int = 2,
                 between: tuple[float, float] = (1.5, 5), database_between: tuple[float, float] = (35, 70)):
        self._replicas, self._database, self._dice, self._lease, self._most = replicas, database, dice, lease, most
        self._between, self._database_between = between, database_between
        self._undo: dict[Replica, tuple[float, object]] = {}
        self._next = time.monotonic() + 3
        self._next_database = time.monotonic() + dice.uniform(*database_between)
        self.counts = Counter()
        self.log: list[tuple[float, str]] = []
        #: Replicas that ended although nobody had ended them.
        self.unexpected: list[str] = []
        self._kinds = [("kill", 4), ("end", 1)]
        if len(replicas) > 1:
            self._kinds += [("stop beyond the lease", 3), ("stop for a moment", 1)]
        if database and replicas[0].proxy:
            self._kinds += [("cut", 2), ("refuse", 2), ("stall beyond the lease", 2), ("stall for a moment", 1)]

    def step(self) -> None:
        now = time.monotonic()
        for replica, (at, undo) in list(self._undo.items()):
            if at <= now and undo():
                del self._undo[replica]
        for replica in self._replicas:
            if replica not in self._undo and replica.process.exit_code is not None:
                self._revive(replica)
        if self._database and now >= self._next_database:
            self._disturb_database()
            self._next_database = time.monotonic() + self._dice.uniform(*self._database_between)
        elif now >= self._next:
            free = [replica for replica in self._replicas if replica not in self._undo]
            if free and len(self._undo) < min(self._most, len(self._replicas)):
                self._disturb(self._dice.choice(free))
            self._next = time.monotonic() + self._dice.uniform(*self._between)

    def undo_all(self) -> None:
        """Everybody works again, and is ready."""
        for replica, (_, undo) in list(self._undo.items()):
            poll(f"{replica.name} undisturbed", undo, within=90)
            del self._undo[replica]
        for replica in self._replicas:
            # One that was started while it was cut off has ended.
            if replica.process.exit_code is not None:
                self._revive(replica)
            replica.await_ready()

    def _revive(self, replica: Replica) -> None:
        """Starts one that ended by itself, as whatever looks after processes does. Where it had no database, that is no fault."""
        if UNREACHABLE in replica.process.lines()[-2000:]:
            self._note("start without a database", replica.name)
        else:
            self.unexpected.append(f"{replica.name} ended with {replica.process.exit_code}; see {replica.process.log}")
        replica.start(ready=False)

    def _disturb(self, replica: Replica) -> None:
        kinds, weights = zip(*self._kinds, strict=True)
        (kind,) = self._dice.choices(kinds, weights)
        self._note(kind, replica.name)
        beyond, moment = self._dice.uniform(1.1, 1.9) * self._lease, self._dice.uniform(0.2, 0.5) * self._lease
        if kind == "kill":
            replica.kill()
            self._later(replica, self._dice.uniform(0.2, 8), lambda: self._start(replica))
        elif kind == "end":
            replica.process.signal(signal.SIGTERM)
            self._later(replica, 0.5, lambda: replica.process.exit_code is not None and self._start(replica))
        elif kind.startswith("stop"):
            replica.pause()
            self._later(replica, beyond if "beyond" in kind else moment, lambda: self._go_on(replica))
        elif kind == "cut":
            replica.proxy.cut()
        elif kind == "refuse":
            replica.proxy.refuse()
            self._later(replica, self._dice.uniform(0.5, 1.6 * self._lease), lambda: self._resume(replica))
        else:
            replica.proxy.stall()
            self._later(replica, beyond if "beyond" in kind else moment, lambda: self._resume(replica))

    def _disturb_database(self) -> None:
        kind = self._dice.choice(["fast", "fast", "immediate", "kill"])
        self._note(f"database {kind}", "")
        self._database.server.restart(kind)
        self._note_end("database")

    def _later(self, replica: Replica, seconds: float, undo) -> None:
        self._undo[replica] = time.monotonic() + seconds, undo

    def _start(self, replica: Replica) -> bool:
        replica.start(ready=False)
        self._note_end(replica.name)
        return True

    def _go_on(self, replica: Replica) -> bool:
        replica.go_on()
        self._note_end(replica.name)
        return True

    def _resume(self, replica: Replica) -> bool:
        replica.proxy.resume()
        self._note_end(replica.name)
        return True

    def _note(self, kind: str, whom: str) -> None:
        self.counts[kind] += 1
        self.log.append((time.time(), f"{kind} {whom}"))

    def _note_end(self, whom: str) -> None:
        self.log.append((time.time(), f"undone {whom}"))
