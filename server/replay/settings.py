"""The settings that a replay tries: a JSON file in the shape of UpdateEscalationSettingsInput."""

from datetime import UTC, datetime
from pathlib import Path

import orjson

from resolvers.agent import settings_changed
from resolvers.errors import BadInputError
from rules.agent_settings import EscalationSettings
from schema.agent.settings_inputs import SettingsInputError, read_settings_changes
from schema.api import SCHEMA
from server.replay.file import ReplayFileError


def read_settings_file(path: Path, base: EscalationSettings) -> EscalationSettings:
    """Return the settings `base` with the changes of the file, as updateEscalationSettings would make them.

    Raises ReplayFileError, with the path of the field that is refused.
    """
    try:
        given = orjson.loads(path.read_bytes())
    except OSError as error:
        raise ReplayFileError(f"{path} cannot be read: {error.strerror}.") from None
    except orjson.JSONDecodeError as error:
        raise ReplayFileError(f"{path.name} is not JSON in UTF-8: {error}.") from None
    try:
        changes = read_settings_changes(SCHEMA, given)
        return settings_changed(base, changes, datetime.now(UTC))
    except (BadInputError, SettingsInputError) as error:
        raise ReplayFileError(f"{path.name}: {str(error).removesuffix('.')}.") from None
