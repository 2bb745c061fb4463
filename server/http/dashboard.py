"""The dashboard under `/app`, a page whose own code reads the rest of the address.

Every address below `/app` without a file name gets `index.html`, filled in for this response:

* React Aria and other libraries add `<style>` elements with the nonce of `<meta property="csp-nonce">`. The
  nonce of the response's content security policy is put there.
* The build refers to its files as `./…`, which is right only for `/app/`. Each becomes relative to the
  address of this response, so the page works under any path prefix without a setting.
"""

import re
import secrets
from pathlib import Path
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from server.http.state import http_state
from server.http.static_files import IMMUTABLE, missing_file, read_file, serve_file

# The one policy of trusted types lets only the empty text pass; the dashboard declares it.
_POLICY = (
    "default-src 'self'; style-src 'self' 'nonce-{nonce}'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'; object-src 'none'; require-trusted-types-for 'script'; trusted-types default"
)
_HEADERS = {
    # The nonce is valid for one response, so every use of the page asks for a new one.
    "Cache-Control": "no-cache",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}
_OF_FILES = {
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}
# No part is empty or begins with a dot, and none has the separator of another system.
_PATH = re.compile(r"[A-Za-z0-9_~@-][A-Za-z0-9_~@.-]*(/[A-Za-z0-9_~@-][A-Za-z0-9_~@.-]*)*")
_RELATIVE_URL = re.compile(r"""(?<=["'(])\./(?=[\w@-])""")

_ESCALATION = """{
  escalation(id: "%s") {
    status priority reason detail confidence
    assignee { name }
    sla { status dueAt remainingMinutes }
    conversation { customer { name email } messages(last: 50) { nodes { role content createdAt } } }
    timeline { nodes { kind occurredAt actor { name } } }
  }
}
"""
_DELIVERIES = """{
  deliveries(status: FAILED) {
    nodes { id channel target eventType status note attempts { attemptedAt succeeded response } }
  }
}
"""
_NOT_BUILT = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Baton: no dashboard</title>
<h1>The dashboard is not built</h1>
<p>This installation has the API without the dashboard. In the folder of Baton's source, run
<code>make web</code> and load this page again.</p>
<p>Until then, <a href="{graphiql}">use GraphiQL</a>.</p></html>
"""


async def _asset(request: Request) -> Response:
    return _file(request, f"assets/{request.path_params['path']}", IMMUTABLE)


async def _page(request: Request) -> Response:
    path = request.path_params.get("path", "")
    if "." in path.rpartition("/")[2]:
        return _file(request, path, "no-cache")
    index = read_file(_folder(request) / "index.html")
    if index is None:
        return _not_built(request, path)
    nonce = secrets.token_urlsafe(16)
    page = _RELATIVE_URL.sub(_base(request), index.content.decode())
    page = page.replace("<head>", f'<head><meta property="csp-nonce" nonce="{nonce}">', 1)
    return HTMLResponse(page, headers={**_HEADERS, "Content-Security-Policy": _POLICY.format(nonce=nonce)})


def _file(request: Request, path: str, cache_control: str) -> Response:
    headers = {**_OF_FILES, "Cache-Control": cache_control}
    response = serve_file(request, _folder(request) / path, headers) if _PATH.fullmatch(path) else None
    return response or missing_file("The dashboard has no such file: reload the page.", _OF_FILES)


def _folder(request: Request) -> Path:
    return http_state(request).settings.web_dir / "app"


def _depth(request: Request) -> int:
    """Return the number of separators in the address; one that is sent as `%2F` separates nothing."""
    sent: bytes = request.scope.get("raw_path") or request.scope["path"].encode()
    return sent.count(b"/")


def _base(request: Request) -> str:
    """Return the way from the requested address to the folder of the page, such as `../`."""
    depth = _depth(request)
    return "./app/" if depth == 1 else "../" * (depth - 2) or "./"


def _not_built(request: Request, path: str) -> Response:
    graphiql = "../" * (_depth(request) - 1) + "graphql" + _query(path)
    nothing = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    headers = {"Cache-Control": "no-store", "Content-Security-Policy": nothing}
    return HTMLResponse(_NOT_BUILT.format(graphiql=graphiql), 404, headers)


def _query(path: str) -> str:
    """Return the parameter that fills GraphiQL with the content of that page, for links in notifications."""
    concept, _, id_ = path.partition("/")
    if concept == "deliveries":
        return f"?q={quote(_DELIVERIES)}"
    # The address is input from outside: only letters and digits go into the query.
    id_ = "".join(sign for sign in id_ if sign.isascii() and (sign.isalnum() or sign == "_"))
    return f"?q={quote(_ESCALATION % id_)}" if concept == "escalations" and id_ else ""


async def _front(request: Request) -> Response:
    # Relative, as a proxy may put a prefix before the path.
    return RedirectResponse("app/" if read_file(_folder(request) / "index.html") else "graphql")


ROUTES = [
    Route("/", _front),
    Route("/app", _page),
    Route("/app/", _page),
    Route("/app/assets/{path:path}", _asset),
    Route("/app/{path:path}", _page),
]
