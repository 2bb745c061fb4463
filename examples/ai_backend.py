"""An AI back end that uses only webhooks and answers what customers write in the widget.

    pip install aiohttp standardwebhooks
    BATON_URL=http://127.0.0.1:8000 BATON_API_KEY=baton_sk_… BATON_WEBHOOK_SECRET=whsec_… \
        python examples/ai_backend.py 9000

Call createWebhookEndpoint with the URL http://127.0.0.1:9000/ and the event types turn.requested,
conversation.ai_paused and conversation.ai_resumed: it returns the secret. Baton needs
BATON_WEBHOOK_ALLOW_PRIVATE=true to call a private address such as this one.

Each webhook is answered immediately, and each conversation has a task of its own. A newer turn of the
conversation replaces the task, so several messages in quick succession get one answer. A pause cancels it.
"""

import asyncio
import os
import sys
from typing import Any

from aiohttp import ClientError, ClientSession, ClientTimeout, web
from standardwebhooks import Webhook, WebhookVerificationError

RECORD = "mutation($input: RecordMessageInput!) { recordMessage(input: $input) { message { status } } }"
RETRY_SECONDS = (0, 1, 5, 30)


async def think(message: str, transcript: list[dict[str, Any]]) -> str:
    """Return a reply to the customer's message. Replace this with a call of your AI."""
    await asyncio.sleep(float(os.environ.get("THINKING_SECONDS", "0")))
    return f"You wrote: {message}"


class BackEnd:
    """Answers turns, one task for each conversation."""

    def __init__(self, session: ClientSession) -> None:
        self._session = session
        self._webhook = Webhook(os.environ["BATON_WEBHOOK_SECRET"])
        self._tasks: dict[str, asyncio.Task[None]] = {}
        # The newest event of each conversation: its epoch, and the message of a turn. Ids sort by time.
        self._newest: dict[str, tuple[int, str]] = {}

    async def receive(self, request: web.Request) -> web.Response:
        """Verify a webhook and start its work; Baton does not wait for the answer."""
        try:
            event = self._webhook.verify(await request.read(), dict(request.headers))
        except WebhookVerificationError:
            return web.Response(status=401)
        if event["type"] == "turn.requested":
            self._start(event["data"])
        elif event["type"] in ("conversation.ai_paused", "conversation.ai_resumed"):
            self._cancel_before(event["data"])
        return web.Response(status=202)

    def _start(self, turn: dict[str, Any]) -> None:
        conversation, newest = turn["conversationId"], (turn["epoch"], turn["message"]["id"])
        # Deliveries may come twice or late, and a turn may be overtaken before it is sent.
        if not turn["latest"] or newest <= self._newest.get(conversation, (0, "")):
            return
        self._newest[conversation] = newest
        self._cancel(conversation)
        task = self._tasks[conversation] = asyncio.create_task(self._answer(turn))
        task.add_done_callback(lambda done: self._forget(conversation, done))

    def _cancel_before(self, control: dict[str, Any]) -> None:
        conversation, newest = control["conversationId"], (control["epoch"], "")
        if newest > self._newest.get(conversation, (0, "")):
            self._newest[conversation] = newest
            self._cancel(conversation)

    def _cancel(self, conversation: str) -> None:
        if task := self._tasks.pop(conversation, None):
            task.cancel()

    def _forget(self, conversation: str, task: asyncio.Task[None]) -> None:
        if self._tasks.get(conversation) is task:
            del self._tasks[conversation]
        if not task.cancelled() and (error := task.exception()):
            print(f"no answer in {conversation}: {error!r}", file=sys.stderr, flush=True)

    async def _answer(self, turn: dict[str, Any]) -> None:
        """Record one answer for each message and epoch. Baton holds it if the team took over meanwhile."""
        message = turn["message"]
        reply = {"conversationId": turn["conversationId"], "role": "ASSISTANT", "epoch": turn["epoch"]}
        reply["content"] = await think(message["content"], turn["transcript"])
        reply["idempotencyKey"] = f"{message['id']}/{turn['epoch']}"
        for delay in RETRY_SECONDS:
            await asyncio.sleep(delay)
            try:
                return await self._record(reply)
            except (ClientError, TimeoutError) as error:
                failure = error
        raise failure

    async def _record(self, reply: dict[str, Any]) -> None:
        body = {"query": RECORD, "variables": {"input": reply}}
        async with self._session.post(f"{os.environ['BATON_URL']}/graphql", json=body) as response:
            if response.status >= 500:
                response.raise_for_status()
            answer = await response.json()
        # After a restart, another answer to this turn may have been recorded before: keep that.
        errors = [
            error
            for error in answer.get("errors", [])
            if error["extensions"]["code"] != "IDEMPOTENCY_MISMATCH"
        ]
        if errors:
            raise RuntimeError(errors)


async def main(port: int) -> None:
    """Serve until the process is stopped."""
    headers = {"authorization": f"Bearer {os.environ['BATON_API_KEY']}"}
    async with ClientSession(headers=headers, timeout=ClientTimeout(total=10)) as session:
        app = web.Application()
        app.router.add_post("/", BackEnd(session).receive)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port).start()
        print(f"listening on http://127.0.0.1:{port}", flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
