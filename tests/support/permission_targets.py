"""The root fields of the API, and the kinds of rows that the cases of permissions aim at."""

from enum import Enum, auto

from graphql import GraphQLField

from schema.api import GRAPHQL_SCHEMA

QUERY, MUTATION, SUBSCRIPTION = "query", "mutation", "subscription"
ROOTS: dict[str, tuple[str, GraphQLField]] = {
    name: (kind, field)
    for kind, type_ in (
        (QUERY, GRAPHQL_SCHEMA.query_type),
        (MUTATION, GRAPHQL_SCHEMA.mutation_type),
        (SUBSCRIPTION, GRAPHQL_SCHEMA.subscription_type),
    )
    if type_
    for name, field in type_.fields.items()
}


class Target(Enum):
    """The kind of row that a case aims at."""

    AGENT = auto()
    API_KEY = auto()
    CONVERSATION = auto()
    DELIVERY = auto()
    DRAFT = auto()
    ENDPOINT = auto()
    ESCALATION = auto()
    MEMBER = auto()
    MESSAGE = auto()
    SAVED_REPLY = auto()
    WORKSPACE = auto()


AGENT, API_KEY, CONVERSATION, DELIVERY, DRAFT, ENDPOINT, ESCALATION, MEMBER, MESSAGE = list(Target)[:9]
SAVED_REPLY, WORKSPACE = Target.SAVED_REPLY, Target.WORKSPACE
