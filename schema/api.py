"""The schema: the roots put together."""

import strawberry
from graphql import GraphQLSchema, print_schema
from strawberry.tools import merge_types
from strawberry.types import get_object_definition
from strawberry.types.field import StrawberryField

from resolvers.errors import ErrorCode
from resolvers.permissions import PERMISSIONS, permission_of
from schema.agent.mutations import AgentMutation
from schema.analytics.queries import AnalyticsQuery
from schema.conversation.mutations import ConversationMutation
from schema.descriptions import add_descriptions
from schema.escalation.counts import EscalationCountsQuery
from schema.escalation.mutations import EscalationMutation
from schema.notifications.mutations import NotificationMutation
from schema.privacy.audit_log import AuditQuery
from schema.privacy.mutations import PrivacyMutation
from schema.queries import Query
from schema.scalars import CONFIG
from schema.subscriptions import Subscription
from schema.team.mutations import TeamMutation
from schema.team.saved_reply import SavedReplyMutation, SavedReplyQuery
from schema.widget.mutations import WidgetMutation
from schema.widget.queries import WidgetQuery


def merge_mutations(*concepts: type) -> type:
    """Return the mutations of all concepts as one type, in the order of the table of permissions.

    Raises LookupError for a mutation that the table does not have.
    """
    places = {name: place for place, name in enumerate(PERMISSIONS)}
    merged = _described(merge_types("Mutation", concepts), "Everything that can be changed.")
    fields = get_object_definition(merged, strict=True).fields
    for field in fields:
        permission_of(_name_of(field))
    fields.sort(key=lambda field: places[_name_of(field)])
    return merged


def _described(merged: type, text: str) -> type:
    """Describe a merged type, which has the signature of its constructor as a description otherwise."""
    get_object_definition(merged, strict=True).description = text
    return merged


def _name_of(field: StrawberryField) -> str:
    return CONFIG.name_converter.get_graphql_name(field)


Mutation = merge_mutations(
    ConversationMutation,
    WidgetMutation,
    EscalationMutation,
    NotificationMutation,
    AgentMutation,
    TeamMutation,
    SavedReplyMutation,
    PrivacyMutation,
)
RootQuery = _described(
    merge_types(
        "Query", (Query, EscalationCountsQuery, SavedReplyQuery, WidgetQuery, AnalyticsQuery, AuditQuery)
    ),
    "Everything that can be read.",
)

SCHEMA = strawberry.Schema(
    query=RootQuery, mutation=Mutation, subscription=Subscription, types=[ErrorCode], config=CONFIG
)

# Strawberry has no public name for the schema that it builds for graphql-core.
GRAPHQL_SCHEMA: GraphQLSchema = SCHEMA._schema

add_descriptions(GRAPHQL_SCHEMA)


def printed_schema() -> str:
    """Return the schema in the schema definition language."""
    return print_schema(GRAPHQL_SCHEMA) + "\n"
