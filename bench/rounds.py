"""Rounds: every workload in turn, again and again, so that what disturbs the machine disturbs all alike."""

import sys
from dataclasses import dataclass
from time import process_time

from bench.client import Asked, run
from bench.live import Push, measure_pushes
from bench.processes import busy_seconds
from bench.samples import Case, Reading, Result
from bench.server_under_test import Stage, Tenant
from bench.workloads import Tray, fill, ids_of_started, start_conversations

TALKS = 200
LISTED, MEMBERS = 200, 5
FEW, MANY = 1, 16


@dataclass(frozen=True, slots=True)
class Plan:
    """Durations of a run. `start_seconds` create the conversations of a round; `share` scales clocks."""

    rounds: int
    seconds: float
    start_seconds: float
    warm_up_seconds: float
    settle_seconds: float
    idle_seconds: float
    pushes: int
    share: float


FULL = Plan(
    rounds=5,
    seconds=2.2,
    start_seconds=4.5,
    warm_up_seconds=1.5,
    settle_seconds=5,
    idle_seconds=20,
    pushes=60,
    share=1,
)
QUICK = Plan(
    rounds=1,
    seconds=0.4,
    start_seconds=1.2,
    warm_up_seconds=0.4,
    settle_seconds=1,
    idle_seconds=2,
    pushes=10,
    share=0.1,
)


class Rounds:
    """Measures one stage: messages and escalations in one workspace, the list in another."""

    def __init__(self, stage: Stage, plan: Plan, talking: Tenant, listed: Tenant) -> None:
        self._stage = stage
        self._plan = plan
        self._talking = talking
        self._listed = listed
        self._tray = Tray(stage.target, talking.api_key)
        self._list_tray = Tray(stage.target, listed.api_key)
        self._talks: list[str] = []

    async def measure(self) -> Result:
        """Prepare, warms up in a round that does not count, and measures every round."""
        say("prepares")
        target = self._stage.target
        await fill(target, self._list_tray, self._listed.agent_id, LISTED, MEMBERS)
        self._talks = await start_conversations(target, self._tray, self._talking.agent_id, TALKS)
        say("warms up")
        await self._round(Result(), self._plan.warm_up_seconds)
        result = Result()
        for number in range(self._plan.rounds):
            say(f"round {number + 1} of {self._plan.rounds}")
            await self._round(result, self._plan.seconds)
        return result

    async def _round(self, result: Result, seconds: float) -> None:
        starts = Case("startConversation", MANY)
        started = await self._take(
            result, starts, self._tray.starts(self._talking.agent_id), self._plan.start_seconds, True
        )
        fresh = ids_of_started(started.sample.bodies)
        escalations = self._tray.escalations(fresh)
        for clients in (FEW, MANY):
            for workload, asked in self._workloads(escalations).items():
                await self._take(result, Case(workload, clients), asked, seconds)
        left = sum(1 for _ in escalations.requests)
        folds = self._tray.folds(fresh[: len(fresh) - left])
        await self._take(result, Case("escalateConversation, folded", MANY), folds, seconds)
        result.pushes.append(await self._pushes())

    def _workloads(self, escalations: Asked) -> dict[str, Asked]:
        return {
            "recordMessage": self._tray.records(self._talks),
            "escalateConversation, created": escalations,
            "escalations(first: 50)": self._list_tray.lists(),
            "GET /healthz": self._tray.probes(),
        }

    async def _take(
        self, result: Result, case: Case, asked: Asked, seconds: float, keep_bodies: bool = False
    ) -> Reading:
        before = self._cpu()
        sample = await run(self._stage.target, asked, case.clients, seconds, keep_bodies)
        server, postgres, client, busy = (now - then for now, then in zip(self._cpu(), before, strict=True))
        reading = Reading(sample, server, postgres, client, max(0.0, busy - server - postgres - client))
        result.readings.setdefault(case, []).append(reading)
        return reading

    def _cpu(self) -> tuple[float, float, float, float]:
        server, postgres = self._stage.server, self._stage.postgres
        return server.cpu_seconds(), postgres.cpu_seconds(), process_time(), busy_seconds()

    async def _pushes(self) -> list[Push]:
        token, talk = self._talking.api_key, self._talks[0]
        return await measure_pushes(self._stage.target, self._tray, token, talk, self._plan.pushes)


def say(what: str) -> None:
    """Print the progress."""
    print(what, file=sys.stderr, flush=True)
