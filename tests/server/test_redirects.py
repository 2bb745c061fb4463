"""The addresses that notifications link to lead somewhere."""

from urllib.parse import parse_qs, urlsplit

import httpx

from tests.support.baton_client import Server, Workspace


def _leads_to(server: Server, path: str) -> str:
    answer = httpx.get(server.url + path, follow_redirects=False, trust_env=False)
    assert answer.status_code == 307
    return answer.headers["location"]


def test_the_front_door_and_the_dashboards_lead_to_graphiql(server: Server) -> None:
    assert [_leads_to(server, path) for path in ("/", "/app")] == ["/graphql", "/graphql"]


def test_a_link_to_an_escalation_asks_for_it(workspace: Workspace) -> None:
    escalation = workspace.key.escalate(workspace.start()["conversation"]["id"])["escalation"]["id"]
    asked = parse_qs(urlsplit(_leads_to(workspace.server, f"/app/escalations/{escalation}")).query)["q"][0]
    result = workspace.key.ask(asked)["escalation"]
    assert (result["status"], result["reason"]) == ("OPEN", "needs a person")


def test_a_link_cannot_put_words_into_the_question(server: Server) -> None:
    hostile = _leads_to(server, '/app/escalations/esc_1")%20%7B%20id%20%7D%20x:%20viewer')
    assert parse_qs(urlsplit(hostile).query)["q"][0].splitlines()[1] == '  escalation(id: "esc_1idxviewer") {'


def test_the_link_to_the_deliveries_asks_for_those_that_failed(workspace: Workspace) -> None:
    asked = parse_qs(urlsplit(_leads_to(workspace.server, "/app/deliveries")).query)["q"][0]
    assert workspace.key.ask(asked) == {"deliveries": {"nodes": []}}
