"""The permission of each root field. `docs/permissions.md` is printed from this table."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import wraps
from typing import Concatenate, ParamSpec, TypeVar
from uuid import UUID

from resolvers.actor import Actor, ActorKind
from resolvers.context import Context
from resolvers.errors import ForbiddenError, UnauthenticatedError
from resolvers.visibility import VisibleRow
from rules.roles import Scope

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Permission:
    """
    The requirements for a caller.

    The scope (None: any API key or team member), whether customers may use the field in their own
    conversation, and whether it needs a team member.
    """

    scope: Scope | None = None
    customers: bool = False
    members_only: bool = False
    expired_customers: bool = False

    def grants(self, actor: Actor) -> bool:
        """Return whether `actor` has the permission, regardless of the row."""
        if actor.is_customer:
            return self.customers and (self.expired_customers or not actor.expired)
        if self.members_only and actor.kind is not ActorKind.TEAM_MEMBER:
            return False
        if actor.scopes == {Scope.INCOMING_WEBHOOK}:
            return self.scope is Scope.INCOMING_WEBHOOK
        return self.scope is None or self.scope in actor.scopes


_WRITE_CONVERSATIONS = Permission(Scope.CONVERSATIONS_WRITE)
_CUSTOMER_WRITES = Permission(Scope.CONVERSATIONS_WRITE, customers=True)
_READ_CONVERSATIONS = Permission(Scope.CONVERSATIONS_READ)
_CUSTOMER_READS = Permission(Scope.CONVERSATIONS_READ, customers=True)
_READ_ESCALATIONS = Permission(Scope.ESCALATIONS_READ)
_WRITE_ESCALATIONS = Permission(Scope.ESCALATIONS_WRITE)
_MEMBER_ANSWERS = Permission(Scope.ESCALATIONS_WRITE, members_only=True)
_READ_ANALYTICS = Permission(Scope.ANALYTICS_READ)
_WRITE_SETTINGS = Permission(Scope.SETTINGS_WRITE)
_ADMINISTER = Permission(Scope.ADMIN)
_MEMBER = Permission(members_only=True)

PERMISSIONS: dict[str, Permission | None] = {
    # None: without any credential
    "viewer": Permission(customers=True),
    "node": Permission(customers=True),
    "agent": Permission(),
    "agents": Permission(),
    "members": _READ_ESCALATIONS,
    "apiKeys": _ADMINISTER,
    "conversation": _CUSTOMER_READS,
    "conversations": _READ_CONVERSATIONS,
    "escalation": Permission(Scope.ESCALATIONS_READ, customers=True),
    "escalations": _READ_ESCALATIONS,
    "escalationSettings": Permission(Scope.SETTINGS_READ),
    "escalationAnalytics": _READ_ANALYTICS,
    "thresholdWhatIf": _READ_ANALYTICS,
    "confidenceCalibration": _READ_ANALYTICS,
    "deliveries": _READ_ESCALATIONS,
    "startConversation": _WRITE_CONVERSATIONS,
    "recordMessage": _CUSTOMER_WRITES,
    "reportToolResult": _WRITE_CONVERSATIONS,
    "refreshWidgetToken": Permission(Scope.CONVERSATIONS_WRITE, customers=True, expired_customers=True),
    "requestHuman": _CUSTOMER_WRITES,
    "submitForm": _CUSTOMER_WRITES,
    "setTyping": _CUSTOMER_WRITES,
    "escalateConversation": _WRITE_ESCALATIONS,
    "updateEscalation": _WRITE_ESCALATIONS,
    "setDisposition": _WRITE_ESCALATIONS,
    "claimEscalation": _MEMBER_ANSWERS,
    "replyToEscalation": _WRITE_ESCALATIONS,
    "sendHeldReply": _MEMBER_ANSWERS,
    "discardHeldReply": _WRITE_ESCALATIONS,
    "resolveEscalation": _WRITE_ESCALATIONS,
    "reopenEscalation": _WRITE_ESCALATIONS,
    "pauseAi": _WRITE_ESCALATIONS,
    "resumeAi": _WRITE_ESCALATIONS,
    "createAgent": _WRITE_SETTINGS,
    "updateEscalationSettings": _WRITE_SETTINGS,
    "connectSlack": _WRITE_SETTINGS,
    "disconnectSlack": _WRITE_SETTINGS,
    "createWebhookEndpoint": _ADMINISTER,
    "updateWebhookEndpoint": _WRITE_SETTINGS,
    "rotateWebhookSecret": _ADMINISTER,
    "deleteWebhookEndpoint": _WRITE_SETTINGS,
    "sendTestNotification": _WRITE_SETTINGS,
    "retryDelivery": _WRITE_ESCALATIONS,
    "signIn": None,
    "signOut": _MEMBER,
    "createMember": _ADMINISTER,
    "updateMember": Permission(),
    "changePassword": _MEMBER,
    "acceptInvitation": None,
    "removeMember": _ADMINISTER,
    "createApiKey": _ADMINISTER,
    "revokeApiKey": _ADMINISTER,
    "escalationCreated": _READ_ESCALATIONS,
    "escalationUpdated": _READ_ESCALATIONS,
    "slaStatusChanged": _READ_ESCALATIONS,
    "messageAdded": _CUSTOMER_READS,
    "conversationUpdated": _CUSTOMER_READS,
    "turnRequested": _WRITE_CONVERSATIONS,
    # REST's own
    "GET /exports/escalations.csv": _READ_ANALYTICS,
    "GET /exports/analytics.csv": _READ_ANALYTICS,
    "POST /hooks/{token}/escalate": Permission(Scope.INCOMING_WEBHOOK),
}

Transaction = Callable[Concatenate[Context, P], Awaitable[R]]


def permitted(field: str, *targets: VisibleRow) -> Callable[[Transaction[P, R]], Transaction[P, R]]:
    """
    Refuse callers without the permission of root field `field` before anything runs.

    With `targets`, the function's first arguments are their ids: an invisible row is NOT_FOUND, never
    FORBIDDEN. Only a refusal pays for that look-up.
    """
    permission = PERMISSIONS[field]

    def dress(function: Transaction[P, R]) -> Transaction[P, R]:
        @wraps(function)
        async def tx(context: Context, /, *args: P.args, **kwargs: P.kwargs) -> R:
            if permission is not None and not permission.grants(context.actor):
                for target, key in zip(targets, args, strict=False):
                    if isinstance(key, UUID):
                        await target.require_visible(context.database, context.actor, key)
                if context.actor.expired:
                    raise UnauthenticatedError(
                        "The widget token has run out: refreshWidgetToken gives a new one."
                    )
                raise ForbiddenError(_what_it_takes(field, permission))
            return await function(context, *args, **kwargs)

        return tx

    return dress


def _what_it_takes(field: str, permission: Permission) -> str:
    if permission.members_only:
        return f"{field} takes a signed-in team member who may do it."
    return (
        f"{field} takes a credential with the scope {permission.scope or 'of a team member or an API key'}."
    )
