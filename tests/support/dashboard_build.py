"""A small build of a dashboard, as Vite writes it, and a proxy that serves it under a path prefix."""

import asyncio
import gzip
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.support.baton_client import DEADLINE

SCRIPT = "assets/index-DEADBEEF.js"
STYLE = "assets/index-DEADBEEF.css"
PRINT = "assets/print-DEADBEEF.css"
INDEX = f"""<!doctype html><html lang="en"><head><meta charset="utf-8">
<title>Baton</title>
<script>document.documentElement.lang = "en-GB"</script>
<style>p {{ margin: 0 }}</style>
<link rel="icon" href="./favicon.svg">
<link rel="stylesheet" crossorigin href="./{STYLE}">
<script type="module" crossorigin src="./{SCRIPT}"></script>
</head><body><div id="root"></div></body></html>
"""
# Signs in, and asks over a WebSocket with the session cookie. It writes its findings into the page: the
# violations of the policy, the colour of an own style, and the name of the member.
PROGRAM = """
const root = new URL("../..", import.meta.url), seen = [];
document.addEventListener("securitypolicyviolation", (event) => seen.push(event.violatedDirective));
const show = (id, text) => {
  const line = document.createElement("p");
  line.id = id;
  line.textContent = text;
  document.body.append(line);
};
const style = document.createElement("style");
style.nonce = document.querySelector('meta[property="csp-nonce"]').nonce;
style.textContent = "body { color: rgb(1, 2, 3) }";
document.head.append(style);
const [, email, password] = /#(\\S+) (.*)/.exec(decodeURIComponent(location.hash));
const ask = (query, variables) => fetch(new URL("graphql", root), {
  method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ query, variables }),
}).then((response) => response.json());
await ask("mutation($e: String!, $p: String!) { signIn(email: $e, password: $p) { token } }",
  { e: email, p: password });
const { data } = await ask("{ viewer { member { name } } }");
const address = new URL("graphql", root);
address.protocol = "ws:";
const socket = new WebSocket(address, "graphql-transport-ws");
socket.onopen = () => socket.send('{"type":"connection_init"}');
socket.onmessage = ({ data: text }) => {
  const message = JSON.parse(text);
  if (message.type === "connection_ack") {
    socket.send(JSON.stringify({ id: "1", type: "subscribe", payload: { query: "{ viewer { kind } }" } }));
  } else if (message.type === "next") {
    show("socket", message.payload.data.viewer.kind);
    show("violations", seen.join(" ") || "none");
    try {
      document.getElementById("root").innerHTML = "<b>markup</b>";
    } catch (error) {
      show("markup", error.name);
    }
    show("color", getComputedStyle(document.body).color);
    show("member", data.viewer.member.name);
  }
};
"""
SHEET = "body { background: rgb(4, 5, 6) }\n" + "/* padding */\n" * 200


def write_build(folder: Path) -> Path:
    """Write the files of a build into `folder`/app, and return `folder`."""
    assets = folder / "app" / "assets"
    assets.mkdir(parents=True)
    (folder / "app" / ".vite").mkdir()
    (folder / "app" / ".vite" / "manifest.json").write_text("{}")
    (folder / "app" / "index.html").write_text(INDEX)
    (folder / "app" / "favicon.svg").write_text('<svg xmlns="http://www.w3.org/2000/svg"/>')
    (folder / "app" / SCRIPT).write_text(PROGRAM)
    (folder / "app" / STYLE).write_text(SHEET)
    (folder / "app" / PRINT).write_text(SHEET)
    (folder / "app" / f"{PRINT}.gz").write_bytes(gzip.compress(SHEET.encode()))
    # Not Brotli: the server never reads the variants.
    (folder / "app" / f"{PRINT}.br").write_bytes(b"brotli of the sheet")
    (folder / "secret.js").write_text("not of the dashboard")
    return folder


def replace_build(folder: Path) -> None:
    """Give each file of the build in `folder`/app the name that other content would have had.

    The old names are gone, as after an upgrade. `folder` is a copy of server/static.
    """
    assets = folder / "app" / "assets"
    for compressed in [*assets.glob("*.br"), *assets.glob("*.gz")]:
        compressed.unlink()
    old = {path.name: f"{path.stem}_2{path.suffix}" for path in assets.iterdir()}
    for path in [*assets.iterdir(), folder / "app/index.html"]:
        if path.suffix in {".js", ".css", ".html"}:
            text = path.read_text()
            for name, new in old.items():
                text = text.replace(name, new)
            path.write_text(text)
    for name, new in old.items():
        (assets / name).rename(assets / new)


@contextmanager
def prefix_proxy(target: int, prefix: str) -> Iterator[int]:
    """Run a proxy that removes a path prefix from every request; yield its port."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    async def copy(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter, old: bytes, new: bytes
    ) -> None:
        with suppress(OSError):
            while data := await reader.read(65_536):
                # The payload of a WebSocket is masked, so only the heads of requests hold the prefix.
                writer.write(data.replace(old, new))
                await writer.drain()
        writer.close()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", target)
        removed = f" {prefix}/".encode()
        # asyncio logs an error for a connection whose task ends as cancelled.
        with suppress(asyncio.CancelledError):
            await asyncio.gather(copy(reader, back, removed, b" /"), copy(there, writer, removed, removed))
        for end in (back, writer):
            end.close()
            with suppress(OSError):
                await end.wait_closed()

    async def listen() -> asyncio.Server:
        return await asyncio.start_server(accept, "127.0.0.1", 0)

    async def close(server: asyncio.Server) -> None:
        server.close()
        tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    server = asyncio.run_coroutine_threadsafe(listen(), loop).result(DEADLINE)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        asyncio.run_coroutine_threadsafe(close(server), loop).result(DEADLINE)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(DEADLINE)
        loop.close()
