"""What a run found: a table of figures, each with its limit where it has one."""

import json
import time
from pathlib import Path


class Table:
    """Rows in the order in which they were found. A row whose value is beyond its limit fails the run."""

    def __init__(self, title: str):
        self.title, self.rows, self.began = title, [], time.monotonic()

    def figure(self, name: str, value, unit: str = "") -> None:
        """Something counted, which nothing is demanded of."""
        self._add(name, value, unit, None, True)

    def most(self, name: str, value: float, limit: float, unit: str = "") -> None:
        self._add(name, value, unit, f"<= {limit:g}", value <= limit)

    def least(self, name: str, value: float, limit: float, unit: str = "") -> None:
        self._add(name, value, unit, f">= {limit:g}", value >= limit)

    def none(self, name: str, found: list) -> None:
        """Nothing of this may have been found; the first few are shown."""
        self._add(name, len(found), "", "0", not found)
        for each in found[:5]:
            print(f"    {name}: {each}", flush=True)

    @property
    def passed(self) -> bool:
        return all(met for *_, met in self.rows)

    def show(self, file: Path | None = None) -> None:
        print(f"\n{self.title}, {time.monotonic() - self.began:.0f} s")
        print("| what | value | limit | met |\n|---|---:|---:|---|")
        for name, value, unit, limit, met in self.rows:
            print(f"| {name} | {_text(value)}{unit} | {limit or ''} | {'' if limit is None else 'yes' if met else 'NO'} |")
        if file:
            members = ("what", "value", "unit", "limit", "met")
            rows = [dict(zip(members, row, strict=True)) for row in self.rows]
            file.write_text(json.dumps({"title": self.title, "rows": rows}, indent=1, default=str) + "\n")

    def _add(self, name, value, unit, limit, met) -> None:
        self.rows.append((name, value, unit, limit, met))
        print(f"  {'' if met else 'FAILED '}{name}: {_text(value)}{unit}{f' ({limit})' if limit else ''}", flush=True)


def _text(value) -> str:
    return f"{value:.3g}" if isinstance(value, float) and value < 100 else f"{value:.0f}" if isinstance(value, float) else str(value)
