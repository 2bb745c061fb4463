from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.ids import new_id
from rules.typeid import CONVERSATION, ESCALATION, MalformedIdError, format_id, parse_id, prefix_of

# From the specification's own list of valid ids.
PUBLISHED = {
    "00000000000000000000000000": "00000000-0000-0000-0000-000000000000",
    "00000000000000000000000001": "00000000-0000-0000-0000-000000000001",
    "0000000000000000000000000a": "00000000-0000-0000-0000-00000000000a",
    "7zzzzzzzzzzzzzzzzzzzzzzzzz": "ffffffff-ffff-ffff-ffff-ffffffffffff",
    "0123456789abcdefghjkmnpqrs": "0110c853-1d09-52d8-d73e-1194e95b5f19",
    "01h455vb4pex5vsknk084sn02q": "01890a5d-ac96-774b-bcce-b302099a8057",
}
GOOD = "conv_01h455vb4pex5vsknk084sn02q"


@pytest.mark.parametrize(("suffix", "key"), PUBLISHED.items())
def test_ids_are_spelled_as_the_specification_says(suffix: str, key: str) -> None:
    assert format_id(CONVERSATION, UUID(key)) == f"conv_{suffix}"
    assert parse_id(CONVERSATION, f"conv_{suffix}") == UUID(key)


@given(st.uuids())
def test_id_round_trips_to_its_key(key: UUID) -> None:
    assert parse_id(ESCALATION, format_id(ESCALATION, key)) == key


@pytest.mark.parametrize(
    "text",
    [
        "",
        "conv",
        "conv_",
        "_01h455vb4pex5vsknk084sn02q",
        "01h455vb4pex5vsknk084sn02q",
        "01890a5d-ac96-774b-bcce-b302099a8057",
        GOOD.upper(),
        GOOD + "0",
        GOOD[:-1],
        GOOD[:-1] + "u",
        GOOD[:-1] + "\0",
        GOOD + "\n",
        " " + GOOD,
        "conv_81h455vb4pex5vsknk084sn02q",
        "conv__1h455vb4pex5vsknk084sn02q",
        "ｃonv_01h455vb4pex5vsknk084sn02q",
        "conv_０1h455vb4pex5vsknk084sn02q",
    ],
)
def test_malformed_id_is_refused(text: str) -> None:
    with pytest.raises(MalformedIdError, match="conv_"):
        parse_id(CONVERSATION, text)


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    with pytest.raises(MalformedIdError):
        parse_id(CONVERSATION, f"conv-{text}")


def test_id_of_another_type_is_refused() -> None:
    with pytest.raises(MalformedIdError, match="another type"):
        parse_id(ESCALATION, GOOD)
    assert prefix_of(GOOD) == CONVERSATION


def test_new_ids_sort_by_their_time() -> None:
    made = [new_id() for _ in range(100)]

    assert made == sorted(made)
    assert {key.version for key in made} == {7}
