"""Kinds of documents that once cost more than the count said."""

from graphql import get_named_type, get_nullable_type, is_leaf_type, is_list_type, is_object_type

from rules.typeid import ESCALATION, parse_id
from schema.api import GRAPHQL_SCHEMA
from schema.list_lengths import LENGTHS
from tests.support.baton_client import Workspace
from tests.support.seeded_workspace import fingerprint

SERIES = """query($agent: ID!) { escalationAnalytics(agentId: $agent, from: "2026-01-01T00:00:00Z",
    to: "2026-03-20T00:00:00Z") { series(interval: HOUR) { __typename %s } } }"""


def test_every_list_of_objects_has_a_page_or_a_length() -> None:
    lists = {
        f"{type_.name}.{name}"
        for type_ in GRAPHQL_SCHEMA.type_map.values()
        if is_object_type(type_) and not type_.name.startswith("__") and not type_.name.endswith("Connection")
        for name, field in type_.fields.items()
        if is_list_type(get_nullable_type(field.type)) and not is_leaf_type(get_named_type(field.type))
    }
    assert lists == LENGTHS.keys()


def test_reply_of_more_than_15_000_values_is_refused(workspace: Workspace) -> None:
    fields = [f"a{number}: conversations" for number in range(14)]
    few = workspace.key.ask(SERIES % " ".join(fields[:4]), agent=workspace.agent_id)
    assert len(few["escalationAnalytics"]["series"]) == 78 * 24
    refused = workspace.key.refusal(SERIES % " ".join(fields), agent=workspace.agent_id)
    assert refused.code == "QUERY_TOO_COMPLEX"
    assert "15,000 values" in refused.errors[0]["message"]


def test_mutations_in_mass_are_refused_before_any_runs(workspace: Workspace) -> None:
    conversation = workspace.start()["conversation"]["id"]
    pause = "mutation($id: ID!) { %s }"
    before = fingerprint(workspace)
    aliases = [f"a{number}: pauseAi(conversationId: $id) {{ __typename }}" for number in range(51)]
    refused = workspace.key.refusal(pause % " ".join(aliases), id=conversation)
    assert refused.code == "QUERY_TOO_COMPLEX"
    assert fingerprint(workspace) == before
    assert len(workspace.key.ask(pause % " ".join(aliases[:3]), id=conversation)) == 3


def test_notes_of_an_escalation_are_the_latest_hundred(workspace: Workspace) -> None:
    escalation = workspace.key.escalate(workspace.start()["conversation"]["id"])["escalation"]["id"]
    update = "mutation($i: UpdateEscalationInput!) { updateEscalation(input: $i) { __typename } }"
    workspace.key.ask(update, i={"escalationId": escalation, "note": "the first"})
    more = """INSERT INTO escalation_notes
        SELECT (jsonb_populate_record(NULL::escalation_notes, to_jsonb(r) || jsonb_build_object(
            'id', gen_random_uuid(), 'body', n, 'created_at', r.created_at + make_interval(secs => n)))).*
        FROM (SELECT * FROM escalation_notes WHERE escalation_id = $1) AS r, generate_series(1, 120) AS n"""
    workspace.server.execute(more, parse_id(ESCALATION, escalation))
    notes = workspace.key.escalation(escalation)["notes"]
    assert [note["body"] for note in notes] == [str(number) for number in range(21, 121)]
