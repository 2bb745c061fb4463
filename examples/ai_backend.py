"""
An AI back end that lives on webhooks alone: it answers what customers write in the widget.

    pip install standardwebhooks
    BATON_URL=http://127.0.0.1:8000 BATON_API_KEY=baton_sk_… BATON_WEBHOOK_SECRET=whsec_… \
        python examples/ai_backend.py 9000

createWebhookEndpoint with the URL http://127.0.0.1:9000/ and the event types turn.requested,
conversation.ai_paused and conversation.ai_resumed gives the secret. So near, Baton itself needs
BATON_WEBHOOK_ALLOW_PRIVATE=true to call it.
"""

import json
import os
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.request import Request, urlopen

from standardwebhooks import Webhook, WebhookVerificationError

RECORD = "mutation($input: RecordMessageInput!) { recordMessage(input: $input) { message { status } } }"
epochs: dict[str, int] = {}  # the highest heard of each conversation: who speaks with a lower one is late


def think(transcript: list[dict]) -> str:
    """Here the AI would be asked."""
    return f"You wrote: {transcript[-1]['content']}"


def hear(data: dict) -> bool:
    """Whether nothing newer has been heard of the conversation's control."""
    newest = epochs[data["conversationId"]] = max(data["epoch"], epochs.get(data["conversationId"], 0))
    return data["epoch"] == newest


def answer(webhook_id: str, turn: dict) -> None:
    """Records the AI's answer, once for each webhook-id; Baton holds it when people took over meanwhile."""
    reply = {"conversationId": turn["conversationId"], "role": "ASSISTANT", "epoch": turn["epoch"]}
    reply |= {"content": think(turn["transcript"]), "idempotencyKey": webhook_id}
    headers = {"authorization": f"Bearer {os.environ['BATON_API_KEY']}", "content-type": "application/json"}
    body = json.dumps({"query": RECORD, "variables": {"input": reply}}).encode()
    with urlopen(Request(f"{os.environ['BATON_URL']}/graphql", body, headers), timeout=10) as response:
        errors = json.load(response).get("errors", [])
    # Another answer has been recorded for this delivery already: just as well.
    assert all(one["extensions"]["code"] == "IDEMPOTENCY_MISMATCH" for one in errors), errors


class Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        try:
            event = Webhook(os.environ["BATON_WEBHOOK_SECRET"]).verify(body, dict(self.headers))
        except WebhookVerificationError:
            self.send_error(401)
            return
        if event["type"] == "turn.requested" and hear(event["data"]):
            answer(self.headers["webhook-id"], event["data"])  # what fails here is no 2xx, so it comes again
        elif event["type"] in ("conversation.ai_paused", "conversation.ai_resumed"):
            hear(event["data"])
        self.send_response(204)
        self.end_headers()


if __name__ == "__main__":
    with ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler) as server:
        print(f"listening on http://127.0.0.1:{server.server_port}", flush=True)
        server.serve_forever()
