"""Secrets of third parties are sealed in the database, and open only with the same key and purpose."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.sealing import Seal, UnreadableSecretError, key_id

SECRET = "a secret of the server's own"
TOKEN = "xoxb-1234-5678-abcdefgh"
PURPOSE = "slack token of agent_1"

texts = st.text(st.characters(codec="utf-8"), max_size=300)


@settings(deadline=None, derandomize=True)
@given(texts, texts)
def test_sealed_value_opens_after_a_restart(text: str, purpose: str) -> None:
    assert Seal(SECRET).open(Seal(SECRET).seal(text, purpose), purpose) == text


def test_sealed_value_is_opaque_and_never_the_same() -> None:
    seal = Seal(SECRET)
    first, second = seal.seal(TOKEN, PURPOSE), seal.seal(TOKEN, PURPOSE)

    assert first[:1] == second[:1] == b"\x02"
    assert first[1:5] == second[1:5] == key_id(SECRET)
    assert first[5:17] != second[5:17]
    assert first[17:] != second[17:]
    assert not any(part.encode() in first for part in ("xoxb", "1234", "abcdefgh"))
    assert SECRET not in repr(seal)


def test_another_key_opens_nothing() -> None:
    sealed = Seal(SECRET).seal(TOKEN, PURPOSE)

    with pytest.raises(UnreadableSecretError, match="another BATON_SECRET_KEY") as caught:
        Seal(SECRET + "!").open(sealed, PURPOSE)
    assert TOKEN not in str(caught.value)
    assert caught.value.__cause__ is None
    assert Seal(SECRET).open(sealed, PURPOSE) == TOKEN


@pytest.mark.parametrize(
    "purpose", ["webhook secret of agent_1", "slack token of agent_2", PURPOSE + " ", ""]
)
def test_sealed_value_opens_for_its_own_purpose_only(purpose: str) -> None:
    sealed = Seal(SECRET).seal(TOKEN, PURPOSE)

    with pytest.raises(UnreadableSecretError):
        Seal(SECRET).open(sealed, purpose)


def test_changed_bit_makes_the_value_unreadable() -> None:
    seal = Seal(SECRET)
    sealed = seal.seal("x", PURPOSE)

    for place in range(len(sealed) * 8):
        forged = bytearray(sealed)
        forged[place // 8] ^= 1 << place % 8
        with pytest.raises(UnreadableSecretError):
            seal.open(bytes(forged), PURPOSE)


@pytest.mark.parametrize("length", [0, 1, 2, 13, 28, 29])
def test_truncated_value_is_unreadable(length: int) -> None:
    sealed = Seal(SECRET).seal("x", PURPOSE)

    with pytest.raises(UnreadableSecretError):
        Seal(SECRET).open(sealed[:length], PURPOSE)


def test_value_without_a_version_is_unreadable() -> None:
    sealed = Seal(SECRET).seal("x", PURPOSE)

    with pytest.raises(UnreadableSecretError):
        Seal(SECRET).open(sealed[1:], PURPOSE)


def test_value_sealed_by_the_first_version_stays_readable() -> None:
    """A change of key derivation, cipher or form needs another first byte: this one must open for ever."""
    sealed = bytes.fromhex("0131584b63f631a4abcea13402562b93ac6af1a2dfb4f96b567d1a065b1267afbd51e80fed0a")

    assert Seal("x" * 32).open(sealed, "slack token of agent_1") == "xoxb-kept"


def test_older_key_opens_its_own_values() -> None:
    older, newer = SECRET, SECRET + "!"
    sealed = Seal(older).seal(TOKEN, PURPOSE)
    rotated = Seal(newer, older)
    assert rotated.open(sealed, PURPOSE) == TOKEN
    assert not rotated.is_current(sealed)
    resealed = rotated.seal(TOKEN, PURPOSE)
    assert rotated.is_current(resealed)
    assert Seal(newer).open(resealed, PURPOSE) == TOKEN
    with pytest.raises(UnreadableSecretError):
        Seal(older).open(resealed, PURPOSE)


def test_older_key_opens_values_of_the_first_version() -> None:
    sealed = bytes.fromhex("0131584b63f631a4abcea13402562b93ac6af1a2dfb4f96b567d1a065b1267afbd51e80fed0a")

    assert Seal("y" * 32, "x" * 32).open(sealed, "slack token of agent_1") == "xoxb-kept"
    with pytest.raises(UnreadableSecretError):
        Seal("y" * 32, "z" * 32).open(sealed, "slack token of agent_1")
