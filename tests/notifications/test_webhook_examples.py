"""The receivers of docs/webhooks.md and the example back end work as they stand; Node's library agrees."""

import asyncio
import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from notifications.content.snapshots import TranscriptMessage
from notifications.outcome import Outcome
from notifications.webhook.docs import sample_content
from notifications.webhook.payloads import body_of
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
    body = body_of(replace(sample_content("escalation.created"), agent_name="Größe 😀 \u2028"))
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


def test_the_receiver_in_python(tmp_path: Path) -> None:
    (tmp_path / "receiver.py").write_text(example("python"))
    is_a_verifying_receiver([sys.executable, "-W", "error", str(tmp_path / "receiver.py")])


def test_the_receiver_in_node(tmp_path: Path) -> None:
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
    def of(cls, workspace: Workspace) -> Iterator["BackEnd"]:
        """Run a back end for a new conversation."""
        talk, port, secret = Talk.begin(workspace), free_port(), new_secret()
        command = [sys.executable, "-W", "error", str(ROOT / "examples/ai_backend.py"), str(port)]
        given = {"BATON_URL": workspace.server.url, "BATON_API_KEY": workspace.api_key}
        with running(command, port, BATON_WEBHOOK_SECRET=secret, **given):
            yield cls(talk, port, secret)

    def hears(self, type_: str, epoch: int, id_: str, said: str = "hello?", secret: str = "") -> Outcome:
        """One delivery."""
        story = sample_content(type_)
        message = TranscriptMessage("msg_x", MessageRole.USER, said, datetime.now(UTC))
        here = replace(story.conversation, id=self.talk.id, transcript=(message,), ai_epoch=epoch)
        story = replace(story, conversation=here, message=message, epoch=epoch)
        return post(self.port, body_of(story), secret or self.secret, id_=id_)

    def replies(self) -> list[dict[str, Any]]:
        """Return the AI's replies, held or not."""
        return [message for message in self.talk.key.messages(self.talk.id) if message["role"] == "ASSISTANT"]


DONE = Outcome(True, "204")


def test_the_example_back_end_answers_each_turn_once(workspace: Workspace) -> None:
    with BackEnd.of(workspace) as back_end:
        back_end.talk.says("hello?")
        assert back_end.hears("turn.requested", 1, "dlv_1") == DONE
        assert back_end.hears("turn.requested", 1, "dlv_1") == DONE
        # As an AI would, it answers differently the second time: the first answer stays.
        assert back_end.hears("turn.requested", 1, "dlv_1", said="in other words") == DONE
        assert [(reply["content"], reply["status"]) for reply in back_end.replies()] == [
            ("You wrote: hello?", "DELIVERED")
        ]
        assert back_end.hears("turn.requested", 1, "dlv_2", said="and now?") == DONE
        assert [reply["content"] for reply in back_end.replies()][1:] == ["You wrote: and now?"]


def test_the_example_back_end_is_silent_while_people_have_control(workspace: Workspace) -> None:
    with BackEnd.of(workspace) as back_end:
        talk = back_end.talk
        talk.says("hello?")
        escalation = talk.key.escalate(talk.id)["escalation"]["id"]
        assert back_end.hears("conversation.ai_paused", 2, "dlv_1") == DONE
        assert back_end.hears("turn.requested", 1, "dlv_2") == DONE
        assert back_end.replies() == []
        talk.key.resolve(escalation)
        assert back_end.hears("conversation.ai_resumed", 3, "dlv_3") == DONE
        assert back_end.hears("turn.requested", 1, "dlv_4") == DONE
        assert back_end.replies() == []
        assert back_end.hears("turn.requested", 3, "dlv_5", said="are you back?") == DONE
        assert [(reply["content"], reply["status"]) for reply in back_end.replies()] == [
            ("You wrote: are you back?", "DELIVERED")
        ]


def test_what_the_example_back_end_says_unheard_of_a_pause_is_held(workspace: Workspace) -> None:
    with BackEnd.of(workspace) as back_end:
        back_end.talk.says("hello?")
        back_end.talk.key.escalate(back_end.talk.id)
        assert back_end.hears("turn.requested", 1, "dlv_1") == DONE
        assert [reply["status"] for reply in back_end.replies()] == ["HELD"]


def test_the_example_back_end_takes_nothing_unsigned_and_fails_when_baton_does(workspace: Workspace) -> None:
    with BackEnd.of(workspace) as back_end:
        back_end.talk.says("hello?")
        forged = back_end.hears("turn.requested", 1, "dlv_1", secret=new_secret())
        assert forged == Outcome(False, "401")
        # An epoch that has not begun is refused by Baton: no 2xx, so the webhook comes again.
        refused = back_end.hears("turn.requested", 7, "dlv_2")
        assert refused == Outcome(False, "the connection broke before the answer was complete")
        assert back_end.replies() == []
