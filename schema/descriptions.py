"""Descriptions of the printed schema.

Types take the docstring of their class. Fields take that of their resolver or the string after them.
Arguments are described here: by name if they mean the same everywhere, otherwise by field.
"""

import ast
import inspect
import textwrap
from functools import cache
from typing import Any

from graphql import GraphQLEnumType, GraphQLNamedType, GraphQLSchema
from strawberry.schema.schema_converter import GraphQLCoreConverter
from strawberry.types.base import StrawberryObjectDefinition
from strawberry.types.enum import StrawberryEnumDefinition
from strawberry.types.field import StrawberryField

from schema.enum_values import VALUES

# By name: arguments that mean the same in every field. A name that a type or a field uses otherwise is below.
_SHARED_ARGUMENTS = {
    "Query.from": "Start of the period.",
    "Query.to": "End of the period, exclusive; at most 10 years long.",
    "id": "TypeID of the object.",
    "filter": "Conditions that all items meet. Null means all items.",
    "orderBy": "Order of the items.",
    "first": "Number of items from the start, 1 to 100. 50 if neither first nor last is given.",
    "last": "Number of items from the end, 1 to 100. It cannot be combined with first.",
    "after": "Cursor of the list; only items after it are returned.",
    "before": "Cursor of the list; only items before it are returned.",
    "agentId": "The AI agent.",
    "escalationId": "The escalation.",
    "input": "The input of the mutation.",
    "conversationId": "The conversation.",
    "idempotencyKey": "Key of the request, for 24 hours. The same key and input return the first result.",
}
# By type and name, or by field and name. Other fields do not inherit these: a new one needs its own line.
_ARGUMENTS = {
    "Query.from": "Start of the period.",
    "Query.to": "End of the period, exclusive; at most 10 years long.",
    "Subscription.after": "Cursor to continue from. Every event since then comes first, in order and once.",
    "Subscription.agentId": "Events of this AI agent; null for the whole workspace.",
    "Subscription.escalationId": "Events of this escalation; null for all.",
    "acceptInvitation.password": "Password to set, which the team member signs in with from then on.",
    "acceptInvitation.token": "Token of the invitation.",
    "auditLog.filter": "Conditions that all entries meet. Null means all entries.",
    "changePassword.current": "Present password.",
    "changePassword.new": "New password.",
    "confidenceCalibration.bins": "Number of equal ranges, 1 to 100.",
    "confirmSecondFactor.code": "Code of the authenticator.",
    "connectSlack.botToken": "Token of the Slack bot, “xoxb-…”.",
    "createAgent.name": "Name of the AI agent.",
    "deliveries.channel": "Deliveries by this channel; null for all.",
    "deliveries.escalationId": "Deliveries about this escalation; null for all.",
    "deliveries.status": "Deliveries with this status; null for all.",
    "discardHeldReply.messageId": "The held reply.",
    "enrolSecondFactor.password": "Password of the team member.",
    "eraseCustomer.email": "Email address of the customer, in upper or lower case.",
    "eraseCustomer.externalId": "The integrator's own id for the customer, compared exactly.",
    "escalationCounts.agentId": "Escalations of this AI agent; null for the whole workspace.",
    "identifyCustomer.identity": "JSON Web Token; OpenConversationInput.identity has its claims.",
    "markRead.position": "Position of the last message that was read.",
    "removeSecondFactor.code": "Code of the authenticator, or a recovery code.",
    "removeSecondFactor.password": "Password of the team member.",
    "rotateApiKey.overlapSeconds": "Seconds for which the previous key stays valid, 0 to 2,592,000 "
    "(30 days).",
    "savedReplies.search": "Words that the results hold, in any case and order.",
    "sendHeldReply.content": "Edited text; null sends the reply as it is.",
    "sendHeldReply.messageId": "The held reply.",
    "sendTestNotification.channel": "The channel.",
    "sessions.memberId": "The team member; null for the caller.",
    "series.interval": "The length of a step.",
    "series.timezone": "IANA name of the zone in which the steps begin.",
    "setDisposition.disposition": "The judgement; null takes it back.",
    "setDisposition.escalationId": "A resolved escalation.",
    "setTyping.typing": "True while the caller is typing.",
    "setViewing.viewing": "True while the caller has the conversation open.",
    "signIn.code": "Code of the second factor, or a recovery code; null if the member has none.",
    "signIn.email": "Email address of the team member.",
    "signIn.password": "Password of the team member.",
    "thresholdWhatIf.delaySeconds": "Delay; that of the AI agent's settings if null.",
    "thresholdWhatIf.thresholds": "Percent, 0 to 100; at most 101 of them.",
    "topReasons.limit": "Number of reasons at most, 1 to 100.",
    "updateMember.available": "True if ready to take escalations; null leaves it as it is.",
    "updateMember.name": "New name; null leaves it as it is.",
    "updateMember.role": "New role; null leaves it as it is.",
    "updateWebhookEndpoint.enabled": "True to post events; null leaves it as it is.",
    "updateWebhookEndpoint.eventTypes": "New event types; null leaves them as they are.",
    "updateWebhookEndpoint.url": "New URL; null leaves it as it is.",
    "widget.language": "BCP 47 tag of the page's language, such as de or pt-BR.",
}


def add_descriptions(schema: GraphQLSchema) -> None:
    """Give a description to every type, field, argument and enum value that has none."""
    for type_ in schema.type_map.values():
        definition = type_.extensions.get(GraphQLCoreConverter.DEFINITION_BACKREF)
        if isinstance(definition, StrawberryObjectDefinition):
            _describe_object(type_, definition)
        elif isinstance(definition, StrawberryEnumDefinition):
            assert isinstance(type_, GraphQLEnumType)
            type_.description = type_.description or inspect.getdoc(definition.wrapped_cls)
            for name, value in type_.values.items():
                value.description = value.description or VALUES.get(type_.name, {}).get(name)


def _describe_object(type_: GraphQLNamedType, definition: StrawberryObjectDefinition) -> None:
    type_.description = type_.description or inspect.getdoc(definition.origin)
    fields: dict[str, Any] = getattr(type_, "fields", {})
    for name, field in fields.items():
        source = field.extensions.get(GraphQLCoreConverter.DEFINITION_BACKREF)
        if isinstance(source, StrawberryField):
            field.description = field.description or _field_docstring(source, definition.origin)
        for argument_name, argument in getattr(field, "args", {}).items():
            argument.description = argument.description or argument_description(
                type_.name, name, argument_name
            )


def _field_docstring(field: StrawberryField, origin: type) -> str | None:
    if field.base_resolver:
        return inspect.getdoc(field.base_resolver.wrapped_func)
    for class_ in origin.__mro__:
        if field.python_name in (docstrings := _attribute_docstrings(class_)):
            return docstrings[field.python_name]
    return None


def argument_description(type_name: str, field: str, name: str) -> str | None:
    """Return the description of an argument that recurs or belongs to a field, None if there is none."""
    for key in (f"{field}.{name}", f"{type_name}.{name}"):
        if key in _ARGUMENTS:
            return _ARGUMENTS[key]
    return _SHARED_ARGUMENTS.get(name)


@cache
def _attribute_docstrings(class_: type) -> dict[str, str]:
    """Return the strings that follow the attributes of a class, by attribute."""
    if not class_.__module__.startswith("schema."):
        return {}
    (node,) = ast.parse(textwrap.dedent(inspect.getsource(class_))).body
    assert isinstance(node, ast.ClassDef)
    return {
        attribute.target.id: inspect.cleandoc(text.value.value)
        for attribute, text in zip(node.body, node.body[1:], strict=False)
        if isinstance(attribute, ast.AnnAssign)
        and isinstance(attribute.target, ast.Name)
        and isinstance(text, ast.Expr)
        and isinstance(text.value, ast.Constant)
        and isinstance(text.value.value, str)
    }
