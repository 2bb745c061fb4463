"""A page of the built web part: `index.html`, filled in for each response.

* Libraries add `<style>` elements with the nonce of `<meta property="csp-nonce">`. The nonce of the
  content security policy of the response is put there, and into the page's own `<style>` elements.
* The policy allows the page's own `<script>` elements by their hashes, and no others: code that is inserted
  later may copy a nonce.
* The build refers to its files as `./…`, which is right only for one address. Each becomes relative to the
  address of this response, so the page works under any path prefix without a setting.
"""

import re
import secrets
from base64 import b64encode
from collections.abc import Mapping
from hashlib import sha256
from html import escape
from pathlib import Path

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from server.http.static_files import missing_file, read_file, serve_file

# The one policy of trusted types is the page's own, and lets only harmless markup pass.
_POLICY = (
    "default-src 'self'; script-src 'self'{hashes}; style-src 'self' 'nonce-{nonce}'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'; object-src 'none'; require-trusted-types-for 'script'; "
    "trusted-types default"
)
_OF_FILES = {
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}
_OF_PAGES = {
    **_OF_FILES,
    # The nonce is valid for one response, so every use of the page asks for a new one.
    "Cache-Control": "no-cache",
    "Cross-Origin-Opener-Policy": "same-origin",
}
# No part is empty or begins with a dot, and none has the separator of another system.
_PATH = re.compile(r"[A-Za-z0-9_~@-][A-Za-z0-9_~@.-]*(/[A-Za-z0-9_~@-][A-Za-z0-9_~@.-]*)*")
_SCRIPT = re.compile("<script>(.*?)</script>", re.DOTALL)
_RELATIVE_URL = re.compile(r"""(?<=["'(])\./(?=[\w@-])""")


def serve_page(folder: Path, base: str, facts: Mapping[str, str] | None = None) -> Response | None:
    """Return the page of a build, or None if it is not built.

    `base` is the way from the requested address to the build's files, such as `../`. The page's code reads
    `facts` in `<meta>` elements of these names.
    """
    index = read_file(folder / "index.html")
    if index is None:
        return None
    nonce = secrets.token_urlsafe(16)
    page = _RELATIVE_URL.sub(base, index.content.decode())
    metas = "".join(
        f'<meta name="{escape(name)}" content="{escape(value)}">' for name, value in (facts or {}).items()
    )
    page = page.replace("<style>", f'<style nonce="{nonce}">')
    page = page.replace("<head>", f'<head><meta property="csp-nonce" nonce="{nonce}">{metas}', 1)
    policy = _POLICY.format(nonce=nonce, hashes="".join(map(_hash_source, _SCRIPT.findall(page))))
    return HTMLResponse(page, headers={**_OF_PAGES, "Content-Security-Policy": policy})


def _hash_source(script: str) -> str:
    """Return what allows a script in a content security policy."""
    return f" 'sha256-{b64encode(sha256(script.encode()).digest()).decode()}'"


def serve_page_file(request: Request, folder: Path, path: str, cache_control: str) -> Response:
    """Return a file of a build, or 404 in plain text."""
    headers = {**_OF_FILES, "Cache-Control": cache_control}
    response = serve_file(request, folder / path, headers) if _PATH.fullmatch(path) else None
    return response or missing_file("The page has no such file: reload it.", _OF_FILES)
