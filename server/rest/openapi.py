"""The OpenAPI 3.1 description of the REST API, from the models that read and write it."""

from functools import cache
from http.client import responses
from typing import Any, Final

import orjson
from pydantic import BaseModel, TypeAdapter
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode, models_json_schema

from rules.text import KEY_LIMIT
from server.http.problems import MEDIA_TYPE, Problem
from server.rest.export_queries import CustomerQuery, EscalationsExportQuery, SeriesExportQuery
from server.rest.resources import (
    ConversationId,
    EscalateRequest,
    Escalation,
    EscalationId,
    EscalationList,
    HookRequest,
    Input,
    ListQuery,
    Output,
    RaisedEscalation,
    RaisedWrittenEscalation,
    ReceivedCall,
    UpdateRequest,
    WrittenEscalation,
)
from server.version import VERSION

_Json = dict[str, Any]
_REF: Final = "#/components/schemas/{model}"
_ABOUT: Final = (
    "Hands conversations from an AI agent to people and back. This is the part of the API for systems that "
    "use REST. The whole API is in GraphQL at /graphql."
)
_ESCALATED: Final = {
    "id": "esc_01kgp1wz5ye1ar59h2v8c0t4mn",
    "conversationId": "conv_01kgp1v3c8fzt8h4y2dnjq5b7e",
    "agentId": "agt_01kgp1t0m2e6s9x7r4w8k3h5pd",
    "status": "open",
    "priority": "high",
    "trigger": "api",
    "reason": "VIP customer flagged for priority support",
    "detail": None,
    "summary": "Was charged twice for order 1042",
    "metadata": {"orderId": "1042"},
    "confidence": None,
    "assignTo": "jane@example.com",
    "createdAt": "2026-02-05T09:30:00.000000Z",
    "firstRespondedAt": None,
    "resolvedAt": None,
    "version": 1,
    "sla": {
        "status": "on_track",
        "outcome": "running",
        "targetMinutes": 120,
        "startedAt": "2026-02-05T09:30:00.000000Z",
        "atRiskAt": "2026-02-05T11:06:00.000000Z",
        "dueAt": "2026-02-05T11:30:00.000000Z",
        "metAt": None,
        "breachedAt": None,
    },
}
_RAISED: Final = {
    "confirmationMessage": "Your request has been escalated to our support team. "
    "We typically respond within 2 hours.",
    "created": True,
}
_RECEIVED_FIELDS: Final = ("id", "conversationId", "status", "priority", "createdAt")
_EXAMPLES: Final[dict[str, _Json]] = {
    "EscalateRequest": {
        "reason": _ESCALATED["reason"],
        "priority": "high",
        "assignTo": "jane@example.com",
        "summary": _ESCALATED["summary"],
        "metadata": _ESCALATED["metadata"],
    },
    "HookRequest": {"conversationId": _ESCALATED["conversationId"], "reason": "Payment failed three times"},
    "UpdateRequest": {
        "status": "in_progress",
        "priority": "urgent",
        "note": "Called back",
        "expectedVersion": 1,
    },
    "Escalation": _ESCALATED,
    "RaisedEscalation": _ESCALATED | _RAISED,
    "ReceivedCall": {name: _ESCALATED[name] for name in _RECEIVED_FIELDS} | _RAISED,
    "EscalationList": {"escalations": [_ESCALATED], "nextCursor": None},
}
_PROBLEMS: Final = {
    400: "An input is invalid; `field` names it.",
    401: "The credential is missing, unknown, revoked or expired.",
    403: "The credential lacks the scope.",
    404: "It does not exist, or the caller may not see it.",
    409: "The state of the escalation or conversation does not allow the change; `detail` says why.",
    413: "The body has more than a mebibyte.",
    415: "The body is compressed, or not declared as application/json.",
    422: "The Idempotency-Key was used with another input.",
    429: "Too many calls or connections. Try again, after `Retry-After` if it is given.",
    500: "An unexpected failure; the log has it under `requestId`.",
    503: "The server is overloaded or its database unavailable. Try again after `Retry-After`.",
}
# Any call may fail so.
_ALWAYS: Final = (429, 500, 503)
_RETRY_AFTER: Final = {"Retry-After": {"description": "Seconds", "schema": {"type": "integer"}}}
_HEADERS: Final = {
    401: {"WWW-Authenticate": {"description": "Bearer", "schema": {"type": "string"}}},
    429: _RETRY_AFTER,
    503: _RETRY_AFTER,
}


class _Untitled(GenerateJsonSchema):
    """A title of “Atriskat” says less than the name “atRiskAt”."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        """Never."""
        return False


@cache
def openapi_json() -> bytes:
    """Return the document as JSON."""
    return orjson.dumps(document())


def document() -> _Json:
    """Return the document."""
    return {
        "openapi": "3.1.0",
        "info": {"title": "Baton", "version": VERSION, "description": _ABOUT, "license": {"name": "MIT"}},
        "paths": {
            "/conversations/{conversationId}/escalate": {"post": _escalate()},
            "/escalations/{escalationId}": {"patch": _update()},
            "/escalations": {"get": _list()},
            "/hooks/{token}/escalate": {"post": _hook()},
            "/exports/escalations.csv": {"get": _export_escalations()},
            "/exports/analytics.csv": {"get": _export_series()},
            "/exports/audit.csv": {"get": _export_audit_log()},
            "/exports/customer.jsonl": {"get": _export_customer()},
        },
        "components": {
            "schemas": _schemas(),
            "responses": {f"Problem{status}": _problem(status) for status in _PROBLEMS},
            "securitySchemes": {
                "bearer": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "An API key (baton_sk_…) or a team member's session token (baton_ss_…).",
                }
            },
        },
        "security": [{"bearer": []}],
    }


def _escalate() -> _Json:
    return {
        "operationId": "escalateConversation",
        "summary": "Ask for a person in a conversation",
        "description": "Requires the scope ESCALATIONS_WRITE. A conversation has at most one active "
        "escalation: a call during it is added to it, and may raise its priority. A key without "
        "ESCALATIONS_READ gets the shorter answer.",
        "parameters": [_path("conversationId", _id_schema(ConversationId)), _idempotency_key()],
        "requestBody": _body(EscalateRequest),
        "responses": {
            "201": _success(
                RaisedEscalation, "A new escalation.", RaisedWrittenEscalation, links=_update_link()
            ),
            "200": _success(
                RaisedEscalation, "The active escalation, which absorbed the call.", RaisedWrittenEscalation
            ),
            **_failures(400, 401, 403, 404, 409, 413, 415, 422),
        },
    }


def _update() -> _Json:
    return {
        "operationId": "updateEscalation",
        "summary": "Change an escalation",
        "description": "Requires the scope ESCALATIONS_WRITE. A resolved escalation accepts a note; "
        "the status open or in_progress reopens it. A key without ESCALATIONS_READ gets the shorter answer.",
        "parameters": [_path("escalationId", _id_schema(EscalationId)), _idempotency_key()],
        "requestBody": _body(UpdateRequest),
        "responses": {
            "200": _success(Escalation, "The escalation after the change.", WrittenEscalation),
            **_failures(400, 401, 403, 404, 409, 413, 415, 422),
        },
    }


def _list() -> _Json:
    link = {
        "description": 'The next page, if there is one: <…>; rel="next".',
        "schema": {"type": "string"},
    }
    return {
        "operationId": "listEscalations",
        "summary": "List escalations, newest first",
        "description": "Requires the scope ESCALATIONS_READ.",
        "parameters": _query(ListQuery),
        "responses": {
            "200": _success(EscalationList, "A page.") | {"headers": {"Link": link}},
            **_failures(400, 401, 403),
        },
    }


def _hook() -> _Json:
    token = {"type": "string", "minLength": 1, "pattern": "^[A-Za-z0-9_-]+$"}
    return {
        "operationId": "receiveHook",
        "summary": "Ask for a person, from a system that can only post",
        "description": "The token in the URL is an API key whose only scope is INCOMING_WEBHOOK. "
        "Any other token is answered with 404.",
        "security": [],
        "parameters": [_path("token", token), _idempotency_key()],
        "requestBody": _body(HookRequest),
        "responses": {
            "201": _success(ReceivedCall, "A new escalation."),
            "200": _success(ReceivedCall, "The active escalation, which absorbed the call."),
            **_failures(400, 404, 409, 413, 415, 422),
        },
    }


def _export_escalations() -> _Json:
    return {
        "operationId": "exportEscalations",
        "summary": "Export the escalations of a period as CSV",
        "description": "Requires the scope ANALYTICS_READ. A row for each escalation, by its creation.",
        "parameters": _query(EscalationsExportQuery),
        "responses": {"200": _csv("The file."), **_failures(400, 401, 403, 404)},
    }


def _export_series() -> _Json:
    return {
        "operationId": "exportAnalytics",
        "summary": "Export the metrics of a period, step by step, as CSV",
        "description": "Requires the scope ANALYTICS_READ. A row for each hour, day, week or month.",
        "parameters": _query(SeriesExportQuery),
        "responses": {"200": _csv("The file."), **_failures(400, 401, 403, 404)},
    }


def _export_audit_log() -> _Json:
    return {
        "operationId": "exportAuditLog",
        "summary": "Export the audit log of the workspace as CSV",
        "description": "Requires the scope ADMIN. A row for each entry, oldest first, with its hash.",
        "responses": {"200": _csv("The file."), **_failures(400, 401, 403)},
    }


def _export_customer() -> _Json:
    lines = {"application/jsonl": {"schema": {"type": "string"}}}
    return {
        "operationId": "exportCustomer",
        "summary": "Export everything about one customer as JSON Lines",
        "description": "Requires the scope ADMIN. Give externalId, email or both. Each line is an object; "
        "its type is conversation, message, escalation, trigger, note, timelineEntry, toolFailure, delivery "
        "or attempt. An unknown customer gives an empty file.",
        "parameters": [_one_or_more("customer", CustomerQuery)],
        "responses": {
            "200": {"description": "The file.", "content": lines},
            **_failures(400, 401, 403),
        },
    }


def _csv(what: str) -> _Json:
    return {"description": what, "content": {"text/csv": {"schema": {"type": "string"}}}}


def _schemas() -> _Json:
    inputs: tuple[type[BaseModel], ...] = (EscalateRequest, HookRequest, UpdateRequest)
    outputs: tuple[type[BaseModel], ...] = (
        RaisedEscalation,
        RaisedWrittenEscalation,
        WrittenEscalation,
        ReceivedCall,
        EscalationList,
        Problem,
    )
    wanted: list[tuple[type[BaseModel], JsonSchemaMode]] = [
        *((model, "validation") for model in inputs),
        *((model, "serialization") for model in outputs),
    ]
    _, generated = models_json_schema(wanted, ref_template=_REF, schema_generator=_Untitled)
    schemas: _Json = generated["$defs"]
    return schemas


def _content(model: type[BaseModel], shorter: type[BaseModel] | None = None) -> _Json:
    schemas = [{"$ref": _REF.format(model=item.__name__)} for item in (model, shorter) if item]
    return {
        "schema": {"anyOf": schemas} if shorter else schemas[0],
        "example": _EXAMPLES[model.__name__],
    }


def _body(model: type[Input]) -> _Json:
    return {"required": True, "content": {"application/json": _content(model)}}


def _success(model: type[Output], what: str, shorter: type[Output] | None = None, **more: Any) -> _Json:
    return {"description": what, "content": {"application/json": _content(model, shorter)}, **more}


def _update_link() -> _Json:
    parameters = {"escalationId": "$response.body#/id"}
    return {"update": {"operationId": "updateEscalation", "parameters": parameters}}


def _failures(*statuses: int) -> _Json:
    described = (*statuses, *_ALWAYS)
    return {str(status): {"$ref": f"#/components/responses/Problem{status}"} for status in described}


def _problem(status: int) -> _Json:
    answer: _Json = {
        "description": f"{responses[status]}. {_PROBLEMS[status]}",
        "content": {MEDIA_TYPE: {"schema": {"$ref": _REF.format(model=Problem.__name__)}}},
    }
    return answer | {"headers": _HEADERS[status]} if status in _HEADERS else answer


def _path(name: str, schema: _Json) -> _Json:
    return {"name": name, "in": "path", "required": True, "schema": schema}


def _id_schema(kind: Any) -> _Json:
    schema: _Json = TypeAdapter(kind).json_schema()
    return schema


def _idempotency_key() -> _Json:
    return {
        "name": "Idempotency-Key",
        "in": "header",
        "description": "A repeated call with the same key and input returns the first result, for 24 hours.",
        "schema": {"type": "string", "minLength": 1, "maxLength": KEY_LIMIT, "pattern": r"\S"},
    }


def _one_or_more(name: str, model: type[Input]) -> _Json:
    """Return the model's fields as parameters of which at least one must be given."""
    properties = {item["name"]: item["schema"] for item in _query(model)}
    shape = {"type": "object", "properties": properties, "minProperties": 1, "additionalProperties": False}
    return {"name": name, "in": "query", "required": True, "style": "form", "explode": True, "schema": shape}


def _query(model: type[Input]) -> list[_Json]:
    """Return the model's fields as parameters. An optional parameter does not become nullable."""
    parameters = []
    document = model.model_json_schema()
    for name, schema in document["properties"].items():
        about = {"name": name, "in": "query", "description": schema.pop("description")}
        (kind,) = (choice for choice in schema.get("anyOf", [schema]) if choice.get("type") != "null")
        required = {"required": True} if name in document.get("required", ()) else {}
        parameters.append({**about, **required, "schema": kind})
    return parameters
