"""
An AI back end that uses only webhooks and answers what customers write in the widget.

    pip install standardwebhooks
    BATON_URL=http://127.0.0.1:8000 BATON_API_KEY=baton_sk_… BATON_WEBHOOK_SECRET=whsec_… \
        python examples/ai_backend.py 9000

Call createWebhookEndpoint with the URL http://127.0.0.1:9000/ and the event types turn.requested,
conversation.ai_paused and conversation.ai_resumed: it returns the secret. Baton needs
BATON_WEBHOOK_ALLOW_PRIVATE=true to call a private address such as this one.
"""

import json
import os
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.request import Request, urlopen

from standardwebhooks import Webhook, WebhookVerificationError

RECORD = "mutation($input: RecordMessageInput!) { recordMessage(input: $input) { message { status } } }"
epochs: dict[str, int] = {}  # the highest epoch of each conversation: a reply with a lower one is late


def think(transcript: list[dict[str, Any]]) -> str:
    """Return a reply. Replace this with a call of your AI."""
    return f"You wrote: {transcript[-1]['content']}"


def is_current(data: dict[str, Any]) -> bool:
    """Record the event's epoch, and return whether it is the conversation's newest."""
    newest = epochs[data["conversationId"]] = max(data["epoch"], epochs.get(data["conversationId"], 0))
    return bool(data["epoch"] == newest)


def answer(webhook_id: str, turn: dict[str, Any]) -> None:
    """Record the AI's answer once for each webhook-id. Baton holds it if the team took over meanwhile."""
    reply = {"conversationId": turn["conversationId"], "role": "ASSISTANT", "epoch": turn["epoch"]}
    reply |= {"content": think(turn["transcript"]), "idempotencyKey": webhook_id}
    headers = {"authorization": f"Bearer {os.environ['BATON_API_KEY']}", "content-type": "application/json"}
    body = json.dumps({"query": RECORD, "variables": {"input": reply}}).encode()
    with urlopen(Request(f"{os.environ['BATON_URL']}/graphql", body, headers), timeout=10) as response:
        errors = json.load(response).get("errors", [])
    # A different answer to this delivery was recorded before: keep that.
    assert all(error["extensions"]["code"] == "IDEMPOTENCY_MISMATCH" for error in errors), errors


class Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        try:
            event = Webhook(os.environ["BATON_WEBHOOK_SECRET"]).verify(body, dict(self.headers))
        except WebhookVerificationError:
            self.send_error(401)
            return
        if event["type"] == "turn.requested" and is_current(event["data"]):
            answer(self.headers["webhook-id"], event["data"])  # after an exception Baton retries the delivery
        elif event["type"] in ("conversation.ai_paused", "conversation.ai_resumed"):
            is_current(event["data"])
        self.send_response(204)
        self.end_headers()


if __name__ == "__main__":
    with ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler) as server:
        print(f"listening on http://127.0.0.1:{server.server_port}", flush=True)
        server.serve_forever()
