"""GraphiQL in a browser: operations and the docs from one host, and what it leaves in the browser."""

from urllib.parse import urlsplit

from playwright.sync_api import Page, expect

from tests.support.baton_client import Server, Workspace
from tests.support.dashboard_page import DashboardPage, sign_out
from tests.support.open_subscriptions import wait_for_subscriptions

QUERY = "{ viewer { member { name } } }"
KEPT = "JSON.stringify(localStorage)"


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
    # The refused schema would replace the result of a query that is answered first.
    expect(result).to_contain_text("Sign in or present an API key to read the schema.")

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


def _run_query(page: Page, server: Server) -> None:
    """Run QUERY in GraphiQL, and wait until GraphiQL has stored it."""
    page.goto(f"{server.url}/graphql")
    _type(page, "Query Editor", QUERY)
    page.get_by_role("button", name="Execute query").click()
    expect(page.locator(".result-window")).to_contain_text('"name"')
    page.wait_for_function("query => localStorage.getItem('graphiql:tabState')?.includes(query)", arg=QUERY)


def test_signing_out_deletes_the_queries_of_graphiql_and_nothing_else(
    page: Page, graphiql: Server, workspace: Workspace
) -> None:
    dashboard = DashboardPage(page, workspace, f"{graphiql.url}/app").sign_in()
    tab = page.context.new_page()
    _run_query(tab, graphiql)
    tab.close()
    page.evaluate("localStorage.setItem('graphiql-of-another-program', 'kept')")
    page.evaluate("localStorage.setItem('baton-dashboard:theme', '\"dark\"')")
    sign_out(page)
    names = page.evaluate("Object.keys(localStorage).sort()")
    assert names == ["baton-dashboard:theme", "graphiql-of-another-program"]
    assert dashboard.errors == []


def test_graphiql_in_another_tab_starts_over_after_signing_out(
    page: Page, graphiql: Server, workspace: Workspace
) -> None:
    dashboard = DashboardPage(page, workspace, f"{graphiql.url}/app").sign_in()
    tab = page.context.new_page()
    _run_query(tab, graphiql)
    # Not stored yet when the tabs are deleted.
    _type(tab, "Query Editor", f"# changed\n{QUERY}")
    sign_out(page)
    expect(tab.get_by_label("Query Editor")).to_contain_text("Operations run with your session")
    expect(tab.locator(".result-window")).not_to_contain_text('"name"')
    tab.wait_for_function("() => localStorage.getItem('graphiql:tabState')")
    assert QUERY not in page.evaluate(KEPT)
    assert dashboard.errors == []


def test_member_who_signs_in_after_another_one_gets_no_query_of_theirs(
    page: Page, graphiql: Server, workspace: Workspace
) -> None:
    workspace.member("bea@example.com")
    dashboard = DashboardPage(page, workspace, f"{graphiql.url}/app").sign_in()
    tab = page.context.new_page()
    _run_query(tab, graphiql)
    tab.close()
    workspace.end_sessions()
    dialog = page.get_by_role("dialog", name="Your session has ended")
    expect(dialog).to_be_visible()
    with page.expect_event("load"):
        dashboard.fill_credentials("bea@example.com")
    page.wait_for_function(f"query => !{KEPT}.includes(query)", arg=QUERY)


def test_queries_of_an_ended_session_are_kept_for_their_author_only(
    page: Page, graphiql: Server, workspace: Workspace
) -> None:
    workspace.member("bea@example.com")
    dashboard = DashboardPage(page, workspace, f"{graphiql.url}/app").sign_in()
    _run_query(page, graphiql)
    page.goto("about:blank")
    workspace.end_sessions()
    dashboard.sign_in()
    assert QUERY in page.evaluate(KEPT)
    page.goto("about:blank")
    workspace.end_sessions()
    tab = page.context.new_page()
    tab.goto(f"{graphiql.url}/graphql")
    expect(tab.get_by_label("Query Editor")).to_contain_text("viewer")
    dashboard.sign_in("bea@example.com")
    expect(tab.get_by_label("Query Editor")).to_contain_text("Operations run with your session")
    assert QUERY not in page.evaluate(KEPT)
    _run_query(tab, graphiql)
    page.reload()
    expect(page.locator('nav[aria-label="Main"]')).to_be_attached()
    assert QUERY in page.evaluate(KEPT)
    assert dashboard.errors == []


def test_clearing_the_data_of_graphiql_keeps_drafts_of_the_dashboard(page: Page, graphiql: Server) -> None:
    page.goto(f"{graphiql.url}/graphql")
    page.wait_for_function("() => localStorage.getItem('graphiql:tabState')")
    page.evaluate("localStorage.setItem('baton-dashboard:draft:mem:reply:conv', 'Half a sentence')")
    page.evaluate("localStorage.setItem('graphiql:query', 'query Old { viewer { __typename } }')")
    page.get_by_role("button", name="Open settings dialog").click()
    page.get_by_role("button", name="Clear data").click()
    expect(page.get_by_role("button", name="Cleared data")).to_be_visible()
    names = page.evaluate("Object.keys(localStorage)")
    # GraphiQL may store its open tab again.
    assert set(names) - {"graphiql:tabState"} == {"baton-dashboard:draft:mem:reply:conv"}
