"""`python -m bench`: measures one server on this machine and prints the table for RESULTS.md."""

import argparse
import os
import sys
from time import perf_counter

import uvloop

from bench.clocks import measure_clocks
from bench.environment import surroundings
from bench.idle import measure_idle
from bench.report import report
from bench.rounds import FULL, QUICK, Rounds, say
from bench.server_under_test import stage


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="about 20 s, to see that it works: no figures")
    plan = QUICK if parser.parse_args().quick else FULL
    if not hasattr(os, "sched_setaffinity"):
        sys.exit("The bench reads /proc and binds processes to cores: it takes Linux.")
    began = perf_counter()
    say("starts a server")
    with stage() as staged:
        say(f"leaves it alone for {plan.settle_seconds + plan.idle_seconds:.0f} s")
        idle = measure_idle(staged, plan.settle_seconds, plan.idle_seconds)
        facts = surroundings(staged)
        rounds = Rounds(staged, plan, staged.new_tenant("talks"), staged.new_tenant("lists"))
        result = uvloop.run(rounds.measure())
        say("fills in clocks and waits for them")
        clocks = uvloop.run(measure_clocks(staged, staged.new_tenant("clocks"), plan.seconds, plan.share))
    print(report(facts, plan, idle, result, clocks))
    say(f"took {perf_counter() - began:.0f} s")


if __name__ == "__main__":
    main()
