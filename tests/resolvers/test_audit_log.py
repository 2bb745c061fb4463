"""The audit log: who did what, from where, with which outcome; complete, chained and append-only."""

import csv
import io
import json
import subprocess
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import asyncpg
import httpx
import pytest

from rules.typeid import WORKSPACE, parse_id
from tests.support.baton_client import PASSWORD, Caller, Server, Workspace, wait_for
from tests.support.baton_process import run_baton

pytestmark = pytest.mark.anyio

LOG = """query($first: Int, $after: String, $filter: AuditLogFilter) {
    auditLog(first: $first, after: $after, filter: $filter) {
        nodes { position occurredAt actor { kind id name } address action targetId outcome code details hash }
        pageInfo { hasNextPage endCursor } } }"""
SIGN_IN = "mutation($e: String!, $p: String!) { signIn(email: $e, password: $p) { token } }"
MEMBER = """mutation($input: CreateMemberInput!) { createMember(input: $input) {
    member { id } invitationToken } }"""
NEW_KEY = """mutation($input: CreateApiKeyInput!) { createApiKey(input: $input) { apiKey { id } key } }"""
ACTS = "SELECT count(*) AS n FROM audit_log WHERE workspace_id = $1 AND action <> 'CREATE_WORKSPACE'"


def entries(caller: Caller, **given: Any) -> list[dict[str, Any]]:
    """Return a page of the audit log, newest first."""
    nodes: list[dict[str, Any]] = caller.ask(LOG, **given)["auditLog"]["nodes"]
    return nodes


def count(workspace: Workspace) -> int:
    """Return the number of entries after the first, the creation of the workspace."""
    return int(workspace.server.rows(ACTS, parse_id(WORKSPACE, workspace.id))[0]["n"])


def verify(server: Server, workspace: Workspace) -> subprocess.CompletedProcess[str]:
    """Run `baton audit verify`."""
    data_dir = str(server.data_dir)
    return run_baton("audit", "verify", "--workspace", workspace.id, BATON_DATA_DIR=data_dir)


def test_acts_are_recorded_with_actor_address_and_target_but_no_secret(workspace: Workspace) -> None:
    admin = workspace.sign_in()
    made = admin.ask(NEW_KEY, input={"name": "Shop", "scopes": ["ANALYTICS_READ"]})["createApiKey"]
    given = {"email": "new@example.com", "name": "New", "role": "AGENT"}
    invited = admin.ask(MEMBER, input=given)["createMember"]
    accept = "mutation($t: String!, $p: String!) { acceptInvitation(token: $t, password: $p) { token } }"
    admin.ask(accept, t=invited["invitationToken"], p="a new and long password")
    workspace.key.settings(workspace.agent_id, widget={"buttonText": "A person, please"})
    admin.ask("mutation($id: ID!) { revokeApiKey(id: $id) { id } }", id=made["apiKey"]["id"])
    member_id = invited["member"]["id"]
    update = "mutation($id: ID!) { updateMember(id: $id, role: VIEWER) { member { id } } }"
    admin.ask(update, id=member_id)
    admin.ask("mutation($id: ID!) { removeMember(id: $id) }", id=member_id)
    rotate = "mutation($id: ID!) { rotateIdentitySecret(agentId: $id) { secret } }"
    secret = admin.ask(rotate, id=workspace.agent_id)["rotateIdentitySecret"]["secret"]
    erase = 'mutation { eraseCustomer(email: "jo@example.com") { conversations } }'
    workspace.start(customer={"email": "jo@example.com"})
    admin.ask(erase)
    admin.ask("mutation { signOut }")

    created, *log = entries(workspace.key)[::-1]
    assert (created["action"], created["actor"]["kind"]) == ("CREATE_WORKSPACE", "OPERATOR")
    assert [entry["position"] for entry in log] == list(range(2, len(log) + 2))
    assert [(entry["action"], entry["targetId"], entry["details"]) for entry in log[1:]] == [
        ("CREATE_API_KEY", made["apiKey"]["id"], {"scopes": ["ANALYTICS_READ"]}),
        ("CREATE_MEMBER", member_id, {"role": "AGENT", "invited": True}),
        ("ACCEPT_INVITATION", member_id, {}),
        ("UPDATE_SETTINGS", workspace.agent_id, {"changed": ["widget.button_text"]}),
        ("REVOKE_API_KEY", made["apiKey"]["id"], {}),
        ("UPDATE_MEMBER", member_id, {"changed": ["role"], "role": "VIEWER"}),
        ("REMOVE_MEMBER", member_id, {}),
        ("ROTATE_IDENTITY_SECRET", workspace.agent_id, {}),
        ("ERASE_CUSTOMER", None, {"conversations": 1}),
        ("SIGN_OUT", None, {}),
    ]
    assert (log[0]["action"], log[0]["actor"]["name"]) == ("SIGN_IN", "Ada Admin")
    assert {entry["actor"]["kind"] for entry in log if entry["action"] != "UPDATE_SETTINGS"} == {
        "TEAM_MEMBER"
    }
    assert log[4]["actor"]["kind"] == "API_KEY"
    assert {entry["address"] for entry in log} == {"127.0.0.1"}
    assert {(entry["outcome"], entry["code"]) for entry in log} == {("OK", None)}
    stored = json.dumps(log)
    for word in (made["key"], invited["invitationToken"], secret, PASSWORD, "jo@example.com", "A person"):
        assert word not in stored


def test_ended_sessions_rotated_keys_and_revoked_widget_tokens_are_recorded(workspace: Workspace) -> None:
    admin, elsewhere = workspace.sign_in(), workspace.sign_in()
    assert elsewhere.token != admin.token
    made = admin.ask(NEW_KEY, input={"name": "Shop", "scopes": ["ANALYTICS_READ"]})["createApiKey"]["apiKey"]
    conversation = workspace.start()["conversation"]["id"]
    before = count(workspace)
    admin.ask("mutation { endOtherSessions }")
    admin.ask("mutation($id: ID!) { rotateApiKey(id: $id) { key } }", id=made["id"])
    admin.ask("mutation($id: ID!) { revokeWidgetTokens(conversationId: $id) }", id=conversation)
    assert [
        (entry["action"], entry["targetId"]) for entry in entries(admin, first=count(workspace) - before)
    ] == [
        ("REVOKE_WIDGET_TOKENS", conversation),
        ("ROTATE_API_KEY", made["id"]),
        ("END_SESSIONS", None),
    ]


def test_refused_sign_ins_are_folded_and_counted(workspace: Workspace) -> None:
    for _ in range(5):
        assert workspace.nobody.refusal(SIGN_IN, e=workspace.email, p="wrong").code == "UNAUTHENTICATED"
    (entry,) = entries(workspace.key)[:-1]
    assert (entry["action"], entry["outcome"], entry["code"]) == ("SIGN_IN", "REFUSED", "UNAUTHENTICATED")
    assert entry["details"] == {}
    workspace.server.execute(
        "UPDATE audit_refusals SET recorded_at = recorded_at - interval '61 s' WHERE workspace_id = $1",
        parse_id(WORKSPACE, workspace.id),
    )
    workspace.nobody.refusal(SIGN_IN, e=workspace.email, p="wrong")
    assert [item["details"] for item in entries(workspace.key)[:-1]] == [{"repeated": 4}, {}]


def test_refused_change_leaves_no_entry(workspace: Workspace) -> None:
    query = """mutation($input: UpdateEscalationSettingsInput!) {
        updateEscalationSettings(input: $input) { settings { version } } }"""
    given = {"agentId": workspace.agent_id, "expectedVersion": 99, "widget": {"buttonText": "Hello"}}
    assert workspace.key.refusal(query, input=given).code == "CONFLICT"
    assert workspace.key.refusal(MEMBER, input={"email": workspace.email, "name": "X", "role": "AGENT"})
    assert count(workspace) == 0


def test_pages_and_filters_of_the_log(workspace: Workspace, other: Workspace) -> None:
    admin = workspace.sign_in()
    for name in ("one", "two", "three"):
        admin.ask(NEW_KEY, input={"name": name, "scopes": ["ADMIN"]})
    first = workspace.key.ask(LOG, first=2)["auditLog"]
    rest = workspace.key.ask(LOG, first=2, after=first["pageInfo"]["endCursor"])["auditLog"]
    assert [item["position"] for item in first["nodes"] + rest["nodes"]] == [5, 4, 3, 2]
    assert (first["pageInfo"]["hasNextPage"], rest["pageInfo"]["hasNextPage"]) == (True, True)
    signed_in = entries(workspace.key, filter={"actions": ["SIGN_IN"]})
    assert [item["position"] for item in signed_in] == [2]
    actor = signed_in[0]["actor"]["id"]
    assert len(entries(workspace.key, filter={"actor": actor})) == 4
    third = first["nodes"][1]["occurredAt"]
    assert [item["position"] for item in entries(workspace.key, filter={"from": third})] == [5, 4]
    assert [item["position"] for item in entries(workspace.key, filter={"to": third})] == [3, 2, 1]
    assert [item["action"] for item in entries(other.key)] == ["CREATE_WORKSPACE"]


def test_log_is_for_admins_only(workspace: Workspace) -> None:
    agent = workspace.member("some-agent@example.com")
    for caller in (agent, workspace.key_with("SETTINGS_WRITE", "ANALYTICS_READ")):
        assert caller.refusal(LOG).code == "FORBIDDEN"
        response = httpx.get(f"{caller.url}/exports/audit.csv", headers=caller.headers)
        assert response.status_code == 403


def test_csv_has_every_entry_and_records_itself(workspace: Workspace) -> None:
    workspace.sign_in()
    response = httpx.get(f"{workspace.key.url}/exports/audit.csv", headers=workspace.key.headers)
    rows = list(csv.DictReader(io.StringIO(response.text, newline="")))
    assert [(row["position"], row["action"]) for row in rows] == [
        ("1", "create_workspace"),
        ("2", "sign_in"),
        ("3", "export_audit_log"),
    ]
    assert rows[2]["previous_hash"] == rows[1]["hash"] == entries(workspace.key)[1]["hash"]


@pytest.mark.parametrize("role", ["service", "owner"])
@pytest.mark.parametrize("statement", ["UPDATE audit_log SET address = 'x'", "DELETE FROM audit_log"])
async def test_change_of_an_entry_is_refused_to_every_role(
    workspace: Workspace, role: str, statement: str
) -> None:
    workspace.sign_in()
    server = workspace.server
    connection = await asyncpg.connect(server.owner_url if role == "owner" else server.service_url)
    try:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(statement)
    finally:
        await connection.close()
    assert count(workspace) == 1


def test_chain_of_concurrent_acts_is_whole(workspace: Workspace) -> None:
    def act(number: int) -> None:
        workspace.key.ask(NEW_KEY, input={"name": f"key {number}", "scopes": ["ADMIN"]})

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(act, range(24)))
    assert count(workspace) == 24
    checked = verify(workspace.server, workspace)
    assert (checked.returncode, checked.stdout.split()[1:]) == (0, ["25", "entries", "whole"])


@pytest.mark.parametrize(
    ("tampering", "position"),
    [
        ("UPDATE audit_log SET address = '10.9.8.7' WHERE workspace_id = $1 AND position = 2", 2),
        ("DELETE FROM audit_log WHERE workspace_id = $1 AND position = 2", 2),
        ("DELETE FROM audit_log WHERE workspace_id = $1 AND position = 4", 4),
    ],
)
def test_tampering_is_found_at_its_position(workspace: Workspace, tampering: str, position: int) -> None:
    for name in ("one", "two", "three"):
        workspace.key.ask(NEW_KEY, input={"name": name, "scopes": ["ADMIN"]})
    server, key = workspace.server, parse_id(WORKSPACE, workspace.id)
    server.execute("ALTER TABLE audit_log DISABLE TRIGGER USER")
    try:
        server.execute(tampering, key)
    finally:
        server.execute("ALTER TABLE audit_log ENABLE TRIGGER USER")
    checked = verify(server, workspace)
    assert checked.returncode == 1
    assert checked.stdout.rstrip().endswith(f"broken at position {position}")


def test_verification_of_an_unknown_workspace_fails(workspace: Workspace) -> None:
    unknown, data_dir = "ws_01kgp1wz5ye1ar59h2v8c0t4mn", str(workspace.server.data_dir)
    checked = run_baton("audit", "verify", "--workspace", unknown, BATON_DATA_DIR=data_dir)
    assert (checked.returncode, checked.stdout) == (1, "")
    assert "There is no such workspace." in checked.stderr


def test_operator_commands_are_recorded(workspace: Workspace) -> None:
    data_dir = str(workspace.server.data_dir)
    for command in (["key", "create"], ["reset-password", workspace.email]):
        done = run_baton(*command, "--workspace", workspace.id, BATON_DATA_DIR=data_dir)
        assert done.returncode == 0, done.stderr
    log = wait_for(lambda: entries(workspace.key), "the entries")
    assert [(entry["action"], entry["actor"]["kind"], entry["actor"]["id"]) for entry in log] == [
        ("RESET_PASSWORD", "OPERATOR", None),
        ("CREATE_API_KEY", "OPERATOR", None),
        ("CREATE_WORKSPACE", "OPERATOR", None),
    ]
