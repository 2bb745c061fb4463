"""GraphiQL in a browser: an operation, a subscription and the docs, all from one host."""

from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, expect

from tests.support.baton_client import Server, Workspace
from tests.support.open_subscriptions import wait_for_subscriptions


@pytest.fixture(scope="module")
def graphiql(server: Server, environment: dict[str, str]) -> Iterator[Server]:
    """A process of the shared service that serves GraphiQL."""
    running = Server(server.data_dir, server.owner_url, server.service_url)
    running.log = server.data_dir / "graphiql.log"
    running.start(**environment, BATON_GRAPHIQL="true")
    yield running
    running.stop()


def _type(page: Page, editor: str, text: str) -> None:
    """Replace the text of the editor of that name."""
    shown = page.get_by_label(editor).locator(".CodeMirror:visible")
    shown.evaluate("(editor, text) => editor.CodeMirror.setValue(text)", text)


def test_graphiql_works_without_third_parties_or_violations(
    page: Page, graphiql: Server, workspace: Workspace
) -> None:
    hosts: set[str] = set()
    console: list[str] = []
    page.on("request", lambda request: hosts.add(urlsplit(request.url).netloc))
    page.on("console", lambda line: console.append(f"{line.type}: {line.text}"))
    page.on("pageerror", lambda error: console.append(f"error: {error}"))
    page.add_init_script(
        "document.addEventListener('securitypolicyviolation', (event) => "
        "console.error('violation', event.violatedDirective, event.sourceFile))"
    )
    page.goto(f"{graphiql.url}/graphql")
    result = page.locator(".result-window")

    _type(page, "Query Editor", "{ viewer { kind } }")
    page.get_by_role("button", name="Headers").click()
    _type(page, "Headers", f'{{"Authorization": "Bearer {workspace.key.token}"}}')
    page.get_by_role("button", name="Execute query").click()
    expect(result).to_contain_text('"API_KEY"')

    _type(page, "Query Editor", "subscription { escalationCreated { escalation { reason } } }")
    page.get_by_role("button", name="Execute query").click()
    expect(page.get_by_role("button", name="Stop query")).to_be_visible()
    wait_for_subscriptions(graphiql, 1)
    conversation = workspace.start()["conversation"]["id"]
    workspace.key.escalate(conversation, reason="seen in GraphiQL")
    expect(result).to_contain_text("seen in GraphiQL")
    page.get_by_role("button", name="Stop query").click()

    page.get_by_role("button", name="Re-fetch GraphQL schema").click()
    page.get_by_role("button", name="Show Documentation Explorer").click()
    docs = page.get_by_role("region", name="Documentation Explorer")
    docs.get_by_text("Query", exact=True).click()
    docs.get_by_text("viewer", exact=True).click()
    # The description is HTML, rendered from Markdown.
    expect(docs.locator(".graphiql-markdown-description p").first).to_be_visible()
    page.get_by_role("button", name="Open short keys dialog").click()
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")

    assert hosts == {urlsplit(graphiql.url).netloc}
    assert [line for line in console if line.startswith(("error", "warning"))] == []
    kept = page.evaluate("JSON.stringify(localStorage)")
    assert str(workspace.key.token) not in kept
