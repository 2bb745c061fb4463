"""The secret keys: the rules for their values, and the file that keeps generated ones.

A value holds one key, or several of which the newest is first. Baton signs and seals with the newest, and
accepts what was signed or sealed with the others.
"""

import fcntl
import os
import re
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

from server.data_dir import make_data_dir

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
_FLAGS = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW


class SecretKeyError(Exception):
    """The secret key cannot be used; the message says why and what to do next."""


def split_secret_keys(value: str) -> list[str]:
    """Return the keys of a value, the newest first. They are separated by commas or line ends."""
    keys = [key.strip() for key in re.split(r"[,\n]", value)]
    return [key for key in keys if key] or [""]


def check_secret_key(value: str) -> str:
    """Return the value if its keys are strong; raises ValueError that names the fault, not the value."""
    fault = weakness(value)
    if fault:
        raise ValueError(f"{fault}. {_GENERATE}")
    return value


def weakness(value: str) -> str | None:
    """Return the reason why anyone could guess one of the keys, or None if they are strong."""
    keys = split_secret_keys(value)
    faults = [(number, _weakness_of_key(key)) for number, key in enumerate(keys, 1)]
    for number, fault in faults:
        if fault:
            return fault if len(keys) == 1 else f"{fault}, in key {number} of {len(keys)}"
    return "holds the same key twice" if len(set(keys)) < len(keys) else None


def _weakness_of_key(value: str) -> str | None:
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


def rotate_kept_key(data_dir: Path) -> list[str]:
    """Put a new key before those of the data folder's file, and return all of them.

    Raises SecretKeyError for a file that is damaged, and for a folder that cannot be written.
    """
    return _rewrite(data_dir, lambda keys: [secrets.token_urlsafe(_BYTES), *keys])


def forget_old_keys(data_dir: Path) -> list[str]:
    """Remove all keys but the newest from the data folder's file, and return what is left."""
    return _rewrite(data_dir, lambda keys: keys[:1])


def _rewrite(data_dir: Path, change: Callable[[list[str]], list[str]]) -> list[str]:
    kept_secret_key(data_dir)
    path = data_dir / FILE_NAME
    try:
        with _locked(path):
            keys = change(split_secret_keys(_checked(path, path.read_bytes())))
            _write(path, "\n".join(keys))
    except OSError as error:
        raise SecretKeyError(f"The secret key cannot be kept in {path}: {error.strerror}.") from error
    return keys


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
    """Write a new key, unless another process has done so."""
    make_data_dir(path.parent)
    with _locked(path):
        if not path.exists():
            _write(path, secrets.token_urlsafe(_BYTES))


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with open(os.open(path.with_name(f"{FILE_NAME}.lock"), _FLAGS, 0o600)) as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _write(path: Path, content: str) -> None:
    """Give the file its name only when its content is on disk."""
    unfinished = path.with_name(f"{FILE_NAME}.new")
    with open(os.open(unfinished, _FLAGS | os.O_TRUNC, 0o600), "w") as file:
        file.write(content)
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
