"""The audit log's words, and the hash that chains its entries."""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

import orjson

# The hash before the first entry.
GENESIS = bytes(32)


class AuditActorKind(StrEnum):
    """The kind of an actor in the audit log."""

    TEAM_MEMBER = "TEAM_MEMBER"
    API_KEY = "API_KEY"
    OPERATOR = "OPERATOR"


class AuditOutcome(StrEnum):
    """The outcome of an action."""

    OK = "OK"
    REFUSED = "REFUSED"


class AuditAction(StrEnum):
    """An action that the audit log records."""

    SIGN_IN = "SIGN_IN"
    SIGN_OUT = "SIGN_OUT"
    END_SESSIONS = "END_SESSIONS"
    CHANGE_PASSWORD = "CHANGE_PASSWORD"  # noqa: S105 - the name of an action
    RESET_PASSWORD = "RESET_PASSWORD"  # noqa: S105 - the name of an action
    CONFIRM_SECOND_FACTOR = "CONFIRM_SECOND_FACTOR"
    REMOVE_SECOND_FACTOR = "REMOVE_SECOND_FACTOR"
    RESET_SECOND_FACTOR = "RESET_SECOND_FACTOR"
    UNLINK_ACCOUNT = "UNLINK_ACCOUNT"
    REVOKE_WIDGET_TOKENS = "REVOKE_WIDGET_TOKENS"
    ACCEPT_INVITATION = "ACCEPT_INVITATION"
    CREATE_MEMBER = "CREATE_MEMBER"
    UPDATE_MEMBER = "UPDATE_MEMBER"
    REMOVE_MEMBER = "REMOVE_MEMBER"
    CREATE_API_KEY = "CREATE_API_KEY"
    ROTATE_API_KEY = "ROTATE_API_KEY"
    REVOKE_API_KEY = "REVOKE_API_KEY"
    CREATE_AGENT = "CREATE_AGENT"
    UPDATE_SETTINGS = "UPDATE_SETTINGS"
    CONNECT_SLACK = "CONNECT_SLACK"
    DISCONNECT_SLACK = "DISCONNECT_SLACK"
    CREATE_WEBHOOK_ENDPOINT = "CREATE_WEBHOOK_ENDPOINT"
    UPDATE_WEBHOOK_ENDPOINT = "UPDATE_WEBHOOK_ENDPOINT"
    ROTATE_WEBHOOK_SECRET = "ROTATE_WEBHOOK_SECRET"  # noqa: S105 - the name of an action
    DELETE_WEBHOOK_ENDPOINT = "DELETE_WEBHOOK_ENDPOINT"
    ROTATE_IDENTITY_SECRET = "ROTATE_IDENTITY_SECRET"  # noqa: S105 - the name of an action
    ERASE_CUSTOMER = "ERASE_CUSTOMER"
    EXPORT_ESCALATIONS = "EXPORT_ESCALATIONS"
    EXPORT_ANALYTICS = "EXPORT_ANALYTICS"
    EXPORT_CUSTOMER = "EXPORT_CUSTOMER"
    EXPORT_AUDIT_LOG = "EXPORT_AUDIT_LOG"
    CALL_OPERATION = "CALL_OPERATION"
    USE_CREDENTIAL = "USE_CREDENTIAL"
    CREATE_WORKSPACE = "CREATE_WORKSPACE"
    MIGRATE_DATABASE = "MIGRATE_DATABASE"
    ROTATE_SECRET_KEY = "ROTATE_SECRET_KEY"  # noqa: S105 - the name of an action
    RESEAL_SECRETS = "RESEAL_SECRETS"
    FORGET_SECRET_KEYS = "FORGET_SECRET_KEYS"  # noqa: S105 - the name of an action


HASHED = (
    "workspace_id",
    "position",
    "occurred_at",
    "actor_kind",
    "actor_id",
    "actor_name",
    "address",
    "action",
    "target_id",
    "outcome",
    "code",
    "details",
)


def entry_hash(previous: bytes, entry: Mapping[str, Any]) -> bytes:
    """Return the SHA-256 of an entry and the hash before it.

    The canonical form is a JSON array: the previous hash in hexadecimal digits, then the columns of HASHED in
    order. Objects have sorted keys; ids are in the usual form, times in microseconds since 1970.
    """
    values = [previous.hex(), *(_canonical(entry[name]) for name in HASHED)]
    return hashlib.sha256(orjson.dumps(values, option=orjson.OPT_SORT_KEYS)).digest()


def _canonical(value: Any) -> Any:
    if isinstance(value, datetime):
        return round(value.timestamp() * 1_000_000)
    return str(value) if isinstance(value, UUID) else value


def changed_paths(before: Mapping[str, Any], after: Mapping[str, Any], path: str = "") -> Sequence[str]:
    """Return the paths of the values that differ between two documents of settings, in order."""
    paths: list[str] = []
    for name in sorted(before.keys() | after.keys()):
        old, new = before.get(name), after.get(name)
        if isinstance(old, dict) and isinstance(new, dict):
            paths += changed_paths(old, new, f"{path}{name}.")
        elif old != new:
            paths.append(f"{path}{name}")
    return paths
