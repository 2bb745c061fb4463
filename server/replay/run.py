"""`baton replay`: recorded conversations, recorded again in a scratch workspace as a live AI agent would.

Each message is one transaction, so a replay that is interrupted, even killed, continues after the last one.
"""

import asyncio
import hashlib
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson

from resolvers import replay as replays
from resolvers.context import Services
from resolvers.conversation import start_conversation
from resolvers.customer import Customer
from resolvers.message import NewMessage, record_message
from resolvers.replay import ReplayProgress, ReplayState, Scratch
from resolvers.reply import reply_to_escalation
from rules.agent_settings import EscalationSettings
from rules.message import MessageRole
from rules.typeid import AGENT, MalformedIdError, parse_id
from server.replay.file import (
    ConfidenceScale,
    Contents,
    ConversationFile,
    RecordedMessage,
    ReplayFileError,
    ReplayLine,
)
from server.replay.report import Progress, Report, say_waiting
from server.replay.settings import read_settings_file
from server.services import database_urls, open_services, prepare
from server.settings import Settings
from server.stop_signals import stop_signals

CONCURRENT_CONVERSATIONS = 8


@dataclass(frozen=True, slots=True)
class ReplayRequest:
    """The file to replay, and the settings: those of an agent or the defaults, changed by a settings file."""

    file: Path
    settings_file: Path | None = None
    agent: str | None = None
    fresh: bool = False
    confidence_scale: ConfidenceScale | None = None


class ReplayStoppedError(Exception):
    """The replay stopped because of signal `number`."""

    def __init__(self, number: int, done: int, conversations: int) -> None:
        super().__init__(
            f"Stopped after {done:,} of {conversations:,} conversations. "
            "Run the same command again to continue."
        )
        self.number = number


def replay(settings: Settings, request: ReplayRequest) -> Report:
    """Start or continue a replay, or find a finished one, and return its report.

    Raises ReplayFileError before anything is recorded, and ReplayStoppedError.
    """
    agent_id = _agent_id(request.agent)
    if request.settings_file:  # its faults are reported before a database is started
        read_settings_file(request.settings_file, EscalationSettings())
    with ConversationFile.opened(request.file, request.confidence_scale) as file:
        contents = file.check()
        with database_urls(settings) as urls:

            async def run() -> Report:
                await prepare(urls)
                async with open_services(settings, urls.service, live=False) as opened:
                    own = await _settings(opened.services, agent_id, request.settings_file)
                    return await _replay(opened.services, file, contents, own, request.fresh)

            return asyncio.run(run())


def _agent_id(text: str | None) -> UUID | None:
    try:
        return parse_id(AGENT, text) if text else None
    except MalformedIdError as error:
        raise ReplayFileError(f"--agent {error}.") from None


async def _settings(services: Services, agent_id: UUID | None, path: Path | None) -> EscalationSettings:
    base = await replays.settings_of_agent(services, agent_id) if agent_id else EscalationSettings()
    return read_settings_file(path, base) if path else base


async def _replay(
    services: Services, file: ConversationFile, contents: Contents, settings: EscalationSettings, fresh: bool
) -> Report:
    digest = _digest(contents, settings)
    async with replays.replay_lock(services, digest, on_wait=say_waiting):
        scratch = None if fresh else await replays.find_scratch(services, digest)
        scratch = scratch or await replays.make_scratch(services, digest, settings)
        if not scratch.complete:
            await _Replayer(scratch, file, contents).run()
            scratch = await replays.complete_scratch(scratch)
        return Report(contents, await replays.found_escalations(scratch), await replays.totals_of(scratch))


def _digest(contents: Contents, settings: EscalationSettings) -> str:
    document = orjson.dumps(settings.model_dump(mode="json"), option=orjson.OPT_SORT_KEYS)
    scale = b"probability" if contents.scale is ConfidenceScale.PROBABILITY else b""
    return hashlib.sha256(bytes.fromhex(contents.sha256) + document + scale).hexdigest()


class _Replayer:
    """A replay of the lines of a file that are not recorded yet, several conversations at a time."""

    def __init__(self, scratch: Scratch, file: ConversationFile, contents: Contents) -> None:
        self._scratch = scratch
        self._file = file
        self._contents = contents
        self._stopped_by: int | None = None
        self._done = 0

    async def run(self) -> None:
        """Record all of them; raises ReplayStoppedError after a signal."""
        so_far = await replays.recorded_so_far(self._scratch)
        lines = self._file.lines(self._contents)
        with _on_signals(self._stop), Progress(self._contents) as progress:
            try:
                async with asyncio.TaskGroup() as tasks:
                    for _ in range(CONCURRENT_CONVERSATIONS):
                        tasks.create_task(self._replay_lines(lines, so_far, progress))
            except BaseExceptionGroup as group:
                raise group.exceptions[0] from None
        if self._stopped_by is not None:
            raise ReplayStoppedError(self._stopped_by, self._done, self._contents.conversations)

    def _stop(self, number: int) -> None:
        self._stopped_by = number

    async def _replay_lines(
        self, lines: Iterator[ReplayLine], so_far: dict[int, ReplayProgress], progress: Progress
    ) -> None:
        while self._stopped_by is None and (line := next(lines, None)) is not None:
            before = so_far.get(line.number)
            numbers = _unrecorded(line, before)
            if before is None or numbers or before.waits:
                recorded = await self._replay_line(line, before, numbers)
                progress.recorded(recorded)
                if recorded < len(numbers):
                    return
            self._done += 1
            progress.done()

    async def _replay_line(self, line: ReplayLine, before: ReplayProgress | None, indexes: range) -> int:
        """Record the messages at `indexes`, and return their number: fewer after a signal."""
        conversation_id = before.conversation_id if before else await self._start(line)
        state = await replays.moment_of(self._scratch, conversation_id) if before else ReplayState()
        for recorded, index in enumerate(indexes):
            if self._stopped_by is not None:
                return recorded
            state = await self._record(conversation_id, state, line, index)
        if state.fires_at:
            await replays.fire_pending(self._scratch, conversation_id, state)
        return len(indexes)

    async def _start(self, line: ReplayLine) -> UUID:
        customer, first = line.conversation.customer, line.times[0] if line.times else None
        started = await start_conversation(
            replays.recorded_context(self._scratch, first),
            self._scratch.agent_id,
            Customer(customer.external_id, customer.email, customer.name) if customer else Customer(),
            {"replay": {"id": line.conversation.id, "line": line.number, "timed": line.timed}},
            # A process that was killed here may still be committing.
            idempotency_key=f"line {line.number}",
        )
        return started.conversation_id

    async def _record(
        self, conversation_id: UUID, state: ReplayState, line: ReplayLine, index: int
    ) -> ReplayState:
        message, at = line.conversation.messages[index], line.times[index]
        if at and state.fires_at and state.fires_at <= at:
            state = await replays.fire_pending(self._scratch, conversation_id, state)
        if message.role == "human":
            return await self._answer(conversation_id, state, message, at)
        if message.role == "system":
            return state
        new = _new_message(message, index + 1, state.epoch)
        # Without a recorded clock, time stops while an escalation waits: replaying takes no time.
        context = replays.recorded_context(self._scratch, at or state.waits_since)
        recorded = await record_message(context, conversation_id, new)
        epoch = recorded.conversation.ai_epoch if new.role is MessageRole.USER else state.epoch
        escalation_id = recorded.escalation.id if recorded.escalation else state.escalation_id
        if recorded.conversation.pending_escalation_id:
            now = await replays.moment_of(self._scratch, conversation_id)
            return replace(now, epoch=epoch, escalation_id=escalation_id)
        return ReplayState(epoch, escalation_id)

    async def _answer(
        self, conversation_id: UUID, state: ReplayState, message: RecordedMessage, at: datetime | None
    ) -> ReplayState:
        if state.escalation_id is None:
            return state
        context = replays.recorded_context(self._scratch, at)
        await reply_to_escalation(context, state.escalation_id, message.content)
        return await replays.moment_of(self._scratch, conversation_id)


def _new_message(message: RecordedMessage, number: int, epoch: int) -> NewMessage:
    role = MessageRole(message.role.upper())
    replayed: dict[str, Any] = {"message": number}
    if role is MessageRole.ASSISTANT:
        replayed["epoch"] = epoch
    return NewMessage(
        role=role,
        content=message.content,
        confidence=message.confidence,
        intents=message.intents or (),
        epoch=replayed.get("epoch"),
        metadata={"replay": replayed},
    )


def _unrecorded(line: ReplayLine, before: ReplayProgress | None) -> range:
    """Return the indexes of the messages after the last recorded one."""
    messages = line.conversation.messages
    if before is None:
        return range(len(messages))
    spoken, human = before.spoken, before.human
    recorded = 0
    for index, message in enumerate(messages):
        if message.role in {"user", "assistant"}:
            if spoken == 0:
                break
            spoken, recorded = spoken - 1, index + 1
        elif message.role == "human":
            if not _is_escalated(before, before.spoken - spoken, line.times[index]):
                # The waiting escalation has fired since: recorded now, this message would be its reply.
                recorded = index + 1 if before.fired_at else recorded
            elif human == 0:
                break
            else:
                human, recorded = human - 1, index + 1
    return range(recorded, len(messages))


def _is_escalated(before: ReplayProgress, spoken: int, at: datetime | None) -> bool:
    if before.fired_at:
        # Without a recorded clock it fires only at the end.
        return at is not None and at >= before.fired_at
    # A replay resolves nothing: from then on, every message of a person was recorded.
    return before.before_escalation is not None and spoken >= before.before_escalation


@contextmanager
def _on_signals(stop: Callable[[int], None]) -> Iterator[None]:
    """Call `stop` at the first signal; a second one has its usual effect."""
    loop, numbers = asyncio.get_running_loop(), stop_signals()
    before = {number: signal.getsignal(number) for number in numbers}

    def restore() -> None:
        for number, handler in before.items():
            loop.remove_signal_handler(number)
            signal.signal(number, handler)

    def first(number: int) -> None:
        restore()
        stop(number)

    for number in numbers:
        loop.add_signal_handler(number, first, number)
    try:
        yield
    finally:
        restore()
