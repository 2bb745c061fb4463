"""The schema: the roots put together."""

import strawberry
from graphql import GraphQLSchema, print_schema
from strawberry.tools import merge_types

from resolvers.errors import ErrorCode
from schema.administering import AdministeringMutation
from schema.analytics.queries import AnalyticsQuery
from schema.answering import AnsweringMutation
from schema.basics import CONFIG
from schema.descriptions import add_descriptions
from schema.notifying import NotifyingMutation
from schema.queries import Query
from schema.subscriptions import Subscription
from schema.talking import TalkingMutation

Mutation = merge_types(
    "Mutation", (TalkingMutation, AnsweringMutation, NotifyingMutation, AdministeringMutation)
)

RootQuery = merge_types("Query", (Query, AnalyticsQuery))

SCHEMA = strawberry.Schema(
    query=RootQuery, mutation=Mutation, subscription=Subscription, types=[ErrorCode], config=CONFIG
)

# Strawberry has no public name for the schema that it builds for graphql-core.
GRAPHQL_SCHEMA: GraphQLSchema = SCHEMA._schema

add_descriptions(GRAPHQL_SCHEMA)


def printed_schema() -> str:
    """Return the schema in the schema definition language."""
    return print_schema(GRAPHQL_SCHEMA) + "\n"
