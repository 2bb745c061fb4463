"""The permissions of all root fields of the API. `docs/permissions.md` is printed from this table."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar
from uuid import UUID

from resolvers.actor import Actor, ActorKind
from resolvers.audit import record_forbidden
from resolvers.context import Context
from resolvers.errors import ForbiddenError, UnauthenticatedError
from resolvers.mutation_limits import limit_mutation
from resolvers.visibility import CONVERSATION, VisibleRow
from rules.roles import Scope

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Permission:
    """A permission: a scope (None for any API key or team member), and the callers that it admits.

    `customers` also admits widget tokens, in their own conversation. `members_only` admits no API keys. A
    caller with `or_scope` does not need the scope. Without `members` no team members are admitted.
    """

    scope: Scope | None = None
    customers: bool = False
    members_only: bool = False
    expired_customers: bool = False
    or_scope: Scope | None = None
    members: bool = True

    def grants(self, actor: Actor) -> bool:
        """Return whether `actor` has the permission, whatever the row."""
        if actor.is_customer:
            return self.customers and (self.expired_customers or not actor.expired)
        if not self.members and actor.kind is ActorKind.TEAM_MEMBER:
            return False
        if self.members_only and actor.kind is not ActorKind.TEAM_MEMBER:
            return False
        if actor.scopes == {Scope.INCOMING_WEBHOOK}:
            return self.scope is Scope.INCOMING_WEBHOOK
        return self.scope is None or self.scope in actor.scopes or self.or_scope in actor.scopes


_WRITE_CONVERSATIONS = Permission(Scope.CONVERSATIONS_WRITE)
_CUSTOMER_WRITES = Permission(Scope.CONVERSATIONS_WRITE, customers=True)
# Words of the customer or the AI: a team member answers in their own name.
_CUSTOMERS_WORDS = Permission(Scope.CONVERSATIONS_WRITE, customers=True, members=False)
_RENEW_TOKEN = Permission(Scope.CONVERSATIONS_WRITE, customers=True, expired_customers=True)
_READ_CONVERSATIONS = Permission(Scope.CONVERSATIONS_READ)
_CUSTOMER_READS = Permission(Scope.CONVERSATIONS_READ, customers=True)
_MARK_READ = Permission(Scope.ESCALATIONS_WRITE, customers=True, members_only=True)
_READ_ESCALATIONS = Permission(Scope.ESCALATIONS_READ)
_WRITE_ESCALATIONS = Permission(Scope.ESCALATIONS_WRITE)
_MEMBER_ANSWERS = Permission(Scope.ESCALATIONS_WRITE, members_only=True)
_READ_ANALYTICS = Permission(Scope.ANALYTICS_READ)
_WRITE_SETTINGS = Permission(Scope.SETTINGS_WRITE)
_ADMINISTER = Permission(Scope.ADMIN)
_MEMBER = Permission(members_only=True)

PERMISSIONS: dict[str, Permission | None] = {
    # None: no credential is needed
    "viewer": Permission(customers=True),
    "node": Permission(customers=True),
    "agent": Permission(),
    "agents": Permission(),
    "members": _READ_ESCALATIONS,
    "apiKeys": _ADMINISTER,
    "sessions": _MEMBER,
    "conversation": _CUSTOMER_READS,
    "conversations": _READ_CONVERSATIONS,
    "conversations(filter: {awaitingAi: true})": Permission(
        Scope.CONVERSATIONS_READ, or_scope=Scope.CONVERSATIONS_WRITE
    ),
    "escalation": Permission(Scope.ESCALATIONS_READ, customers=True),
    "escalations": _READ_ESCALATIONS,
    "escalationCounts": _READ_ESCALATIONS,
    "escalationSettings": Permission(Scope.SETTINGS_READ),
    "widget": None,
    "escalationAnalytics": _READ_ANALYTICS,
    "thresholdWhatIf": _READ_ANALYTICS,
    "confidenceCalibration": _READ_ANALYTICS,
    "deliveries": _READ_ESCALATIONS,
    "savedReplies": _READ_ESCALATIONS,
    "auditLog": _ADMINISTER,
    "startConversation": _WRITE_CONVERSATIONS,
    "recordMessage": _CUSTOMERS_WORDS,
    "reportToolResult": _WRITE_CONVERSATIONS,
    "refreshWidgetToken": _RENEW_TOKEN,
    "renewWidgetToken": _RENEW_TOKEN,
    "revokeWidgetTokens": _WRITE_CONVERSATIONS,
    "openConversation": None,
    "identifyCustomer": _CUSTOMER_WRITES,
    "markRead": _MARK_READ,
    "updateConversation": _WRITE_CONVERSATIONS,
    "requestHuman": _CUSTOMER_WRITES,
    "submitForm": _CUSTOMERS_WORDS,
    "setTyping": _CUSTOMER_WRITES,
    "setViewing": Permission(Scope.CONVERSATIONS_READ, members_only=True),
    "escalateConversation": _WRITE_ESCALATIONS,
    "updateEscalation": _WRITE_ESCALATIONS,
    "setDisposition": _WRITE_ESCALATIONS,
    "claimEscalation": _MEMBER_ANSWERS,
    "replyToEscalation": _WRITE_ESCALATIONS,
    "replyToConversation": _MEMBER_ANSWERS,
    "sendHeldReply": _MEMBER_ANSWERS,
    "discardHeldReply": _WRITE_ESCALATIONS,
    "resolveEscalation": _WRITE_ESCALATIONS,
    "reopenEscalation": _WRITE_ESCALATIONS,
    "pauseAi": _WRITE_ESCALATIONS,
    "resumeAi": _WRITE_ESCALATIONS,
    "connectSlack": _WRITE_SETTINGS,
    "disconnectSlack": _WRITE_SETTINGS,
    "createWebhookEndpoint": _ADMINISTER,
    "updateWebhookEndpoint": _WRITE_SETTINGS,
    "rotateWebhookSecret": _ADMINISTER,
    "deleteWebhookEndpoint": _WRITE_SETTINGS,
    "sendTestNotification": _WRITE_SETTINGS,
    "retryDelivery": _WRITE_ESCALATIONS,
    "createSavedReply": _WRITE_ESCALATIONS,
    "updateSavedReply": _WRITE_ESCALATIONS,
    "deleteSavedReply": _WRITE_ESCALATIONS,
    "eraseCustomer": _ADMINISTER,
    "createAgent": _WRITE_SETTINGS,
    "updateEscalationSettings": _WRITE_SETTINGS,
    "rotateIdentitySecret": _ADMINISTER,
    "signIn": None,
    "signOut": _MEMBER,
    "endSession": _MEMBER,
    "endOtherSessions": _MEMBER,
    "createMember": _ADMINISTER,
    "updateMember": Permission(),
    "changePassword": _MEMBER,
    "enrolSecondFactor": _MEMBER,
    "confirmSecondFactor": _MEMBER,
    "removeSecondFactor": _MEMBER,
    "resetSecondFactor": _ADMINISTER,
    "acceptInvitation": None,
    "removeMember": _ADMINISTER,
    "createApiKey": _ADMINISTER,
    "revokeApiKey": _ADMINISTER,
    "rotateApiKey": _ADMINISTER,
    "escalationCreated": _READ_ESCALATIONS,
    "escalationUpdated": _READ_ESCALATIONS,
    "slaStatusChanged": _READ_ESCALATIONS,
    "messageAdded": _CUSTOMER_READS,
    "conversationUpdated": _CUSTOMER_READS,
    "conversationsUpdated": _READ_CONVERSATIONS,
    "turnRequested": _WRITE_CONVERSATIONS,
    # Only in REST
    "GET /exports/escalations.csv": _READ_ANALYTICS,
    "GET /exports/analytics.csv": _READ_ANALYTICS,
    "GET /exports/customer.jsonl": _ADMINISTER,
    "GET /exports/audit.csv": _ADMINISTER,
    "GET /sign-in/oidc/callback": None,
    "POST /sign-in/oidc/members/{memberId}": None,
    "POST /hooks/{token}/escalate": Permission(Scope.INCOMING_WEBHOOK),
}

# The fields of Query and Subscription, REST's exports, and the OpenID provider's answer: they change nothing.
# All others are counted.
READS = frozenset(
    {
        "viewer",
        "node",
        "sessions",
        "auditLog",
        "agent",
        "agents",
        "members",
        "apiKeys",
        "conversation",
        "conversations",
        "conversations(filter: {awaitingAi: true})",
        "escalation",
        "escalations",
        "escalationCounts",
        "escalationSettings",
        "widget",
        "escalationAnalytics",
        "thresholdWhatIf",
        "confidenceCalibration",
        "deliveries",
        "savedReplies",
        "escalationCreated",
        "escalationUpdated",
        "slaStatusChanged",
        "messageAdded",
        "conversationUpdated",
        "conversationsUpdated",
        "turnRequested",
        "GET /exports/escalations.csv",
        "GET /exports/analytics.csv",
        "GET /exports/customer.jsonl",
        "GET /exports/audit.csv",
        "GET /sign-in/oidc/callback",
    }
)

# These need no credential, but a page of one of the AI agent's allowed origins.
FROM_ALLOWED_ORIGINS = frozenset({"widget", "openConversation"})

Resolver = Callable[Concatenate[Context, P], Awaitable[R]]


def permission_of(field: str) -> Permission | None:
    """Return the permission of a root field; raise LookupError for one that is not in the table."""
    if field not in PERMISSIONS:
        raise LookupError(
            f"{field} has no permission: add {field} to PERMISSIONS in resolvers/permissions.py, "
            "at its place in the schema."
        )
    return PERMISSIONS[field]


def permitted(field: str, *targets: VisibleRow[Any]) -> Callable[[Resolver[P, R]], Resolver[P, R]]:
    """Refuse callers without the permission of root field `field` before anything else happens.

    Then calls of mutations are counted, and refused when there are too many. Few mutations of one row are
    executed concurrently: more would only wait for its lock, each with a connection of the pool.

    With `targets`, the function's first arguments are their ids: a row that the caller may not see is
    NOT_FOUND, never FORBIDDEN. Only a refusal pays for that query.
    """
    permission = permission_of(field)
    counted = field not in READS
    of_conversation = bool(targets) and targets[0] is CONVERSATION

    def decorate(function: Resolver[P, R]) -> Resolver[P, R]:
        @wraps(function)
        async def checked(context: Context, /, *args: P.args, **kwargs: P.kwargs) -> R:
            if permission is None:
                # The workspace is not known before the function has found it.
                return await function(context.across_workspaces(), *args, **kwargs)
            if not permission.grants(context.actor):
                for target, row_id in zip(targets, args, strict=False):
                    if isinstance(row_id, UUID):
                        await target.require_visible(context.database, context.actor, row_id)
                if context.actor.expired:
                    raise UnauthenticatedError(
                        "The widget token has expired: renewWidgetToken returns a new one."
                    )
                context.record.refusal_recorded = True
                await record_forbidden(context.services, context.actor, context.address, field)
                raise ForbiddenError(_requirement(field, permission))
            if not counted:
                return await function(context, *args, **kwargs)
            row_id = args[0] if targets and isinstance(args[0], UUID) else None
            await limit_mutation(context, field, row_id if of_conversation else None)
            if row_id is None:
                return await function(context, *args, **kwargs)
            async with context.services.calls_of_row.of(row_id):
                return await function(context, *args, **kwargs)

        return checked

    return decorate


def _requirement(field: str, permission: Permission) -> str:
    if not permission.members:
        return f"{field} requires an API key with the scope {permission.scope}. Team members write replies."
    if permission.members_only:
        scope = f" with the scope {permission.scope}" if permission.scope else ""
        return f"{field} requires a signed-in team member{scope}."
    needed = f"the scope {permission.scope}" if permission.scope else "a role or a scope of the team"
    return f"{field} requires a credential with {needed}."
