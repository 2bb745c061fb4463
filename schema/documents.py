"""GraphQL documents: parsed, validated and counted once, and kept in one cache that is bounded by bytes.

Queries, mutations and subscriptions share the cache. Only valid documents enter it.
"""

from collections import Counter, OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from graphql import (
    ArgumentNode,
    DirectiveNode,
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    GraphQLSyntaxError,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
    VariableNode,
    parse,
    specified_rules,
    validate,
    visit,
)
from graphql.language import Visitor

from resolvers.actor import Actor
from resolvers.context import Context
from resolvers.errors import ForbiddenError, TooComplexError, UnauthenticatedError
from resolvers.field_scopes import FieldAccess
from resolvers.trusted_documents import TrustedDocuments
from rules.roles import Scope
from schema.api import GRAPHQL_SCHEMA
from schema.context import GraphQLContext
from schema.errors import RefusedError, format_errors
from schema.executor.plan import Plan
from schema.executor.variables import Variables
from schema.field_access import AccessReader
from schema.operation import Operation
from schema.query_cost import Cost, CostCounter, check_cost, cost_extension, is_allowed
from schema.trusted_documents import digest_of

# graphql-core compares fields of one name pairwise: 5,000 tokens took 0.9 s, 1,000 take 0.04 s at worst.
# The default of GraphQL Armor is 1,000, too.
TOKEN_LIMIT = 1_000
# An error finds its line by reading the document from the start.
CHARACTER_LIMIT = 16_384
LINE_LIMIT = 5_000
ERROR_LIMIT = 10
# graphql-core compares fields of one name in a selection pairwise; clients have no use for many of them.
REPEAT_LIMIT = 30

# Longer ones are rare, and a few of them would push out all others.
_KEPT_CHARACTERS = 8_192
CACHE_BYTES = 16 * 1024 * 1024
# Measured with tracemalloc: a token with its share of the nodes.
_TOKEN_BYTES = 700
_CHARACTER_BYTES = 4
# Sets of scopes for which a document keeps whether it selects hidden fields.
_ACCESSES_KEPT = 32


@dataclass(eq=False)
class Document:
    """A parsed document, the errors of its validation, and the static costs of its operations."""

    text: str
    node: DocumentNode
    errors: Sequence[GraphQLError]
    _costs: dict[int, tuple[Cost, bool]] = field(default_factory=dict)
    _labels: dict[int, str] = field(default_factory=dict)
    _hidden: dict[tuple[int, frozenset[Scope]], bool] = field(default_factory=dict)
    plans: dict[tuple[int, tuple[Any, ...]], Plan | None] = field(default_factory=dict)
    # Of the operations that have plans.
    variables: dict[int, Variables] = field(default_factory=dict)

    @cached_property
    def operations(self) -> list[OperationDefinitionNode]:
        """Return the operations in their order."""
        return [node for node in self.node.definitions if isinstance(node, OperationDefinitionNode)]

    @cached_property
    def fragments(self) -> dict[str, FragmentDefinitionNode]:
        """Return the fragments by name."""
        return {
            node.name.value: node
            for node in self.node.definitions
            if isinstance(node, FragmentDefinitionNode)
        }

    @cached_property
    def digest(self) -> str:
        """Return the SHA-256 of the normalised document."""
        return digest_of(self.node)

    @cached_property
    def argument_of_variable(self) -> Mapping[str, str]:
        """Return the name of the first argument that each variable is given to."""
        names: dict[str, str] = {}

        class _Arguments(Visitor):
            def enter_argument(self, node: ArgumentNode, *_: Any) -> None:
                if isinstance(node.value, VariableNode):
                    names.setdefault(node.value.name.value, node.name.value)

        visit(self.node, _Arguments())
        return names

    @cached_property
    def uses_of_variable(self) -> Mapping[str, int]:
        """Return how often each variable is used."""
        uses: dict[str, int] = {}

        class _Uses(Visitor):
            def enter_variable_definition(self, *_: Any) -> Any:
                return False

            def enter_variable(self, node: VariableNode, *_: Any) -> None:
                uses[node.name.value] = uses.get(node.name.value, 0) + 1

        visit(self.node, _Uses())
        return uses

    @cached_property
    def switches(self) -> Sequence[str]:
        """Return the names of the variables that @skip and @include use, in alphabetical order."""
        names: set[str] = set()

        class _Switches(Visitor):
            def enter_directive(self, node: DirectiveNode, *_: Any) -> None:
                given = (argument.value for argument in node.arguments or ())
                names.update(value.name.value for value in given if isinstance(value, VariableNode))

        visit(self.node, _Switches())
        return sorted(names)

    @property
    def bytes(self) -> int:
        """Return an estimate of the memory that the document takes."""
        tokens, token = 0, self.node.loc.start_token if self.node.loc else None
        while token is not None:
            tokens, token = tokens + 1, token.next
        return tokens * _TOKEN_BYTES + len(self.text) * _CHARACTER_BYTES

    def operation(self, name: str | None) -> OperationDefinitionNode:
        """Return the operation of that name, or the only one; raise GraphQLError when there is none."""
        operations = [
            node for node in self.operations if name is None or (node.name and node.name.value == name)
        ]
        if not operations:
            raise GraphQLError("The document has no operation of that name: correct operationName.")
        if len(operations) > 1:
            raise GraphQLError("The document has several operations: name one by operationName.")
        return operations[0]

    def label(self, operation: OperationDefinitionNode) -> str:
        """Return the type of the operation and its first root field, such as “mutation recordMessage”."""
        if id(operation) not in self._labels:
            root = next(_root_fields(operation.selection_set, self.fragments), "")
            self._labels[id(operation)] = f"{operation.operation.value} {root}"
        return self._labels[id(operation)]

    def static_cost(self, operation: OperationDefinitionNode) -> tuple[Cost, bool]:
        """Return the cost for any variables, and whether the operation reads the schema itself."""
        if id(operation) not in self._costs:
            counter = CostCounter(GRAPHQL_SCHEMA, operation, self.fragments)
            self._costs[id(operation)] = counter.count(), counter.introspects
        return self._costs[id(operation)]

    def introspects(self, operation: OperationDefinitionNode) -> bool:
        """Return whether the operation reads the schema itself."""
        return self.static_cost(operation)[1]

    def selects_hidden(self, operation: OperationDefinitionNode, access: FieldAccess) -> bool:
        """Return whether the operation selects a field that callers with this access may not read."""
        key = id(operation), access.scopes
        if key not in self._hidden:
            if len(self._hidden) >= _ACCESSES_KEPT:
                self._hidden.clear()
            reader = AccessReader(GRAPHQL_SCHEMA, self.fragments, access)
            self._hidden[key] = reader.selects_hidden(operation)
        return self._hidden[key]


class _Cache:
    """The most recently used documents with their plans, as many as fit into `limit` bytes."""

    def __init__(self, limit: int) -> None:
        self.bytes = 0
        self._limit = limit
        self._documents: OrderedDict[str, tuple[Document, int]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._documents)

    def get(self, text: str) -> Document | None:
        """Return the document of that text, if it is kept."""
        entry = self._documents.get(text)
        if entry is None:
            return None
        self._documents.move_to_end(text)
        return entry[0]

    def add(self, document: Document) -> None:
        """Keep the document, and drop the least recently used ones that no longer fit."""
        self._documents[document.text] = document, 0
        self.charge(document, document.bytes)

    def holds(self, document: Document) -> bool:
        """Return whether the document is kept."""
        entry = self._documents.get(document.text)
        return entry is not None and entry[0] is document

    def charge(self, document: Document, size: int) -> None:
        """Count more bytes of a document that is kept, and drop the least recently used ones."""
        _, before = self._documents[document.text]
        self._documents[document.text] = document, before + size
        self.bytes += size
        while self.bytes > self._limit:
            _, (_, dropped) = self._documents.popitem(last=False)
            self.bytes -= dropped


CACHE = _Cache(CACHE_BYTES)


def load(
    text: str,
    trusted: TrustedDocuments | None = None,
    *,
    keep: bool = True,
    hide_suggestions: bool = False,
) -> Document:
    """Return the document of that text; raise GraphQLError when it cannot be parsed, or is not trusted.

    It enters the cache if it is valid, not long, and to be kept. The errors of a document that is not valid
    suggest other names, unless `hide_suggestions` is set.
    """
    document = CACHE.get(text)
    if document is not None:
        if trusted:
            _check_trusted(document.digest, trusted)
        return document
    document = _read(text, trusted, hide_suggestions=hide_suggestions)
    if keep and not document.errors and len(text) <= _KEPT_CHARACTERS:
        CACHE.add(document)
    return document


def load_for(text: str, context: Context) -> Document:
    """Return the document for a caller. A customer's must be trusted; one without credential is not kept."""
    caller = context.caller
    trusted = context.services.trusted_documents if caller and caller.is_customer else None
    hidden = not may_read_schema(caller)
    return load(text, trusted, keep=caller is not None, hide_suggestions=hidden)


def may_read_schema(caller: Actor | None) -> bool:
    """Return whether names of the schema may be shown to the caller."""
    return caller is not None and not caller.is_customer


def find(operation: Operation, call: GraphQLContext) -> tuple[Document, OperationDefinitionNode, Cost]:
    """Return the document, the operation to run for this caller, and its cost; raise RefusedError."""
    try:
        document = load_for(operation.query, call)
    except GraphQLError as error:
        raise RefusedError(format_errors([error])) from None
    if document.errors:
        raise RefusedError(format_errors(document.errors, document.argument_of_variable))
    try:
        node = document.operation(operation.name)
    except GraphQLError as error:
        raise RefusedError(format_errors([error])) from None
    cost = _cost_of(document, node, operation)
    try:
        _check(document, node, cost, call)
    except GraphQLError as error:
        raise RefusedError(format_errors([error]), cost_extension(cost)) from None
    return document, node, cost


def _cost_of(document: Document, node: OperationDefinitionNode, operation: Operation) -> Cost:
    """Return the cost for any variables, or if that is too much, for those of the operation."""
    cost, _ = document.static_cost(node)
    if is_allowed(cost):
        return cost
    return CostCounter(GRAPHQL_SCHEMA, node, document.fragments, operation.variables or {}).count()


def _check(document: Document, node: OperationDefinitionNode, cost: Cost, call: GraphQLContext) -> None:
    try:
        if document.introspects(node):
            _check_introspection(call.caller)
        check_cost(cost)
    except (TooComplexError, ForbiddenError, UnauthenticatedError) as error:
        raise GraphQLError(str(error), node, original_error=error) from None


def _check_introspection(caller: Actor | None) -> None:
    if caller is None:
        raise UnauthenticatedError("Sign in or present an API key to read the schema.")
    if caller.is_customer:
        raise ForbiddenError("The schema is not for customers.")


def _check_trusted(digest: str, trusted: TrustedDocuments) -> None:
    try:
        trusted.check(digest)
    except ForbiddenError as error:
        raise GraphQLError(str(error), original_error=error) from None


def _read(text: str, trusted: TrustedDocuments | None, *, hide_suggestions: bool) -> Document:
    _check_size(text)
    try:
        node = parse(text, max_tokens=TOKEN_LIMIT)
    except GraphQLSyntaxError as error:
        if f"more than {TOKEN_LIMIT} tokens" in error.message:
            raise _too_complex(f"The document has more than {TOKEN_LIMIT:,} tokens.") from None
        raise
    if trusted:
        _check_trusted(digest_of(node), trusted)
    _check_repeats(node)
    errors = validate(
        GRAPHQL_SCHEMA,
        node,
        specified_rules,
        max_errors=ERROR_LIMIT,
        hide_suggestions=hide_suggestions,
    )
    return Document(text, node, errors)


def _check_size(text: str) -> None:
    if len(text) > CHARACTER_LIMIT:
        raise _too_complex(
            f"The document has more than {CHARACTER_LIMIT:,} characters. Send long values as variables."
        )
    if text.count("\n") + text.count("\r") > LINE_LIMIT:
        raise _too_complex(f"The document has more than {LINE_LIMIT:,} lines.")


def _check_repeats(document: DocumentNode) -> None:
    waiting = [
        definition.selection_set
        for definition in document.definitions
        if isinstance(definition, OperationDefinitionNode | FragmentDefinitionNode)
    ]
    while waiting:
        names = Counter(_names_in(waiting.pop(), waiting))
        if names and max(names.values()) > REPEAT_LIMIT:
            raise _too_complex(f"A selection has one field more than {REPEAT_LIMIT} times.")


def _names_in(selection: SelectionSetNode, below: list[SelectionSetNode]) -> Iterator[str]:
    """Yield the response names of a selection with its inline fragments; add the selections below it."""
    for node in selection.selections:
        if isinstance(node, InlineFragmentNode):
            yield from _names_in(node.selection_set, below)
        elif isinstance(node, FieldNode):
            yield (node.alias or node.name).value
            if node.selection_set:
                below.append(node.selection_set)


def _root_fields(
    selection: SelectionSetNode, fragments: Mapping[str, FragmentDefinitionNode]
) -> Iterator[str]:
    for node in selection.selections:
        if isinstance(node, FieldNode):
            yield node.name.value
        elif isinstance(node, InlineFragmentNode):
            yield from _root_fields(node.selection_set, fragments)
        elif isinstance(node, FragmentSpreadNode):
            yield from _root_fields(fragments[node.name.value].selection_set, fragments)


def _too_complex(message: str) -> GraphQLError:
    return GraphQLError(message, original_error=TooComplexError(message))
