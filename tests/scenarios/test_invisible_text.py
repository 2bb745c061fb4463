"""Texts that show nothing, through the public API."""

import pytest

from tests.support.baton_client import Caller, Workspace
from tests.support.conversation_driver import Talk


@pytest.fixture
def member(workspace: Workspace) -> Caller:
    return workspace.member("bo@example.com")


@pytest.mark.parametrize("content", ["\u200b", "\u2800", "\ufeff", "\u00ad", "\u202e", " \u2060\n"])
def test_invisible_reply_is_refused_and_leaves_the_clock_running(
    workspace: Workspace, member: Caller, content: str
) -> None:
    talk = Talk.begin(workspace)
    escalation = workspace.key.escalate(talk.id)["escalation"]["id"]
    before, log = talk.widget.messages(talk.id), talk.published
    query = "mutation($input: ReplyInput!) { replyToEscalation(input: $input) { message { id } } }"
    refused = member.refusal(query, input={"escalationId": escalation, "content": content})
    assert (refused.code, refused.field) == ("BAD_USER_INPUT", "input.content")
    assert talk.widget.messages(talk.id) == before
    assert talk.published == log
    assert talk.escalation["sla"]["outcome"] == "RUNNING"


def test_visible_reply_of_one_emoji_is_delivered(workspace: Workspace, member: Caller) -> None:
    talk = Talk.begin(workspace)
    escalation = workspace.key.escalate(talk.id)["escalation"]["id"]
    member.reply(escalation, "\U0001f469\u200d\U0001f680")
    assert talk.widget.messages(talk.id)[-1]["content"] == "\U0001f469\u200d\U0001f680"
