"""The actor of a credential that a caller presents, and the record of one that is no longer valid."""

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import LargeBinary, bindparam, select

from models.api_key import ApiKey
from models.compiled_select import CompiledSelect
from models.database import Database
from models.member import EndedSession, Member, MemberSession
from realtime.audit import NewAuditEntry
from resolvers.actor import Actor
from resolvers.audit import may_record, refused_entry
from resolvers.context import Services
from resolvers.credentials import SESSION_START, CredentialUse, actor_of, token_hash
from resolvers.errors import ErrorCode
from rules.api_key_text import is_api_key_text
from rules.audit import AuditAction, AuditActorKind
from rules.typeid import API_KEY, MEMBER, format_id

_HASH = bindparam("hash", type_=LargeBinary)
_KEYS = CompiledSelect(
    select(ApiKey.id, ApiKey.workspace_id, ApiKey.name, ApiKey.revoked_at, ApiKey.expires_at).where(
        ApiKey.key_hash == _HASH
    )
)
_ENDED = select(EndedSession.member_id).where(EndedSession.token_hash == _HASH)
_MEMBERS = CompiledSelect(
    select(
        Member.id,
        Member.workspace_id,
        Member.name,
        Member.removed_at,
        _ENDED.where(~EndedSession.expired).exists(),
    ).where(
        Member.id.in_(
            _ENDED.union_all(select(MemberSession.member_id).where(MemberSession.token_hash == _HASH))
        )
    )
)


class Invalidity(StrEnum):
    """Why a credential is not valid now, or not from there."""

    REVOKED = "REVOKED"
    EXPIRED = "EXPIRED"
    ENDED = "ENDED"
    MEMBER_REMOVED = "MEMBER_REMOVED"
    FOREIGN_NETWORK = "FOREIGN_NETWORK"


@dataclass(frozen=True, slots=True)
class _Holder:
    """The holder of a credential that is not valid. `id` is a global id."""

    workspace_id: UUID
    kind: AuditActorKind
    id: str
    name: str
    reason: Invalidity


async def identify_caller(services: Services, token: str, use: CredentialUse) -> Actor | None:
    """Return the actor of a token, or None for one that is not valid from there.

    The use of one that was valid before is recorded in the audit log. Unknown tokens belong to no workspace,
    and are not recorded.
    """
    actor = await actor_of(services.database, services.widget_tokens, token, use)
    if actor is None and (holder := await _holder_of(services.database, token)):
        await _record(services, holder, use.address)
    return actor


async def _record(services: Services, holder: _Holder, address: str) -> None:
    if not await may_record(services, holder.id, holder.reason.value):
        return
    entry = NewAuditEntry(AuditAction.USE_CREDENTIAL, holder.kind, holder.id, holder.name, address)
    async with services.transactions.begin() as tx:
        await tx.read_clock()
        refused = refused_entry(entry, ErrorCode.UNAUTHENTICATED, {"reason": holder.reason.value})
        tx.audit(holder.workspace_id, refused)


async def _holder_of(database: Database, token: str) -> _Holder | None:
    if is_api_key_text(token):
        return await _key_holder(database, token)
    if token.startswith(SESSION_START):
        return await _session_holder(database, token)
    return None


async def _key_holder(database: Database, token: str) -> _Holder | None:
    for key_id, workspace_id, name, revoked_at, expires_at in await _KEYS.rows(
        database, hash=token_hash(token)
    ):
        if revoked_at is not None:
            reason = Invalidity.REVOKED
        elif expires_at is not None and expires_at <= datetime.now(UTC):
            reason = Invalidity.EXPIRED
        else:
            reason = Invalidity.FOREIGN_NETWORK
        return _Holder(workspace_id, AuditActorKind.API_KEY, format_id(API_KEY, key_id), name, reason)
    return None


async def _session_holder(database: Database, token: str) -> _Holder | None:
    for member_id, workspace_id, name, removed_at, ended in await _MEMBERS.rows(
        database, hash=token_hash(token)
    ):
        if removed_at is not None:
            reason = Invalidity.MEMBER_REMOVED
        else:
            reason = Invalidity.ENDED if ended else Invalidity.EXPIRED
        return _Holder(workspace_id, AuditActorKind.TEAM_MEMBER, format_id(MEMBER, member_id), name, reason)
    return None
