"""Drills of a restore and of a fail-over. `Tests/Drills/run` starts it."""

import argparse
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "Contract"))

import evidence  # noqa: E402


class Checks:
    """What a drill looked at: a row for each, and whether it was as it has to be."""

    def __init__(self):
        self.rows: list[tuple[str, str, object, object]] = []
        self.drill = ""

    def __call__(self, what: str, found, wanted) -> None:
        self.rows.append((self.drill, what, found, wanted))
        print(f"  {'ok    ' if found == wanted else 'FAILED'} {what}: {_text(found)}", flush=True)

    @property
    def failed(self) -> int:
        return sum(found != wanted for *_, found, wanted in self.rows)

    def show(self) -> None:
        print("\n| drill | checked | found | has to be | met |\n|---|---|---|---|---|")
        for drill, what, found, wanted in self.rows:
            print(f"| {drill} | {what} | {_text(found)} | {_text(wanted)} | {'yes' if found == wanted else 'NO'} |")


def _text(value) -> str:
    """Ids say nothing to a reader: their number does."""
    return f"{len(value)} ids" if isinstance(value, set) and len(value) > 1 else str(value or 0)


def main() -> None:
    import drills

    known = {"file": drills.file, "dump": drills.dump, "base-backup": drills.base_backup, "standby": drills.standby}
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", nargs="?", default="all", choices=[*known, "all"])
    options = parser.parse_args()
    evidence.EVIDENCE.mkdir(parents=True, exist_ok=True)
    checks, began = Checks(), time.monotonic()
    for name, drill in known.items():
        if options.name in (name, "all"):
            print(f"\n=== {name}", flush=True)
            checks.drill = name
            drill(checks)
    checks.show()
    print(f"\n{len(checks.rows)} checked, {checks.failed} not met, {time.monotonic() - began:.0f} s")
    if checks.failed:
        sys.exit(1)


if __name__ == "__main__":
    main()
