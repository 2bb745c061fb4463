"""Files of the built dashboard and widget, with their compressed variants.

A build keeps `name.br` and `name.gz` next to `name`. The client gets the smallest variant that it accepts.
"""

import re
from collections.abc import Mapping
from pathlib import Path

from anyio import to_thread
from starlette.responses import FileResponse, Response

# The name of a file in an assets folder has the hash of its content, so it never changes.
IMMUTABLE = "public, max-age=31536000, immutable"

# Not `mimetypes`, which reads the tables of the system.
_MEDIA_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".ico": "image/x-icon",
    ".jpg": "image/jpeg",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".map": "application/json",
    ".mjs": "text/javascript; charset=utf-8",
    ".mp3": "audio/mpeg",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".wasm": "application/wasm",
    ".webmanifest": "application/manifest+json",
    ".webp": "image/webp",
    ".woff2": "font/woff2",
}
# The parts of a path: no empty part, none that begins with a dot, no separator of another system.
_PATH = re.compile(r"[A-Za-z0-9_~@-][A-Za-z0-9_~@.-]*(/[A-Za-z0-9_~@-][A-Za-z0-9_~@.-]*)*")
_VARIANTS = (("br", ".br"), ("gzip", ".gz"))


async def serve_file(
    folder: Path, path: str, accept_encoding: str, headers: Mapping[str, str] | None = None
) -> Response:
    """Return the file at a relative path, or 404, which no cache keeps."""
    media_type = _MEDIA_TYPES.get(Path(path).suffix.lower())
    if media_type is None or not _PATH.fullmatch(path):
        return _missing()
    selected = await to_thread.run_sync(_select, folder / path, _accepted(accept_encoding))
    if selected is None:
        return _missing()
    file, encoding = selected
    sent = {"Vary": "Accept-Encoding", "X-Content-Type-Options": "nosniff", **(headers or {})}
    if encoding:
        sent["Content-Encoding"] = encoding
    return FileResponse(file, headers=sent, media_type=media_type)


def _select(file: Path, accepted: frozenset[str]) -> tuple[Path, str] | None:
    """Return the file, or a compressed variant of it with its encoding; None if there is no such file."""
    try:
        if not file.is_file():
            return None
    except OSError:  # such as a name that is too long
        return None
    for encoding, suffix in _VARIANTS:
        variant = file.with_name(file.name + suffix)
        if encoding in accepted and variant.is_file():
            return variant, encoding
    return file, ""


def _accepted(header: str) -> frozenset[str]:
    """Return the encodings of an Accept-Encoding header that are not refused by `q=0`."""
    accepted = set()
    for item in header.lower().split(","):
        name, *parameters = (part.strip() for part in item.split(";"))
        if not any(re.fullmatch(r"q\s*=\s*0(\.0*)?", parameter) for parameter in parameters):
            accepted.add(name)
    return frozenset(accepted)


def _missing() -> Response:
    # Another version of the service may have the file, so no cache may keep this.
    return Response("There is no such file.\n", 404, {"Cache-Control": "no-store"}, media_type="text/plain")
