"""Changes in inputs: a field that is left out stays as it is."""

import dataclasses
from typing import Any


def changes_of(part: Any) -> Any:
    """Return an input as plain values, without the fields that were left out.

    Null counts as left out, except for fields that may be null: their default is UNSET.
    """
    if dataclasses.is_dataclass(part):
        given = {field.name: (getattr(part, field.name), field.default) for field in dataclasses.fields(part)}
        return {name: changes_of(value) for name, (value, left_out) in given.items() if value is not left_out}
    if isinstance(part, list):
        return [changes_of(item) for item in part]
    return part
