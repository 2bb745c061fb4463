"""Redirects of the links in notifications to GraphiQL, with the query filled in.

The addresses are those of the future dashboard, so that links in old mails stay valid.
"""

from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

_ESCALATION = """{
  escalation(id: "%s") {
    status priority reason detail confidence
    assignee { name }
    sla { status dueAt remainingMinutes }
    conversation { customer { name email } messages(last: 50) { nodes { role content createdAt } } }
    timeline { nodes { kind occurredAt actor { name } } }
  }
}
"""
_DELIVERIES = """{
  deliveries(status: FAILED) {
    nodes { id channel target eventType status note attempts { attemptedAt succeeded response } }
  }
}
"""


async def _front(_: Request) -> Response:
    return RedirectResponse("/graphql")


async def _escalation(request: Request) -> Response:
    # The address is input from outside: only letters and digits go into the query.
    id_ = "".join(
        sign for sign in request.path_params["id"] if sign.isascii() and (sign.isalnum() or sign == "_")
    )
    return _with(_ESCALATION % id_)


async def _deliveries(_: Request) -> Response:
    return _with(_DELIVERIES)


def _with(query: str) -> Response:
    return RedirectResponse(f"/graphql?q={quote(query)}")


ROUTES = [
    Route("/", _front),
    Route("/app", _front),
    Route("/app/escalations/{id}", _escalation),
    Route("/app/deliveries", _deliveries),
]
