"""The built files of the widget: encodings, caching, headers for pages of other sites, and no other files."""

import base64
import gzip
import hashlib
import http.client
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from starlette.applications import Starlette

from server.http.widget_files import WidgetFiles
from server.version import VERSION
from tests.support.baton_client import DEADLINE, Server
from tests.support.baton_process import run_baton

pytestmark = pytest.mark.anyio

LOADER, PANEL = b"loader();" * 20, b"panel();" * 20
PANEL_NAME = "panel.ukttbzag.js"
AGENT_ID = "agt_01m8m693r7emx9sxystd6wjpsy"
FOREVER = "public, max-age=31536000, immutable"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder as the build leaves it, below one with a file that is no part of it."""
    (tmp_path / "secret.12345678.js").write_text("secret")
    built = tmp_path / "widget"
    built.mkdir()
    for name, content in {"widget.js": LOADER, PANEL_NAME: PANEL, "widget.mjs": b"export {};"}.items():
        (built / name).write_bytes(content)
        (built / f"{name}.gz").write_bytes(gzip.compress(content))
        (built / f"{name}.br").write_bytes(b"brotli of " + content)
    (built / "manifest.json").write_text("{}")
    (built / "half-12345678.js").write_text("half();")
    return built


@pytest.fixture
async def client(folder: Path) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the files in the folder."""
    transport = httpx.ASGITransport(Starlette(routes=WidgetFiles(folder).routes))
    async with httpx.AsyncClient(transport=transport, base_url="http://baton.example") as client:
        yield client


@pytest.mark.parametrize(
    ("path", "caching"),
    [
        ("/widget.js", "public, max-age=300, stale-while-revalidate=86400"),
        ("/widget.mjs", "public, max-age=300, stale-while-revalidate=86400"),
        (f"/widget/{PANEL_NAME}", FOREVER),
        ("/widget/half-12345678.js", FOREVER),
        (f"/widget/{VERSION}/widget.js", FOREVER),
        (f"/widget/{VERSION}/widget.mjs", FOREVER),
    ],
)
async def test_file_is_served_to_pages_of_any_site(
    client: httpx.AsyncClient, path: str, caching: str
) -> None:
    answer = await client.get(path, headers={"accept-encoding": "identity"})
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == caching
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.headers["cross-origin-resource-policy"] == "cross-origin"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-type"] == "text/javascript; charset=utf-8"
    assert answer.headers["vary"] == "Accept-Encoding"
    assert int(answer.headers["content-length"]) == len(answer.content) > 0


@pytest.mark.parametrize(
    ("accepted", "encoding"),
    [
        ("gzip, deflate, br, zstd", "br"),
        ("br;q=0.1, gzip", "br"),
        ("BR", "br"),
        ("gzip", "gzip"),
        ("br;q=0, gzip;q=0.5", "gzip"),
        ("br; q=0.000, *", "gzip"),
        ("*", "br"),
        ("deflate", None),
        ("", None),
        ("br;q=0, gzip;q=0", None),
        ("identity", None),
        (";;,,q=", None),
    ],
)
async def test_best_accepted_encoding_is_served(
    client: httpx.AsyncClient, accepted: str, encoding: str | None
) -> None:
    request = client.build_request("GET", "/widget.js", headers={"accept-encoding": accepted})
    answer = await client.send(request, stream=True)
    raw = b"".join([part async for part in answer.aiter_raw()])
    expected = {"br": b"brotli of " + LOADER, "gzip": gzip.compress(LOADER), None: LOADER}[encoding]
    assert answer.headers.get("content-encoding") == encoding
    assert raw[10:] == expected[10:]  # a gzip header holds a time


async def test_file_without_compressed_form_is_served_as_it_is(client: httpx.AsyncClient) -> None:
    answer = await client.get("/widget/half-12345678.js", headers={"accept-encoding": "br, gzip"})
    assert (answer.text, answer.headers.get("content-encoding")) == ("half();", None)


async def test_unchanged_file_is_not_sent_again(client: httpx.AsyncClient, folder: Path) -> None:
    plain = {"accept-encoding": "identity"}
    first = await client.get("/widget.js", headers=plain)
    etag = first.headers["etag"]
    for tag in (etag, f'"x", {etag}', f"W/{etag}", "*"):
        again = await client.get("/widget.js", headers=plain | {"if-none-match": tag})
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["cache-control"] == first.headers["cache-control"]
    compressed = await client.get("/widget.js", headers={"accept-encoding": "gzip"})
    assert compressed.headers["etag"] != etag
    (folder / "widget.js").write_text("a new build")
    new = await client.get("/widget.js", headers=plain | {"if-none-match": etag})
    assert (new.status_code, new.text) == (200, "a new build")


async def test_head_sends_no_content(client: httpx.AsyncClient) -> None:
    answer = await client.head("/widget.js", headers={"accept-encoding": "identity"})
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-length"] == str(len(LOADER))


OUTSIDE = [
    "/widget/widget.js",
    "/widget/manifest.json",
    f"/widget/{PANEL_NAME}.br",
    "/widget/secret.12345678.js",
    "/widget/..%2fsecret.12345678.js",
    "/widget/%2e%2e%2fsecret.12345678.js",
    "/widget/%252e%252e%252fsecret.12345678.js",
    "/widget/..%5csecret.12345678.js",
    f"/widget/{VERSION}/..%2f..%2fsecret.12345678.js",
    f"/widget/{VERSION}/{PANEL_NAME}",
    "/widget/../secret.12345678.js",
    "/widget/..;/secret.12345678.js",
    "/widget/0.0.1/widget.js",
    "/widget/../widget.js",
    f"/widget/{PANEL_NAME}%00",
    "/widget/%00.12345678.js",
    "/widget/" + "a" * 5_000 + ".12345678.js",
    "/widget//etc/passwd",
    "/widget/",
]


@pytest.mark.parametrize("path", OUTSIDE)
async def test_no_other_file_is_served(folder: Path, path: str) -> None:
    app = Starlette(routes=WidgetFiles(folder).routes)
    scope = {
        "type": "http",
        "method": "GET",
        "path": httpx.URL(f"http://x{path}").path if "%" in path else path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [],
    }
    sent: list[dict[str, object]] = []

    async def receive() -> dict[str, str]:
        return {"type": "http.request"}

    async def send(message: dict[str, object]) -> None:
        sent.append(message)

    await app(scope, receive, send)  # type: ignore[arg-type]  # typed by mutable mappings
    assert sent[0]["status"] == 404
    assert b"secret" not in bytes(sent[1]["body"])  # type: ignore[call-overload]


async def test_missing_build_names_the_command(tmp_path: Path) -> None:
    transport = httpx.ASGITransport(Starlette(routes=WidgetFiles(tmp_path).routes))
    async with httpx.AsyncClient(transport=transport, base_url="http://baton.example") as client:
        for path in ("/widget.js", f"/widget/{PANEL_NAME}", f"/widget/{VERSION}/widget.js"):
            answer = await client.get(path)
            assert answer.status_code == 404
            assert "make web" in answer.text
            assert answer.headers["cache-control"] == "no-store"
            assert answer.headers["content-type"].startswith("text/plain")
            assert answer.headers["access-control-allow-origin"] == "*"


async def test_file_of_an_earlier_build_is_not_cached_as_missing(client: httpx.AsyncClient) -> None:
    answer = await client.get("/widget/panel.00000000.js")
    assert (answer.status_code, answer.headers["cache-control"]) == (404, "no-store")


@pytest.mark.parametrize(
    "path", ["/widget/../../../etc/passwd", "/widget/..%2f..%2f..%2fsettings.py", "/widget/.."]
)
async def test_running_server_serves_nothing_from_outside(server: Server, path: str) -> None:
    address = urlsplit(server.url)
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=DEADLINE)
    # The path goes out as it is written.
    connection.putrequest("GET", path, skip_host=False)
    connection.endheaders()
    assert connection.getresponse().status == 404
    connection.close()


async def test_command_prints_a_snippet_with_the_hash_of_the_loader(tmp_path: Path) -> None:
    built = WidgetFiles().folder / "widget.js"
    environment = {"BATON_PUBLIC_URL": "https://baton.example/", "BATON_DATA_DIR": str(tmp_path)}
    finished = run_baton("widget", "--agent", AGENT_ID, **environment)
    if not built.exists():
        assert finished.returncode == 1
        assert "make web" in finished.stderr
        return
    digest = base64.b64encode(hashlib.sha384(built.read_bytes()).digest()).decode()
    assert (
        f'src="https://baton.example/widget/{VERSION}/widget.js" integrity="sha384-{digest}"'
        in finished.stdout
    )
    assert f'src="https://baton.example/widget.js" data-agent="{AGENT_ID}"' in finished.stdout
    assert "connect-src https://baton.example wss://baton.example" in finished.stdout


def test_command_prints_the_hash_of_the_folder_that_is_served(tmp_path: Path) -> None:
    (tmp_path / "widget").mkdir()
    (tmp_path / "widget" / "widget.js").write_text("built elsewhere")
    finished = run_baton("widget", "--json", BATON_WEB_DIR=str(tmp_path), BATON_DATA_DIR=str(tmp_path))
    digest = base64.b64encode(hashlib.sha384(b"built elsewhere").digest()).decode()
    assert f'"integrity": "sha384-{digest}"' in finished.stdout, finished.stderr


def test_command_refuses_an_id_that_no_agent_has(tmp_path: Path) -> None:
    finished = run_baton("widget", "--agent", "my-agent", BATON_DATA_DIR=str(tmp_path))
    assert finished.returncode == 1
    assert finished.stderr == "--agent is not an id; expected one that starts with “agt_”.\n"
