"""Pages that the server makes itself: text and buttons in the device's colours, without a script."""

import secrets

from starlette.responses import HTMLResponse

_PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title} · Baton</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<style nonce="{nonce}">
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 34rem; margin: 12vh auto; padding: 0 1rem;
overflow-wrap: anywhere }}
h1 {{ font-size: 1.4rem; line-height: 1.3 }}
button {{ display: block; margin: .5rem 0; padding: .6rem 1rem; font: inherit; text-align: start; border: 0;
border-radius: .375rem; color: #fff; background: #2b55cc; cursor: pointer }}
button:focus-visible {{ outline: 2px solid CanvasText; outline-offset: 2px }}
</style></head><body><main><h1>{title}</h1>{content}</main></body></html>
"""
_POLICY = (
    # Browsers look for an icon at /favicon.ico.
    "default-src 'none'; img-src 'self'; style-src 'nonce-{nonce}'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'"
)


def plain_page(title: str, content: str, status: int = 200) -> HTMLResponse:
    """Return a page. The title and the content are HTML: the caller escapes what is not its own."""
    nonce = secrets.token_urlsafe(16)
    headers = {"Cache-Control": "no-store", "Content-Security-Policy": _POLICY.format(nonce=nonce)}
    return HTMLResponse(_PAGE.format(title=title, content=content, nonce=nonce), status, headers)
