"""The input of REST calls; each fault is a BAD_USER_INPUT that names the field."""

from collections.abc import Sequence
from typing import Any, TypeVar

from pydantic import ValidationError
from starlette.datastructures import QueryParams
from starlette.requests import Request

from server.http.request_body import MalformedError, read_json
from server.rest.resources import Input

T = TypeVar("T", bound=Input)

# More than any shape has, and few enough to find each fault quickly.
_FIELD_LIMIT = 100
_NAME_LIMIT = 100
_WRONG_TYPE = {
    "string_type": "is not a string",
    "int_type": "is not an integer",
    "dict_type": "is not an object",
}
_OUT_OF_BOUNDS = {
    "greater_than_equal": "must be at least {ge}",
    "less_than_equal": "must be at most {le}",
}


async def read_body(request: Request, shape: type[T]) -> T:
    """Return the JSON object in the body; raises MalformedError, and HTTPException for 413 and 415."""
    parsed = await read_json(request)
    if not isinstance(parsed, dict):
        raise MalformedError("The body is not a JSON object.")
    if len(parsed) > _FIELD_LIMIT and shape.model_config.get("extra") == "forbid":
        raise MalformedError(f"The body has {len(parsed):,} fields, far more than there are.")
    return _read(shape, parsed)


def read_query(params: QueryParams, shape: type[T], lists: Sequence[str], integers: Sequence[str]) -> T:
    """Return the query's parameters: `lists` may repeat or contain commas, the others occur once."""
    values: dict[str, Any] = {}
    grouped: dict[str, list[str]] = {}
    for name, value in params.multi_items():
        grouped.setdefault(name, []).append(value)
    if len(grouped) > _FIELD_LIMIT:
        raise MalformedError(f"The address has {len(grouped):,} parameters, far more than there are.")
    for name, given in grouped.items():
        if name in lists:
            values[name] = tuple(word for text in given for word in text.split(","))
        elif len(given) > 1:
            raise MalformedError("is given more than once", name[:_NAME_LIMIT])
        else:
            values[name] = _whole(given[0]) if name in integers else given[0]
    return _read(shape, values)


def _whole(text: str) -> int | str:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else text


def _read(shape: type[T], values: dict[str, Any]) -> T:
    try:
        return shape.model_validate(values)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = str(first["loc"][0])[:_NAME_LIMIT]
        raise MalformedError(_in_words(shape, first), field) from None


def _in_words(shape: type[Input], error: Any) -> str:
    kind, said = error["type"], str(error["msg"])
    if kind in _WRONG_TYPE:
        return _WRONG_TYPE[kind]
    if kind in _OUT_OF_BOUNDS:
        return _OUT_OF_BOUNDS[kind].format(**error["ctx"])
    if kind == "missing":
        return "is missing"
    if kind == "extra_forbidden":
        names = ", ".join(_names(shape))
        return f"is not known here; there are {names}" if names else "is not known here; there are none"
    if kind == "literal_error":
        return f"is not {error['ctx']['expected']}"
    if kind == "too_long":
        return (
            f"has {error['ctx']['actual_length']:,} values; at most {error['ctx']['max_length']} are allowed"
        )
    if kind == "value_error":
        return str(error["ctx"]["error"])
    return f"is refused: {said[0].lower()}{said[1:]}"


def _names(shape: type[Input]) -> list[str]:
    return [field.alias or name for name, field in shape.model_fields.items()]
