"""Saved replies of a team."""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import delete, func, select
from sqlalchemy.exc import IntegrityError

from models.ids import new_id
from models.saved_reply import SavedReply
from realtime.transaction import Transaction
from resolvers.context import Context
from resolvers.errors import BadInputError, ConflictError
from resolvers.permissions import permitted
from resolvers.visibility import SAVED_REPLY, WORKSPACE, Visibility, visible_saved_replies
from rules.saved_reply import CONTENT_LIMIT, REPLIES, TITLE_LIMIT, search_text, shortcut_error
from rules.text import normalize, text_error

_SEARCH_LIMIT, _SEARCH_WORDS = 200, 8


@dataclass(frozen=True, slots=True)
class SavedReplyInput:
    """The content of a saved reply."""

    shortcut: str
    title: str
    content: str

    def check(self) -> None:
        """Raise BadInputError for a text that cannot be stored or used."""
        errors = {
            "shortcut": shortcut_error(self.shortcut),
            "title": text_error(self.title, limit=TITLE_LIMIT),
            "content": text_error(self.content, limit=CONTENT_LIMIT),
        }
        for field, error in errors.items():
            if error:
                raise BadInputError(field, error)


@permitted("savedReplies")
async def saved_replies(context: Context, search: str | None = None) -> list[SavedReply]:
    """Return the saved replies that hold all words of `search`, by shortcut."""
    rows = visible_saved_replies(Visibility.of(context.actor)).order_by(
        SavedReply.shortcut_key, SavedReply.id
    )
    for word in _words(search):
        rows = rows.where(SavedReply.search_text.contains(word, autoescape=True))
    async with context.list_session() as session:
        return list(await session.scalars(rows))


def _words(search: str | None) -> list[str]:
    if search is None:
        return []
    if error := text_error(search, limit=_SEARCH_LIMIT, blank=True):
        raise BadInputError("search", error)
    return normalize(search).split()[:_SEARCH_WORDS]


@permitted("savedReplies", SAVED_REPLY)
async def saved_reply_by_id(context: Context, reply_id: UUID) -> SavedReply | None:
    """Return the saved reply if the caller may see it, otherwise None."""
    return await SAVED_REPLY.find(context.database, context.actor, reply_id)


@permitted("createSavedReply")
async def create_saved_reply(context: Context, new: SavedReplyInput) -> SavedReply:
    """Add a saved reply; raises ConflictError for a shortcut in use, or if there are too many."""
    new.check()
    workspace_id = context.actor.workspace_id
    reply = SavedReply(id=new_id(), workspace_id=workspace_id)
    try:
        async with context.services.transactions.begin() as tx:
            # The lock makes the count exact.
            await WORKSPACE.lock(tx, context.actor, workspace_id)
            await _check_count(tx, workspace_id)
            await _fill(tx, reply, new)
            tx.session.add(reply)
    except IntegrityError as error:
        raise _shortcut_in_use(new) from error
    return reply


@permitted("updateSavedReply", SAVED_REPLY)
async def update_saved_reply(context: Context, reply_id: UUID, new: SavedReplyInput) -> SavedReply:
    """Replace the content of a saved reply; raises ConflictError for a shortcut in use."""
    new.check()
    try:
        async with context.services.transactions.begin() as tx:
            reply = await SAVED_REPLY.lock(tx, context.actor, reply_id)
            await _fill(tx, reply, new)
    except IntegrityError as error:
        raise _shortcut_in_use(new) from error
    return reply


@permitted("deleteSavedReply", SAVED_REPLY)
async def delete_saved_reply(context: Context, reply_id: UUID) -> None:
    """Delete a saved reply; what was sent with it stays."""
    async with context.services.transactions.begin() as tx:
        reply = await SAVED_REPLY.lock(tx, context.actor, reply_id)
        await tx.session.execute(delete(SavedReply).where(SavedReply.id == reply.id))


async def _check_count(tx: Transaction, workspace_id: UUID) -> None:
    counted = select(func.count()).where(SavedReply.workspace_id == workspace_id)
    if (await tx.session.execute(counted)).scalar_one() >= REPLIES:
        raise ConflictError(f"The team has {REPLIES} saved replies, the maximum. Delete one first.")


async def _fill(tx: Transaction, reply: SavedReply, new: SavedReplyInput) -> None:
    reply.shortcut, reply.title, reply.content = new.shortcut, new.title, new.content
    reply.shortcut_key = normalize(new.shortcut)
    reply.search_text = search_text(new.shortcut, new.title, new.content)
    reply.updated_at = await tx.read_clock()


def _shortcut_in_use(new: SavedReplyInput) -> ConflictError:
    return ConflictError(f"The team already has a saved reply with the shortcut “{new.shortcut}”.")
