"""The dashboard under /app: pages with a fresh nonce, files that never change, and links without a build."""

import re
import shutil
import subprocess
import tempfile
from base64 import b64encode
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import httpx
import pytest

from tests.support.baton_client import PASSWORD, Server, Workspace
from tests.support.chromium import texts_of_page
from tests.support.dashboard_build import INDEX, PRINT, SCRIPT, SHEET, prefix_proxy, write_build
from tests.support.requirements import need

NONCE = re.compile(r"'nonce-([\w-]{20,})'")


@pytest.fixture(scope="module")
def web_dir() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="baton-web-") as folder:
        yield write_build(Path(folder))


@pytest.fixture(scope="module")
def dashboard(server: Server, web_dir: Path) -> Iterator[Server]:
    """A process of the shared service that has a build of the dashboard."""
    running = Server(server.data_dir, server.owner_url, server.service_url)
    running.log = server.data_dir / "dashboard.log"
    running.start(BATON_WEB_DIR=str(web_dir))
    yield running
    running.stop()


@pytest.fixture(scope="module")
def unbuilt(server: Server) -> Iterator[Server]:
    """A process without a build of the dashboard."""
    running = Server(server.data_dir, server.owner_url, server.service_url)
    running.log = server.data_dir / "unbuilt.log"
    running.start(BATON_WEB_DIR=str(server.data_dir / "no build"))
    yield running
    running.stop()


def get(server: Server, path: str, **headers: str) -> httpx.Response:
    given = {"accept-encoding": "identity", "accept": "text/html", **headers}
    return httpx.get(server.url + path, headers=given, trust_env=False)


PAGES = [
    ("/app", "./app/"),
    ("/app/", "./"),
    ("/app/escalations", "./"),
    ("/app/escalations/", "../"),
    ("/app/escalations/esc_1", "../"),
    ("/app/settings/agt_1/escalations?tab=a.b", "../../"),
    ("/app/a%2Fb", "./"),
    ("/app/%2e%2e%2fapp", "./"),
]


@pytest.mark.parametrize(("path", "base"), PAGES)
def test_every_client_route_gets_the_page_with_its_files(dashboard: Server, path: str, base: str) -> None:
    page = get(dashboard, path)
    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    nonce = NONCE.findall(page.headers["content-security-policy"])[0]
    meta = f'<meta property="csp-nonce" nonce="{nonce}">'
    filled = INDEX.replace("<head>", f"<head>{meta}").replace("<style>", f'<style nonce="{nonce}">')
    assert page.text == filled.replace("./", base)
    script = re.findall(r'src="([^"]+)"', page.text)[0]
    assert httpx.URL(f"{dashboard.url}{path}").join(script).path == f"/app/{SCRIPT}"


def test_nonce_is_fresh_in_every_response(dashboard: Server) -> None:
    pages = [get(dashboard, "/app/") for _ in range(20)]
    nonces = {nonce for page in pages for nonce in NONCE.findall(page.headers["content-security-policy"])}
    assert len(nonces) == 20
    for page in pages:
        assert set(NONCE.findall(page.headers["content-security-policy"])) == set(
            re.findall(r'nonce="([^"]+)"', page.text)
        )


def test_page_has_strict_headers_and_no_validator(dashboard: Server) -> None:
    headers = get(dashboard, "/app/").headers
    policy = dict(part.strip().split(" ", 1) for part in headers["content-security-policy"].split(";"))
    assert policy["default-src"] == "'self'"
    digest = b64encode(sha256(b'document.documentElement.lang = "en-GB"').digest()).decode()
    assert policy["script-src"] == f"'self' 'sha256-{digest}'"
    assert (policy["frame-ancestors"], policy["base-uri"], policy["object-src"]) == ("'none'",) * 3
    assert policy["require-trusted-types-for"] == "'script'"
    assert "unsafe" not in headers["content-security-policy"]
    assert "*" not in headers["content-security-policy"]
    assert headers["cache-control"] == "no-cache"
    assert headers["referrer-policy"] == "same-origin"
    assert headers["cross-origin-opener-policy"] == "same-origin"
    assert headers["x-content-type-options"] == "nosniff"
    # A 304 would keep the old page with the new nonce's policy.
    assert not {"etag", "last-modified"} & set(headers)


@pytest.mark.parametrize(
    ("accepted", "encoding"),
    [
        ("gzip, deflate, br, zstd", "br"),
        ("gzip", "gzip"),
        ("br;q=0, gzip;q=0.5", "gzip"),
        ("br;q=0.0,gzip;q=0", None),
        ("identity", None),
        ("", None),
        ("brotli", None),
        ("gzip, *;q=0", "gzip"),
    ],
)
def test_asset_is_immutable_in_the_encoding_that_the_client_accepts(
    dashboard: Server, web_dir: Path, accepted: str, encoding: str | None
) -> None:
    with httpx.stream(
        "GET", f"{dashboard.url}/app/{PRINT}", headers={"accept-encoding": accepted}, trust_env=False
    ) as asset:
        sent = b"".join(asset.iter_raw())
    assert asset.headers.get("content-encoding") == encoding
    suffix = {"br": ".br", "gzip": ".gz", None: ""}[encoding]
    assert sent == (web_dir / "app" / f"{PRINT}{suffix}").read_bytes()
    assert asset.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert asset.headers["content-type"] == "text/css; charset=utf-8"
    assert "Accept-Encoding" in asset.headers["vary"].split(", ")
    assert asset.headers["x-content-type-options"] == "nosniff"


def test_compressed_asset_is_the_same_file(dashboard: Server) -> None:
    asset = httpx.get(f"{dashboard.url}/app/{PRINT}", headers={"accept-encoding": "gzip"}, trust_env=False)
    assert asset.text == SHEET


@pytest.mark.parametrize(
    "path",
    [
        "/app/assets/index-0LD.js",
        "/app/assets/",
        "/app/assets/index",
        "/app/missing.js",
        "/app/deep/missing.css",
        "/app/.vite/manifest.json",
        "/app/assets/../.vite/manifest.json",
        "/app/assets/..%2f..%2fsecret.js",
        "/app/..%2fsecret.js",
        "/app/assets/%2e%2e/%2e%2e/secret.js",
        "/app/assets//etc/passwd.js",
        "/app/assets/%00.js",
        "/app/assets/..%5c..%5csecret.js",
        f"/app/{PRINT}.gz",
        "/app/" + "a" * 300 + ".js",
        "/app/assets/" + "a/" * 2_000 + "a.js",
    ],
)
def test_missing_or_hidden_file_is_404_and_never_the_page(dashboard: Server, path: str) -> None:
    # Not httpx, which would normalise the address.
    answer = _raw(dashboard, path)
    assert answer.startswith(b"HTTP/1.1 404"), answer[:200]
    assert b"cache-control: no-store" in answer.lower()
    assert b"<html" not in answer
    assert b"not of the dashboard" not in answer


def test_line_break_in_an_address_is_404(dashboard: Server) -> None:
    answer = _raw(dashboard, "/app/assets/a%0d%0aX-Evil:%20yes%0d%0a.js")
    assert answer.startswith(b"HTTP/1.1 404")
    assert b"x-evil" not in answer.lower()


def _raw(server: Server, path: str) -> bytes:
    curl = shutil.which("curl")
    need("curl", curl)
    assert curl is not None
    run = subprocess.run(
        [curl, "-sS", "-i", "--noproxy", "*", "--path-as-is", server.url + path],
        capture_output=True,
        check=True,
    )
    return run.stdout


def test_other_file_of_the_build_is_checked_for_changes(dashboard: Server) -> None:
    icon = get(dashboard, "/app/favicon.svg")
    assert (icon.status_code, icon.headers["content-type"]) == (200, "image/svg+xml")
    assert icon.headers["cache-control"] == "no-cache"


def test_head_has_the_headers_of_get_without_its_body(dashboard: Server) -> None:
    for path in ("/app/", f"/app/{PRINT}"):
        answer = httpx.head(dashboard.url + path, trust_env=False)
        assert (answer.status_code, answer.content) == (200, b"")


@pytest.mark.parametrize("path", ["/graphql", "/healthz", "/openapi.json", "/.well-known/x", "/v1", "/appx"])
def test_address_outside_the_dashboard_never_gets_its_page(dashboard: Server, path: str) -> None:
    assert "csp-nonce" not in get(dashboard, path).text
    assert '<div id="root">' not in get(dashboard, path, accept="*/*").text


def test_front_leads_to_the_dashboard(dashboard: Server) -> None:
    answer = get(dashboard, "/")
    assert (answer.status_code, answer.headers["location"]) == (307, "app/")


def test_replaced_build_is_served_without_a_restart(server: Server) -> None:
    with tempfile.TemporaryDirectory(prefix="baton-web-") as folder:
        running = Server(server.data_dir, server.owner_url, server.service_url)
        running.log = server.data_dir / "replaced.log"
        running.start(BATON_WEB_DIR=folder)
        try:
            assert get(running, "/app/").status_code == 404
            app = write_build(Path(folder)) / "app"
            assert get(running, "/app/").status_code == 200
            (app / SCRIPT).rename(app / "assets" / "index-NEW.js")
            (app / "index.html").write_text(INDEX.replace("DEADBEEF.js", "NEW.js"))
            assert "./assets/index-NEW.js" in get(running, "/app/").text
            assert get(running, f"/app/{SCRIPT}").status_code == 404
            assert get(running, "/app/assets/index-NEW.js").status_code == 200
        finally:
            running.stop()


def test_page_without_a_build_says_how_to_build_it(unbuilt: Server) -> None:
    for path in ("/app", "/app/", "/app/settings/agt_1", '/app/escalations/x"><script>'):
        answer = get(unbuilt, path)
        assert answer.status_code == 404
        assert "The dashboard is not built" in answer.text
        assert "make web" in answer.text
        assert "<script>" not in answer.text
        assert answer.headers["cache-control"] == "no-store"
    front = get(unbuilt, "/")
    assert (front.status_code, front.headers["location"]) == (307, "app/")


@pytest.mark.parametrize("page", ["/app/", "/support/app", "/support/app/settings/agt_1/escalations"])
def test_page_signs_in_and_follows_in_a_browser_under_any_prefix(
    workspace: Workspace, dashboard: Server, page: str
) -> None:
    with prefix_proxy(dashboard.port, "/support") as port:
        address = f"http://127.0.0.1:{port}{page}#{workspace.email}%20{PASSWORD}"
        shown = texts_of_page(address, "member")
    assert shown == {
        "socket": "TEAM_MEMBER",
        "violations": "none",
        "markup": "TypeError",
        "color": "rgb(1, 2, 3)",
        "member": "Ada Admin",
    }
