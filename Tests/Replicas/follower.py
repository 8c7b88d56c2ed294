"""Readers of the change rows that ask for what is greater than the last number that they have, as every reader does."""

import sqlite3
import threading
import time
from contextlib import closing, suppress
from pathlib import Path

from postgresql_client import DatabaseError, Session

COLUMNS = "sequence, export_id, revision, status"


class Follower:
    """Reads until `stop`. A lost connection is opened again; what was read is kept."""

    def __init__(self, open_reader, every: float):
        self._open, self._every = open_reader, every
        self._ends = threading.Event()
        #: (sequence, export, revision, status), in the order in which they came.
        self.rows: list[tuple[int, str, int, str]] = []
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Reads what there is for the last time."""
        self._ends.set()
        self._thread.join(60)

    def _follow(self) -> None:
        while True:
            with suppress(OSError, DatabaseError, sqlite3.Error), closing(self._open()) as reader:
                while True:
                    last = self._ends.is_set()
                    rows = reader.after(self.rows[-1][0] if self.rows else 0)
                    self.rows += rows
                    if last and not rows:
                        return
                    if not rows:
                        time.sleep(self._every)
            time.sleep(0.2)


class _PostgreSQLReader:
    def __init__(self, session: Session):
        self._session = session

    def after(self, last: int) -> list[tuple]:
        rows = self._session.query(f"SELECT {COLUMNS} FROM export_event WHERE sequence > {last} ORDER BY sequence LIMIT 500")
        return [(int(row[0]), row[1], int(row[2]), row[3]) for row in rows]

    def close(self) -> None:
        self._session.close()


class _SQLiteReader:
    def __init__(self, path: Path):
        self._database = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=5)

    def after(self, last: int) -> list[tuple]:
        sql = f"SELECT {COLUMNS} FROM export_event WHERE sequence > ? ORDER BY sequence LIMIT 500"
        return list(self._database.execute(sql, (last,)))

    def close(self) -> None:
        self._database.close()


def follow(database, path: Path | None, every: float = 0.02) -> Follower:
    """Of a PostgreSQL database, or else of the SQLite file at `path`."""
    return Follower((lambda: _PostgreSQLReader(database.session(timeout=20))) if database else (lambda: _SQLiteReader(path)), every)


def stored(database, path: Path | None) -> list[tuple[int, str, int, str]]:
    """Every row that there is now."""
    with closing(_PostgreSQLReader(database.session()) if database else _SQLiteReader(path)) as reader:
        rows: list[tuple] = []
        while page := reader.after(rows[-1][0] if rows else 0):
            rows += page
        return rows


def revisions(database, path: Path | None) -> dict[str, int]:
    """Of each export its present revision."""
    sql = "SELECT id, revision FROM export"
    if database:
        return {row[0]: int(row[1]) for row in database.query(sql)}
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=5)) as ledger:
        return dict(ledger.execute(sql))


def skipped(seen: list[tuple], there: list[tuple]) -> list[str]:
    """Rows that a follower never got, although they are there, and rows that it got and that are there no more."""
    missing, gone = set(there) - set(seen), set(seen) - set(there)
    return [f"never seen: {row}" for row in sorted(missing)] + [f"vanished: {row}" for row in sorted(gone)]


def gaps(there: list[tuple], present: dict[str, int]) -> list[str]:
    """Exports whose rows are not those of each of their revisions, once each, in order."""
    found: dict[str, list[int]] = {}
    for _, export, revision, _ in sorted(there):
        found.setdefault(export, []).append(revision)
    return [
        f"{export}: rows of {found.get(export)}, revision {revision}"
        for export, revision in present.items()
        if found.get(export) != list(range(1, revision + 1))
    ]
