"""Running an operation by its plan, and by graphql-core when the plan does not hold."""

from collections.abc import Mapping, Sequence
from typing import Any

from graphql import ExecutionResult
from prometheus_client import Counter

from realtime.cancellation import convert_stray_cancellation
from schema.bounded_executor import BoundedExecutor, RootResult
from schema.context import GraphQLContext
from schema.executor.calls import together
from schema.executor.plan import Plan
from schema.executor.request import Request
from schema.executor.roots import Root, resolve_all

_EXECUTIONS = Counter(
    "baton_executions", "Executed operations and events, by what made their result.", ["by"]
)
_BY_PLAN, _BY_CORE, _AGAIN = (_EXECUTIONS.labels(by) for by in ("plan", "graphql-core", "both"))


async def run(executor: BoundedExecutor, plan: Plan | None) -> ExecutionResult:
    """Execute an operation, for a subscription one event.

    If the plan's result is discarded, graphql-core executes the operation again, with rows loaded again. It
    gets the value or error of a single root field, so no mutation runs twice. Root fields of a
    mutation that are finished stay as they are. Root fields of a query that ran concurrently are resolved
    again: the order of their errors depends on when each of them ends.
    """
    if plan is None or not plan.is_due():
        _BY_CORE.inc()
        return await executor.run()
    request, call = Request(executor), executor.context_value
    if isinstance(call, GraphQLContext):
        call.shown = plan.shown
    data: dict[str, Any] = {}
    for roots in plan.stages:
        values_left, bytes_left = request.values_left, request.bytes_left
        results = await convert_stray_cancellation(resolve_all(roots, executor))
        try:
            data |= await convert_stray_cancellation(_complete(roots, results, request))
        except Exception:
            if all(result.error is None for result in results.values()):
                plan.failed()
            _AGAIN.inc()
            if isinstance(call, GraphQLContext):
                call.shown = {}
                call.forget_rows()
            executor.resume(data, results if len(roots) == 1 else {}, values_left, bytes_left)
            return await executor.run()
    plan.succeeded()
    _BY_PLAN.inc()
    return ExecutionResult(data, None)


async def _complete(
    roots: Sequence[Root], results: Mapping[str, RootResult], request: Request
) -> dict[str, Any]:
    completed = await together([root.complete(results[root.name], request) for root in roots])
    return {root.name: value for root, value in zip(roots, completed, strict=True)}
