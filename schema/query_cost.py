"""How much one operation may ask for. The rules are built once: validation is cached by them."""

from typing import Any

from graphql import (
    ASTValidationRule,
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    IntValueNode,
    OperationDefinitionNode,
    SelectionSetNode,
)

from resolvers.pagination import LARGEST, USUAL
from schema.errors import TooComplexError

# graphql-core compares fields of one name each with each: 5,000 tokens kept everybody waiting for 0.9 s,
# 1,000 take 0.04 s at worst. GraphQL Armor's default is 1,000, too.
TOKENS = 1_000
DEPTH = 15
ROWS = 50_000

# A field of lists is counted for as many rows as it may have, so what stands below it weighs that much.
_LISTS = {"messages", "escalations", "conversations", "timeline", "segments", "deliveries", "attempts"}


_PAGES = frozenset(map(str, range(1, LARGEST + 1)))


class CostRule(ASTValidationRule):
    """Refuses operations that nest deeper than 15 fields or may read more than 50,000 rows."""

    def enter_operation_definition(self, node: OperationDefinitionNode, *_: Any) -> None:
        """Reckons one operation; fragments are followed where they are spread."""
        document = self.context.document
        try:
            rows = _CostCounter(_fragments(document)).rows(node.selection_set, DEPTH)
        except TooComplexError as error:
            self.report_error(GraphQLError(str(error), node, original_error=error))
            return
        if rows > ROWS:
            costly = TooComplexError(
                f"The operation may read {rows:,} rows; at most {ROWS:,} are allowed. Ask for smaller pages."
            )
            self.report_error(GraphQLError(str(costly), node, original_error=costly))


def _fragments(document: DocumentNode) -> dict[str, FragmentDefinitionNode]:
    return {one.name.value: one for one in document.definitions if isinstance(one, FragmentDefinitionNode)}


class _CostCounter:
    """The rows of one operation. A fragment is reckoned once for each depth, however often it is spread."""

    def __init__(self, fragments: dict[str, FragmentDefinitionNode]) -> None:
        self._fragments = fragments
        self._known: dict[tuple[str, int], int] = {}
        self._within: set[str] = set()

    def rows(self, selection: SelectionSetNode | None, depth: int) -> int:
        """How many rows a selection may read; raises TooComplexError when it nests deeper than `depth`."""
        if selection is None:
            return 0
        if depth < 0:
            raise TooComplexError(f"The operation nests deeper than {DEPTH} fields.")
        total = 0
        for node in selection.selections:
            if isinstance(node, FieldNode):
                total += self._field(node, depth)
            elif isinstance(node, FragmentSpreadNode):
                total += self._fragment(node.name.value, depth)
            else:
                total += self.rows(getattr(node, "selection_set", None), depth - 1)
            if total > ROWS:
                break
        return total

    def _field(self, node: FieldNode, depth: int) -> int:
        if node.name.value.startswith("__"):
            return 0
        below = self.rows(node.selection_set, depth - 1)
        return _page(node) * (1 + below) if node.name.value in _LISTS else below

    def _fragment(self, name: str, depth: int) -> int:
        if name not in self._fragments or name in self._within:
            return 0  # another rule reports what is not there, and circles
        if (name, depth) not in self._known:
            self._within.add(name)
            self._known[name, depth] = self.rows(self._fragments[name].selection_set, depth - 1)
            self._within.remove(name)
        return self._known[name, depth]


def _page(node: FieldNode) -> int:
    for argument in node.arguments or ():
        if argument.name.value in {"first", "last"}:
            value = argument.value
            if isinstance(value, IntValueNode) and value.value in _PAGES:
                return int(value.value)
            # What a variable will hold is not known yet; any other number is refused elsewhere.
            return LARGEST
    return USUAL
