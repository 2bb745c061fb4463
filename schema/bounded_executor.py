"""An executor that counts the bytes and the values of the reply while it is made, and stops at a limit."""

from collections.abc import Awaitable, Mapping, Sequence
from typing import Any, NamedTuple, cast

import orjson
from graphql import (
    ExecutionResult,
    FieldNode,
    GraphQLError,
    GraphQLLeafType,
    GraphQLList,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLResolveInfo,
    GraphQLResolveInfoHelpers,
    MiddlewareManager,
    OperationType,
    Undefined,
    get_nullable_type,
    is_leaf_type,
    is_object_type,
    located_error,
)
from graphql.execution import Executor
from graphql.pyutils import Path

from realtime.cancellation import convert_stray_cancellation
from resolvers.actor import Actor
from resolvers.errors import TooComplexError
from schema.plain_lists import PlainField, complete_plain, plain_fields

CUSTOMER_LIMIT = 2 * 1024 * 1024
LIMIT = 8 * 1024 * 1024
# A value takes about 8 µs, one in a list of plain attributes a quarter of that.
VALUE_LIMIT = 15_000
PLAIN_SHARE = 4

# Quotes, colon, comma and the braces of the object, roughly.
PUNCTUATION = 5
_ERROR_BYTES = 120


def reply_limit(caller: Actor | None) -> int:
    """Return how many bytes one reply to the caller may have."""
    return CUSTOMER_LIMIT if caller is None or caller.is_customer else LIMIT


class RootResult(NamedTuple):
    """The value that a root field's resolver returned, or the error that it raised."""

    value: Any = None
    error: Exception | None = None


class BoundedExecutor(Executor[Any]):
    """A graphql-core executor whose reply has at most `reply_bytes` bytes and 15,000 values.

    Once the reply is full, no further field is resolved. A query or an event then has no data. A mutation
    keeps the finished root fields and is null at the others, so the caller sees which changes were made.
    """

    def __init__(self, *args: Any, reply_bytes: int = LIMIT, **options: Any) -> None:
        super().__init__(*args, **options)
        self._limit = reply_bytes
        self._left = reply_bytes
        self._values_left = VALUE_LIMIT
        self._last_root: tuple[str, list[FieldNode]] | None = None
        self._unfinished: dict[str, list[FieldNode]] = {}
        self._finished: Mapping[str, Any] = {}

    # graphql-core keeps an object that refers to the executor, which then waits for the garbage collector.
    @property
    def async_helpers(self) -> GraphQLResolveInfoHelpers:
        """Return how the executor is informed of asynchronous work; made when it is read."""
        return GraphQLResolveInfoHelpers(gather=self.gather_async_work, track=self.track_async_work)

    @async_helpers.setter
    def async_helpers(self, helpers: GraphQLResolveInfoHelpers) -> None:
        pass

    @property
    def left(self) -> tuple[int, int]:
        """Return how many more values and bytes the reply may have."""
        return self._values_left, self._left

    def resume(
        self, finished: Mapping[str, Any], results: Mapping[str, RootResult], values: int, size: int
    ) -> None:
        """Continue an operation: `finished` root fields keep their data, those in `results` are resolved.

        The other fields of the reply may have so many values and bytes.
        """

        def resolve(next_: Any, source: Any, info: GraphQLResolveInfo[Any], **arguments: Any) -> Any:
            result = results.get(str(info.path.key)) if info.path.prev is None else None
            if result is None:
                return next_(source, info, **arguments)
            if result.error is not None:
                raise result.error
            return result.value

        self.middleware_manager = MiddlewareManager(resolve)
        self._finished = finished
        self._values_left, self._left = values, size

    def execute_root_grouped_field_set(
        self,
        root_type: GraphQLObjectType,
        root_value: Any,
        grouped_field_set: Any,
        serially: bool,
        position_context: Any,
    ) -> Any:
        """Execute the root fields that are not finished."""
        remaining = {
            name: details for name, details in grouped_field_set.items() if name not in self._finished
        }
        return super().execute_root_grouped_field_set(
            root_type, root_value, remaining, serially, position_context
        )

    async def run(self) -> ExecutionResult:
        """Execute the operation, for a subscription one event; raise a bare cancellation as an error."""
        result = self.execute_operation()
        if not isinstance(result, ExecutionResult):
            result = await convert_stray_cancellation(cast("Awaitable[ExecutionResult]", result))
        if self._left < 0:
            result = self._without_unfinished(result)
        if self._finished and result.data is not None:
            result = ExecutionResult({**self._finished, **result.data}, result.errors)
        return result

    def _without_unfinished(self, result: ExecutionResult) -> ExecutionResult:
        size = f"{self._limit:,} bytes" if self._values_left >= 0 else f"{VALUE_LIMIT:,} values"
        error = TooComplexError(f"The reply has more than {size}. Ask for smaller pages or fewer fields.")
        if self.operation.operation is not OperationType.MUTATION or result.data is None:
            return ExecutionResult(None, [GraphQLError(str(error), self.operation, original_error=error)])
        if self._last_root is not None:
            name, nodes = self._last_root
            self._unfinished = {name: nodes, **self._unfinished}
        errors = [
            given for given in result.errors or () if not given.path or given.path[0] not in self._unfinished
        ]
        errors += [located_error(error, nodes, [name]) for name, nodes in self._unfinished.items()]
        return ExecutionResult({**result.data, **dict.fromkeys(self._unfinished)}, errors)

    def execute_field(
        self,
        parent_type: GraphQLObjectType,
        source: Any,
        field_details_list: Any,
        path: Path,
        position_context: Any,
    ) -> Any:
        """Resolve a field, unless the reply is full."""
        name = str(path.key)
        if path.prev is None:
            nodes = [details.node for details in field_details_list]
            if self._left < 0:
                self._unfinished[name] = nodes
            else:
                self._last_root = name, nodes
        if self._left < 0:
            return Undefined
        self._left -= len(name) + PUNCTUATION
        self._count_values(1)
        return super().execute_field(parent_type, source, field_details_list, path, position_context)

    def complete_list_value(
        self,
        return_type: GraphQLList[GraphQLOutputType],
        field_details_list: Any,
        info: GraphQLResolveInfo[Any],
        path: Path,
        result: Any,
        position_context: Any,
    ) -> Any:
        """Return the items of a list; objects of which only attributes are selected take a shorter way."""
        item_type = get_nullable_type(return_type.of_type)
        fields = None
        if isinstance(result, list) and is_leaf_type(item_type):
            self._count_values(len(result) // PLAIN_SHARE)
            if self._left < 0:
                return []
        if isinstance(result, list) and is_object_type(item_type):
            fields = self.plain_fields(item_type, field_details_list)
        if fields:
            before = self._left, self._values_left
            try:
                return self._complete_plain(result, fields)
            except Exception:
                self._left, self._values_left = before
        return super().complete_list_value(
            return_type, field_details_list, info, path, result, position_context
        )

    def _count_values(self, count: int) -> None:
        self._values_left -= count
        if self._values_left < 0:
            self._left = min(self._left, -1)

    def plain_fields(self, item_type: GraphQLObjectType, details: Any) -> Sequence[PlainField] | None:
        """Return the selected fields of a list's items if all of them are plain, otherwise None."""
        return plain_fields(item_type, self.collect_subfields(item_type, details).grouped_field_set)

    def _complete_plain(self, rows: list[Any], fields: Sequence[PlainField]) -> list[dict[str, Any]]:
        self._count_values(len(rows) * len(fields) // PLAIN_SHARE)
        completed: list[dict[str, Any]] = []
        if self._left < 0:
            return completed
        for row in complete_plain(rows, fields):
            completed.append(row)
            self._left -= len(orjson.dumps(row))
            if self._left < 0:
                break
        return completed

    def complete_leaf_value(  # type: ignore[override]  # it is called through the instance
        self, return_type: GraphQLLeafType, result: Any
    ) -> Any:
        """Return the value of a scalar or enum and count its bytes."""
        value = super().complete_leaf_value(return_type, result)
        self._left -= len(orjson.dumps(value))
        return value

    def handle_field_error(
        self, raw_error: Exception, return_type: GraphQLOutputType, field_details_list: Any, path: Path
    ) -> None:
        """Add the error to the reply and count its bytes."""
        if not (isinstance(raw_error, GraphQLError) and raw_error.path):
            self._left -= _ERROR_BYTES + sum(len(str(key)) for key in path.as_list())
        super().handle_field_error(raw_error, return_type, field_details_list, path)
