"""`python -m bench.requests`: single requests next to other servers, on the same tables.

Mercurius runs the statements that Baton ran at first, without its rules, with the same locks, credentials and
wake-ups. PostGraphile lists without a credential. The lean servers are the bound of what Python can do. All
take turns on one core, and the others are stopped meanwhile. Ratios are taken within a round, so what
disturbs the machine disturbs all alike.
"""

import argparse
import asyncio
from collections.abc import Iterator, Sequence
from statistics import median

from bench.environment import surroundings
from bench.fanout.build import install_peers
from bench.requests.rounds import PACE, Plan, Reading, Result, rounds
from bench.requests.servers import BATON, KINDS, PEER, POSTGRAPHILE, WITH_WORKER, contestants, left_out
from bench.requests.works import RECORDS
from bench.rounds import say
from bench.server_under_test import stage
from bench.tables import number, spread, table

QUICK = Plan(rounds=1, seconds=0.2, paced=0.5)
HEAD = (
    "work",
    "clients",
    "server",
    "a second",
    "CPU ms",
    "PostgreSQL ms",
    f"CPU ÷ {PEER}",
    f"PostgreSQL ÷ {PEER}",
)


def lines(result: Result) -> Iterator[Sequence[str]]:
    """Yield the lines of the table; ratios are of CPU, next to the peer in the same round."""
    for case, by_server in result.items():
        for name, readings in by_server.items():
            pairs = list(zip(readings, by_server[PEER], strict=True))
            yield (
                case.work,
                case.load,
                name,
                number(median(item.rate for item in readings)),
                number(median(item.server for item in readings)),
                number(median(item.postgres for item in readings)),
                spread([own.server / other.server for own, other in pairs]),
                spread([own.postgres / other.postgres for own, other in pairs]),
            )


def worker_line(result: Result) -> str | None:
    """Return what the worker in the process adds to messages at a pace, if it was measured."""
    (paced,) = (by_server for case, by_server in result.items() if case.paced)
    if WITH_WORKER not in paced:
        return None
    pairs: list[tuple[Reading, Reading]] = list(zip(paced[WITH_WORKER], paced[BATON], strict=True))
    ratios = spread([inside.server / without.server for inside, without in pairs])
    return f"{RECORDS} at {PACE} a second, CPU with the worker in the process ÷ without: {ratios}"


def main() -> None:
    """Measure and print the table for RESULTS.md."""
    parser = argparse.ArgumentParser(prog="python -m bench.requests", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="rounds that count")
    parser.add_argument("--seconds", type=float, default=2.0, help="seconds of each measurement")
    parser.add_argument("--paced", type=float, default=8.0, help="seconds of each measurement at a pace")
    parser.add_argument("--quick", action="store_true", help="two minutes, to see that it works: no figures")
    what = "next to Mercurius, only servers of this kind; may be given again"
    parser.add_argument("--beside", action="append", choices=KINDS, help=what)
    given = parser.parse_args()
    beside = given.beside or KINDS
    plan = QUICK if given.quick else Plan(given.rounds, given.seconds, given.paced)
    if not install_peers():
        parser.error("the peers need Node.js and npm: install both, and run this again")
    # All clients have a place, as the peers give them.
    with (
        stage("--no-worker", BATON_CONCURRENT_REQUESTS="32") as staged,
        contestants(staged, beside) as servers,
    ):
        facts = surroundings(staged)
        if POSTGRAPHILE in beside and (missing := left_out()):
            say(f"leaves out {missing}")
            facts.append(("Left out", missing))
        result = asyncio.run(rounds(staged, servers, plan))
    print("\n".join(table(("", ""), facts)), end="\n\n")
    print("\n".join(table(HEAD, lines(result))), end="\n\n")
    print(worker_line(result) or "")


if __name__ == "__main__":
    main()
