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

from resolvers.pages import LARGEST, USUAL
from schema.errors import TooComplexError

TOKENS = 5_000
DEPTH = 15
ROWS = 50_000

# A field of lists is counted for as many rows as it may have, so what stands below it weighs that much.
_LISTS = {"messages", "escalations", "conversations", "timeline", "segments", "deliveries", "attempts"}


class CostRule(ASTValidationRule):
    """Refuses operations that nest deeper than 15 fields or may read more than 50,000 rows."""

    def enter_operation_definition(self, node: OperationDefinitionNode, *_: Any) -> None:
        """Reckons one operation; fragments are followed where they are spread."""
        document = self.context.document
        try:
            rows = _rows(node.selection_set, _fragments(document), DEPTH, frozenset())
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


def _rows(
    selection: SelectionSetNode | None,
    fragments: dict[str, FragmentDefinitionNode],
    depth: int,
    within: frozenset[str],
) -> int:
    if selection is None:
        return 0
    if depth < 0:
        raise TooComplexError(f"The operation nests deeper than {DEPTH} fields.")
    total = 0
    for node in selection.selections:
        if isinstance(node, FieldNode):
            if node.name.value.startswith("__"):
                continue
            below = _rows(node.selection_set, fragments, depth - 1, within)
            total += _page(node) * (1 + below) if node.name.value in _LISTS else below
        elif isinstance(node, FragmentSpreadNode):
            name = node.name.value
            # A cycle is for another rule to report; it must not be followed here.
            if name in fragments and name not in within:
                total += _rows(fragments[name].selection_set, fragments, depth - 1, within | {name})
        else:
            total += _rows(getattr(node, "selection_set", None), fragments, depth - 1, within)
        if total > ROWS:
            return total
    return total


def _page(node: FieldNode) -> int:
    for argument in node.arguments or ():
        if argument.name.value in {"first", "last"}:
            # What a variable will hold is not known yet.
            value = argument.value
            return int(value.value) if isinstance(value, IntValueNode) else LARGEST
    return USUAL
