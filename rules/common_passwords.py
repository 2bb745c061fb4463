"""Passwords that many people use, and that guessing programs try first."""

import unicodedata

from zxcvbn.frequency_lists import FREQUENCY_LISTS

_SHORT = 4  # characters of a text that is repeated
# The 30,000 most frequent passwords of published leaks, in lower case, as zxcvbn lists them.
_COMMON = frozenset(FREQUENCY_LISTS["passwords"])


def is_common_password(password: str) -> bool:
    """Return whether the password is a frequent one, in any spelling of upper and lower case.

    Spaces around it and one short text that is repeated do not make it rarer.
    """
    plain = unicodedata.normalize("NFKC", password).strip().casefold()
    repeated = (plain + plain).find(plain, 1)
    return plain in _COMMON or plain[:repeated] in _COMMON or repeated <= _SHORT
