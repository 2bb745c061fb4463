"""The secret key: the rules for its value, and the file that keeps a generated one."""

import fcntl
import os
import re
import secrets
from itertools import pairwise
from pathlib import Path

MINIMUM_LENGTH = 32
MINIMUM_DISTINCT = 8  # characters; 32 random hexadecimal digits have 14 on average
FILE_NAME = "secret_key"

# Letters and digits of sample values in documentation, tutorials and earlier versions of Baton.
_PLACEHOLDERS = (
    "thesamelongsecret",
    "changeme",
    "changethis",
    "replaceme",
    "replacethis",
    "yoursecret",
    "yourkey",
    "mysecret",
    "secretkey",
    "supersecret",
    "topsecret",
    "notsecret",
    "insecure",
    "password",
    "placeholder",
    "example",
    "loremipsum",
    "opensslrand",
    "qwerty",
    "asdfgh",
    "letmein",
    "deadbeef",
)
_GENERATE = "Generate one with `openssl rand -hex 32`."
# Version-independent: every process of an installation must derive the same keys.
_BYTES = 32


class SecretKeyError(Exception):
    """The secret key cannot be used; the message says why and what to do next."""


def check_secret_key(value: str) -> str:
    """Return the key if it is strong enough; raises ValueError that names the fault, not the value."""
    fault = weakness(value)
    if fault:
        raise ValueError(f"{fault}. {_GENERATE}")
    return value


def weakness(value: str) -> str | None:
    """Return the reason why anyone could guess the value, or None for a strong one."""
    if len(value) < MINIMUM_LENGTH:
        return f"has {len(value)} characters; at least {MINIMUM_LENGTH} are needed"
    if not value.isprintable():
        return "contains characters that cannot be printed"
    letters = re.sub(r"[^a-z0-9]", "", value.lower())
    if any(sample in letters for sample in _PLACEHOLDERS):
        return "contains a well-known sample value"
    if len(set(value)) < MINIMUM_DISTINCT:
        return f"has fewer than {MINIMUM_DISTINCT} different characters"
    if value in (value + value)[1:-1]:
        return "repeats one shorter text"
    steps = {ord(after) - ord(before) for before, after in pairwise(value)}
    if len(steps) < MINIMUM_DISTINCT:
        return "is a regular sequence of characters"
    return None


def kept_secret_key(data_dir: Path) -> str:
    """Return the key of the data folder; the first caller of all processes generates it.

    Raises SecretKeyError for a file that is damaged, and for a folder that cannot be written.
    """
    path = data_dir / FILE_NAME
    try:
        if not path.exists():
            _create(path)
        value = path.read_bytes()
    except OSError as error:
        raise SecretKeyError(
            f"The secret key cannot be kept in {path}: {error.strerror}. Run Baton as the user that owns "
            "the folder, choose another BATON_DATA_DIR, or set BATON_SECRET_KEY."
        ) from error
    return _checked(path, value)


def _checked(path: Path, content: bytes) -> str:
    try:
        value = content.decode().strip()
        fault = weakness(value)
    except UnicodeDecodeError:
        fault = "is not text"
    if not fault:
        return value
    raise SecretKeyError(
        f"The secret key in {path} {fault}: the file is damaged. Restore it from a backup. Without a backup, "
        "delete it: Baton then generates another. Every widget token ends, and the secrets of Slack and of "
        "webhooks must be set again."
    )


def _create(path: Path) -> None:
    """Write a new key under a lock, and give the file its name only when its content is on disk."""
    path.parent.mkdir(parents=True, exist_ok=True)
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW
    with open(os.open(path.with_name(f"{FILE_NAME}.lock"), flags, 0o600)) as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if path.exists():
            return
        unfinished = path.with_name(f"{FILE_NAME}.new")
        with open(os.open(unfinished, flags | os.O_TRUNC, 0o600), "w") as file:
            file.write(secrets.token_urlsafe(_BYTES))
            file.flush()
            os.fsync(file.fileno())
        unfinished.rename(path)
        _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
