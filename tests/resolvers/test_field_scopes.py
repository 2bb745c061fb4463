"""Fields under scopes: each field, with each single scope, on each way that leads to it."""

from dataclasses import replace
from typing import Any

import httpx
import pytest
from graphql import GraphQLObjectType, is_object_type

from resolvers.field_scopes import FIELD_SCOPES, FIELD_SCOPES_WITHIN, required_scopes
from rules.roles import EVERY_SCOPE, Scope
from schema.api import GRAPHQL_SCHEMA
from tests.support.baton_client import Refused, Socket, Workspace
from tests.support.callers import BY_NAME, Rows, Visitor, World
from tests.support.field_ways import Way, hiding_scopes, leaves, roots, ways
from tests.support.permission_case import Case
from tests.support.permission_cases import cases_of
from tests.support.permission_targets import MUTATION, QUERY, SUBSCRIPTION

# The scope that reads each type at the root. Any key reads the types that are not listed.
AT_THE_ROOT = {
    Scope.CONVERSATIONS_READ: "Conversation Message",
    Scope.ESCALATIONS_READ: "Escalation Resolution TriggerEvent EscalationNote TimelineEntry Sla SlaSegment "
    "EscalationCounts SavedReply Delivery DeliveryAttempt TeamMember",
    Scope.SETTINGS_READ: "EscalationSettings AutoEscalation TriggerSettings TopicRule AiSettings SlaSettings "
    "PriorityTarget RetentionSettings BusinessHours OpeningInterval Holiday NotificationSettings "
    "EmailNotifications SlackNotifications WebhookEndpoint WidgetSettings WidgetTexts",
    Scope.ANALYTICS_READ: "EscalationAnalytics DurationStats SlaCounts OutcomeCounts ReasonCount "
    "TriggerCount PriorityCount AssigneeCount AnalyticsPoint ThresholdOutcome CalibrationBin",
    Scope.ADMIN: "ApiKey AuditEntry AuditActor",
}
SCOPE_OF_TYPE = {name: scope for scope, names in AT_THE_ROOT.items() for name in names.split()}
# Fields of such a type that lead to what another scope reads at the root.
SCOPE_OF_FIELD = {
    "Conversation.escalations": Scope.ESCALATIONS_READ,
    "Agent.settings": Scope.SETTINGS_READ,
}
_CONVERSATION = (
    "Conversation.ai Conversation.agent Conversation.button Conversation.language Conversation.createdAt "
    "Conversation.readPositions Conversation.lastMessageAt Conversation.cursor "
)
_ACTIVE = "Conversation.activeEscalation Escalation.status Escalation.createdAt Escalation.assignee "
_OWN_MESSAGE = "conversationId position role status content kind createdAt"
_AI_MESSAGE = f"{_OWN_MESSAGE} confidence intents metadata"
_WRITTEN = (
    "Escalation.conversation Escalation.agent Escalation.priority Escalation.version Escalation.resolvedAt "
    "Escalation.resolution Resolution.disposition Resolution.keptAiPaused "
)


def within(holder: str, type_: str, fields: str) -> str:
    """Return the fields of objects directly within a holder, as below."""
    return " ".join(f"{holder}>{type_}.{field}" for field in fields.split()) + " "


def every_field(type_: str) -> str:
    """Return the names of all fields of a type."""
    return " ".join(object_type(type_).fields)


def object_type(name: str) -> GraphQLObjectType:
    type_ = GRAPHQL_SCHEMA.type_map[name]
    assert is_object_type(type_)
    return type_


# What a key of one scope reads although the root refuses it, apart from ids: written by hand.
MORE = {
    Scope.CONVERSATIONS_READ: _ACTIVE + "TeamMember.name",
    Scope.CONVERSATIONS_WRITE: _CONVERSATION
    + _ACTIVE
    + within("StartConversationPayload", "Conversation", "customer metadata")
    + within("TurnEvent", "Conversation", "customer metadata")
    + within("RecordMessagePayload", "Message", _AI_MESSAGE)
    + within("TurnEvent", "Message", _AI_MESSAGE),
    Scope.ESCALATIONS_READ: "Conversation.activeEscalation",
    Scope.ESCALATIONS_WRITE: _ACTIVE
    + _WRITTEN
    + "Conversation.ai TeamMember.name "
    + within("ReplyPayload", "Message", f"{_OWN_MESSAGE} author")
    + within("Mutation", "Message", "conversationId position role status createdAt")
    + within("Mutation", "SavedReply", every_field("SavedReply"))
    + within("Mutation", "Delivery", "channel eventType status nextAttemptAt createdAt"),
    Scope.SETTINGS_READ: "",
    Scope.SETTINGS_WRITE: "EscalationSettings.agentId EscalationSettings.version "
    "EscalationSettings.updatedAt "
    + within("WebhookEndpointPayload", "WebhookEndpoint", "enabled createdAt")
    + within("Mutation", "Delivery", "channel eventType status nextAttemptAt createdAt"),
    Scope.ANALYTICS_READ: "TeamMember.name",
    Scope.ADMIN: "TeamMember.email TeamMember.name TeamMember.role TeamMember.available "
    "TeamMember.hasSecondFactor TeamMember.createdAt "
    + within("WebhookEndpointPayload", "WebhookEndpoint", every_field("WebhookEndpoint")),
}
SHOWN = {scope: set(text.split()) for scope, text in MORE.items()}
OWN_IDENTITY = {("Viewer", "ApiKey"), ("Viewer", "TeamMember")}


def shows(scope: Scope, holder: str, type_: str, field: str) -> bool:
    """Return whether a key of the scope must read the field."""
    name = f"{type_}.{field}"
    home = SCOPE_OF_FIELD.get(name, SCOPE_OF_TYPE.get(type_))
    if home in {None, scope} or field == "id" or (holder, type_) in OWN_IDENTITY:
        return True
    return bool({name, f"{holder}>{name}"} & SHOWN[scope])


def test_every_type_is_in_the_table_and_the_table_has_no_other() -> None:
    types = {
        name: type_
        for name, type_ in GRAPHQL_SCHEMA.type_map.items()
        if is_object_type(type_) and not name.startswith("__")
    }
    for root in ("Query", "Mutation", "Subscription"):
        del types[root]
    assert [name for name in types if required_scopes(name, "no such field") == frozenset()] == []
    tables = [*FIELD_SCOPES.items(), *((type_, more) for (_, type_), more in FIELD_SCOPES_WITHIN.items())]
    for name, fields in tables:
        if name != "Node":
            assert fields.keys() - {"others"} <= types[name].fields.keys(), name


@pytest.mark.parametrize("root", roots())
def test_field_on_any_way_is_shown_to_the_scopes_that_read_it_at_the_root(root: str) -> None:
    wrong = [
        (way.selection(leaf), expected ^ hidden)
        for way in ways(root)
        for leaf in leaves(way.type)
        for steps in [(*way.steps, (way.holder, way.type.name, leaf))]
        for expected in [{scope for scope in EVERY_SCOPE if not all(shows(scope, *step) for step in steps)}]
        if (hidden := hiding_scopes(root, way.selection(leaf))) != expected
    ]
    assert wrong == []


# ---- on a running server

# The fields that a key of one scope could read anywhere, before they had scopes.
CONFIDENTIAL = {
    "Message": "content",
    "EscalationNote": "body",
    "TeamMember": "email",
    "Customer": "email",
    "Escalation": "reason",
    "TimelineEntry": "data",
    "Delivery": "target",
    "WebhookEndpoint": "url",
    "WidgetSettings": "buttonText",
    "EscalationSettings": "version",
    "SavedReply": "content",
    "ApiKey": "prefix",
}


@pytest.fixture(scope="module")
def rows(world: World) -> Rows:
    """Rows of which each confidential field has a value."""
    rows = world.rows
    note = "mutation($i: UpdateEscalationInput!) { updateEscalation(input: $i) { escalation { id } } }"
    rows.key.ask(note, i={"escalationId": rows.escalation, "note": "An angry person"})
    return rows


def confidential_ways(root: str) -> list[Way]:
    """Return the ways to confidential fields that API keys may use."""
    return [way for way in ways(root) if way.type.name in CONFIDENTIAL and "viewers" not in way.path]


def leaf_of(way: Way) -> str:
    return CONFIDENTIAL[way.type.name]


def key_of(scope: Scope, world: World) -> Visitor:
    return world.caller(BY_NAME[f"key of {scope}"], world.rows)


def codes(answer: dict[str, Any]) -> set[str]:
    return {error["extensions"]["code"] for error in answer.get("errors", ())}


def granted(case: Case) -> list[Scope]:
    return [scope for scope in sorted(EVERY_SCOPE) if case.grants(BY_NAME[f"key of {scope}"])]


def fault_of(answer: dict[str, Any], way: Way, case: Case, *, hidden: bool) -> bool:
    """Return whether an answer shows a hidden field, or refuses another."""
    if hidden:
        return bool(codes(answer) - {"FORBIDDEN"}) or has_value(answer.get("data"), way, case.field)
    return codes(answer) != set()


def has_value(data: Any, way: Way, root: str) -> bool:
    """Return whether an answer has a value of the confidential field."""
    names = [name for name in way.path if not name.startswith("...")]
    values = [(data or {}).get(root)]
    for name in [*names, leaf_of(way)]:
        values = [item for value in values for item in (value if isinstance(value, list) else [value])]
        values = [value.get(name) for value in values if value]
    return any(value is not None and value != [] for value in values)


def arguments(case: Case, rows: Rows) -> dict[str, Any]:
    """Return the arguments of a case, with a page that allows for nested ones."""
    given = case.given(rows)
    return given | {"first": 1} if "first" in given else given


def is_aimed(way: Way, case: Case) -> bool:
    """Return whether the case is for the type of node that the way selects."""
    return not case.by or way.path[0] == f"... on {node_type(case)}"


def node_type(case: Case) -> str:
    """Return the type of the node that the case asks for."""
    assert case.target is not None
    names = {"AGENT": "Agent", "API_KEY": "ApiKey", "DRAFT": "Message", "ENDPOINT": "WebhookEndpoint"}
    names |= {"MEMBER": "TeamMember", "SAVED_REPLY": "SavedReply"}
    return names.get(case.target.name, case.target.name.capitalize())


@pytest.mark.parametrize("case", cases_of(QUERY), ids=lambda case: case.name)
def test_confidential_field_of_a_query_is_shown_to_its_scopes_only(
    world: World, rows: Rows, case: Case
) -> None:
    given, wrong = arguments(case, rows), []
    for way in confidential_ways(case.field):
        if is_aimed(way, case):
            selection = way.selection(leaf_of(way))
            document = replace(case, shows=selection).document(given)
            hidden = hiding_scopes(case.field, selection)
            for scope in granted(case):
                answer = key_of(scope, world).send(document, given, **case.headers).json()
                if fault_of(answer, way, case, hidden=scope in hidden):
                    wrong.append((scope, selection, answer))
    assert wrong == []


def test_confidential_fields_have_values_that_a_full_key_reads(world: World, rows: Rows) -> None:
    read = set()
    for case in cases_of(QUERY):
        given = arguments(case, rows)
        for way in confidential_ways(case.field):
            if way.type.name not in read and is_aimed(way, case):
                document = replace(case, shows=way.selection(leaf_of(way))).document(given)
                if has_value(rows.key.send(document, given, **case.headers).json()["data"], way, case.field):
                    read.add(way.type.name)
    assert read == set(CONFIDENTIAL)


MUTATIONS = [case for case in cases_of(MUTATION) if case.field in roots() and confidential_ways(case.field)]


def is_required(way: Way) -> bool:
    """Return whether null cannot stand anywhere between the payload and the confidential field."""
    steps = [*way.steps, (way.holder, way.type.name, leaf_of(way))]
    return all(str(object_type(type_).fields[name].type).endswith("!") for _, type_, name in steps)


@pytest.mark.parametrize("case", MUTATIONS, ids=lambda case: case.name)
def test_mutation_whose_payload_must_show_a_hidden_field_changes_nothing(
    world: World, rows: Rows, case: Case
) -> None:
    given = case.given(world.fresh(rows) if case.once else rows)
    before = world.fingerprint()
    for way in filter(is_required, confidential_ways(case.field)):
        selection = way.selection(leaf_of(way))
        document = replace(case, shows=selection).document(given)
        for scope in hiding_scopes(case.field, selection).intersection(granted(case)):
            answer = key_of(scope, world).send(document, given).json()
            assert (codes(answer), answer["data"]) == ({"FORBIDDEN"}, {case.field: None}), (scope, selection)
            assert answer["errors"][0]["path"] == [case.field]
    assert world.fingerprint() == before


@pytest.mark.anyio
@pytest.mark.parametrize("case", cases_of(SUBSCRIPTION), ids=lambda case: case.name)
async def test_confidential_field_of_an_event_is_shown_to_its_scopes_only(
    world: World, rows: Rows, case: Case
) -> None:
    given, wrong = case.given(rows), []
    for scope in granted(case):
        async with key_of(scope, world).socket() as socket:
            # All begin before the first is awaited: some subscriptions collect events for a while.
            begun = []
            for way in confidential_ways(case.field):
                selection = way.selection(leaf_of(way))
                document = replace(case, shows=selection).document(given)
                begun.append((way, selection, await socket.subscribe(document, **given)))
            for way, selection, id_ in begun:
                hidden = scope in hiding_scopes(case.field, selection)
                answer = await first_event(socket, id_)
                if fault_of(answer, way, case, hidden=hidden):
                    wrong.append((scope, selection, answer))
    assert wrong == []


async def first_event(socket: Socket, id_: str) -> dict[str, Any]:
    """Return the first event of a subscription as an answer with data or errors."""
    try:
        return {"data": await socket.next(id_)}
    except Refused as refused:
        return {"errors": refused.errors}
    finally:
        await socket.send(id=id_, type="complete")


# ---- payloads of keys that only write


def test_back_end_that_only_writes_sees_its_own_message_and_who_has_control(workspace: Workspace) -> None:
    back_end = workspace.key_with("CONVERSATIONS_WRITE")
    uncertain = {"enabled": True, "confidenceThreshold": 60, "delaySeconds": 60}
    workspace.key.settings(workspace.agent_id, autoEscalation=uncertain)
    started = back_end.start(workspace.agent_id, customer={"email": "kim@example.com"}, metadata={"a": 1})
    query = """mutation($i: RecordMessageInput!) { recordMessage(input: $i) {
        message { id status content confidence } ai { state epoch } pendingEscalation { confidence }
        escalation { id status } } }"""
    given = {"conversationId": started["conversation"]["id"], "role": "ASSISTANT", "content": "My own words"}
    payload = back_end.ask(query, i=given | {"confidence": 30})["recordMessage"]
    assert (payload["message"]["content"], payload["message"]["confidence"]) == ("My own words", 30)
    assert payload["pendingEscalation"] == {"confidence": 30}


def test_hidden_field_that_may_be_null_is_null_with_an_error_at_its_path(workspace: Workspace) -> None:
    back_end = workspace.key_with("CONVERSATIONS_WRITE")
    conversation = workspace.start()["conversation"]["id"]
    query = """mutation($i: RecordMessageInput!) { recordMessage(input: $i) {
        message { content author { name } } escalation { id status summary } } }"""
    given = {"conversationId": conversation, "role": "USER", "content": "I want to talk to a human"}
    answer = back_end.post(query, {"i": given})
    payload = answer["data"]["recordMessage"]
    assert payload["message"] == {"content": given["content"], "author": None}
    assert payload["escalation"]["status"] == "OPEN"
    assert payload["escalation"]["summary"] is None
    assert [(error["path"], error["extensions"]["code"]) for error in answer["errors"]] == [
        (["recordMessage", "message", "author"], "FORBIDDEN"),
        (["recordMessage", "escalation", "summary"], "FORBIDDEN"),
    ]
    assert [message["content"] for message in workspace.key.messages(conversation)][:1] == [given["content"]]


def test_field_under_skip_is_no_reason_to_refuse_a_mutation(workspace: Workspace) -> None:
    back_end = workspace.key_with("CONVERSATIONS_WRITE")
    query = """mutation($i: StartConversationInput!, $no: Boolean!) { startConversation(input: $i) {
        conversation { id messages @include(if: $no) { nodes { id } } } } }"""
    given = {"agentId": workspace.agent_id}
    assert back_end.ask(query, i=given, no=False)["startConversation"]["conversation"]["id"]
    refused = back_end.refusal(query, i=given, no=True)
    assert (refused.code, refused.errors[0]["path"]) == ("FORBIDDEN", ["startConversation"])
    assert len(workspace.key.ask("{ conversations { nodes { id } } }")["conversations"]["nodes"]) == 1


def test_list_of_hidden_plain_fields_is_forbidden(workspace: Workspace) -> None:
    settings = (
        "query($id: ID!) { agent(id: $id) { name settings { sla { businessHours { week { day } } } } } }"
    )
    refused = workspace.key_with("ANALYTICS_READ").post(settings, {"id": workspace.agent_id})
    assert codes(refused) == {"FORBIDDEN"}
    assert refused["errors"][0]["path"] == ["agent", "settings"]


def test_rest_answers_of_a_key_that_only_writes_have_no_words_of_others(workspace: Workspace) -> None:
    conversation = workspace.start()["conversation"]["id"]
    escalation = workspace.key.escalate(conversation, "Confidential reason")["escalation"]["id"]
    headers = workspace.key_with("ESCALATIONS_WRITE").headers
    with httpx.Client(base_url=workspace.server.url, headers=headers, trust_env=False) as client:
        raised = client.post(f"/conversations/{conversation}/escalate", json={"reason": "Mine"})
        changed = client.patch(f"/escalations/{escalation}", json={"priority": "urgent"})
    assert (raised.status_code, changed.status_code) == (200, 200)
    for answer in (raised, changed):
        assert "onfidential" not in answer.text
        assert (answer.json()["id"], "reason" in answer.json()) == (escalation, False)
    assert changed.json()["priority"] == "urgent"
    assert raised.json()["created"] is False
