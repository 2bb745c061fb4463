"""Refused calls in the audit log: each is recorded once in ten minutes, and few of one caller."""

from typing import Any

import httpx
import pytest

from rules.typeid import WORKSPACE, parse_id
from tests.support.baton_client import Caller, Workspace

LOG = """{ auditLog(first: 100, filter: { actions: [CALL_OPERATION, USE_CREDENTIAL] }) { nodes {
    actor { kind id name } address action outcome code details } } }"""
VIEWER = "{ viewer { kind } }"
CREATE_AGENT = 'mutation { createAgent(name: "x") { id } }'
# $a is an AI agent, $c a conversation.
FORBIDDEN_QUERIES = [
    "viewer { kind }",
    "agents { id }",
    "agent(id: $a) { id }",
    "members { id }",
    "apiKeys { id }",
    "sessions { id }",
    "auditLog { nodes { position } }",
    "conversation(id: $c) { id }",
    "conversations { nodes { id } }",
    "escalations { nodes { id } }",
    "escalationCounts { open }",
    "escalationSettings(agentId: $a) { version }",
    "savedReplies { id }",
    "deliveries { nodes { id } }",
]
FORBIDDEN_MUTATIONS = [
    'createAgent(name: "x") { id }',
    "signOut",
    "endOtherSessions",
    "revokeWidgetTokens(conversationId: $c)",
    "pauseAi(conversationId: $c) { __typename }",
    "resumeAi(conversationId: $c) { __typename }",
    "disconnectSlack(agentId: $a) { __typename }",
    "rotateIdentitySecret(agentId: $a) { __typename }",
    'enrolSecondFactor(password: "x") { __typename }',
    'eraseCustomer(externalId: "x") { conversations }',
]


def refusals(workspace: Workspace) -> list[dict[str, Any]]:
    """Return the entries about refused calls, oldest first."""
    nodes: list[dict[str, Any]] = workspace.key.ask(LOG)["auditLog"]["nodes"]
    return nodes[::-1]


def operations(workspace: Workspace) -> list[str]:
    """Return the operations that were refused."""
    return [entry["details"]["operation"] for entry in refusals(workspace)]


def key_id(workspace: Workspace, key: Caller) -> str:
    """Return the id of an API key that may read no list of keys."""
    nodes = workspace.key.ask("{ apiKeys { id prefix } }")["apiKeys"]
    own = [node["id"] for node in nodes if key.token and key.token.startswith(node["prefix"])]
    return str(own[0])


def test_refused_mutation_of_a_key_is_recorded_once(workspace: Workspace) -> None:
    key = workspace.key_with("ANALYTICS_READ")
    for _ in range(5):
        assert key.refusal(CREATE_AGENT).code == "FORBIDDEN"
    (entry,) = refusals(workspace)
    assert entry["actor"]["kind"] == "API_KEY"
    assert entry["actor"]["id"] == key_id(workspace, key)
    assert {name: entry[name] for name in ("address", "action", "outcome", "code", "details")} == {
        "address": "127.0.0.1",
        "action": "CALL_OPERATION",
        "outcome": "REFUSED",
        "code": "FORBIDDEN",
        "details": {"operation": "createAgent"},
    }


def test_refused_query_export_and_field_of_a_member_are_recorded(workspace: Workspace) -> None:
    member = workspace.member("a-viewer@example.com", role="VIEWER")
    assert member.refusal(LOG).code == "FORBIDDEN"
    export = httpx.get(f"{member.url}/exports/audit.csv", headers=member.headers)
    assert export.status_code == 403
    assert operations(workspace) == ["auditLog", "GET /exports/audit.csv"]
    assert {entry["actor"]["kind"] for entry in refusals(workspace)} == {"TEAM_MEMBER"}
    started = workspace.start()["conversation"]["id"]
    writer = workspace.key_with("ESCALATIONS_WRITE")
    hidden = """mutation($i: EscalateConversationInput!) { escalateConversation(input: $i) {
        escalation { notes { body } } } }"""
    assert writer.refusal(hidden, i={"conversationId": started, "reason": "x"}).code == "FORBIDDEN"
    assert operations(workspace)[2:] == ["escalateConversation"]


def test_calls_of_customers_and_strangers_are_not_recorded(workspace: Workspace) -> None:
    customer = Caller(workspace.server.url, workspace.start()["widgetToken"])
    assert customer.refusal(CREATE_AGENT).code == "FORBIDDEN"
    assert workspace.nobody.refusal(CREATE_AGENT).code == "UNAUTHENTICATED"
    assert Caller(workspace.server.url, "baton_ss_unknown").post(VIEWER)["errors"]
    assert refusals(workspace) == []


def test_hostile_caller_has_twenty_entries_however_much_it_calls(workspace: Workspace) -> None:
    key = workspace.key_with("INCOMING_WEBHOOK")
    ids = {"$a": f'"{workspace.agent_id}"', "$c": f'"{workspace.start()["conversation"]["id"]}"'}
    documents = [f"{{ {field} }}" for field in FORBIDDEN_QUERIES]
    documents += [f"mutation {{ {field} }}" for field in FORBIDDEN_MUTATIONS]
    for _ in range(2):
        for document in documents:
            for name, value in ids.items():
                document = document.replace(name, value)
            assert key.refusal(document).code == "FORBIDDEN", document
    recorded = operations(workspace)
    assert len(documents) > 20
    assert len(recorded) == len(set(recorded)) == 20


@pytest.mark.parametrize("by", ["signOut", "endSession"])
def test_ended_session_that_is_used_is_recorded(workspace: Workspace, by: str) -> None:
    admin, used = workspace.sign_in(), workspace.sign_in()
    if by == "signOut":
        used.ask("mutation { signOut }")
    else:
        admin.ask("mutation { endOtherSessions }")
    for _ in range(3):
        assert used.refusal(VIEWER).code == "UNAUTHENTICATED"
    (entry,) = refusals(workspace)
    assert (entry["action"], entry["outcome"], entry["code"]) == (
        "USE_CREDENTIAL",
        "REFUSED",
        "UNAUTHENTICATED",
    )
    assert entry["details"] == {"reason": "ENDED"}
    assert entry["actor"]["name"] == "Ada Admin"


def test_expired_session_is_recorded_before_and_after_its_purge(workspace: Workspace) -> None:
    member = workspace.member("sleeper@example.com")
    workspace.server.execute(
        "UPDATE member_sessions SET idle_ends_at = now() - interval '1 s' WHERE member_id = "
        "(SELECT id FROM members WHERE email = 'sleeper@example.com' AND workspace_id = $1)",
        parse_id(WORKSPACE, workspace.id),
    )
    assert member.refusal(VIEWER).code == "UNAUTHENTICATED"
    assert [entry["details"] for entry in refusals(workspace)] == [{"reason": "EXPIRED"}]
    workspace.server.execute("DELETE FROM member_sessions WHERE idle_ends_at < now()")
    (ended,) = workspace.server.rows(
        "SELECT expired FROM ended_sessions WHERE member_id = "
        "(SELECT id FROM members WHERE email = 'sleeper@example.com' AND workspace_id = $1)",
        parse_id(WORKSPACE, workspace.id),
    )
    assert ended["expired"]


def test_session_of_a_removed_member_is_recorded(workspace: Workspace) -> None:
    member = workspace.member("leaver@example.com")
    member_id = member.ask("{ viewer { member { id } } }")["viewer"]["member"]["id"]
    workspace.key.ask("mutation($id: ID!) { removeMember(id: $id) }", id=member_id)
    assert member.refusal(VIEWER).code == "UNAUTHENTICATED"
    assert [entry["details"] for entry in refusals(workspace)] == [{"reason": "MEMBER_REMOVED"}]


def test_revoked_expired_and_misplaced_keys_are_recorded_by_every_transport(workspace: Workspace) -> None:
    revoked, expired, elsewhere = (workspace.key_with("ANALYTICS_READ") for _ in range(3))
    ids = [key_id(workspace, key) for key in (revoked, expired, elsewhere)]
    workspace.key.ask("mutation($id: ID!) { revokeApiKey(id: $id) { id } }", id=ids[0])
    workspace.server.execute(
        "UPDATE api_keys SET expires_at = now() - interval '1 s' WHERE key_hash = sha256($1)",
        (expired.token or "").encode(),
    )
    workspace.server.execute(
        "UPDATE api_keys SET networks = ARRAY['192.0.2.0/24'] WHERE key_hash = sha256($1)",
        (elsewhere.token or "").encode(),
    )
    assert httpx.get(f"{revoked.url}/escalations", headers=revoked.headers).status_code == 401
    assert expired.refusal(VIEWER).code == "UNAUTHENTICATED"
    assert httpx.post(f"{elsewhere.url}/hooks/{elsewhere.token}/escalate", json={}).status_code == 404
    recorded = [(entry["actor"]["id"], entry["details"]["reason"]) for entry in refusals(workspace)]
    assert recorded == list(zip(ids, ["REVOKED", "EXPIRED", "FOREIGN_NETWORK"], strict=True))
