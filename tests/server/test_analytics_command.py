"""`baton analytics` and `baton analytics rebuild`, as processes."""

import json
import re
import subprocess

from tests.support.baton_client import Server
from tests.support.baton_process import run_baton


def run(server: Server, *arguments: str) -> subprocess.CompletedProcess[str]:
    return run_baton("analytics", *arguments, BATON_DATA_DIR=str(server.data_dir))


def test_metrics_are_printed_as_table_and_as_json(server: Server) -> None:
    team = server.new_workspace()
    conversation = team.start()["conversation"]["id"]
    team.key.record(conversation, "ASSISTANT", "Hello.", confidence=80)
    team.key.escalate(conversation, "[bold]a VIP[/bold]")
    period = ("--agent", team.agent_id, "--from", "2026-01-01", "--to", "2034-01-01T09:30")
    document = json.loads(run(server, *period, "--json").stdout)
    assert (document["agentId"], document["conversations"], document["escalationRate"]) == (
        team.agent_id,
        1,
        1.0,
    )
    assert document["topReasons"] == [
        {"reason": "[bold]a VIP[/bold]", "trigger": "API", "count": 1, "share": 1.0}
    ]
    table = run(server, *period).stdout
    assert "Escalation rate" in table
    assert "100.0%" in table
    assert "[bold]a VIP[/bold]" in table


def test_bad_input_is_explained(server: Server) -> None:
    team = server.new_workspace()
    agent = ("--agent", team.agent_id)
    for arguments, words in (
        ((*agent, "--from", "yesterday", "--to", "2026-01-01"), "from is not a date"),
        ((*agent, "--from", "2026-01-01", "--to", "2026-01-01"), "to must be after"),
        (("--agent", "nonsense", "--from", "2025-01-01", "--to", "2026-01-01"), "agent "),
        ((*agent, "--from", "2026-01-01"), "--to are needed"),
    ):
        result = run(server, *arguments)
        assert result.returncode != 0
        assert words in result.stderr, result.stderr
        assert "Traceback" not in result.stderr


def test_rebuild_repairs_days_that_are_wrong(server: Server) -> None:
    team = server.new_workspace()
    conversation = team.start()["conversation"]["id"]
    team.key.record(conversation, "ASSISTANT", "Hello.", confidence=80)
    period = ("--agent", team.agent_id, "--from", "2026-01-01", "--to", "2034-01-01", "--json")
    expected = json.loads(run(server, *period).stdout)
    server.execute("DELETE FROM analytics_changes")
    server.execute("DELETE FROM analytics_days")
    assert json.loads(run(server, *period).stdout)["conversations"] == 0
    result = run(server, "rebuild")
    assert result.returncode == 0, result.stderr
    assert re.fullmatch(r"Days rebuilt: \d+\.\n", result.stdout)
    assert json.loads(run(server, *period).stdout) == expected
