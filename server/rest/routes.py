"""The REST API: thin wrappers around the resolvers that GraphQL uses."""

from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from models.escalation import Escalation as EscalationRow
from resolvers.context import Context
from resolvers.errors import NotFoundError
from resolvers.escalation import EscalationChanges, update_escalation
from resolvers.escalation_queries import EscalationFilter, EscalationOrder, escalations
from resolvers.escalation_triggers import EscalateCall, escalate_by_webhook, escalate_conversation
from resolvers.field_scopes import OTHERS, access_of
from resolvers.loaders import members_by_id
from resolvers.pagination import PageRequest
from resolvers.raise_escalation import EscalationResult
from resolvers.validation import check_key
from rules.roles import Scope
from rules.typeid import CONVERSATION, ESCALATION, MalformedIdError, parse_id
from server.http.admitted import admitted
from server.http.authentication import authenticate, authenticate_token
from server.http.request_body import MalformedError
from server.http.state import http_state
from server.rest.customer_export import get_customer_jsonl
from server.rest.exports import get_analytics_csv, get_audit_csv, get_escalations_csv
from server.rest.openapi import openapi_json
from server.rest.parsing import read_body, read_query
from server.rest.resources import (
    CHANGES,
    EscalateRequest,
    Escalation,
    EscalationList,
    HookRequest,
    ListQuery,
    Output,
    RaisedEscalation,
    RaisedWrittenEscalation,
    ReceivedCall,
    UpdateRequest,
    escalation_resource,
    written_escalation,
)

_HOOK = "hook: the token in the address is an API key whose only scope is INCOMING_WEBHOOK"


async def post_escalate(request: Request) -> Response:
    """Answer 201 with a new escalation, or 200 with the active one that absorbed the call."""
    context = await _known_caller(request)
    conversation_id = _id_in_path(request, "conversationId", CONVERSATION, "conversation")
    body = await read_body(request, EscalateRequest)
    call = EscalateCall(body.reason, body.priority, body.assign_to, body.summary, body.metadata)
    raised = await escalate_conversation(context, conversation_id, call, _idempotency_key(request))
    more = {"confirmation_message": raised.escalation.confirmation, "created": raised.created}
    if not _reads_escalations(context):
        written = written_escalation(raised.escalation)
        return _answer(RaisedWrittenEscalation(**dict(written), **more), _status(raised))
    (resource,) = await _resources(context, [raised.escalation])
    return _answer(RaisedEscalation(**dict(resource), **more), _status(raised))


async def patch_escalation(request: Request) -> Response:
    """Answer 200 with the escalation after the changes."""
    context = await _known_caller(request)
    escalation_id = _id_in_path(request, "escalationId", ESCALATION, "escalation")
    body = await read_body(request, UpdateRequest)
    assign_to = "" if body.unassigns else body.assign_to
    if all(change is None for change in (body.status, body.priority, assign_to, body.note)):
        raise MalformedError(f"Nothing to change: give at least one of {', '.join(CHANGES)}.")
    changes = EscalationChanges(
        status=body.status,
        priority=body.priority,
        assign_to=assign_to,
        note=body.note,
        expected_version=body.expected_version,
    )
    key = _idempotency_key(request)
    escalation = await update_escalation(context, escalation_id, changes, key)
    if not _reads_escalations(context):
        return _answer(written_escalation(escalation))
    (resource,) = await _resources(context, [escalation])
    return _answer(resource)


async def get_escalations(request: Request) -> Response:
    """Answer a page of escalations, newest first, with a Link to the next page if there is one."""
    context = await _known_caller(request)
    query = read_query(request.query_params, ListQuery, lists=("status", "priority"), integers=("first",))
    chosen = EscalationFilter(agent_id=query.agent_id, status=query.status, priority=query.priority)
    wanted = PageRequest(first=query.first, after=query.after)
    page = (await escalations(context, chosen, EscalationOrder.CREATED_DESC, wanted)).page
    cursor = page.cursors[-1] if page.has_next else None
    resources = await _resources(context, page.rows)
    response = _answer(EscalationList(escalations=resources, next_cursor=cursor))
    if cursor:
        response.headers["Link"] = f'<{_next_page(request, cursor)}>; rel="next"'
    return response


def _next_page(request: Request, cursor: str) -> str:
    # The client may not reach the address at which a proxy reaches this process.
    settings = http_state(request).settings
    here = (settings.public_url or str(request.base_url)).rstrip("/")
    return f"{here}/escalations?{request.url.include_query_params(after=cursor).query}"


async def post_hook(request: Request) -> Response:
    """Escalate by a token in the URL; the answer contains only what a posting system needs."""
    context = await _hook_caller(request)
    body = await read_body(request, HookRequest)
    call = EscalateCall(body.reason, body.priority)
    raised = await escalate_by_webhook(context, body.conversation_id, call, _idempotency_key(request))
    row = raised.escalation
    answer = ReceivedCall(
        id=row.id,
        conversation_id=row.conversation_id,
        status=row.status,
        priority=row.priority,
        created_at=row.created_at,
        confirmation_message=row.confirmation,
        created=raised.created,
    )
    return _answer(answer, _status(raised))


async def _known_caller(request: Request) -> Context:
    context = (await authenticate(request)).context
    _ = context.actor  # raises UnauthenticatedError before anything else is validated
    return context


async def _hook_caller(request: Request) -> Context:
    context = await authenticate_token(request, request.path_params["token"])
    if context is None or context.actor.scopes != {Scope.INCOMING_WEBHOOK}:
        raise NotFoundError(_HOOK)
    return context


def _reads_escalations(context: Context) -> bool:
    """Return whether the caller may read all fields of an escalation."""
    return not access_of(context.actor.scopes).hides("", "Escalation", OTHERS)


def _id_in_path(request: Request, name: str, prefix: str, what: str) -> UUID:
    try:
        return parse_id(prefix, request.path_params[name])
    except MalformedIdError:
        raise NotFoundError(what) from None


def _idempotency_key(request: Request) -> str | None:
    # Here, so that a refusal has the name of the header.
    return check_key("Idempotency-Key", request.headers.get("idempotency-key"))


def _status(raised: EscalationResult) -> int:
    return 201 if raised.created else 200


async def _resources(context: Context, rows: Sequence[EscalationRow]) -> list[Escalation]:
    assignees = {row.assignee_id for row in rows if row.assignee_id}
    members = await members_by_id(context, list(assignees)) if assignees else {}
    emails = {member.id: member.email for member in members.values()}
    now = datetime.now(UTC)
    return [
        escalation_resource(row, emails.get(row.assignee_id) if row.assignee_id else None, now)
        for row in rows
    ]


def _answer(resource: Output, status: int = 200) -> Response:
    headers = {"Cache-Control": "no-store"}
    return Response(resource.model_dump_json(), status, headers, media_type="application/json")


async def get_openapi(_: Request) -> Response:
    """Answer the OpenAPI description."""
    return Response(openapi_json(), media_type="application/json")


ROUTES = [
    Route("/conversations/{conversationId}/escalate", admitted(post_escalate), methods=["POST"]),
    Route("/escalations/{escalationId}", admitted(patch_escalation), methods=["PATCH"]),
    Route("/escalations", admitted(get_escalations), methods=["GET"]),
    Route("/hooks/{token}/escalate", admitted(post_hook), methods=["POST"]),
    Route("/exports/escalations.csv", admitted(get_escalations_csv), methods=["GET"]),
    Route("/exports/analytics.csv", admitted(get_analytics_csv), methods=["GET"]),
    Route("/exports/audit.csv", admitted(get_audit_csv), methods=["GET"]),
    Route("/exports/customer.jsonl", admitted(get_customer_jsonl), methods=["GET"]),
    Route("/openapi.json", get_openapi, methods=["GET"]),
]
