"""The documents that widget tokens may run, on a server that allows those of a manifest only."""

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from graphql import parse
from pydantic import ValidationError

from resolvers.trusted_documents import TrustedDocuments
from schema.documents import CACHE, load
from schema.trusted_documents import OWN_MANIFEST, digest_of, read_trusted_documents
from scripts.widget_documents import manifest, widget_documents
from server.settings import Settings
from tests.support.baton_client import Caller, Refused, Server, Workspace
from tests.support.seeded_workspace import fingerprint

INTEGRATORS = "query Mine($id: ID!) { conversation(id: $id) { ai { state epoch } } }"
OTHER = "query Other($id: ID!) { conversation(id: $id) { ai { state } createdAt } }"
SPELLED = "# mine\nquery Mine ( $id : ID! ) {\n conversation ( id : $id ) { ai { state, epoch } } }"
SAY = """mutation($id: ID!) {
    recordMessage(input: {conversationId: $id, role: USER, content: "x"}) { __typename } }"""
FOLLOW = "subscription($id: ID!) { messageAdded(conversationId: $id) { cursor } }"


@pytest.fixture(scope="module")
def closed() -> Iterator[Workspace]:
    """A workspace on a server with an integrator's manifest."""
    with tempfile.TemporaryDirectory(prefix="baton-trusted-") as folder:
        Path(folder).chmod(0o755)
        given = Path(folder) / "manifest.json"
        given.write_text(json.dumps({"mine-1": INTEGRATORS}))
        with Server.started(Path(folder) / "data", BATON_WIDGET_DOCUMENTS=str(given)) as server:
            yield server.new_workspace()


@pytest.fixture(scope="module")
def talk(closed: Workspace) -> dict[str, Any]:
    return closed.start()


@pytest.fixture
def widget(closed: Workspace, talk: dict[str, Any]) -> Caller:
    return closed.widget(talk)


def conversation_of(talk: dict[str, Any]) -> str:
    return str(talk["conversation"]["id"])


def test_manifest_in_the_package_is_fresh() -> None:
    assert OWN_MANIFEST.read_text(encoding="utf-8") == manifest()


@pytest.mark.parametrize("name", widget_documents())
def test_document_of_the_widget_is_trusted(name: str) -> None:
    read_trusted_documents(None).check(digest_of(parse(widget_documents()[name])))


@pytest.mark.parametrize("document", [OTHER, SAY, "{ viewer { kind } }", "{ __typename }"])
def test_other_document_of_a_widget_token_is_forbidden_and_changes_nothing(
    closed: Workspace, widget: Caller, talk: dict[str, Any], document: str
) -> None:
    before = fingerprint(closed)
    answer = widget.post(document, {"id": conversation_of(talk)})
    assert [error["extensions"]["code"] for error in answer["errors"]] == ["FORBIDDEN"]
    assert "BATON_WIDGET_DOCUMENTS" in answer["errors"][0]["message"]
    assert "data" not in answer
    assert fingerprint(closed) == before


@pytest.mark.parametrize("document", [INTEGRATORS, SPELLED, widget_documents()["READ"]])
def test_document_of_a_manifest_is_answered(widget: Caller, talk: dict[str, Any], document: str) -> None:
    assert widget.ask(document, id=conversation_of(talk))["conversation"]["ai"]["state"] == "ACTIVE"


@pytest.mark.parametrize("hash_", ["mine-1", digest_of(parse(INTEGRATORS))])
def test_id_or_hash_in_place_of_the_document_is_answered(
    widget: Caller, talk: dict[str, Any], hash_: str
) -> None:
    answer = send_hash(widget, talk, hash_)
    assert answer["data"]["conversation"]["ai"]["state"] == "ACTIVE"


def test_unknown_hash_is_not_supported(widget: Caller, talk: dict[str, Any]) -> None:
    (error,) = send_hash(widget, talk, "0" * 64)["errors"]
    assert error["extensions"]["code"] == "PERSISTED_QUERY_NOT_SUPPORTED"


def send_hash(widget: Caller, talk: dict[str, Any], hash_: str) -> dict[str, Any]:
    extensions = {"persistedQuery": {"version": 1, "sha256Hash": hash_}}
    body = {"variables": {"id": conversation_of(talk)}, "extensions": extensions}
    with httpx.Client(trust_env=False) as client:
        answer = client.post(f"{widget.url}/graphql", json=body, headers=widget.headers)
    result: dict[str, Any] = answer.json()
    return result


def test_key_member_and_nobody_send_any_document(closed: Workspace, talk: dict[str, Any]) -> None:
    for caller in (closed.key, closed.sign_in()):
        assert caller.ask(OTHER, id=conversation_of(talk))["conversation"]["ai"]["state"] == "ACTIVE"
    assert closed.nobody.ask("{ __typename }") == {"__typename": "Query"}


@pytest.mark.anyio
async def test_socket_of_a_widget_token_runs_documents_of_the_manifest_only(
    closed: Workspace, widget: Caller, talk: dict[str, Any]
) -> None:
    async with widget.socket() as socket:
        for document in (FOLLOW, OTHER):
            with pytest.raises(Refused) as refused:
                await socket.next(await socket.subscribe(document, id=conversation_of(talk)))
            assert refused.value.code == "FORBIDDEN"
        after = talk["conversation"]["cursor"]
        id_ = await socket.subscribe(widget_documents()["MESSAGES"], id=conversation_of(talk), after=after)
        closed.key.record(conversation_of(talk), "USER", "Hello?")
        event = (await socket.next(id_))["messageAdded"]
    assert event["message"]["content"] == "Hello?"


def test_refused_document_does_not_enter_the_cache() -> None:
    kept = len(CACHE)
    for number in range(3):
        with pytest.raises(Exception, match="BATON_WIDGET_DOCUMENTS"):
            load(f"query Refused{number} {{ __typename }}", TrustedDocuments({}))
    assert len(CACHE) == kept


def test_cached_document_is_still_refused() -> None:
    text = "query CachedForKeys { __typename }"
    load(text)
    with pytest.raises(Exception, match="BATON_WIDGET_DOCUMENTS"):
        load(text, TrustedDocuments({}))


@pytest.mark.parametrize("content", [None, "[]", '{"a": 1}', '{"a": "query {"}', "no JSON"])
def test_unusable_manifest_stops_the_start(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "manifest.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(ValidationError, match=r"manifest\.json") as refused:
        Settings(widget_documents=str(path))
    assert "Errno" not in str(refused.value)
