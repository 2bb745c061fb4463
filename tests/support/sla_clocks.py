"""Clocks that a test moves, what is announced of them, and workers as processes that it may kill or stop."""

import re
import signal
import time
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any
from uuid import UUID

from rules.typeid import CONVERSATION, ESCALATION, WORKSPACE, parse_id
from tests.support.baton_client import Server, Socket, Workspace, wait_for
from tests.support.baton_process import BatonProcess
from tests.support.copied_database import copied_database

Row = dict[str, Any]

# At risk 0.6 s after it was raised, due after a minute.
QUICK = {"targetResponseMinutes": 1, "atRiskPercent": 1}
IN_TIME = timedelta(seconds=1)
AFTER_A_FAULT = timedelta(seconds=15)
PASSED = {"AT_RISK": ("ON_TRACK", "AT_RISK"), "BREACHED": ("AT_RISK", "BREACHED")}

CHANGES = """subscription($agent: ID, $after: String) { slaStatusChanged(agentId: $agent, after: $after) {
    cursor occurredAt previous status escalation { id sla { status dueAt breachedAt } } } }"""
_SLA = "{ escalation { sla { status outcome targetMinutes startedAt dueAt breachedAt } } }"
_UPDATE = f"mutation($input: UpdateEscalationInput!) {{ updateEscalation(input: $input) {_SLA} }}"
_REOPEN = f"mutation($id: ID!) {{ reopenEscalation(escalationId: $id) {_SLA} }}"
_WORKERS = count(1)
_SAMPLE_SECONDS = 0.1
_PARTS = ("sla_started_at", "sla_at_risk_at", "sla_due_at")
_TIMELINE = """SELECT kind, actor_id, occurred_at, data ->> 'previous' AS previous,
        data ->> 'status' AS status
    FROM timeline_entries WHERE escalation_id = $1 AND kind LIKE 'sla%' ORDER BY position"""
_LOGGED_EVENTS = """SELECT type, occurred_at, data ->> 'previous' AS previous, data ->> 'status' AS status,
        data ->> 'escalation' AS escalation
    FROM log WHERE stream = $1 AND type LIKE 'escalation.%' ORDER BY position"""


@dataclass(frozen=True)
class Clock:
    """The clock of an escalation without a first response."""

    workspace: Workspace
    conversation: str
    id: str

    @classmethod
    def begin(cls, workspace: Workspace, agent_id: str | None = None) -> "Clock":
        """Start a conversation and escalate it."""
        conversation = workspace.key.start(agent_id or workspace.agent_id)["conversation"]["id"]
        return cls(workspace, conversation, workspace.key.escalate(conversation)["escalation"]["id"])

    @property
    def server(self) -> Server:
        """Return its server."""
        return self.workspace.server

    @property
    def key(self) -> UUID:
        """The escalation's key."""
        return parse_id(ESCALATION, self.id)

    @property
    def conversation_key(self) -> UUID:
        """The conversation's, under whose lock acts happen."""
        return parse_id(CONVERSATION, self.conversation)

    @property
    def row(self) -> Row:
        """Return the escalation's row in the database."""
        return self.server.rows("SELECT * FROM escalations WHERE id = $1", self.key)[0]

    @property
    def jobs(self) -> list[str]:
        """In what state its timers are."""
        query = "SELECT status::text FROM pgqueuer WHERE entrypoint = 'sla_clock' AND payload = $1"
        return [row["status"] for row in self.server.rows(query, self.key.bytes)]

    @property
    def published(self) -> list[Row]:
        """Return the workspace's log entries about the escalation, in order."""
        return [item for item in logged_events(self.workspace) if item["escalation"] == str(self.key)]

    @property
    def kinds(self) -> list[str]:
        """The same, in short."""
        return [item["type"].removeprefix("escalation.") for item in self.published]

    @property
    def crossings(self) -> list[Row]:
        """Return the crossings that were announced."""
        return [item for item in self.published if item["type"].startswith("escalation.sla_")]

    @property
    def passed(self) -> list[tuple[str, str]]:
        """From where to where it was announced to have gone."""
        return [(crossing["previous"], crossing["status"]) for crossing in self.crossings]

    def check(self, *expected: str) -> None:
        """Assert the announced statuses, once each in log and timeline, and the current one."""
        assert self.passed == [PASSED[item] for item in expected]
        assert self.server.rows(_TIMELINE, self.key) == [
            {"kind": crossing["type"].removeprefix("escalation."), "actor_id": None}
            | {name: crossing[name] for name in ("previous", "status", "occurred_at")}
            for crossing in self.crossings
        ]
        sla = self.sla
        assert sla["status"] == (expected or ("ON_TRACK",))[-1]
        assert sla["breachedAt"] == (sla["dueAt"] if "BREACHED" in expected else None)

    def late(self, status: str) -> timedelta:
        """Return the delay between a crossing and its announcement."""
        (at,) = (crossing["occurred_at"] for crossing in self.crossings if crossing["status"] == status)
        late: timedelta = at - self.row[{"AT_RISK": "sla_at_risk_at", "BREACHED": "sla_due_at"}[status]]
        assert late >= timedelta(), f"announced {-late} too early"
        return late

    @property
    def sla(self) -> Row:
        """Return its state by the API."""
        sla: Row = self.workspace.key.escalation(self.id)["sla"]
        return sla

    def reply(self) -> Row:
        """Reply as a team member and return the escalation."""
        escalation: Row = self.workspace.key.reply(self.id)["escalation"]
        return escalation

    def prioritise(self, priority: str) -> Row:
        """Change the priority and return the clock's new state."""
        given = {"escalationId": self.id, "priority": priority}
        sla: Row = self.workspace.key.ask(_UPDATE, input=given)["updateEscalation"]["escalation"]["sla"]
        return sla

    def reopen(self) -> Row:
        """Reopen the escalation and return the clock's new state."""
        sla: Row = self.workspace.key.ask(_REOPEN, id=self.id)["reopenEscalation"]["escalation"]["sla"]
        return sla


def in_time() -> timedelta:
    """Return one second, or more on a busy machine, in proportion to the time of a fixed computation."""
    wall, own = time.perf_counter(), time.thread_time()
    while time.thread_time() - own < _SAMPLE_SECONDS:
        pass
    return IN_TIME * max(1.0, (time.perf_counter() - wall) / _SAMPLE_SECONDS)


def prolonged(seconds: float) -> float:
    """Return a limit of the product in seconds, and longer on a busy machine."""
    return seconds * (in_time() / IN_TIME)


def logged_events(workspace: Workspace) -> list[Row]:
    """Return the workspace's log entries about escalations, in order."""
    return workspace.server.rows(_LOGGED_EVENTS, parse_id(WORKSPACE, workspace.id))


def age(clocks: Sequence[Clock], **by: float) -> None:
    """Move the start of clocks into the past, unnoticed by timers and workers."""
    moved = ", ".join(f"{part} = {part} - $2::interval" for part in (*_PARTS, "sla_stopped_at"))
    statement = f"UPDATE escalations SET {moved} WHERE id = ANY($1)"
    clocks[0].server.execute(statement, [clock.key for clock in clocks], timedelta(**by))


def bring(clocks: Sequence[Clock], part: str, seconds: float) -> None:
    """Move clocks and timers so that `sla_at_risk_at` or `sla_due_at` is `seconds` from now."""
    by = f"(now() + $2::interval - {part})"
    clock = ", ".join(f"{part} = {part} + {by}" for part in (*_PARTS, "sla_next_at"))
    # RETURNING shows the new values, so the distance is computed first.
    statement = f"""WITH by AS (SELECT id, {by} AS by FROM escalations WHERE id = ANY($1)),
        moved AS (UPDATE escalations SET {clock} WHERE id = ANY($1))
        UPDATE pgqueuer SET execute_after = execute_after + by.by FROM by
        WHERE entrypoint = 'sla_clock' AND payload = uuid_send(by.id)"""
    clocks[0].server.execute(statement, [item.key for item in clocks], timedelta(seconds=seconds))


def hide_from_sweep(clock: Clock) -> None:
    """Hide a clock from the sweep, so that only its timer can announce it."""
    clock.server.execute("UPDATE escalations SET sla_next_at = NULL WHERE id = $1", clock.key)


class Hearing:
    """A client that follows clocks."""

    def __init__(self, socket: Socket, operation: str, workspace: Workspace, agent_id: str | None) -> None:
        self._socket = socket
        self._operation = operation
        self._workspace = workspace
        self._agent_id = agent_id

    async def next(self) -> Row:
        """Return the next event."""
        sla_status_changed: Row = (await self._socket.next(self._operation))["slaStatusChanged"]
        return sla_status_changed

    async def rest(self) -> list[Row]:
        """All that was announced until now and not heard yet: what comes before something new."""
        marker = Clock.begin(self._workspace, self._agent_id)
        age([marker], days=400)
        marker.reply()
        result = [await self.next()]
        while (result[-1]["escalation"]["id"], result[-1]["status"]) != (marker.id, "BREACHED"):
            result.append(await self.next())
        return [item for item in result if item["escalation"]["id"] != marker.id]


@asynccontextmanager
async def hearing(
    workspace: Workspace, agent_id: str | None = None, after: str | None = None
) -> AsyncIterator[Hearing]:
    """Subscribe to the clocks of an AI agent or of the workspace, from now or from a cursor."""
    after = after or cursor(workspace)
    async with workspace.key.socket() as socket:
        operation = await socket.subscribe(CHANGES, agent=agent_id, after=after)
        yield Hearing(socket, operation, workspace, agent_id)


def cursor(workspace: Workspace) -> str:
    """Return the workspace's current cursor."""
    return str(workspace.key.ask("{ escalations { cursor } }")["escalations"]["cursor"])


def heard(events: Iterable[Row]) -> list[tuple[str, str, str]]:
    """Return escalation, previous status and new status of each event."""
    return [(event["escalation"]["id"], event["previous"], event["status"]) for event in events]


class Process:
    """A running `baton` command."""

    def __init__(self, data_dir: Path, name: str, *arguments: str, **environment: str) -> None:
        self._log = data_dir / f"{name}.log"
        self._paused = False
        self._begun = self._log.stat().st_size if self._log.exists() else 0
        given = {"BATON_DATA_DIR": str(data_dir), **environment}
        with self._log.open("ab") as log:
            self.popen = BatonProcess(*arguments, environment=given, output=log)

    @property
    def runs(self) -> bool:
        """Return true until it ends."""
        return self.popen.poll() is None

    def says(self, pattern: str) -> str:
        """Wait for a pattern in its log and return the pattern's first group."""

        def matching() -> re.Match[str] | None:
            written = self._log.read_bytes()[self._begun :].decode()
            assert self.runs, written
            return re.search(pattern, written)

        return str(wait_for(matching, f"{self._log.name} to say {pattern}", 60)[1])

    def pause(self) -> None:
        """Stop it, like a machine that is too busy."""
        if not self._paused:
            self.popen.pause()
            self._paused = True

    def go_on(self) -> None:
        """Continue it."""
        self.popen.send_signal(signal.SIGCONT)
        self._paused = False

    def kill(self) -> None:
        """Kill it."""
        self.popen.kill()
        self.popen.wait()

    def ask_to_end(self) -> None:
        """Request its end and return."""
        self.popen.send_signal(signal.SIGTERM)

    def end(self, seconds: float = 30) -> None:
        """Request its end, and assert that it exits with 0 in time."""
        self.ask_to_end()
        assert self.popen.wait(seconds) == 0


class Stage(Server):
    """A database of its own, with `baton serve` and `baton worker` processes that come and go."""

    workers: list[Process]
    serving: Process
    _options: tuple[str, ...] = ()

    @classmethod
    @contextmanager
    def built(cls, data_dir: Path) -> Iterator["Stage"]:
        """Nothing runs but the database yet; nothing is left running."""
        with copied_database(data_dir) as urls:
            stage = cls(data_dir, urls.owner_url, urls.service_url)
            stage.workers = []
            try:
                yield stage
            finally:
                stage.dismiss()
                stage.stop()

    def serve(self, *options: str) -> None:
        """`baton serve` with these options, always at one address; what has been served otherwise ends."""
        if self.process and self.process.poll() is None and self._options == options:
            return
        self.stop()
        self._options = options
        self.serving = Process(self.data_dir, "serve", "serve", *options, BATON_PORT=str(self.port))
        self.process = self.serving.popen
        self.port = int(self.serving.says(r'http://127\.0\.0\.1:(\d+)","event":"serve.ready'))

    def crew(self, number: int) -> list[Process]:
        """So many `baton worker` processes that run, and no more."""
        running = [worker for worker in self.workers if worker.runs]
        self._end(running[number:])
        self.workers = running[:number]
        while len(self.workers) < number:
            self.workers.append(Process(self.data_dir, f"worker{next(_WORKERS)}", "worker"))
        for worker in self.workers:
            worker.go_on()
            worker.says('"event":"(worker.ready)')
        return list(self.workers)

    def only(self, worker: Process) -> None:
        """Run one worker and pause the others."""
        for item in self.workers:
            if item is not worker and item.runs:
                item.pause()
        worker.go_on()

    def dismiss(self) -> None:
        """End all workers."""
        self._end([worker for worker in self.workers if worker.runs])

    def _end(self, workers: Sequence[Process]) -> None:
        for worker in workers:
            worker.go_on()
            worker.ask_to_end()
        for worker in workers:
            assert worker.popen.wait(30) == 0

    @property
    def now(self) -> datetime:
        """Return the database's time."""
        at: datetime = self.rows("SELECT clock_timestamp() AS at")[0]["at"]
        return at
