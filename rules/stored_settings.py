"""Settings as they are stored. Validating a document takes a hundred times as long as finding it again."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import orjson

from rules.agent_settings import EscalationSettings

_KEPT = 128
# Most documents have some 1,300 bytes. Long ones are not kept, so that the kept ones have a bound.
_LONGEST_KEPT = 8_192


def stored_settings(document: Mapping[str, Any]) -> EscalationSettings:
    """Return the settings of a stored document. Those of equal documents may be the same object."""
    text = orjson.dumps(document)
    return _validated(text) if len(text) <= _LONGEST_KEPT else EscalationSettings.model_validate(document)


@lru_cache(_KEPT)
def _validated(text: bytes) -> EscalationSettings:
    return EscalationSettings.model_validate(orjson.loads(text))
