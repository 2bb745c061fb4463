"""Loading the rows of many nodes before their fields are executed.

A field that has to wait costs a task, its object another: for a page of fifty, half of all its CPU.
"""

from asyncio import gather
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar
from uuid import UUID

from graphql import FieldNode, FragmentSpreadNode, Node

from schema.context import Batch, Info

T = TypeVar("T")

# By the name of a field: what is looked up for it, and by which key of a row.
Lookups = Mapping[str, tuple[Batch[Any], Callable[[T], UUID | None]]]


async def prefetch(info: Info, rows: Sequence[T], lookups: Lookups[T]) -> None:
    """Load what the operation selects anywhere below this field, for all rows together."""
    asked = names_below(info)
    wanted = [lookup for name, lookup in lookups.items() if name in asked]
    await gather(
        *(
            info.context.prefetch(batch, {key for row in rows if (key := key_of(row))})
            for batch, key_of in wanted
        )
    )


def names_below(info: Info) -> set[str]:
    """Return the names of all fields below this one."""
    raw = info._raw_info
    names: set[str] = set()
    spread: set[str] = set()
    waiting: list[Node] = list(raw.field_nodes)
    while waiting:
        node = waiting.pop()
        if isinstance(node, FieldNode):
            names.add(node.name.value)
        elif isinstance(node, FragmentSpreadNode) and node.name.value not in spread:
            spread.add(node.name.value)
            waiting.append(raw.fragments[node.name.value])
        selected = getattr(node, "selection_set", None)
        waiting += selected.selections if selected else ()
    return names
