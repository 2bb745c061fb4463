"""GraphiQL at /graphql: off without its setting, and served from our own files with it."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.support.baton_client import Server

INDEX = '<!doctype html><html><head><script type="module" src="./assets/index-AB.js"></script></head></html>'


@pytest.fixture(scope="module")
def graphiql(server: Server) -> Iterator[Server]:
    """A process of the shared service that has a build of GraphiQL, and serves it."""
    running = Server(server.data_dir, server.owner_url, server.service_url)
    running.log = server.data_dir / "graphiql.log"
    with tempfile.TemporaryDirectory(prefix="baton-web-") as folder:
        assets = Path(folder) / "graphiql/assets"
        assets.mkdir(parents=True)
        (assets.parent / "index.html").write_text(INDEX)
        (assets / "index-AB.js").write_text("export {}")
        running.start(BATON_WEB_DIR=folder, BATON_GRAPHIQL="true")
        yield running
        running.stop()


def get(server: Server, path: str = "/graphql", accept: str = "text/html") -> httpx.Response:
    return httpx.get(server.url + path, headers={"accept": accept}, trust_env=False)


def test_browser_gets_the_way_to_turn_it_on_while_it_is_off(server: Server) -> None:
    for path in ("/graphql", "/graphql/assets/index-AB.js"):
        answer = get(server, path)
        assert answer.status_code == 404
        assert answer.headers["content-type"].startswith("text/plain")
        assert answer.headers["cache-control"] == "no-store"
        assert "BATON_GRAPHIQL=true" in answer.text


def test_page_has_a_nonce_and_names_only_own_files(graphiql: Server) -> None:
    page = get(graphiql)
    policy = page.headers["content-security-policy"]
    nonce = policy.partition("'nonce-")[2].partition("'")[0]
    assert page.status_code == 200
    assert f'<meta property="csp-nonce" nonce="{nonce}">' in page.text
    assert "default-src 'self'" in policy
    assert "unsafe" not in policy
    assert "*" not in policy
    assert "//" not in page.text.replace("<!doctype html>", "")
    assert 'src="./graphql/assets/index-AB.js"' in page.text


def test_file_of_the_page_is_immutable_and_a_missing_one_is_404(graphiql: Server) -> None:
    asset = get(graphiql, "/graphql/assets/index-AB.js")
    assert (asset.status_code, asset.text) == (200, "export {}")
    assert asset.headers["cache-control"] == "public, max-age=31536000, immutable"
    for path in ("/graphql/assets/gone.js", "/graphql/assets/..%2findex.html", "/graphql/index.html"):
        assert get(graphiql, path).status_code == 404


def test_clients_of_the_api_get_json_as_without_it(graphiql: Server) -> None:
    answer = get(graphiql, "/graphql?query={__typename}", accept="application/json")
    assert answer.json()["data"] == {"__typename": "Query"}
