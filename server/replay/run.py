"""
`baton replay`: recorded conversations, told to a scratch workspace as a live AI agent would tell them.

Each message is one act, so a replay that ends in the middle, however hard, goes on behind the last one.
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
from resolvers.conversation import Customer, start_conversation
from resolvers.message import NewMessage, record_message
from resolvers.replay import ReplayProgress, ReplayState, Scratch
from resolvers.reply import reply_to_escalation
from rules.agent_settings import EscalationSettings
from rules.message import MessageRole
from rules.typeid import AGENT, MalformedIdError, parse_id
from server.replay.file import Contents, ConversationFile, RecordedMessage, ReplayFileError, ReplayLine
from server.replay.report import Progress, Report, say_waiting
from server.replay.settings import read_settings_file
from server.services import database_urls, open_services, prepare
from server.settings import Settings

AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class ReplayRequest:
    """What is to be replayed, by which settings: an agent's or the defaults, with a file's laid over."""

    file: Path
    settings_file: Path | None = None
    agent: str | None = None
    fresh: bool = False


class ReplayStoppedError(Exception):
    """The replay was asked to stop by signal `number`, and has."""

    def __init__(self, number: int, done: int, conversations: int) -> None:
        super().__init__(
            f"Stopped after {done:,} of {conversations:,} conversations. "
            "Run the same command again to go on from here."
        )
        self.number = number


def replay(settings: Settings, wanted: ReplayRequest) -> Report:
    """
    The report of a replay, which is begun, gone on with, or has been recorded before.

    Raises ReplayFileError before anything is recorded, and ReplayStoppedError.
    """
    agent_id = _agent_id(wanted.agent)
    if wanted.settings_file:  # what is wrong with it by itself is said before a database is started
        read_settings_file(wanted.settings_file, EscalationSettings())
    with ConversationFile.opened(wanted.file) as file:
        contents = file.check()
        with database_urls(settings) as urls:

            async def run() -> Report:
                await prepare(urls)
                async with open_services(settings, urls.service, live=False) as services:
                    own = await _settings(services, agent_id, wanted.settings_file)
                    return await _replay(services, file, contents, own, wanted.fresh)

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
            await _Teller(scratch, file, contents).tell()
            scratch = await replays.complete_scratch(scratch)
        return Report(contents, await replays.found_escalations(scratch), await replays.totals_of(scratch))


def _digest(contents: Contents, settings: EscalationSettings) -> str:
    document = orjson.dumps(settings.model_dump(mode="json"), option=orjson.OPT_SORT_KEYS)
    return hashlib.sha256(bytes.fromhex(contents.sha256) + document).hexdigest()


class _Teller:
    """Tells the lines of a file that have not been told yet, several conversations at a time."""

    def __init__(self, scratch: Scratch, file: ConversationFile, contents: Contents) -> None:
        self._scratch = scratch
        self._file = file
        self._contents = contents
        self._stopped_by: int | None = None
        self._done = 0

    async def tell(self) -> None:
        """Tells all of them; raises ReplayStoppedError when it was asked to stop."""
        so_far = await replays.recorded_so_far(self._scratch)
        lines = self._file.lines(self._contents)
        with _on_signals(self._stop), Progress(self._contents) as progress:
            try:
                async with asyncio.TaskGroup() as tellers:
                    for _ in range(AT_ONCE):
                        tellers.create_task(self._tell_lines(lines, so_far, progress))
            except BaseExceptionGroup as group:
                raise group.exceptions[0] from None
        if self._stopped_by is not None:
            raise ReplayStoppedError(self._stopped_by, self._done, self._contents.conversations)

    def _stop(self, number: int) -> None:
        self._stopped_by = number

    async def _tell_lines(
        self, lines: Iterator[ReplayLine], so_far: dict[int, ReplayProgress], progress: Progress
    ) -> None:
        while self._stopped_by is None and (line := next(lines, None)) is not None:
            known = so_far.get(line.number)
            places = _untold(line, known)
            if known is None or places or known.waits:
                recorded = await self._tell_line(line, known, places)
                progress.recorded(recorded)
                if recorded < len(places):
                    return
            self._done += 1
            progress.done()

    async def _tell_line(self, line: ReplayLine, known: ReplayProgress | None, places: range) -> int:
        """How many of the messages at `places` were told: all, unless the replay is to stop."""
        conversation_id = known.conversation_id if known else await self._start(line)
        moment = await replays.moment_of(self._scratch, conversation_id) if known else ReplayState()
        for told, place in enumerate(places):
            if self._stopped_by is not None:
                return told
            moment = await self._say(conversation_id, moment, line, place)
        if moment.fires_at:
            await replays.fire_pending(self._scratch, conversation_id, moment)
        return len(places)

    async def _start(self, line: ReplayLine) -> UUID:
        who, first = line.conversation.customer, line.times[0] if line.times else None
        started = await start_conversation(
            replays.recorded_context(self._scratch, first),
            self._scratch.agent_id,
            Customer(who.external_id, who.email, who.name) if who else Customer(),
            {"replay": {"id": line.conversation.id, "line": line.number, "timed": line.timed}},
            # For a process that was killed here: its commit may be under way still.
            idempotency_key=f"line {line.number}",
        )
        return started.conversation_id

    async def _say(
        self, conversation_id: UUID, moment: ReplayState, line: ReplayLine, place: int
    ) -> ReplayState:
        message, at = line.conversation.messages[place], line.times[place]
        if at and moment.fires_at and moment.fires_at <= at:
            moment = await replays.fire_pending(self._scratch, conversation_id, moment)
        if message.role == "human":
            return await self._answer(conversation_id, moment, message, at)
        if message.role == "system":
            return moment
        new = _new_message(message, place + 1, moment.epoch)
        # Without a recorded clock, time stands still while something waits: telling is no speaking.
        context = replays.recorded_context(self._scratch, at or moment.waits_since)
        recorded = await record_message(context, conversation_id, new)
        epoch = recorded.conversation.ai_epoch if new.role is MessageRole.USER else moment.epoch
        escalation_id = recorded.escalation.id if recorded.escalation else moment.escalation_id
        if recorded.conversation.pending_escalation_id:
            now = await replays.moment_of(self._scratch, conversation_id)
            return replace(now, epoch=epoch, escalation_id=escalation_id)
        return ReplayState(epoch, escalation_id)

    async def _answer(
        self, conversation_id: UUID, moment: ReplayState, message: RecordedMessage, at: datetime | None
    ) -> ReplayState:
        if moment.escalation_id is None:
            return moment
        context = replays.recorded_context(self._scratch, at)
        await reply_to_escalation(context, moment.escalation_id, message.content)
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


def _untold(line: ReplayLine, known: ReplayProgress | None) -> range:
    """The places of the messages that are still to be told: all behind the last that was recorded."""
    messages = line.conversation.messages
    if known is None:
        return range(len(messages))
    spoken, human = known.spoken, known.human
    told = 0
    for place, message in enumerate(messages):
        if message.role in {"user", "assistant"}:
            if spoken == 0:
                break
            spoken, told = spoken - 1, place + 1
        elif message.role == "human":
            if not _is_escalated(known, known.spoken - spoken, line.times[place]):
                # What waited has fired since: told again, these words would answer it.
                told = place + 1 if known.fired_at else told
            elif human == 0:
                break
            else:
                human, told = human - 1, place + 1
    return range(told, len(messages))


def _is_escalated(known: ReplayProgress, spoken: int, at: datetime | None) -> bool:
    if known.fired_at:
        # Without a recorded clock it fires at the end alone.
        return at is not None and at >= known.fired_at
    # Nobody resolves in a replay: from then on, every message of a person was recorded.
    return known.before_escalation is not None and spoken >= known.before_escalation


@contextmanager
def _on_signals(cancel_and_wait: Callable[[int], None]) -> Iterator[None]:
    """Has the first Ctrl-C or SIGTERM call `cancel_and_wait`; a second one does what it always does."""
    loop, numbers = asyncio.get_running_loop(), (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.getsignal(number) for number in numbers}

    def restore() -> None:
        for number, handler in before.items():
            loop.remove_signal_handler(number)
            signal.signal(number, handler)

    def first(number: int) -> None:
        restore()
        cancel_and_wait(number)

    for number in numbers:
        loop.add_signal_handler(number, first, number)
    try:
        yield
    finally:
        restore()
