"""`python -m bench.fanout`: measures subscriptions next to other servers, for RESULTS.md."""

import argparse
import os
import resource
import sys
from dataclasses import replace
from shutil import which
from time import perf_counter

from bench.environment import surroundings
from bench.fanout import baton
from bench.fanout.phases import FULL, GRAPHQL_WS, LIMIT, MERCURIUS, NCHAN, PLAIN, QUICK, Phases
from bench.fanout.report import report
from bench.fanout.servers import cores
from bench.processes import busy_seconds
from bench.rounds import say

PARTS = ("fan", "pace", "replies", "idle", "own")
BESIDE = (LIMIT, NCHAN, GRAPHQL_WS, MERCURIUS, PLAIN)


def main() -> None:
    """Run it."""
    chosen = _chosen()
    if not hasattr(os, "sched_setaffinity") or which("gcc") is None:
        sys.exit("It reads /proc and has a client in C: it takes Linux and gcc.")
    plan = QUICK if chosen.quick else FULL
    plan = replace(plan, rounds=chosen.rounds or plan.rounds)
    parts = chosen.part or PARTS
    began, busy, postgres = perf_counter(), busy_seconds(), 0.0
    cores()
    allow_sockets(2 * plan.idle + 1000)
    phases = Phases(plan, chosen.beside or BESIDE)
    with baton.baton() as services:
        facts = surroundings(services.stage)
        for name, part in (("fan", phases.fan), ("pace", phases.pace), ("replies", phases.replies)):
            if name in parts:
                part(services)
        postgres += services.stage.postgres.cpu_seconds()
    for name, part in (("idle", phases.idle), ("own", phases.own_conversations)):
        if name in parts:
            # What a server keeps of sockets that it has had must not make those to come seem cheap.
            with baton.baton() as fresh:
                part(fresh)
                postgres += fresh.stage.postgres.cpu_seconds()
    seconds = perf_counter() - began
    others = 100 * (busy_seconds() - busy - postgres - _own_seconds()) / seconds
    facts.append(("Others", f"other processes took {max(others, 0):.0f} % of a core meanwhile"))
    print(report(facts, plan, phases.results))
    say(f"took {seconds:.0f} s")


def _chosen() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.fanout", description=__doc__)
    parser.add_argument(
        "--quick", action="store_true", help="half a minute, to see that it works: no figures"
    )
    parser.add_argument("--part", action="append", choices=PARTS, help="only this; may be given again")
    parser.add_argument("--beside", action="append", choices=BESIDE, help="only this; may be given again")
    parser.add_argument("--rounds", type=int, help="number of rounds, 5 by default")
    return parser.parse_args()


def _own_seconds() -> float:
    """Return the CPU of this process and its descendants, without PostgreSQL."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(item.ru_utime + item.ru_stime for item in used)


def allow_sockets(count: int) -> None:
    """Raise the limit of open files, of this process and of all that it starts."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < count:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(count, hard), hard))


if __name__ == "__main__":
    main()
