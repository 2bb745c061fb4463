"""The schema: the roots put together."""

from collections.abc import Iterator
from typing import Any

import strawberry
from graphql import (
    GraphQLError,
    GraphQLFieldResolver,
    GraphQLResolveInfo,
    GraphQLSchema,
    OperationDefinitionNode,
    print_schema,
)
from strawberry.extensions import (
    AddValidationRules,
    MaxTokensLimiter,
    ParserCache,
    SchemaExtension,
    ValidationCache,
)
from strawberry.tools import merge_types
from strawberry.types.execution import ExecutionContext

from resolvers.errors import ErrorCode
from schema.administering import AdministeringMutation
from schema.answering import AnsweringMutation
from schema.basics import CONFIG
from schema.context import GraphQLContext
from schema.descriptions import add_descriptions
from schema.notifying import NotifyingMutation
from schema.queries import Query
from schema.query_cost import TOKENS, CostRule
from schema.subscriptions import Subscription
from schema.talking import TalkingMutation

_DOCUMENTS_KEPT = 200


class NamedOperation(SchemaExtension):
    """Refuses a document of several operations without the name of the one that is meant."""

    def on_validate(self) -> Iterator[None]:
        """Looks when the document has been validated: it stands behind the validation's cache."""
        context = self.execution_context
        if not context.pre_execution_errors and context._provided_operation_name is None:
            document = context.graphql_document
            operations = [
                one
                for one in (document.definitions if document else ())
                if isinstance(one, OperationDefinitionNode)
            ]
            if len(operations) > 1:
                message = "The document holds several operations: give operationName."
                context.pre_execution_errors = [GraphQLError(message)]
        yield


def _tokens() -> SchemaExtension:
    return MaxTokensLimiter(TOKENS)


def _parsed() -> SchemaExtension:
    return ParserCache(_DOCUMENTS_KEPT)


def _rules() -> SchemaExtension:
    return AddValidationRules([CostRule])


def _validated() -> SchemaExtension:
    return ValidationCache(_DOCUMENTS_KEPT)


class BatonSchema(strawberry.Schema):
    """The schema; errors are logged where they are dressed, the expected ones not at all."""

    def process_errors(
        self, errors: list[GraphQLError], execution_context: ExecutionContext | None = None
    ) -> None:
        """Leaves the logging to `schema.errors`."""


Mutation = merge_types(
    "Mutation", (TalkingMutation, AnsweringMutation, NotifyingMutation, AdministeringMutation)
)

SCHEMA = BatonSchema(
    query=Query,
    mutation=Mutation,
    subscription=Subscription,
    types=[ErrorCode],
    extensions=[_tokens, _parsed, _rules, _validated, NamedOperation],
    config=CONFIG,
)

add_descriptions(SCHEMA._schema)


def reset_before_each_mutation(schema: GraphQLSchema) -> None:
    """Has each of several mutations in one operation begin anew, so that it shows what it has changed."""

    def anew(resolve: GraphQLFieldResolver) -> GraphQLFieldResolver:
        def resolved(source: Any, info: GraphQLResolveInfo[GraphQLContext], **arguments: Any) -> Any:
            info.context.reset()
            return resolve(source, info, **arguments)

        return resolved

    assert schema.mutation_type is not None
    for field in schema.mutation_type.fields.values():
        assert field.resolve is not None
        field.resolve = anew(field.resolve)


reset_before_each_mutation(SCHEMA._schema)


def printed_schema() -> str:
    """The schema in the schema definition language."""
    return print_schema(SCHEMA._schema) + "\n"
