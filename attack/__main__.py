"""`python -m attack`: runs hostile cases against a fresh server. Exit code 0 means that all promises held."""

import argparse
import asyncio
import shutil
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from attack.case import Case
from attack.cases import load_cases
from attack.machine import measure_slowness
from attack.report import failures, line, title
from attack.run import Outcome, Watch, healthy, run_case, watching
from attack.stage import Stage, stage


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
    wrong = asyncio.run(attack(folder / "first", cases))
    if wrong:
        print("The same cases again, since another process may have used the cores:")
        failed = [item for item in cases if any(item.name in outcome.case.name for outcome in wrong)]
        wrong = asyncio.run(attack(folder / "again", failed))
    if not wrong:
        shutil.rmtree(folder)
    else:
        print(f"the logs of the servers are in {folder}")
    sys.exit(1 if wrong else 0)


async def attack(folder: Path, cases: Sequence[Case]) -> list[Outcome]:
    """Run the cases, print their outcomes, and return those in which a promise did not hold.

    Customers' own documents must stay within the limits, too: most cases run on a server that admits them.
    Next to it, a server with the default manifest runs the cases that wait. Those that measure how long
    callers wait come last, when nothing else runs.
    """
    folder.mkdir(mode=0o755)
    began = time.monotonic()
    print(title(measure_slowness()), flush=True)
    slow = [item for item in cases if item.slow]
    default = [*([slow] if slow else []), *([item] for item in cases if item.customers)]
    async with _server(folder / "any", BATON_WIDGET_DOCUMENTS="any") as (running, watch):
        outcomes, more = await asyncio.gather(
            _run(running, watch, [[item] for item in cases if not item.slow and not item.alone], print_line),
            _run_with_manifest(folder / "manifest", default),
        )
        if more:
            print("with the default manifest of widget documents:")
            for outcome in more:
                print_line(outcome)
        outcomes += await _run(running, watch, [[item] for item in cases if item.alone], print_line)
        print(healthy(watch.samples))
    outcomes += more
    wrong = [outcome for outcome in outcomes if outcome.wrong]
    print("\n".join(failures(wrong)))
    seconds = time.monotonic() - began
    print(f"{'FAILED' if wrong else 'PASSED'}: {len(outcomes)} outcomes in {seconds:.0f} s")
    return wrong


def print_line(outcome: Outcome) -> None:
    """Print the line of a case."""
    print(line(outcome), flush=True)


@asynccontextmanager
async def _server(folder: Path, **settings: str) -> AsyncIterator[tuple[Stage, Watch]]:
    folder.mkdir(mode=0o755)
    async with stage(folder, **settings) as running, watching(running) as watch:
        running.world.slowness = measure_slowness()
        yield running, watch


async def _run_with_manifest(folder: Path, groups: Sequence[Sequence[Case]]) -> list[Outcome]:
    if not groups:
        return []
    async with _server(folder) as (running, watch):
        return await _run(running, watch, groups, lambda _: None)


async def _run(
    running: Stage, watch: Watch, groups: Sequence[Sequence[Case]], report: Callable[[Outcome], None]
) -> list[Outcome]:
    outcomes = []
    for group in groups:
        outcomes.append(await run_case(running, watch, group))
        report(outcomes[-1])
    return outcomes


if __name__ == "__main__":
    main()
