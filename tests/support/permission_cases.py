"""One case or more for every root field of the API: what is asked, and which row it aims at."""

from collections.abc import Callable
from functools import cache
from typing import Any

from models.ids import new_id
from rules import typeid
from rules.roles import Scope
from tests.support.baton_client import PASSWORD
from tests.support.callers import Rows, new_email, new_saved_reply
from tests.support.permission_case import Case
from tests.support.permission_targets import (
    AGENT,
    API_KEY,
    CONVERSATION,
    DELIVERY,
    DRAFT,
    ENDPOINT,
    ESCALATION,
    MEMBER,
    MESSAGE,
    SAVED_REPLY,
    WORKSPACE,
)
from tests.support.webhook_helpers import end_minute
from tests.support.widget_pages import ORIGIN, agent_of_page, identity_of


def _conversation(**more: Any) -> Callable[[Rows], dict[str, Any]]:
    return lambda rows: {"conversationId": rows.conversation, **more}


def _input(name: str, key: Callable[[Rows], str], **more: Any) -> Callable[[Rows], dict[str, Any]]:
    return lambda rows: {"input": {name: key(rows), **more}}


def _of_conversation(rows: Rows) -> str:
    return rows.conversation


def _of_escalation(rows: Rows) -> str:
    return rows.escalation


def _of_agent(rows: Rows) -> str:
    return rows.agent


def _new_member(_: Rows) -> dict[str, Any]:
    return {"input": {"email": new_email(), "name": "Nora New", "role": "AGENT"}}


def _log(**more: Callable[[Rows], str]) -> Callable[[Rows], dict[str, Any]]:
    return lambda rows: {"after": rows.cursor, **{name: key(rows) for name, key in more.items()}}


def _clock_log(**more: Callable[[Rows], str]) -> Callable[[Rows], dict[str, Any]]:
    def given(rows: Rows) -> dict[str, Any]:
        result = _log(**more)(rows)
        _announce(rows)
        return result

    return given


@cache
def _announce(rows: Rows) -> None:
    """Announce a clock after the cursor: a new priority makes it past due."""
    conversation = rows.key.start(rows.agent)["conversation"]["id"]
    escalation = rows.key.escalate(conversation)["escalation"]["id"]
    aged = "UPDATE escalations SET sla_started_at = sla_started_at - interval '3 hours' WHERE id = $1"
    rows.workspace.server.execute(aged, typeid.parse_id(typeid.ESCALATION, escalation))
    given = {"escalationId": escalation, "priority": "URGENT"}
    rows.key.ask(
        "mutation($i: UpdateEscalationInput!) { updateEscalation(input: $i) { __typename } }", i=given
    )


def _conversation_log(rows: Rows) -> dict[str, Any]:
    return {"conversationId": rows.conversation, "after": rows.conversation_cursor}


def _period(rows: Rows) -> dict[str, Any]:
    return {"agentId": rows.agent, "from": "2026-01-01T00:00:00Z", "to": "2026-02-01T00:00:00Z"}


_QUERIES = (
    Case("viewer", "kind workspace { id name }"),
    Case("node", "id", AGENT, lambda rows: {"id": rows.agent}, by="agent"),
    Case("node", "id", API_KEY, lambda rows: {"id": rows.api_key}, by="apiKeys"),
    Case("node", "id", CONVERSATION, lambda rows: {"id": rows.conversation}, by="conversation"),
    Case("node", "id", DELIVERY, lambda rows: {"id": rows.delivery}, by="deliveries"),
    Case("node", "id", ENDPOINT, lambda rows: {"id": rows.endpoint}, by="escalationSettings"),
    Case("node", "id", ESCALATION, lambda rows: {"id": rows.escalation}, by="escalation"),
    Case("node", "id", MEMBER, lambda rows: {"id": rows.member}, by="members"),
    Case("node", "id", MESSAGE, lambda rows: {"id": rows.message}, by="conversation"),
    Case("node", "id", DRAFT, lambda rows: {"id": rows.held}, by="conversation"),
    Case("node", "id", SAVED_REPLY, lambda rows: {"id": rows.saved_reply}, by="savedReplies"),
    Case("node", "id", WORKSPACE, lambda rows: {"id": rows.workspace.id}),
    Case("agent", "id name", AGENT, lambda rows: {"id": rows.agent}),
    Case("agents", "id name"),
    Case("members", "id name"),
    Case("apiKeys", "id name prefix"),
    Case("sessions", "id current"),
    Case(
        "conversation", "id messages { nodes { id } }", CONVERSATION, lambda rows: {"id": rows.conversation}
    ),
    Case("conversations", "nodes { id agent { id } }", given=lambda _: {"first": 100}),
    Case("escalation", "id assignee { id }", ESCALATION, lambda rows: {"id": rows.escalation}),
    Case("escalations", "cursor nodes { id conversation { id } }", given=lambda _: {"first": 100}),
    Case("escalationCounts", "open mine"),
    Case("escalationCounts", "open mine", AGENT, lambda rows: {"agentId": rows.agent}),
    Case("savedReplies", "id shortcut content"),
    Case("escalationSettings", "agentId", AGENT, lambda rows: {"agentId": rows.agent}),
    Case("widget", "agentId", given=lambda rows: {"agentId": agent_of_page(rows)}, origin=ORIGIN),
    Case("escalationAnalytics", "conversations topReasons { count }", AGENT, _period),
    Case("thresholdWhatIf", "dispositions", AGENT, lambda rows: {**_period(rows), "thresholds": [50.0]}),
    Case("confidenceCalibration", "replies", AGENT, _period),
    Case("deliveries", "nodes { id escalation { id } }", given=lambda _: {"first": 100}),
)

_TALKING = (
    Case("startConversation", "conversation { id }", AGENT, _input("agentId", _of_agent)),
    Case(
        "recordMessage",
        "message { id }",
        CONVERSATION,
        _input("conversationId", _of_conversation, role="USER", content="Hello?"),
    ),
    Case(
        "reportToolResult",
        "consecutiveFailures",
        CONVERSATION,
        _input("conversationId", _of_conversation, tool="search", succeeded=False),
    ),
    Case("openConversation", "conversation { id }", given=_input("agentId", agent_of_page), origin=ORIGIN),
    Case("identifyCustomer", "id", CONVERSATION, identity_of),
    Case("markRead", "id", CONVERSATION, _conversation(position=0)),
    Case("refreshWidgetToken", "", CONVERSATION, _conversation()),
    Case("renewWidgetToken", "token", CONVERSATION, _conversation()),
    Case("revokeWidgetTokens", "", CONVERSATION, _conversation(), once=True),
    Case(
        "updateConversation",
        "id",
        CONVERSATION,
        _input("conversationId", _of_conversation, language="de"),
    ),
    Case("requestHuman", "created", CONVERSATION, _conversation()),
    Case(
        "submitForm",
        "created",
        CONVERSATION,
        _input("conversationId", _of_conversation, form="Contact", fields={"about": "a parcel"}),
    ),
    Case("setTyping", "", CONVERSATION, _conversation(typing=True)),
    Case("setViewing", "", CONVERSATION, _conversation(viewing=True)),
)

_ANSWERING = (
    Case(
        "escalateConversation",
        "created",
        CONVERSATION,
        _input("conversationId", _of_conversation, reason="a VIP"),
    ),
    Case(
        "updateEscalation",
        "escalation { id }",
        ESCALATION,
        _input("escalationId", _of_escalation, note="A note", priority="HIGH"),
    ),
    Case(
        "setDisposition",
        "escalation { id }",
        ESCALATION,
        lambda rows: {"escalationId": rows.resolved, "disposition": "SPAM"},
        once=True,
    ),
    Case(
        "claimEscalation",
        "escalation { id }",
        ESCALATION,
        lambda rows: {"escalationId": rows.escalation},
        once=True,
    ),
    Case(
        "replyToEscalation",
        "message { id }",
        ESCALATION,
        _input("escalationId", _of_escalation, content="Hi."),
    ),
    Case(
        "replyToConversation",
        "message { id }",
        CONVERSATION,
        _input("conversationId", _of_conversation, content="Hi, a person here."),
    ),
    Case("sendHeldReply", "message { id }", DRAFT, lambda rows: {"messageId": rows.held}, once=True),
    Case("discardHeldReply", "id", DRAFT, lambda rows: {"messageId": rows.held}, once=True),
    Case(
        "resolveEscalation",
        "escalation { id }",
        ESCALATION,
        _input("escalationId", _of_escalation),
        once=True,
    ),
    Case(
        "reopenEscalation",
        "escalation { id }",
        ESCALATION,
        lambda rows: {"escalationId": rows.resolved},
        once=True,
    ),
    Case("pauseAi", "conversation { id }", CONVERSATION, _conversation()),
    Case("resumeAi", "conversation { id }", CONVERSATION, _conversation()),
)

_SAVING_REPLIES = (
    Case("createSavedReply", "id", given=lambda _: {"input": new_saved_reply()}),
    Case(
        "updateSavedReply",
        "id",
        SAVED_REPLY,
        lambda rows: {"id": rows.saved_reply, "input": new_saved_reply()},
    ),
    Case("deleteSavedReply", "", SAVED_REPLY, lambda rows: {"id": rows.saved_reply}, once=True),
)

_ADMINISTERING = (
    Case("auditLog", "nodes { position }"),
    Case("eraseCustomer", "conversations", given=lambda _: {"email": "unknown@example.com"}),
    Case("createAgent", "id", given=lambda _: {"name": "A robot"}),
    Case(
        "updateEscalationSettings",
        "settings { version }",
        AGENT,
        _input("agentId", _of_agent, widget={"buttonText": "A person, please"}),
    ),
    Case("rotateIdentitySecret", "secret", AGENT, lambda rows: {"agentId": rows.agent}),
    Case("signIn", "token", given=lambda rows: {"email": rows.email, "password": PASSWORD}),
    Case("signOut"),
    Case("createMember", "member { id }", given=_new_member, once=True),
    Case(
        "updateMember",
        "member { id }",
        MEMBER,
        lambda rows: {"id": rows.member, "name": "Otto Other"},
        also=Scope.ADMIN,
    ),
    Case("changePassword", given=lambda _: {"current": PASSWORD, "new": PASSWORD}),
    Case(
        "acceptInvitation",
        "token",
        given=lambda rows: {"token": rows.invited["invitationToken"], "password": PASSWORD},
        once=True,
    ),
    Case("removeMember", "", MEMBER, lambda rows: {"id": rows.member}, once=True),
    Case("createApiKey", "key", given=lambda _: {"input": {"name": "One more", "scopes": ["ADMIN"]}}),
    Case("rotateApiKey", "key", API_KEY, lambda rows: {"id": rows.api_key}, once=True),
    Case("revokeApiKey", "id", API_KEY, lambda rows: {"id": rows.api_key}),
    Case("endSession", given=lambda _: {"id": typeid.format_id(typeid.SESSION, new_id())}),
    Case("endOtherSessions"),
    Case("enrolSecondFactor", "uri", given=lambda _: {"password": PASSWORD}),
    Case("confirmSecondFactor", "codes", given=lambda _: {"code": "none"}, error="BAD_USER_INPUT"),
    Case(
        "removeSecondFactor",
        given=lambda _: {"password": PASSWORD, "code": "none"},
        error="BAD_USER_INPUT",
    ),
    Case("resetSecondFactor", "", MEMBER, lambda rows: {"id": rows.member}),
)


def _of_endpoint(**more: Any) -> Callable[[Rows], dict[str, Any]]:
    return lambda rows: {"id": rows.endpoint, **more}


def _sample(rows: Rows) -> dict[str, Any]:
    assert rows.endpoint, "somebody to send it to"
    end_minute(rows.workspace)
    return {"agentId": rows.agent, "channel": "WEBHOOK"}


_NOTIFYING = (
    Case(
        "connectSlack",
        "settings { version }",
        AGENT,
        lambda rows: {"agentId": rows.agent, "botToken": "xoxb-1-2"},
    ),
    Case("disconnectSlack", "settings { version }", AGENT, lambda rows: {"agentId": rows.agent}),
    Case("createWebhookEndpoint", "secret", AGENT, lambda rows: {"input": rows.new_endpoint}),
    Case("updateWebhookEndpoint", "endpoint { id }", ENDPOINT, _of_endpoint(enabled=True)),
    Case("rotateWebhookSecret", "secret", ENDPOINT, _of_endpoint()),
    Case("deleteWebhookEndpoint", "", ENDPOINT, _of_endpoint(), once=True),
    Case("sendTestNotification", "id", AGENT, _sample),
    Case("retryDelivery", "id", DELIVERY, lambda rows: {"id": rows.delivery}),
)

_SUBSCRIPTIONS = (
    Case("escalationCreated", "escalation { id }", given=_log()),
    Case("escalationCreated", "escalation { id }", AGENT, _log(agentId=_of_agent)),
    Case("escalationUpdated", "escalation { id }", given=_log()),
    Case("escalationUpdated", "escalation { id }", AGENT, _log(agentId=_of_agent)),
    Case("escalationUpdated", "escalation { id }", ESCALATION, _log(escalationId=_of_escalation)),
    Case("slaStatusChanged", "status escalation { id }", given=_clock_log()),
    Case("slaStatusChanged", "status escalation { id }", AGENT, _clock_log(agentId=_of_agent)),
    Case("messageAdded", "message { id }", CONVERSATION, _conversation_log),
    Case("conversationUpdated", "conversation { id }", CONVERSATION, _conversation_log),
    Case("conversationsUpdated", "conversation { id }", given=_log()),
    Case("conversationsUpdated", "conversation { id }", AGENT, _log(agentId=_of_agent)),
    Case("turnRequested", "message { id }", given=_log()),
    Case("turnRequested", "message { id }", AGENT, _log(agentId=_of_agent)),
)

CASES = (*_QUERIES, *_TALKING, *_ANSWERING, *_SAVING_REPLIES, *_ADMINISTERING, *_NOTIFYING, *_SUBSCRIPTIONS)


def cases_of(*kinds: str) -> list[Case]:
    """Return the cases whose field is of these kinds."""
    return [case for case in CASES if case.kind in kinds]
