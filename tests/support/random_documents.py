"""Valid random queries over the schema: aliases, fragments of each kind, switches, ids that are not known."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

from graphql import (
    GraphQLField,
    GraphQLNamedType,
    GraphQLObjectType,
    get_named_type,
    is_enum_type,
    is_interface_type,
    is_leaf_type,
    is_object_type,
    is_required_argument,
)

from schema.api import GRAPHQL_SCHEMA

_PERIOD = {"from": '"2026-01-01T00:00:00Z"', "to": '"2034-01-01T00:00:00Z"'}
_PAGES = ("first", "last")


@dataclass
class RandomDocument:
    """One document: `text`, and the `variables` that it declares."""

    random: Random
    ids: Sequence[str]
    agent_id: str
    roots: Sequence[str]
    variables: dict[str, Any] = field(default_factory=dict)
    fragments: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        """Make a document."""
        names = self.random.sample(self.roots, self.random.choice((1, 1, 1, 2)))
        body = " ".join(self._root(name, place) for place, name in enumerate(names))
        declared = ", ".join(f"${name}: {type_}" for name, (type_, _) in self.variables.items())
        head = f"query Q({declared})" if declared else "query"
        return f"{head} {{ {body} }} {' '.join(self.fragments)}"

    def payload(self, name: str) -> str:
        """Return a selection of the payload of a mutation."""
        type_ = GRAPHQL_SCHEMA.mutation_type
        assert type_ is not None
        payload = get_named_type(type_.fields[name].type)
        if is_leaf_type(payload):
            return ""
        return f"{{ {self._selection(payload, self.random.randint(1, 4))} }}"

    @property
    def values(self) -> dict[str, Any]:
        """Return the values of the variables."""
        return {name: value for name, (_, value) in self.variables.items()}

    def _chance(self, share: float) -> bool:
        return self.random.random() < share

    def _root(self, name: str, place: int) -> str:
        type_ = GRAPHQL_SCHEMA.query_type
        assert type_ is not None
        selected = self._field(type_, name, type_.fields[name], self.random.randint(1, 4))
        return f"root{place}: {selected}" if place or self._chance(0.1) else selected

    def _field(self, parent: GraphQLObjectType, name: str, definition: GraphQLField, depth: int) -> str:
        type_ = get_named_type(definition.type)
        below = "" if is_leaf_type(type_) else f" {{ {self._selection(type_, depth - 1)} }}"
        return f"{name}{self._arguments(definition)}{self._switch()}{below}"

    def _selection(self, type_: GraphQLNamedType, depth: int) -> str:
        if is_interface_type(type_):
            chosen = self.random.choice(list(GRAPHQL_SCHEMA.get_possible_types(type_)))
            return f"id ... on {chosen.name} {{ {self._selection(chosen, depth)} }}"
        assert is_object_type(type_)
        fields = [
            (name, definition)
            for name, definition in type_.fields.items()
            if depth > 0 or is_leaf_type(get_named_type(definition.type))
        ]
        count = min(len(fields), self.random.randint(1, 6))
        sample = self.random.sample(fields, count)
        parts = [self._part(type_, name, definition, depth) for name, definition in sample]
        if not parts or self._chance(0.2):
            parts.insert(self.random.randint(0, len(parts)), "__typename")
        return " ".join(parts)

    def _part(self, type_: GraphQLObjectType, name: str, definition: GraphQLField, depth: int) -> str:
        text = self._field(type_, name, definition, depth)
        if self._chance(0.2):
            text = f"{self.random.choice('xyz')}{len(self.fragments)}{name}: {text}"
        kind = self.random.random()
        if kind < 0.08:
            return f"... on {type_.name}{self._switch()} {{ {text} }}"
        if kind < 0.14:
            fragment = f"F{len(self.fragments)}"
            self.fragments.append(f"fragment {fragment} on {type_.name} {{ {text} }}")
            return f"...{fragment}{self._switch()} {f'...{fragment}' if self._chance(0.3) else ''}"
        return f"...{self._switch()} {{ {text} }}" if kind < 0.18 else text

    def _switch(self) -> str:
        if not self._chance(0.12):
            return ""
        directive = self.random.choice(("include", "skip"))
        if self._chance(0.3):
            return f" @{directive}(if: {self.random.choice(('true', 'false'))})"
        name = self.random.choice("abc")
        self.variables.setdefault(name, ("Boolean!", self._chance(0.5)))
        return f" @{directive}(if: ${name})"

    def _arguments(self, definition: GraphQLField) -> str:
        given: dict[str, str] = {}
        for name, argument in definition.args.items():
            value = self._argument(name, get_named_type(argument.type), given)
            if value is not None and (is_required_argument(argument) or self._chance(0.7)):
                given[name] = value
        return f"({', '.join(f'{name}: {value}' for name, value in given.items())})" if given else ""

    def _argument(self, name: str, type_: GraphQLNamedType, given: dict[str, str]) -> str | None:
        if name in _PAGES:
            if any(page in given for page in _PAGES):
                return None
            return self._page()
        if name in _PERIOD:
            return _PERIOD[name]
        if name == "agentId":
            return f'"{self.agent_id}"'
        if name == "thresholds":
            return "[40, 60]"
        if is_enum_type(type_):
            return str(self.random.choice(list(type_.values)))
        return f'"{self.random.choice(self.ids)}"' if type_.name == "ID" else None

    def _page(self) -> str:
        size = self.random.choice((1, 2, 3, 3, 0 if self._chance(0.1) else 2))
        if self._chance(0.7):
            return str(size)
        name = f"n{size}"
        self.variables.setdefault(name, ("Int!", size))
        return f"${name}"
