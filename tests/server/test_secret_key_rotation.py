"""Rotation of the secret key, by the commands that docs/operations.md lists."""

from datetime import UTC, datetime
from pathlib import Path

from models.sealing import Seal, key_id
from resolvers.credentials import WidgetTokens
from rules.typeid import CONVERSATION, parse_id
from tests.server.test_operator_commands import on
from tests.support.baton_client import Caller, Server, Workspace
from tests.support.baton_process import run_baton

ROTATE_IDENTITY = "mutation($id: ID!) { rotateIdentitySecret(agentId: $id) { secret } }"
SEEN = "query($id: ID!) { conversation(id: $id) { id } }"


def opened_secret(server: Server, key: str) -> str:
    (row,) = server.rows("SELECT agent_id, secret FROM identity_secrets")
    return Seal(key).open(row["secret"], f"identity secret of {row['agent_id']}")


def sees(workspace: Workspace, token: str, conversation: str) -> bool:
    return "errors" not in Caller(workspace.server.url, token).post(SEEN, {"id": conversation})


def acts_on_keys(workspace: Workspace) -> list[tuple[str, dict[str, int]]]:
    """Return the operator's actions after the creation of the workspace, oldest first."""
    log = "{ auditLog { nodes { action actor { kind } details } } }"
    nodes = workspace.key.ask(log)["auditLog"]["nodes"][::-1]
    return [(node["action"], node["details"]) for node in nodes if node["actor"]["kind"] == "OPERATOR"][1:]


def test_rotated_key_keeps_tokens_and_secrets_until_it_is_forgotten(own_dir: Path) -> None:
    with Server.started(own_dir) as server:
        workspace = server.new_workspace()
        secret = workspace.key.ask(ROTATE_IDENTITY, id=workspace.agent_id)["rotateIdentitySecret"]["secret"]
        started = workspace.start()
        conversation, token = started["conversation"]["id"], started["widgetToken"]
        older = (own_dir / "secret_key").read_text()

        rotated = run_baton("secret-key", "rotate", **on(server))
        assert rotated.returncode == 0, rotated.stderr
        newer, kept = (own_dir / "secret_key").read_text().split("\n")
        assert kept == older
        assert key_id(newer).hex() in rotated.stdout
        assert newer not in rotated.stdout
        server.stop()
        server.start()
        assert sees(workspace, token, conversation)
        fresh = workspace.start()["widgetToken"]
        assert WidgetTokens(newer).read(fresh)
        assert opened_secret(server, older) == secret

        resealed = run_baton("secret-key", "reseal", **on(server))
        assert resealed.stdout == f"resealed 1 with key {key_id(newer).hex()}\n", resealed.stderr
        assert opened_secret(server, newer) == secret
        assert run_baton("secret-key", "reseal", **on(server)).stdout.startswith("resealed 0 ")

        forgotten = run_baton("secret-key", "forget", **on(server))
        assert forgotten.returncode == 0, forgotten.stderr
        assert (own_dir / "secret_key").read_text() == newer
        server.stop()
        server.start()
        assert not sees(workspace, token, conversation)
        assert acts_on_keys(workspace) == [
            ("ROTATE_SECRET_KEY", {}),
            ("RESEAL_SECRETS", {"resealed": 1}),
            ("RESEAL_SECRETS", {"resealed": 0}),
            ("RESEAL_SECRETS", {"resealed": 0}),
            ("FORGET_SECRET_KEYS", {}),
        ]
        renewed = WidgetTokens(newer).issue(parse_id(CONVERSATION, conversation), datetime.now(UTC))[0]
        assert sees(workspace, renewed, conversation)


def test_secrets_that_were_not_resealed_outlive_the_forgotten_key(own_dir: Path) -> None:
    with Server.started(own_dir) as server:
        workspace = server.new_workspace()
        secret = workspace.key.ask(ROTATE_IDENTITY, id=workspace.agent_id)["rotateIdentitySecret"]["secret"]
        run_baton("secret-key", "rotate", **on(server))
        forgotten = run_baton("secret-key", "forget", **on(server))
        assert forgotten.returncode == 0, forgotten.stderr
        assert forgotten.stdout.startswith("resealed 1 with key ")
        assert opened_secret(server, (own_dir / "secret_key").read_text()) == secret


def test_keys_of_the_environment_are_not_rotated_in_the_folder(own_dir: Path) -> None:
    key = "9f3c1e77a0b2d4568e1f9a3c5b7d2041"
    environment = {"BATON_DATA_DIR": str(own_dir), "BATON_SECRET_KEY": key}
    for command in ("rotate", "forget"):
        refused = run_baton("secret-key", command, **environment)
        assert refused.returncode == 1
        assert "BATON_SECRET_KEY" in refused.stderr
        assert list(own_dir.iterdir()) == []
