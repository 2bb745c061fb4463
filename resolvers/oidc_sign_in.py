"""Signing in with an account of the OpenID provider.

An account is its issuer and subject. At its first sign-in it is bound to the member with its verified email.
From then on the binding decides: a new email at the provider moves the account to no other member.
"""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, false, or_, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import aliased

from models.member import Member
from models.words import folded
from models.workspace import Workspace
from realtime.transaction import Transaction
from resolvers.audit import record_member_act, record_refusal
from resolvers.context import Context
from resolvers.errors import ForbiddenError
from resolvers.member import NewMember, make_member
from resolvers.permissions import permitted
from resolvers.sign_in import SignedIn, open_session
from resolvers.sign_in_rules import SignInRules
from rules.audit import AuditAction
from rules.roles import MemberRole
from rules.sign_in import SignInMethod, SignInRefusal
from rules.text import NAME_LIMIT, text_error

_CHOICES = 50
_MESSAGES = {
    SignInRefusal.UNVERIFIED_EMAIL: "The provider has not verified the email of this account.",
    SignInRefusal.FOREIGN_DOMAIN: "The email of this account is in none of the allowed domains.",
    SignInRefusal.NO_MEMBER: "No team has a member for this account: ask an admin for an invitation.",
}


class SignInRefusedError(ForbiddenError):
    """The provider has signed an account in, and it may not sign in here."""

    def __init__(self, reason: SignInRefusal) -> None:
        self.reason = reason
        super().__init__(_MESSAGES[reason])


@dataclass(frozen=True, slots=True)
class OidcAccount:
    """An account that the OpenID provider has just signed in. `email` is an address, or empty."""

    issuer: str
    subject: str
    email: str
    email_verified: bool
    name: str

    @property
    def verified_email(self) -> str | None:
        """The email if the provider has verified it. Look-alikes of another address are not believed."""
        is_plain = unicodedata.is_normalized("NFKC", self.email)
        return self.email if self.email and self.email_verified and is_plain else None


@dataclass(frozen=True, slots=True)
class MemberChoice:
    """A member that an account may sign in as. The id is None for a new member of the workspace."""

    member_id: UUID | None
    workspace_name: str


@permitted("GET /sign-in/oidc/callback")
async def members_of_account(context: Context, account: OidcAccount) -> Sequence[MemberChoice]:
    """Return the members that an account may sign in as, by workspace.

    Raises SignInRefusedError if there is none.
    """
    rules = context.services.sign_in_rules
    try:
        _check_domain(rules, account)
        async with context.database.autocommit_session() as session:
            rows = await session.execute(_members(account).order_by(Workspace.name).limit(_CHOICES))
            choices = [MemberChoice(member.id, name) for member, name in rows]
            if not choices and account.verified_email and rules.new_members_in:
                names = await session.scalars(_workspace_to_join(account, rules.new_members_in))
                choices = [MemberChoice(None, name) for name in names]
        if not choices:
            raise SignInRefusedError(
                SignInRefusal.NO_MEMBER if account.verified_email else SignInRefusal.UNVERIFIED_EMAIL
            )
    except SignInRefusedError as error:
        await _record_refused(context, account, error)
        raise
    return choices


@permitted("POST /sign-in/oidc/members/{memberId}")
async def sign_in_as(context: Context, account: OidcAccount, member_id: UUID | None) -> SignedIn:
    """Open a session of a member that `members_of_account` returned, and bind the account to the member.

    Raises SignInRefusedError if the account may not sign in as this member any more.
    """
    try:
        async with context.services.transactions.begin() as tx:
            now = await tx.read_clock()
            member = await _join(tx, context, account, now) if member_id is None else None
            if member_id is not None:
                chosen = _members(account).with_only_columns(Member).where(Member.id == member_id)
                member = await tx.session.scalar(chosen.with_for_update(of=Member))
            if member is None:
                raise SignInRefusedError(SignInRefusal.NO_MEMBER)
            is_first = (member.oidc_issuer, member.oidc_subject) != (account.issuer, account.subject)
            if is_first:
                _bind(member, account)
            record_member_act(
                tx, context, member, AuditAction.SIGN_IN, method=SignInMethod.OIDC, bound=is_first
            )
            return await open_session(tx, context, member, SignInMethod.OIDC)
    except IntegrityError as error:
        # A concurrent sign-in of the account has joined or was bound first.
        raise SignInRefusedError(SignInRefusal.NO_MEMBER) from error


def _check_domain(rules: SignInRules, account: OidcAccount) -> None:
    if not rules.domains:
        return
    if account.verified_email is None:
        raise SignInRefusedError(SignInRefusal.UNVERIFIED_EMAIL)
    if account.verified_email.rpartition("@")[2].lower() not in rules.domains:
        raise SignInRefusedError(SignInRefusal.FOREIGN_DOMAIN)


def _members(account: OidcAccount) -> Select[Member, str]:
    """Select the members of an account, with the names of their workspaces.

    In a workspace without a member that is bound to the account, that is the unbound one with its verified
    email. A binding to the issuer of earlier settings does not count.
    """
    bound = aliased(Member)
    is_bound = and_(Member.oidc_issuer == account.issuer, Member.oidc_subject == account.subject)
    bound_here = (
        select(bound.id)
        .where(
            bound.workspace_id == Member.workspace_id,
            bound.oidc_issuer == account.issuer,
            bound.oidc_subject == account.subject,
            bound.removed_at.is_(None),
        )
        .exists()
    )
    by_email: ColumnElement[bool] = false()
    if account.verified_email is not None:
        by_email = and_(
            folded(Member.email) == folded(account.verified_email),
            Member.oidc_issuer.is_distinct_from(account.issuer),
            ~bound_here,
        )
    return (
        select(Member, Workspace.name)
        .join(Workspace, Workspace.id == Member.workspace_id)
        .where(or_(is_bound, by_email), Member.removed_at.is_(None), ~Workspace.scratch)
    )


def _workspace_to_join(account: OidcAccount, workspace_id: UUID) -> Select[str]:
    """Select the name of the workspace, unless the account or its email was a member's there.

    A removed member does not come back in this way.
    """
    was_member = (
        select(Member.id)
        .where(
            Member.workspace_id == workspace_id,
            or_(
                folded(Member.email) == folded(account.email),
                and_(Member.oidc_issuer == account.issuer, Member.oidc_subject == account.subject),
            ),
        )
        .exists()
    )
    return select(Workspace.name).where(Workspace.id == workspace_id, ~was_member)


async def _join(tx: Transaction, context: Context, account: OidcAccount, now: datetime) -> Member | None:
    workspace_id = context.services.sign_in_rules.new_members_in
    if workspace_id is None or account.verified_email is None:
        return None
    if await tx.session.scalar(_workspace_to_join(account, workspace_id)) is None:
        return None
    name = account.email.partition("@")[0] if text_error(account.name, limit=NAME_LIMIT) else account.name
    new = NewMember(account.verified_email, name, MemberRole.AGENT)
    member, _ = make_member(workspace_id, new, None, now)
    tx.session.add(member)
    await tx.session.flush()
    record_member_act(tx, context, member, AuditAction.CREATE_MEMBER, role=new.role, invited=False)
    return member


def _bind(member: Member, account: OidcAccount) -> None:
    """Bind the account to the member. An invitation has served: its link opens nothing any more."""
    member.oidc_issuer, member.oidc_subject = account.issuer, account.subject
    member.invitation_hash = member.invitation_expires_at = None


async def _record_refused(context: Context, account: OidcAccount, error: SignInRefusedError) -> None:
    """Record the refusal for the members with the account's email, and for those bound to the account."""
    is_bound = and_(Member.oidc_issuer == account.issuer, Member.oidc_subject == account.subject)
    concerned = (
        select(Member)
        .where(or_(is_bound, folded(Member.email) == folded(account.email)), Member.removed_at.is_(None))
        .limit(_CHOICES)
    )
    async with context.database.autocommit_session() as session:
        members = list(await session.scalars(concerned))
    await record_refusal(context.services, context.address, members, AuditAction.SIGN_IN, error)
