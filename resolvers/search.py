"""Searches: beginnings of words, in any spelling that looks the same, and ids."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from sqlalchemy import (
    ARRAY,
    BindParameter,
    ColumnElement,
    Select,
    String,
    Uuid,
    any_,
    bindparam,
    cast,
    exists,
    false,
    func,
    select,
    true,
)
from sqlalchemy.dialects.postgresql import TSQUERY

from models.message import Message
from models.search_entry import SearchEntry
from resolvers.context import Context
from resolvers.errors import BadInputError
from resolvers.list_select import Condition
from rules.text import text_error
from rules.typeid import MalformedIdError, parse_id

COUNTED = 1_000  # rows of a search; counting more takes too long
_LIMIT, _WORDS = 200, 8
_FREQUENT = 0.005  # of the entries
# The functions of the database that write the index read the words of a search, too. The statistics of the
# index list its frequent words.
_QUERIES = """
SELECT query, query IS NOT NULL AND (
    SELECT coalesce(sum(frequency), 0) FROM pg_stats,
        unnest(most_common_elems::text::text[], most_common_elem_freqs) AS known (word, frequency)
    WHERE tablename = 'search_entries' AND attname = 'words' AND schemaname = current_schema()
        AND known.word IS NOT NULL AND array_to_tsvector(ARRAY[known.word]) @@ query::tsquery
) > $3 AS frequent
FROM unnest($2::text[]) WITH ORDINALITY AS given (word, place), search_query($1, given.word) AS query
ORDER BY place
"""


@dataclass(frozen=True, slots=True)
class SearchedWord:
    """A word of a search: the parameter with its tsquery, and whether many entries have it."""

    query: BindParameter[str]
    frequent: bool

    def has_entry(self, conversation_id: Any, *conditions: ColumnElement[bool]) -> ColumnElement[bool]:
        """Return the condition that the conversation has an entry, for words that many entries have.

        A scalar query is run for one row of the list after the other, unlike EXISTS, which PostgreSQL may
        turn into a join of all entries.
        """
        own = SearchEntry.conversation_id == conversation_id
        return self._entries(true(), own, *conditions).limit(1).scalar_subquery()

    def leads_to(self, row_id: Any, column: Any, *conditions: ColumnElement[bool]) -> ColumnElement[bool]:
        """Return the condition that the row is one to which entries lead, for words that few entries have.

        PostgreSQL takes a prefix for more frequent than it is, but expects few values in an array. So it
        begins with the entries.
        """
        rows = self._entries(column, *conditions).scalar_subquery()
        leads: ColumnElement[bool] = row_id == any_(func.array(rows, type_=ARRAY(Uuid)))
        return leads

    def _entries(self, value: Any, *conditions: ColumnElement[bool]) -> Select[Any]:
        has_word = SearchEntry.words.op("@@")(cast(self.query, TSQUERY))
        return select(value).select_from(SearchEntry).where(has_word, *conditions)


_OfId: TypeAlias = Callable[[Any], ColumnElement[bool]]
_InText: TypeAlias = Callable[[SearchedWord], ColumnElement[bool]]


async def search_conditions(
    context: Context,
    search: str | None,
    ids: Mapping[str, _OfId],
    in_text: _InText,
) -> list[Condition]:
    """Return a condition for each word of `search`, which must all hold.

    `ids` maps the prefix of a TypeID to the condition for that id; `in_text` is for all other words.
    """
    if search is None:
        return []
    if error := text_error(search, limit=_LIMIT):
        raise BadInputError("filter.search", error)
    conditions, words = [], []
    for place, word in enumerate(search.split()[:_WORDS]):
        condition = _of_id(f"id_{place}", word, ids)
        if condition is None:
            words.append(word)
        else:
            conditions.append(condition)
    for place, (query, frequent) in enumerate(await _queries(context, words)):
        name = f"word_{place}"
        conditions.append(Condition(_has_word, (in_text, name, frequent), {name: query}))
    return conditions or [Condition(false)]


def _of_id(name: str, word: str, ids: Mapping[str, _OfId]) -> Condition | None:
    for prefix, matches in ids.items():
        try:
            return Condition(_has_id, (matches, name), {name: parse_id(prefix, word)})
        except MalformedIdError:
            continue
    return None


def _has_id(matches: _OfId, name: str) -> ColumnElement[bool]:
    return matches(bindparam(name, type_=Uuid))


def _has_word(in_text: _InText, name: str, frequent: bool) -> ColumnElement[bool]:
    return in_text(SearchedWord(bindparam(name, type_=String), frequent))


async def _queries(context: Context, words: list[str]) -> list[tuple[str, bool]]:
    """Return the words that have a letter, a digit or a sign, as tsqueries, and whether they are frequent."""
    if not words:
        return []
    with context.list_database() as database:
        rows = await database.fetch(_QUERIES, context.actor.workspace_id, words, _FREQUENT)
    return [(row["query"], row["frequent"]) for row in rows if row["query"] is not None]


def has_message(conversation_id: Any, message_id: Any) -> ColumnElement[bool]:
    """Return the condition that the message belongs to the conversation."""
    return exists().where(Message.conversation_id == conversation_id, Message.id == message_id)
