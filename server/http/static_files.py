"""The files of a build, with their compressed variants.

A build keeps `name.br` and `name.gz` next to `name`. The client gets the first variant that it accepts.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

# For a file with a hash in its name: its content never changes.
IMMUTABLE = "public, max-age=31536000, immutable"

# Not `mimetypes`, which reads the tables of the system.
_MEDIA_TYPES = {
    ".css": "text/css",
    ".ico": "image/x-icon",
    ".jpg": "image/jpeg",
    ".js": "text/javascript",
    ".json": "application/json",
    ".mjs": "text/javascript",
    ".mp3": "audio/mpeg",
    ".mts": "text/plain",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".txt": "text/plain",
    ".wasm": "application/wasm",
    ".webmanifest": "application/manifest+json",
    ".webp": "image/webp",
    ".woff2": "font/woff2",
}
# In order of preference, with the endings of the files that a build has compressed.
_ENCODINGS = {"br": ".br", "gzip": ".gz", "identity": ""}


@dataclass(frozen=True, slots=True)
class StaticFile:
    """The content of a file, and its ETag."""

    content: bytes
    etag: str


def serve_file(request: Request, path: Path, headers: Mapping[str, str]) -> Response | None:
    """Return the response with the file, or None if there is no such file or its type is not for pages."""
    media_type = _MEDIA_TYPES.get(path.suffix)
    if media_type is None or read_file(path) is None:
        return None
    for encoding in _accepted(request.headers.get("accept-encoding", "")):
        if file := read_file(path.with_name(path.name + _ENCODINGS[encoding])):
            return _response(request, media_type, encoding, file, headers)
    return None


def missing_file(message: str, headers: Mapping[str, str]) -> Response:
    """Return 404, which no cache keeps: another version of the service may have the file."""
    return PlainTextResponse(message + "\n", 404, {**headers, "Cache-Control": "no-store"})


def read_file(path: Path) -> StaticFile | None:
    """Return the file, or None if there is no such file."""
    try:
        stat = path.stat()
        return _content(path, stat.st_mtime_ns, stat.st_size)
    except (OSError, ValueError):  # also for a name that no file can have
        return None


@lru_cache(maxsize=256)
def _content(path: Path, _changed: int, _size: int) -> StaticFile:
    # The files are small and few; a new build has another time.
    content = path.read_bytes()
    return StaticFile(content, f'"{hashlib.sha256(content).hexdigest()[:32]}"')


def _accepted(header: str) -> list[str]:
    """Return the encodings that the client accepts, best first; uncompressed is always possible."""
    quality = {}
    for part in header.lower().split(","):
        name, _, parameter = part.partition(";")
        quality[name.strip()] = parameter.replace(" ", "") not in {"q=0", "q=0.0", "q=0.00", "q=0.000"}
    anything = quality.get("*", False)
    return [name for name in _ENCODINGS if name == "identity" or quality.get(name, anything)]


def _response(
    request: Request, media_type: str, encoding: str, file: StaticFile, given: Mapping[str, str]
) -> Response:
    headers = {"X-Content-Type-Options": "nosniff", **given, "ETag": file.etag, "Vary": "Accept-Encoding"}
    cached = {tag.strip().removeprefix("W/") for tag in request.headers.get("if-none-match", "").split(",")}
    if cached & {file.etag, "*"}:
        return Response(None, 304, headers)
    if encoding != "identity":
        headers["Content-Encoding"] = encoding
    return Response(file.content, 200, headers, media_type=media_type)
