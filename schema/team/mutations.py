"""Mutations of team members, sessions and API keys."""

import strawberry

from resolvers import api_key, member, member_sessions, sign_in
from resolvers.actor import Actor, ActorKind
from resolvers.member import NewMember
from resolvers.sign_in import SignedIn
from rules.roles import SCOPES_OF_ROLE, MemberRole
from rules.typeid import API_KEY, MEMBER, SESSION
from schema.context import GraphQLContext, Info, parse_global_id
from schema.mutation import mutation
from schema.team.api_key import ApiKey, CreateApiKeyInput, CreateApiKeyPayload, RotateApiKeyPayload
from schema.team.member import CreateMemberInput, MemberPayload, TeamMember
from schema.team.second_factor import SecondFactorMutation
from schema.team.session import SignInPayload


@strawberry.type
class TeamMutation(SecondFactorMutation):
    """Mutations of team members, sessions and API keys."""

    @mutation
    async def sign_in(
        self, info: Info, email: str, password: str, code: str | None = None
    ) -> SignInPayload | None:
        """Sign in. Over HTTP the session cookie is set.

        Without `code`, a member with a second factor gets the error SECOND_FACTOR_REQUIRED.
        """
        return _signed_in(info, await sign_in.sign_in(info.context, email, password, code))

    @mutation
    async def sign_out(self, info: Info) -> bool | None:
        """End the session."""
        await sign_in.sign_out(info.context)
        info.context.session_token = ""
        return True

    @mutation
    async def end_session(self, info: Info, id: strawberry.ID) -> bool | None:  # noqa: A002 - the name in the API
        """End a session of the caller, or as an admin one of any member. Its sockets end within 5 seconds.

        False if there is no such session.
        """
        result = await member_sessions.end_session(info.context, parse_global_id(info, SESSION, id, "id"))
        if result.current:
            info.context.session_token = ""
        return result.ended

    @mutation
    async def end_other_sessions(self, info: Info) -> int | None:
        """End all sessions of the caller except this one, and return their number."""
        return await member_sessions.end_other_sessions(info.context)

    @mutation
    async def create_member(
        self,
        info: Info,
        input: CreateMemberInput,  # noqa: A002 - the name in the API
    ) -> MemberPayload | None:
        """Add a team member; without a password, invite one."""
        new = NewMember(input.email, input.name, input.role, input.password)
        row, token = await member.create_member(info.context, new)
        return MemberPayload(member=TeamMember.of(row, info.context), invitation_token=token)

    @mutation
    async def update_member(
        self,
        info: Info,
        id: strawberry.ID,  # noqa: A002 - the name in the API
        name: str | None = None,
        role: MemberRole | None = None,
        available: bool | None = None,
    ) -> MemberPayload | None:
        """Change a team member. Roles and other members need the scope ADMIN."""
        key = parse_global_id(info, MEMBER, id, "id")
        row = await member.update_member(info.context, key, name, role, available)
        return MemberPayload(member=TeamMember.of(row, info.context))

    @mutation
    async def change_password(self, info: Info, current: str, new: str) -> bool | None:
        """Change the caller's password."""
        await sign_in.change_password(info.context, current, new)
        return True

    @mutation
    async def accept_invitation(self, info: Info, token: str, password: str) -> SignInPayload | None:
        """Set the password of an invited member and sign in."""
        return _signed_in(info, await sign_in.accept_invitation(info.context, token, password))

    @mutation
    async def remove_member(self, info: Info, id: strawberry.ID) -> bool | None:  # noqa: A002 - the name in the API
        """Remove a member from the team, and their address from the recipients of notifications."""
        await member.remove_member(info.context, parse_global_id(info, MEMBER, id, "id"))
        return True

    @mutation
    async def create_api_key(
        self,
        info: Info,
        input: CreateApiKeyInput,  # noqa: A002 - the name in the API
    ) -> CreateApiKeyPayload | None:
        """Create an API key; the payload has the key itself."""
        row, key = await api_key.create_api_key(info.context, input.to_new())
        return CreateApiKeyPayload(api_key=ApiKey.of(row, info.context), key=key)

    @mutation
    async def rotate_api_key(
        self,
        info: Info,
        id: strawberry.ID,  # noqa: A002 - the name in the API
        overlap_seconds: int = 86_400,
    ) -> RotateApiKeyPayload | None:
        """Create a key in the place of another one, which stays valid for the overlap."""
        key_id = parse_global_id(info, API_KEY, id, "id")
        old, new, key = await api_key.rotate_api_key(info.context, key_id, overlap_seconds)
        return RotateApiKeyPayload(
            api_key=ApiKey.of(new, info.context), previous=ApiKey.of(old, info.context), key=key
        )

    @mutation
    async def revoke_api_key(self, info: Info, id: strawberry.ID) -> ApiKey | None:  # noqa: A002 - the name in the API
        """Revoke an API key."""
        key = parse_global_id(info, API_KEY, id, "id")
        return ApiKey.of(await api_key.revoke_api_key(info.context, key), info.context)


def _signed_in(info: Info, signed_in: SignedIn) -> SignInPayload | None:
    info.context.session_token = signed_in.token
    info.context.device_token = signed_in.device
    row = signed_in.member
    # The payload shows what the member who has just signed in may see.
    actor = Actor(ActorKind.TEAM_MEMBER, row.workspace_id, SCOPES_OF_ROLE[row.role], member_id=row.id)
    call = GraphQLContext(info.context.services, actor)
    return SignInPayload(
        member=TeamMember.of(row, call), token=signed_in.token, expires_at=signed_in.expires_at
    )
