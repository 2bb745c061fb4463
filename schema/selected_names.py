"""Reading what an operation selects below a field."""

from graphql import FieldNode, FragmentSpreadNode, Node

from schema.context import Info


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
