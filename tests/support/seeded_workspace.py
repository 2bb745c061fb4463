"""A workspace with a row of every kind, to show that a refused request has changed none."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
from graphql import (
    GraphQLField,
    build_schema,
    get_named_type,
    get_nullable_type,
    is_enum_type,
    is_input_object_type,
    is_leaf_type,
    is_list_type,
    is_required_argument,
    is_required_input_field,
)

from models.ids import new_id
from rules.typeid import AGENT, DELIVERY, WEBHOOK_ENDPOINT, WORKSPACE, format_id, parse_id
from schema.api import printed_schema
from tests.support.baton_client import Refused, Server, Workspace
from tests.support.callers import new_saved_reply
from tests.support.table_dump import WITHOUT_USE

_SCHEMA = build_schema(printed_schema())
ROOTS: dict[str, tuple[str, GraphQLField]] = {
    name: (kind, field)
    for kind, type_ in (("query", _SCHEMA.query_type), ("mutation", _SCHEMA.mutation_type))
    for name, field in (type_.fields.items() if type_ else ())
}
FOR_MEMBERS = {
    "replyToConversation",
    "changePassword",
    "claimEscalation",
    "sendHeldReply",
    "setViewing",
    "markRead",
    "sessions",
    "endSession",
    "enrolSecondFactor",
    "confirmSecondFactor",
    "removeSecondFactor",
}

_CONVERSATIONS = "SELECT id FROM conversations WHERE workspace_id = $1"
_ESCALATIONS = "SELECT id FROM escalations WHERE workspace_id = $1"
WRITTEN_TABLES = {
    **dict.fromkeys(["agents", "api_keys", "members", "conversations", "escalations"], "workspace_id = $1"),
    **dict.fromkeys(["pending_escalations", "webhook_endpoints", "slack_connections"], "workspace_id = $1"),
    **dict.fromkeys(["messages", "tool_failures"], f"conversation_id IN ({_CONVERSATIONS})"),
    **dict.fromkeys(
        ["trigger_events", "escalation_notes", "timeline_entries"], f"escalation_id IN ({_ESCALATIONS})"
    ),
    "saved_replies": "workspace_id = $1",
    "viewings": "member_id IN (SELECT id FROM members WHERE workspace_id = $1)",
    "member_sessions": "member_id IN (SELECT id FROM members WHERE workspace_id = $1)",
    "idempotency_keys": f"scope_id = $1 OR scope_id IN ({_CONVERSATIONS})",
    "streams": f"id = $1 OR id IN ({_CONVERSATIONS})",
    "log": f"stream = $1 OR stream IN ({_CONVERSATIONS})",
}
_FINGERPRINT = (
    " UNION ALL ".join(
        f"""SELECT '{table}' AS name, count(*),
            sum(hashtext((to_jsonb(one) {WITHOUT_USE})::text))
        FROM {table} AS one WHERE {condition}"""
        for table, condition in WRITTEN_TABLES.items()
    )
    + " ORDER BY name"
)


def fingerprint(workspace: Workspace) -> list[dict[str, Any]]:
    """Return every row of the workspace that acts write, in short: a refused act leaves it equal.

    When and from where a credential was presented is left out.
    """
    return workspace.server.rows(_FINGERPRINT, parse_id(WORKSPACE, workspace.id))


_QUIET = """WITH endpoint AS (
    INSERT INTO webhook_endpoints (id, workspace_id, agent_id, url, event_types, enabled, secret)
    VALUES ($1, $2, $3, 'https://hooks.example/', '{}', false, '') RETURNING id, workspace_id, agent_id
), target AS (
    INSERT INTO delivery_targets (id, workspace_id, channel, key, endpoint_id)
    SELECT $1, workspace_id, 'WEBHOOK', id::text, id FROM endpoint RETURNING id
)
INSERT INTO deliveries (id, workspace_id, agent_id, target_id, channel, target, event_type, occurred_at,
    status) SELECT $1, endpoint.workspace_id, agent_id, target.id, 'WEBHOOK', 'https://hooks.example/',
    'test', now(), 'FAILED' FROM endpoint, target"""


def quiet_endpoint(workspace: Workspace) -> dict[str, str]:
    """Create a disabled webhook endpoint and a delivery to it, and return their ids by argument."""
    key = new_id()
    of = (parse_id(WORKSPACE, workspace.id), parse_id(AGENT, workspace.agent_id))
    workspace.server.execute(_QUIET, key, *of)
    endpoint_mutations = ("updateWebhookEndpoint", "rotateWebhookSecret", "deleteWebhookEndpoint")
    endpoint = format_id(WEBHOOK_ENDPOINT, key)
    return {**dict.fromkeys(endpoint_mutations, endpoint), "retryDelivery": format_id(DELIVERY, key)}


@dataclass
class Place:
    """A workspace with a row of every kind, and its fingerprint before the test."""

    workspace: Workspace
    client: httpx.Client
    member: dict[str, str]
    values: dict[str, Any]
    ids: dict[str, str]
    fingerprint: list[dict[str, Any]]

    def good(self, type_: Any, name: str, root: str) -> Any:
        """Return a value that the API accepts."""
        plain = get_nullable_type(type_)
        if is_list_type(plain):
            return [self.good(plain.of_type, name, root)]
        if is_input_object_type(plain):
            required = {n: f for n, f in plain.fields.items() if is_required_input_field(f)}
            return {n: self.good(f.type, n, root) for n, f in required.items()}
        if name == "id":
            return self.ids[root]
        if name in self.values:
            return self.values[name]
        return next(iter(plain.values)) if is_enum_type(plain) else "words"

    def variables(self, root: str, changes: dict[str, Any]) -> dict[str, Any]:
        """Good values of everything that is required, and `changes` by their paths."""
        args = ROOTS[root][1].args
        result = {n: self.good(a.type, n, root) for n, a in args.items() if is_required_argument(a)}
        for path, value in changes.items():
            self._put(result, args, path.split("."), value, root)
        return result

    def _put(self, holder: Any, fields: Any, path: list[str], value: Any, root: str) -> None:
        step, *rest = path
        plain = get_nullable_type(fields[step].type)
        if not rest:
            holder[step] = value
            return
        inner = holder.setdefault(step, self.good(plain, step, root))
        if is_list_type(plain):
            if len(rest) == 1:
                inner[0] = value
                return
            inner, rest, plain = inner[0], rest[1:], get_nullable_type(plain.of_type)
        self._put(inner, plain.fields, rest, value, root)

    def refusal(self, root: str, changes: dict[str, Any]) -> Refused:
        """Return the refusal of a root field for its valid values with `changes`."""
        answer = self.answer(root, changes)
        assert "errors" in answer, (root, changes, answer)
        return Refused(answer["errors"])

    def answer(self, root: str, changes: dict[str, Any]) -> dict[str, Any]:
        """Return the answer of a root field for its valid values with `changes`."""
        kind, field = ROOTS[root]
        given = self.variables(root, changes)
        declared = ", ".join(f"${name}: {field.args[name].type}" for name in given)
        passed = ", ".join(f"{name}: ${name}" for name in given)
        selection = "" if is_leaf_type(get_named_type(field.type)) else " { __typename }"
        document = f"{kind}({declared}) {{ {root}({passed}){selection} }}"
        result: dict[str, Any] = self.post(document, given, self.headers_of(root)).json()
        return result

    def headers_of(self, root: str) -> dict[str, str]:
        """Return the credential for a root field: that of the member, or none but the key's."""
        return self.member if root in FOR_MEMBERS else {}

    def post(self, query: str, variables: Any = None, headers: Any = None) -> httpx.Response:
        """Send a valid GraphQL request."""
        return self.client.post("/graphql", json={"query": query, "variables": variables}, headers=headers)


@contextmanager
def seeded_place(server: Server) -> Iterator[Place]:
    """Make a workspace with a row of every kind."""
    workspace = server.new_workspace()
    key, conversation = workspace.key, workspace.start()["conversation"]["id"]
    escalation = key.escalate(conversation)["escalation"]["id"]
    held = key.record(conversation, "ASSISTANT", "a draft")["message"]["id"]
    member = workspace.sign_in()
    member_id = member.ask("{ viewer { member { id } } }")["viewer"]["member"]["id"]
    session_id = member.ask("{ sessions { id } }")["sessions"][0]["id"]
    key_id = key.ask("{ viewer { apiKey { id } } }")["viewer"]["apiKey"]["id"]
    save = "mutation($i: SavedReplyInput!) { createSavedReply(input: $i) { id } }"
    saved = key.ask(save, i=new_saved_reply())["createSavedReply"]["id"]
    values = {
        "agentId": workspace.agent_id,
        "conversationId": conversation,
        "escalationId": escalation,
        "messageId": held,
        "email": "someone@example.com",
        "fields": {"a": "b"},
        "targetResponseMinutes": 5,
        "position": 1,
        "date": "2026-01-01",
        "opens": "09:00",
        "closes": "17:00",
        "from": "2026-01-01T00:00:00Z",
        "to": "2026-02-01T00:00:00Z",
        "thresholds": 50.0,
        **dict.fromkeys(["succeeded", "typing", "viewing"], True),
        **dict.fromkeys(["password", "current", "new", "token"], "a password that is long enough"),
    }
    ids = {
        "agent": workspace.agent_id,
        "escalation": escalation,
        **dict.fromkeys(["revokeApiKey", "rotateApiKey"], key_id),
        "endSession": session_id,
        **quiet_endpoint(workspace),
        **dict.fromkeys(["node", "conversation"], conversation),
        **dict.fromkeys(["updateSavedReply", "deleteSavedReply"], saved),
        **dict.fromkeys(["updateMember", "removeMember", "resetSecondFactor"], member_id),
    }
    accepted = {"accept": "application/graphql-response+json"}
    with httpx.Client(base_url=server.url, headers=key.headers | accepted, timeout=30) as client:
        made = Place(workspace, client, member.headers, values, ids, [])
        made.fingerprint = fingerprint(workspace)
        yield made


def lists(fields: Any, within: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    """Every list that can be given, by its path, with the type of its items."""
    for name, field in fields.items():
        plain, path = get_nullable_type(field.type), (*within, name)
        if is_list_type(plain):
            yield ".".join(path), plain.of_type
            plain, path = get_nullable_type(plain.of_type), (*path, "0")
        if is_input_object_type(plain):
            yield from lists(plain.fields, path)


def leaves(fields: Any, within: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    """Every single value that can be given, by its path."""
    for name, field in fields.items():
        plain, path = get_nullable_type(field.type), (*within, name)
        if is_list_type(plain):
            plain, path = get_nullable_type(plain.of_type), (*path, "0")
        if is_input_object_type(plain):
            yield from leaves(plain.fields, path)
        else:
            yield ".".join(path), plain
