"""The ways in which an operation is executed, whose results must be the same."""

from enum import Enum

from graphql import ExecutionResult, OperationDefinitionNode

from schema.bounded_executor import BoundedExecutor
from schema.context import GraphQLContext
from schema.documents import Document
from schema.executor.plan import compile_plan
from schema.executor.run import run, run_plan
from schema.operation import Operation
from schema.planning import build_executor, find_run, plan_of


class Way(Enum):
    """A way to execute an operation.

    KEPT is a plan with the variables that the document keeps, as all requests but the first use it. NEW is a
    plan with graphql-core's variables.
    """

    CORE = "graphql-core"
    NEW = "a new plan"
    KEPT = "a kept plan"


async def execute_by(
    way: Way, document: Document, node: OperationDefinitionNode, operation: Operation, call: GraphQLContext
) -> ExecutionResult:
    """Return the result of an operation that may run. Without a plan, each way is that of graphql-core."""
    executor = build_executor(document, node, operation, call)
    assert isinstance(executor, BoundedExecutor), executor
    if way is Way.CORE or plan_of(document, node, executor, call.caller) is None:
        return await run(executor, None)
    # A new plan has not failed before, so it does not rest.
    plan = compile_plan(executor)
    if way is Way.NEW:
        return await run(executor, plan)
    kept = find_run(document, node, operation, call)
    assert kept is not None, (operation, "usual values")
    return await run_plan(plan, kept[1])
