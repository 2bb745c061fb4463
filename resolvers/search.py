"""Searches: words in texts, in any spelling that looks the same, and ids."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, exists, or_

from models.conversation import Conversation
from models.message import Message
from models.words import contains_words
from resolvers.errors import BadInputError
from rules.text import text_error
from rules.typeid import MalformedIdError, parse_id

_LIMIT, _WORDS = 200, 8


def search_conditions(
    search: str | None,
    ids: dict[str, Callable[[UUID], ColumnElement[bool]]],
    in_text: Callable[[str], ColumnElement[bool]],
) -> list[ColumnElement[bool]]:
    """Return a condition for each word of `search`, which must all hold.

    `ids` maps the prefix of a TypeID to the condition for that id; `in_text` is for all other words.
    """
    if search is None:
        return []
    if error := text_error(search, limit=_LIMIT):
        raise BadInputError("filter.search", error)
    return [_condition(word, ids, in_text) for word in search.split()[:_WORDS]]


def _condition(
    word: str,
    ids: dict[str, Callable[[UUID], ColumnElement[bool]]],
    in_text: Callable[[str], ColumnElement[bool]],
) -> ColumnElement[bool]:
    for prefix, matches in ids.items():
        try:
            return matches(parse_id(prefix, word))
        except MalformedIdError:
            continue
    return in_text(word)


def in_customer(word: str) -> ColumnElement[bool]:
    """Return the condition that a conversation's customer is named by `word`."""
    columns = (Conversation.customer_name, Conversation.customer_email, Conversation.customer_external_id)
    return or_(*(contains_words(column, word) for column in columns))


def in_messages(conversation_id: Any, word: str) -> ColumnElement[bool]:
    """Return the condition that a message of the conversation contains `word`."""
    return exists().where(Message.conversation_id == conversation_id, contains_words(Message.content, word))


def has_message(conversation_id: Any, message_id: UUID) -> ColumnElement[bool]:
    """Return the condition that the message belongs to the conversation."""
    return exists().where(Message.conversation_id == conversation_id, Message.id == message_id)
