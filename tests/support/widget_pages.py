"""Web pages that show the widget, and signed identities, genuine and forged."""

import base64
import hashlib
import hmac
import json
import time
from dataclasses import dataclass
from itertools import count
from typing import Any

from tests.support.baton_client import Caller, Workspace
from tests.support.callers import Rows

ORIGIN = "https://shop.example"
DAY = 24 * 3600

_ADDRESSES = (f"10.77.{n >> 8 & 255}.{n & 255}" for n in count(1))

OPEN = """mutation($input: OpenConversationInput!) { openConversation(input: $input) {
    conversation { id language customer { externalId email name verified } metadata
        messages { nodes { content } } cursor }
    widgetToken widgetTokenExpiresAt } }"""


def new_address() -> str:
    """Return a network address that no other test uses: starts are limited by address."""
    return next(_ADDRESSES)


@dataclass
class Page(Caller):
    """A page of an origin in the browser of one visitor. Without an origin it is a program."""

    origin: str | None = ORIGIN
    address: str = ""
    agent_id: str = ""

    @classmethod
    def of(cls, workspace: Workspace, origin: str | None = ORIGIN, **more: Any) -> "Page":
        """Return a page that is visited from a new address."""
        agent_id = more.pop("agent_id", workspace.agent_id)
        given = {"address": new_address(), **more}
        return cls(workspace.server.url, origin=origin, agent_id=agent_id, **given)

    @property
    def headers(self) -> dict[str, str]:
        origin = {"origin": self.origin} if self.origin is not None else {}
        return super().headers | {"x-forwarded-for": self.address} | origin

    def open(self, **more: Any) -> dict[str, Any]:
        """Return the payload of openConversation."""
        given = {"agentId": self.agent_id, **more}
        result: dict[str, Any] = self.ask(OPEN, input=given)["openConversation"]
        return result

    def refused(self, **more: Any) -> dict[str, Any]:
        """Return the error of openConversation. Fails if it is answered."""
        return self.refusal(OPEN, input={"agentId": self.agent_id, **more}).errors[0]

    def customer(self, opened: dict[str, Any]) -> "Page":
        """Return the page with the token of a conversation."""
        return Page(self.url, opened["widgetToken"], self.origin, self.address, self.agent_id)


def rotate(workspace: Workspace, agent_id: str | None = None) -> str:
    """Make a new identity secret."""
    query = "mutation($id: ID!) { rotateIdentitySecret(agentId: $id) { secret } }"
    answer = workspace.key.ask(query, id=agent_id or workspace.agent_id)
    return str(answer["rotateIdentitySecret"]["secret"])


def allow(workspace: Workspace, *, anonymous: bool = True, **widget: Any) -> None:
    """Allow pages of the origin to embed the widget."""
    given = {"allowedOrigins": [ORIGIN], "anonymousConversations": anonymous, **widget}
    workspace.key.settings(workspace.agent_id, widget=given)


def encoded(part: bytes) -> str:
    """Return base64url without padding."""
    return base64.urlsafe_b64encode(part).decode().rstrip("=")


def claims_of(agent_id: str, subject: str = "customer-7", **more: Any) -> dict[str, Any]:
    """Return the claims of a valid identity; None leaves a claim out."""
    claims = {"sub": subject, "aud": agent_id, "exp": int(time.time()) + 3600, **more}
    return {name: value for name, value in claims.items() if value is not None}


def signed(claims: Any, secret: str, header: Any = None, digest: Any = hashlib.sha256) -> str:
    """Return a JSON Web Token, by this module's own arithmetic."""
    head = encoded(json.dumps(header or {"alg": "HS256", "typ": "JWT"}).encode())
    body = f"{head}.{encoded(json.dumps(claims).encode())}"
    return f"{body}.{encoded(hmac.digest(secret.encode(), body.encode(), digest))}"


def agent_of_page(rows: Rows) -> str:
    """Return the AI agent, for a page of an origin that may embed its widget."""
    allow(rows.workspace)
    return rows.agent


def identity_of(rows: Rows) -> dict[str, Any]:
    """Return the arguments of identifyCustomer for the rows' conversation, whose customer is no other."""
    claims = claims_of(rows.agent, subject=rows.conversation)
    return {"conversationId": rows.conversation, "identity": signed(claims, rotate(rows.workspace))}
