"""Ledgers of many exports: rows that the gateway wrote for a few, copied with other ids, times and owners.

Nothing here knows the schema: a copy is every row, of every table, that names the template's id, or its number where tables are
joined by one. In it, the id, the number, the upstream's id and all times near the template's creation are replaced, and the
columns that are given by name.
"""

import random
import re
import sqlite3
import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

_DAY = 86_400_000
#: Rows of one table that are written together.
_BATCH = 5_000


@dataclass
class Copy:
    """One export to be made: of which template, created when (milliseconds since 1970), with which values in columns of
    these names, and with which upstream id."""

    template: str
    created: int
    columns: dict[str, object] = field(default_factory=dict)
    job: str | None = None


class LedgerWriter:
    """Fills a ledger while no gateway has it."""

    def __init__(self, path: Path):
        self._database = sqlite3.connect(path, isolation_level=None)
        self._database.execute("PRAGMA synchronous = OFF")
        self._database.execute("PRAGMA cache_size = -262144")
        self._tables = {
            name: [(row[1], row[5], row[2]) for row in self._database.execute(f"PRAGMA table_info({name})")]
            for name, in self._database.execute("SELECT name FROM sqlite_master WHERE type = 'table' "
                                                "AND name NOT LIKE 'sqlite_%' AND name NOT LIKE 'grdb_%' "
                                                # Rows of the audit trail are no part of an export.
                                                "AND name NOT LIKE 'audit_%'").fetchall()
        }
        self._random = random.Random(1)
        # Whole numbers that are the primary key of several tables join them.
        keys = [name for columns in self._tables.values() if (name := _number(columns))]
        self._joining = {name for name in keys if keys.count(name) > 1}
        self._numbers = {name: max(self._database.execute(f'SELECT coalesce(max("{name}"), 0) FROM "{table}"').fetchone()[0]
                                   for table, columns in self._tables.items() if _number(columns) == name)
                         for name in self._joining}

    def add(self, copies: Iterable[Copy]) -> list[str]:
        """Writes the copies, and gives back their ids. Oldest first is fastest."""
        templates: dict[str, list[_Row]] = {}
        waiting: dict[str, list[list]] = {}
        ids = []
        made_again = self._database.execute("SELECT type, name, sql FROM sqlite_master "
                                            "WHERE type IN ('index', 'trigger') AND sql IS NOT NULL").fetchall()
        self._database.execute("BEGIN")
        for kind, name, _ in made_again:
            self._database.execute(f'DROP {kind} "{name}"')
        for copy in copies:
            if copy.template not in templates:
                templates[copy.template] = self._rows(copy.template)
            new = self._id(copy.created)
            job = copy.job or f"{self._random.getrandbits(128):032x}"
            ids.append(new)
            for name in self._numbers:
                self._numbers[name] += 1
            for row in templates[copy.template]:
                batch = waiting.setdefault(row.table, [])
                batch.append(row.copied(new, job, copy, self._numbers))
                if len(batch) == _BATCH:
                    self._write(row.table, batch)
        for table, batch in waiting.items():
            self._write(table, batch)
        for kind, name, sql in made_again:
            self._database.execute(sql)
        self._database.execute("COMMIT")
        return ids

    def close(self) -> None:
        self._database.execute("ANALYZE") if self._has_statistics() else None
        self._database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self._database.close()

    def _has_statistics(self) -> bool:
        return bool(self._database.execute("SELECT 1 FROM sqlite_master WHERE name = 'sqlite_stat1'").fetchone())

    def _write(self, table: str, batch: list[list]) -> None:
        if not batch:
            return
        marks = ", ".join("?" * len(batch[0]))
        self._database.executemany(f'INSERT INTO "{table}" VALUES ({marks})', batch)
        batch.clear()

    def _id(self, created: int) -> str:
        """A UUIDv7."""
        bits = self._random.getrandbits(74)
        value = created << 80 | 7 << 76 | (bits >> 62) << 64 | 2 << 62 | bits & (1 << 62) - 1
        text = f"{value:032x}"
        return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"

    def _rows(self, template: str) -> list["_Row"]:
        key = uuid.UUID(template)
        found = []
        for table, columns in self._tables.items():
            for name, _, _ in columns:
                rows = self._database.execute(f'SELECT * FROM "{table}" WHERE "{name}" IN (?, ?)', (template, key.bytes))
                found += [_Row(table, columns, list(row), template) for row in rows]
                if found and found[-1].table == table:
                    break
        for name, number in {(row.number, row.values[row.position(row.number)]) for row in found
                             if row.number in self._joining}:
            for table, columns in self._tables.items():
                if _number(columns) == name and table not in {row.table for row in found}:
                    rows = self._database.execute(f'SELECT * FROM "{table}" WHERE "{name}" = ?', (number,))
                    found += [_Row(table, columns, list(row), template) for row in rows]
        if not found:
            raise SystemExit(f"the ledger has no export {template}")
        return found


def _number(columns: list[tuple[str, int, str]]) -> str | None:
    """The column that is the whole primary key and a number which SQLite gives."""
    keys = [(name, kind) for name, key, kind in columns if key]
    return keys[0][0] if len(keys) == 1 and keys[0][1] == "INTEGER" else None


class _Row:
    """One row of a template, and how it is copied."""

    def __init__(self, table: str, columns: list[tuple[str, int, str]], values: list, template: str):
        self.table, self.values, self._template = table, values, template
        self._index = {name: position for position, (name, _, _) in enumerate(columns)}
        self._created = int(template.replace("-", "")[:12], 16)
        self._bytes = uuid.UUID(template).bytes
        # The upstream's ids are those of `jobs`: 32 digits.
        self._texts = [(position, value) for position, value in enumerate(values)
                       if isinstance(value, str) and (template in value or re.search(r"\b[0-9a-f]{32}\b", value))]
        self._keys = [position for position, value in enumerate(values) if value == self._bytes]
        self._times = [(position, value - self._created) for position, value in enumerate(values)
                       if isinstance(value, int) and abs(value - self._created) < _DAY]
        self.number = _number(columns)

    def position(self, name: str) -> int:
        return self._index[name]

    def copied(self, new: str, job: str, copy: Copy, numbers: dict[str, int]) -> list:
        values = list(self.values)
        for position, text in self._texts:
            values[position] = re.sub(r"\b[0-9a-f]{32}\b", job, text.replace(self._template, new))
        for position in self._keys:
            values[position] = uuid.UUID(new).bytes
        for position, distance in self._times:
            values[position] = copy.created + distance
        if self.number:
            # Of a number that joins nothing, SQLite gives the next.
            values[self._index[self.number]] = numbers.get(self.number)
        for name, value in copy.columns.items():
            if name in self._index:
                values[self._index[name]] = value
        return values
