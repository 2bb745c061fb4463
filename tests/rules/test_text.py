from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.text import JSON_DEPTH_LIMIT, JSON_TEXT_LIMIT, json_error, normalize, text_error

UNSTORABLE = ["\0", "a\0b", "\ud800", "a\udfffb"]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


INVISIBLE = [
    "\u200b",
    "\u2800",
    "\ufeff",
    "\u00ad",
    "\u202e",
    "\u3164",
    "\u0001",
    "\ufe0f\u200d",
    " \u2060\u034f",
]


@pytest.mark.parametrize("text", ["", " ", "\t\n", "\u00a0\u3000", *INVISIBLE, *UNSTORABLE, "x" * 11])
def test_unusable_text_is_refused(text: str) -> None:
    assert text_error(text, limit=10)


@pytest.mark.parametrize("text", ["x", "x" * 10, " x ", "😀" * 10, "e\u0301", "x\u0001", "￾", "👩\u200d🚀"])
def test_usable_text_is_accepted(text: str) -> None:
    assert text_error(text, limit=10) is None


@pytest.mark.parametrize(
    ("text", "other"),
    [("Jos\u00e9", "JOSE\u0301"), ("Stra\u00dfe", "STRASSE"), ("\uff26ull", "full"), ("\ufb01t", "FIT")],
)
def test_texts_that_look_alike_are_equal_when_normalized(text: str, other: str) -> None:
    assert normalize(text) == normalize(other)


def test_white_space_alone_can_be_allowed() -> None:
    assert text_error("  ", limit=10, blank=True) is None
    assert text_error("\0", limit=10, blank=True)


@given(st.text())
def test_accepted_text_can_be_written(text: str) -> None:
    if text_error(text, limit=1_000) is None:
        assert b"\0" not in text.encode()


def nested(depth: int) -> Any:
    value: Any = "x"
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    "value",
    [
        nested(JSON_DEPTH_LIMIT),
        nested(20_000),
        {"key": "\0"},
        {"\0": 1},
        {"key": ["\ud800"]},
        [float("nan")],
        {"key": float("inf")},
        "x" * (JSON_TEXT_LIMIT + 1),
        {"x" * (JSON_TEXT_LIMIT + 1): 1},
        [0] * (JSON_TEXT_LIMIT + 1),
    ],
    ids=range(10),
)
def test_unusable_json_is_refused(value: Any) -> None:
    assert json_error(value)


def test_json_up_to_its_limits_is_accepted() -> None:
    assert json_error(nested(JSON_DEPTH_LIMIT - 1)) is None
    assert json_error("x" * JSON_TEXT_LIMIT) is None


@given(JSON)
def test_accepted_json_round_trips(value: Any) -> None:
    if json_error(value) is None:
        assert orjson.loads(orjson.dumps(value)) == value
