"""The receivers of docs/webhooks.md and the example back end work as they stand; Node's library agrees."""

import asyncio
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from notifications.content.snapshots import TranscriptMessage
from notifications.outcome import Outcome
from notifications.webhook.compose import compose
from notifications.webhook.docs import sample_content
from notifications.webhook.send import new_secret, send
from rules.message import MessageRole
from tests.support.baton_client import Workspace, wait_for
from tests.support.conversation_driver import Talk
from tests.support.pubsub_backends import free_port
from tests.support.requirements import need

ROOT = Path(__file__).parents[2]
INTEROP = Path(__file__).parents[1] / "interop/webhooks"


def example(language: str) -> str:
    """Return the example receiver of the docs in a language."""
    [result] = re.findall(rf"```{language}\n(.+?)```", (ROOT / "docs/webhooks.md").read_text(), re.DOTALL)
    return str(result)


@contextmanager
def running(command: list[str], port: int, **environment: str) -> Iterator["subprocess.Popen[str]"]:
    """Run a process that listens on a port."""
    given = os.environ | environment
    with subprocess.Popen(
        command, env=given, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:

        def listens() -> bool:
            assert process.poll() is None, process.communicate()
            with suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                return True
            return False

        try:
            wait_for(listens, f"{command} to listen")
            yield process
        finally:
            process.terminate()


def post(port: int, body: bytes, *secrets: str, id_: str = "dlv_1", at: datetime | None = None) -> Outcome:
    """One attempt at a port of this machine."""
    url, at = f"http://127.0.0.1:{port}/", at or datetime.now(UTC)
    return asyncio.run(send(url, body, id_, secrets, allow_private=True, at=at))


def is_a_verifying_receiver(command: list[str]) -> None:
    """Assert that a receiver accepts only bodies with a signature by its secret, also next to others."""
    secret, new, port = new_secret(), new_secret(), free_port()
    body = compose(replace(sample_content("escalation.created"), agent_name="Größe 😀 \u2028"))
    with running(command, port, SECRET=secret, PORT=str(port)) as receiver:
        late = datetime.now(UTC) - timedelta(minutes=6)
        assert post(port, body, secret) == Outcome(True, "204")
        assert post(port, body, new, secret) == Outcome(True, "204")
        assert post(port, body, new) == Outcome(False, "401")
        assert post(port, body, secret, at=late) == Outcome(False, "401")
        receiver.terminate()
        output, _ = receiver.communicate()
    assert output.count("escalation.created") == 2
    assert output.count("esc_01jnfks2g0e008000000000005") >= 2


def test_python_receiver_verifies_signatures(tmp_path: Path) -> None:
    (tmp_path / "receiver.py").write_text(example("python"))
    is_a_verifying_receiver([sys.executable, "-W", "error", str(tmp_path / "receiver.py")])


def test_node_receiver_verifies_signatures(tmp_path: Path) -> None:
    need("node", shutil.which("node") and shutil.which("npm"))
    for name in ("package.json", "package-lock.json"):
        shutil.copy(INTEROP / name, tmp_path)
    subprocess.run(["npm", "ci", "--silent", "--no-audit", "--no-fund"], cwd=tmp_path, check=True)
    (tmp_path / "receiver.mjs").write_text(example("js"))
    is_a_verifying_receiver(["node", str(tmp_path / "receiver.mjs")])


class BackEnd:
    """The example back end, and the webhooks that Baton would send it of a conversation."""

    def __init__(self, talk: Talk, port: int, secret: str) -> None:
        self.talk, self.port, self.secret = talk, port, secret

    @classmethod
    @contextmanager
    def of(cls, workspace: Workspace, **environment: str) -> Iterator["BackEnd"]:
        """Start a back end for a new conversation."""
        talk, port, secret = Talk.begin(workspace), free_port(), new_secret()
        command = [sys.executable, "-W", "error", str(ROOT / "examples/ai_backend.py"), str(port)]
        given = {"BATON_URL": workspace.server.url, "BATON_API_KEY": workspace.api_key}
        with running(command, port, BATON_WEBHOOK_SECRET=secret, **given, **environment):
            yield cls(talk, port, secret)

    def hears(
        self, type_: str, epoch: int, message: str = "1", content: str = "hello?", **more: Any
    ) -> Outcome:
        """Send one webhook; `message` is the end of the message's id."""
        story, secret = sample_content(type_), more.pop("secret", self.secret)
        said = TranscriptMessage(
            f"msg_{self.talk.id}_{message}", MessageRole.USER, content, datetime.now(UTC)
        )
        # The last message is not the customer's: the AI must answer `message`, not the transcript.
        reply = replace(said, role=MessageRole.ASSISTANT, content="An earlier answer.")
        here = replace(story.conversation, id=self.talk.id, transcript=(said, reply), ai_epoch=epoch)
        story = replace(story, conversation=here, message=said, epoch=epoch, **more)
        return post(self.port, compose(story), secret)

    def replies(self) -> list[tuple[str, str]]:
        """Return content and status of the AI's messages, held ones included."""
        messages = self.talk.key.messages(self.talk.id)
        return [
            (message["content"], message["status"]) for message in messages if message["role"] == "ASSISTANT"
        ]

    def await_replies(self, *expected: tuple[str, str]) -> None:
        """Wait for exactly these."""
        wait_for(lambda: len(self.replies()) >= len(expected), "the replies")
        assert self.replies() == list(expected)


DONE = Outcome(True, "202")


def test_example_back_end_answers_each_turn_once(workspace: Workspace) -> None:
    with BackEnd.of(workspace) as back_end:
        back_end.talk.says("hello?")
        for content in ("hello?", "hello?", "in other words"):
            assert back_end.hears("turn.requested", 1, "1", content) == DONE
        back_end.await_replies(("You wrote: hello?", "DELIVERED"))
        assert back_end.hears("turn.requested", 1, "2", "and now?") == DONE
        back_end.await_replies(("You wrote: hello?", "DELIVERED"), ("You wrote: and now?", "DELIVERED"))


def test_example_back_end_answers_a_turn_again_in_a_new_epoch(workspace: Workspace) -> None:
    with BackEnd.of(workspace) as back_end:
        talk = back_end.talk
        talk.says("hello?")
        escalation = talk.key.escalate(talk.id)["escalation"]["id"]
        assert back_end.hears("turn.requested", 1) == DONE
        back_end.await_replies(("You wrote: hello?", "HELD"))
        talk.key.resolve(escalation)
        assert back_end.hears("turn.requested", 3) == DONE
        back_end.await_replies(("You wrote: hello?", "DISCARDED"), ("You wrote: hello?", "DELIVERED"))


def test_example_back_end_answers_several_messages_once(workspace: Workspace) -> None:
    with BackEnd.of(workspace, THINKING_SECONDS="1") as back_end:
        for number, content in enumerate(("my order", "is late", "where is it?"), 1):
            back_end.talk.says(content)
            assert back_end.hears("turn.requested", 1, str(number), content) == DONE
        # A late delivery of an earlier turn, and one that Baton says was overtaken.
        assert back_end.hears("turn.requested", 1, "2", "is late") == DONE
        assert back_end.hears("turn.requested", 1, "4", "no", latest=False) == DONE
        back_end.await_replies(("You wrote: where is it?", "DELIVERED"))


def test_example_back_end_is_silent_while_people_have_control(workspace: Workspace) -> None:
    with BackEnd.of(workspace, THINKING_SECONDS="1") as back_end:
        talk = back_end.talk
        talk.says("hello?")
        escalation = talk.key.escalate(talk.id)["escalation"]["id"]
        assert back_end.hears("turn.requested", 1) == DONE
        assert back_end.hears("conversation.ai_paused", 2) == DONE
        assert back_end.hears("turn.requested", 1, "2") == DONE
        talk.key.resolve(escalation)
        assert back_end.hears("conversation.ai_resumed", 3) == DONE
        assert back_end.hears("turn.requested", 1, "3") == DONE
        assert back_end.hears("turn.requested", 3, "4", "are you back?") == DONE
        back_end.await_replies(("You wrote: are you back?", "DELIVERED"))


def test_example_back_end_refuses_what_is_not_signed_and_survives_a_refusal(workspace: Workspace) -> None:
    with BackEnd.of(workspace) as back_end:
        back_end.talk.says("hello?")
        assert back_end.hears("turn.requested", 1, secret=new_secret()) == Outcome(False, "401")
        # An epoch that has not begun is refused by Baton.
        assert back_end.hears("turn.requested", 7) == DONE
        assert back_end.hears("turn.requested", 8, "2") == DONE
        assert back_end.replies() == []


def test_example_back_end_answers_five_conversations_concurrently(workspace: Workspace) -> None:
    with BackEnd.of(workspace, THINKING_SECONDS="2") as back_end:
        talks = [Talk.begin(workspace) for _ in range(5)]
        chats = [BackEnd(talk, back_end.port, back_end.secret) for talk in talks]
        for talk in talks:
            talk.says("hello?")
        begun = time.monotonic()
        for chat in chats:
            assert chat.hears("turn.requested", 1) == DONE
        for chat in chats:
            chat.await_replies(("You wrote: hello?", "DELIVERED"))
        # One after another they would think for ten seconds.
        assert time.monotonic() - begun < 8
