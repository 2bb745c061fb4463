"""Documents that cost more than they look: refused before they run, in linear time."""

import pytest

from tests.support.baton_client import Caller, Refused, Workspace
from tests.support.conversation_driver import Talk

INTROSPECTION = "{ __schema { types { name } } }"


def doubling(levels: int) -> str:
    """Return fragments of which each spreads the next one twice."""
    spread = (
        "{ a: conversation { activeEscalation { ...F%d } } b: conversation { activeEscalation { ...F%d } } }"
    )
    fragments = [
        f"fragment F{level} on Escalation " + spread % (level + 1, level + 1) for level in range(levels)
    ]
    return " ".join([*fragments, f"fragment F{levels} on Escalation {{ id }}"])


def test_hostile_comment_with_a_wrong_variable_is_answered(workspace: Workspace) -> None:
    document = f"# {'a' * 16_000}\nquery($id: ID!) {{ conversation(id: $id) {{ id }} }}"
    answer = workspace.nobody.post(document, {"id": {"no": "id"}})
    (error,) = answer["errors"]
    assert error["extensions"] == {"code": "BAD_USER_INPUT", "field": "id"}


def test_aliases_through_fragments_are_multiplied(workspace: Workspace) -> None:
    talk = Talk.begin(workspace)
    spreads = "".join(f"f{number}: activeEscalation {{ ...E }} " for number in range(40))
    fields = "".join(f"n{number}: timeline(first: 100) {{ nodes {{ kind }} }} " for number in range(40))
    document = (
        f"query($id: ID!) {{ conversation(id: $id) {{ {spreads} }} }} fragment E on Escalation {{ {fields} }}"
    )
    with pytest.raises(Refused) as refused:
        workspace.key.ask(document, id=talk.id)
    assert refused.value.code == "QUERY_TOO_COMPLEX"


def test_doubling_fragments_are_counted_in_linear_time(workspace: Workspace) -> None:
    document = "query($id: ID!) { escalation(id: $id) { ...F0 } } " + doubling(25)
    with pytest.raises(Refused) as refused:
        workspace.key.ask(document, id="esc_01h00000000000000000000000")
    assert refused.value.code == "QUERY_TOO_COMPLEX"


def test_introspection_needs_a_credential(workspace: Workspace) -> None:
    with pytest.raises(Refused) as refused:
        workspace.nobody.ask(INTROSPECTION)
    assert refused.value.code == "UNAUTHENTICATED"
    assert {"name": "Query"} in workspace.key.ask(INTROSPECTION)["__schema"]["types"]


def test_reply_to_a_customer_has_at_most_two_mebibytes(workspace: Workspace) -> None:
    talk = Talk.begin(workspace)
    for _ in range(55):
        workspace.key.record(talk.id, "ASSISTANT", "x" * 20_000, confidence=99)
    page = "messages(first: 100) { nodes { content } }"
    once = f"query($id: ID!) {{ conversation(id: $id) {{ {page} }} }}"
    twice = f"query($id: ID!) {{ conversation(id: $id) {{ a: {page} b: {page} }} }}"
    assert len(talk.widget.ask(once, id=talk.id)["conversation"]["messages"]["nodes"]) == 55
    answer = talk.widget.post(twice, {"id": talk.id})
    assert answer.get("data") is None
    assert [error["extensions"]["code"] for error in answer["errors"]] == ["QUERY_TOO_COMPLEX"]
    assert len(workspace.key.ask(twice, id=talk.id)["conversation"]["b"]["nodes"]) == 55


def test_long_document_is_refused(workspace: Workspace) -> None:
    caller: Caller = workspace.key
    for document in ("{ viewer { kind } } #" + "x" * 17_000, "{ viewer { kind } }" + "\n" * 6_000):
        with pytest.raises(Refused) as refused:
            caller.ask(document)
        assert refused.value.code == "QUERY_TOO_COMPLEX"
