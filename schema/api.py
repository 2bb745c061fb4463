"""The schema: the roots put together."""

from typing import Any

import strawberry
from graphql import GraphQLFieldResolver, GraphQLResolveInfo, GraphQLSchema, print_schema
from strawberry.tools import merge_types

from resolvers.errors import ErrorCode
from schema.administering import AdministeringMutation
from schema.answering import AnsweringMutation
from schema.basics import CONFIG
from schema.context import GraphQLContext
from schema.descriptions import add_descriptions
from schema.notifying import NotifyingMutation
from schema.queries import Query
from schema.subscriptions import Subscription
from schema.talking import TalkingMutation

Mutation = merge_types(
    "Mutation", (TalkingMutation, AnsweringMutation, NotifyingMutation, AdministeringMutation)
)

SCHEMA = strawberry.Schema(
    query=Query, mutation=Mutation, subscription=Subscription, types=[ErrorCode], config=CONFIG
)

# Strawberry has no public name for the schema that it builds for graphql-core.
GRAPHQL_SCHEMA: GraphQLSchema = SCHEMA._schema

add_descriptions(GRAPHQL_SCHEMA)


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


reset_before_each_mutation(GRAPHQL_SCHEMA)


def printed_schema() -> str:
    """The schema in the schema definition language."""
    return print_schema(GRAPHQL_SCHEMA) + "\n"
