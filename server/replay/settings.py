"""The settings that a replay tries: a JSON file in the shape of UpdateEscalationSettingsInput."""

import dataclasses
from datetime import UTC, date, datetime
from enum import Enum
from pathlib import Path
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

import orjson

from resolvers.agent import settings_changed
from resolvers.errors import BadInputError, camel
from rules.agent_settings import EscalationSettings
from schema.agent.settings_inputs import UpdateEscalationSettingsInput
from schema.scalars import read_date
from server.replay.file import ReplayFileError

_NAME_LIMIT = 100
_OF_A_CALL = ("agent_id", "expected_version")


class _FaultError(Exception):
    """A field of the file is at fault; its path stays as the file spells it."""

    def __init__(self, path: str, what: str) -> None:
        super().__init__(f"{path} {what}")


def read_settings_file(path: Path, base: EscalationSettings) -> EscalationSettings:
    """
    The settings `base` with what the file gives laid over, as updateEscalationSettings would.

    Raises ReplayFileError, with the path of the field that is refused.
    """
    try:
        given = orjson.loads(path.read_bytes())
    except OSError as error:
        raise ReplayFileError(f"{path} cannot be read: {error.strerror}.") from None
    except orjson.JSONDecodeError as error:
        raise ReplayFileError(f"{path.name} is not JSON in UTF-8: {error}.") from None
    try:
        changes = _read_object(UpdateEscalationSettingsInput, given, "", {"agent_id": ""}).changes()
        return settings_changed(base, changes, datetime.now(UTC))
    except (BadInputError, _FaultError) as error:
        raise ReplayFileError(f"{path.name}: {error}") from None


def _read_object(shape: type[Any], given: Any, path: str, own: dict[str, Any] | None = None) -> Any:
    """`given` as an input of the API; it takes exactly what GraphQL would."""
    if not isinstance(given, dict):
        raise _FaultError(path or "the document", "is not a JSON object")
    types = get_type_hints(shape)
    names = {camel(name): name for name in types if own is None or name not in _OF_A_CALL}
    values = dict(own or {})
    for spelled, value in given.items():
        place = f"{path}.{spelled}"[:_NAME_LIMIT].removeprefix(".")
        if spelled not in names:
            raise _FaultError(place, f"is not known here; there are {', '.join(names)}")
        values[names[spelled]] = _read(types[names[spelled]], value, place)
    for one in dataclasses.fields(shape):
        required = one.default is dataclasses.MISSING and one.default_factory is dataclasses.MISSING
        if required and one.name not in values:
            raise _FaultError(f"{path}.{one.name}".removeprefix("."), "is missing")
    return shape(**values)


def _read(wanted: Any, given: Any, path: str) -> Any:
    if get_origin(wanted) in {Union, UnionType}:
        inner = next(one for one in get_args(wanted) if one is not type(None))
        return None if given is None else _read(inner, given, path)
    if get_origin(wanted) is list:
        if not isinstance(given, list):
            raise _FaultError(path, "is not a list")
        return [_read(get_args(wanted)[0], one, f"{path}.{place}") for place, one in enumerate(given)]
    if dataclasses.is_dataclass(wanted) and isinstance(wanted, type):
        return _read_object(wanted, given, path)
    return _read_plain(wanted, given, path)


def _read_plain(wanted: Any, given: Any, path: str) -> Any:
    if isinstance(wanted, type) and issubclass(wanted, Enum):
        if not isinstance(given, str) or given not in wanted.__members__:
            raise _FaultError(path, f"is not one of {', '.join(wanted.__members__)}")
        return wanted[given]
    if wanted is date:
        try:
            return read_date(given)
        except ValueError:
            raise _FaultError(path, "is not a date, such as 2026-12-24") from None
    kinds, what = _KINDS.get(wanted, _KINDS[str])
    # In Python, true and false are integers too.
    if not isinstance(given, kinds) or (isinstance(given, bool) and wanted is not bool):
        raise _FaultError(path, f"is not {what}")
    return given


_KINDS: dict[Any, tuple[tuple[type, ...], str]] = {
    bool: ((bool,), "true or false"),
    int: ((int,), "a whole number"),
    float: ((int, float), "a number"),
    str: ((str,), "a string"),
}
