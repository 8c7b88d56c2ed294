"""Long runs of several replicas on a real PostgreSQL. `Tests/Replicas/run` starts it."""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "Contract"))

import evidence  # noqa: E402


def main() -> None:
    import budget
    import chaos
    import feed
    import takeover
    import upgrade

    runs = {"chaos": chaos, "budget": budget, "feed": feed, "upgrade": upgrade, "takeover": takeover}
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", nargs="?", default="all", choices=[*runs, "all"])
    parser.add_argument("--seed", type=int, help="of what is drawn by lot; default: another one each time")
    for module in runs.values():
        module.add_options(parser.add_argument_group(module.__name__))
    options = parser.parse_args()
    wanted = list(runs) if options.name == "all" else [options.name]
    evidence.EVIDENCE.mkdir(parents=True, exist_ok=True)
    failed = []
    for name in wanted:
        print(f"\n=== {name}", flush=True)
        table = runs[name].run(options)
        table.show(evidence.EVIDENCE / f"{name}.json")
        if not table.passed:
            failed.append(name)
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
