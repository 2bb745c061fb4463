"""The checker: what every widget rendered, and what was answered, beside what was committed."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

import asyncpg

from chaos.generator import Said
from chaos.widgets import Rendered, Widget
from rules.typeid import CONVERSATION, format_id

_MESSAGES = "SELECT conversation_id, position, status, content, created_at FROM messages ORDER BY 1, 2"


@dataclass(frozen=True, slots=True)
class Committed:
    """A message as it stands in the database."""

    position: int
    status: str
    content: str
    created_at: datetime


Truth = Mapping[str, Sequence[Committed]]


async def committed(connection: asyncpg.Connection) -> Truth:
    """Every message of every conversation, by the conversation's id, in order."""
    found: dict[str, list[Committed]] = defaultdict(list)
    for row in await connection.fetch(_MESSAGES):
        found[format_id(CONVERSATION, row["conversation_id"])].append(Committed(*list(row.values())[1:]))
    return found


def delivered(messages: Iterable[Committed]) -> list[Committed]:
    """Those that a customer may see."""
    return [one for one in messages if one.status == "DELIVERED"]


def differences(expected: Sequence[Committed], rendered: Sequence[Rendered]) -> list[str]:
    """How what was rendered is not the same sequence; nothing when it is."""
    wanted = {one.position: one.content for one in expected}
    shown = {one.position: one for one in rendered}
    found = [
        f"lost: {_named(one)} {_between(one.position, rendered)}"
        for one in expected
        if one.position not in shown
    ]
    times = Counter(one.position for one in rendered)
    found += [f"{times[place]} times: {_named(shown[place])}" for place in times if times[place] > 1]
    found += [f"never for it: {_named(one)}" for one in rendered if one.position not in wanted]
    found += [
        f"altered: {_named(one)}, committed as “{wanted[one.position]}”"
        for one in rendered
        if wanted.get(one.position, one.content) != one.content
    ]
    found += [
        f"out of order: {_named(later)} came behind {_named(one)}"
        for one, later in pairwise(rendered)
        if later.position < one.position
    ]
    return found


def unlike(widgets: Iterable[Widget], truth: Truth) -> list[str]:
    """All that widgets rendered otherwise than it was committed."""
    return [
        f"{widget.name}: {one}"
        for widget in widgets
        for one in differences(delivered(truth.get(widget.conversation, ())), widget.rendered)
    ]


def broken_promises(said: Iterable[Said], truth: Truth) -> list[str]:
    """Messages that were answered for and are not there once, and any that are there twice or moved."""
    there: dict[str, list[tuple[str, Committed]]] = defaultdict(list)
    for conversation, messages in truth.items():
        for one in messages:
            there[one.content].append((conversation, one))
    found = []
    for wrote in said:
        places = there[wrote.content]
        if len(places) > 1:
            found.append(f"committed {len(places)} times: “{wrote.content}” in {wrote.conversation}")
        elif wrote.position is not None and not places:
            found.append(f"answered for, but not committed: “{wrote.content}” in {wrote.conversation}")
        elif wrote.position is not None:
            conversation, one = places[0]
            if (conversation, one.position) != (wrote.conversation, wrote.position):
                found.append(f"answered as {wrote}, but committed as {one} in {conversation}")
    return found


def gaps_in_positions(truth: Truth) -> list[str]:
    """Conversations whose positions are not 1, 2, 3 …"""
    return [
        f"{conversation} has the positions {[one.position for one in messages]}"
        for conversation, messages in truth.items()
        if [one.position for one in messages] != list(range(1, len(messages) + 1))
    ]


def delays(widgets: Iterable[Widget], truth: Truth) -> list[float]:
    """Seconds from each message's commit to its being rendered; what a widget read does not count."""
    return [
        one.seen_at - at
        for widget in widgets
        for times in [{one.position: one.created_at.timestamp() for one in truth[widget.conversation]}]
        for one in widget.rendered
        if one.seen_at and (at := times.get(one.position)) is not None
    ]


def _named(one: Committed | Rendered) -> str:
    cursor = f" by cursor {one.cursor}" if isinstance(one, Rendered) and one.cursor else ""
    return f"{one.position} “{one.content}”{cursor}"


def _between(position: int, rendered: Sequence[Rendered]) -> str:
    """The cursors around a place at which something is missing."""
    before = [one.cursor for one in rendered if one.position < position][-1:]
    behind = [one.cursor for one in rendered if one.position > position][:1]
    return f"behind cursor {before[0] if before else 'none'}, before {behind[0] if behind else 'none'}"
