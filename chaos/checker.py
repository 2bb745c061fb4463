"""The checker: compares what widgets rendered and what callers were answered with what was committed."""

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
    """A message in the database."""

    position: int
    status: str
    content: str
    created_at: datetime


Truth = Mapping[str, Sequence[Committed]]


async def committed(connection: asyncpg.Connection) -> Truth:
    """Every message of every conversation, by the conversation's id, in order."""
    result: dict[str, list[Committed]] = defaultdict(list)
    for row in await connection.fetch(_MESSAGES):
        result[format_id(CONVERSATION, row["conversation_id"])].append(Committed(*list(row.values())[1:]))
    return result


def delivered(messages: Iterable[Committed]) -> list[Committed]:
    """Those that a customer may see."""
    return [item for item in messages if item.status == "DELIVERED"]


def differences(expected: Sequence[Committed], rendered: Sequence[Rendered]) -> list[str]:
    """Return the differences between the rendered and the expected sequence."""
    wanted = {item.position: item.content for item in expected}
    shown = {item.position: item for item in rendered}
    result = [
        f"lost: {_named(item)} {_between(item.position, rendered)}"
        for item in expected
        if item.position not in shown
    ]
    times = Counter(item.position for item in rendered)
    result += [f"{times[place]} times: {_named(shown[place])}" for place in times if times[place] > 1]
    result += [f"never for it: {_named(item)}" for item in rendered if item.position not in wanted]
    result += [
        f"altered: {_named(item)}, committed as “{wanted[item.position]}”"
        for item in rendered
        if wanted.get(item.position, item.content) != item.content
    ]
    result += [
        f"out of order: {_named(later)} came behind {_named(item)}"
        for item, later in pairwise(rendered)
        if later.position < item.position
    ]
    return result


def unlike(widgets: Iterable[Widget], truth: Truth) -> list[str]:
    """All that widgets rendered otherwise than it was committed."""
    return [
        f"{widget.name}: {item}"
        for widget in widgets
        for item in differences(delivered(truth.get(widget.conversation, ())), widget.rendered)
    ]


def broken_promises(said: Iterable[Said], truth: Truth) -> list[str]:
    """Return acknowledged messages that are missing, doubled or moved."""
    there: dict[str, list[tuple[str, Committed]]] = defaultdict(list)
    for conversation, messages in truth.items():
        for item in messages:
            there[item.content].append((conversation, item))
    result = []
    for wrote in said:
        places = there[wrote.content]
        if len(places) > 1:
            result.append(f"committed {len(places)} times: “{wrote.content}” in {wrote.conversation}")
        elif wrote.position is not None and not places:
            result.append(f"answered for, but not committed: “{wrote.content}” in {wrote.conversation}")
        elif wrote.position is not None:
            conversation, item = places[0]
            if (conversation, item.position) != (wrote.conversation, wrote.position):
                result.append(f"answered as {wrote}, but committed as {item} in {conversation}")
    return result


def gaps_in_positions(truth: Truth) -> list[str]:
    """Return conversations whose positions are not 1, 2, 3 and so on."""
    return [
        f"{conversation} has the positions {[item.position for item in messages]}"
        for conversation, messages in truth.items()
        if [item.position for item in messages] != list(range(1, len(messages) + 1))
    ]


def delays(widgets: Iterable[Widget], truth: Truth) -> list[float]:
    """Return the seconds from commit to rendering of each pushed message."""
    return [
        item.seen_at - at
        for widget in widgets
        for times in [{item.position: item.created_at.timestamp() for item in truth[widget.conversation]}]
        for item in widget.rendered
        if item.seen_at and (at := times.get(item.position)) is not None
    ]


def _named(item: Committed | Rendered) -> str:
    cursor = f" by cursor {item.cursor}" if isinstance(item, Rendered) and item.cursor else ""
    return f"{item.position} “{item.content}”{cursor}"


def _between(position: int, rendered: Sequence[Rendered]) -> str:
    """Return the cursors around a missing position."""
    before = [item.cursor for item in rendered if item.position < position][-1:]
    behind = [item.cursor for item in rendered if item.position > position][:1]
    return f"behind cursor {before[0] if before else 'none'}, before {behind[0] if behind else 'none'}"
