"""`python -m attack`: runs hostile cases against a fresh server. Exit code 0 means that all promises held."""

import argparse
import asyncio
import shutil
import sys
import tempfile
import time
from pathlib import Path

from attack.case import Case
from attack.cases import load_cases
from attack.report import failures, line, title
from attack.run import Outcome, healthy, measure_slowness, run_case, watching
from attack.stage import stage


def main() -> None:
    """Run the attack."""
    parser = argparse.ArgumentParser(prog="python -m attack", description=__doc__)
    parser.add_argument("--short", action="store_true", help="omit the long cases")
    parser.add_argument("--only", help="only the cases whose names contain this text")
    parser.add_argument("--list", action="store_true", help="print the cases and their promises")
    given = parser.parse_args()
    cases = [
        item
        for item in load_cases()
        if (not given.only or given.only in item.name) and not (given.short and item.long)
    ]
    if given.list:
        print("\n".join(f"{item.name}: {item.promise}" for item in cases))
        return
    if not cases:
        parser.error("no case has this name")
    folder = Path(tempfile.mkdtemp(prefix="baton-attack-"))
    # Run by root, the embedded PostgreSQL is another user, who must get in.
    folder.chmod(0o755)
    passed = asyncio.run(attack(folder, cases))
    if passed:
        shutil.rmtree(folder)
    else:
        print(f"the log of the server is in {folder}")
    sys.exit(0 if passed else 1)


async def attack(folder: Path, cases: list[Case]) -> bool:
    """Run the cases, print their outcomes, and return whether all promises held."""
    began = time.monotonic()
    # Customers' own documents must stay within the limits, too.
    outcomes = await _run(folder / "any", cases, BATON_WIDGET_DOCUMENTS="any")
    if closed := [item for item in cases if item.customers]:
        print("with the default manifest of widget documents:")
        outcomes += await _run(folder / "manifest", closed)
    wrong = failures(outcomes)
    print("\n".join(wrong))
    print(f"{'FAILED' if wrong else 'PASSED'}: {len(outcomes)} outcomes in {time.monotonic() - began:.0f} s")
    return not wrong


async def _run(folder: Path, cases: list[Case], **settings: str) -> list[Outcome]:
    folder.mkdir(mode=0o755)
    async with stage(folder, **settings) as running:
        running.world.slowness = measure_slowness()
        print(title(running.world.slowness), flush=True)
        outcomes: list[Outcome] = []
        async with watching(running) as watch:
            slow = [item for item in cases if item.slow]
            for group in [*([item] for item in cases if not item.slow), *([slow] if slow else [])]:
                outcomes.append(await run_case(running, watch, group))
                print(line(outcomes[-1]), flush=True)
            print(healthy(watch.samples))
    return outcomes


if __name__ == "__main__":
    main()
