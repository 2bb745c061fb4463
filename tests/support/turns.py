"""The turns that an AI's back end is asked for, read by subscription as a back end reads them."""

from dataclasses import dataclass
from typing import Any

from tests.support.baton_client import Workspace

TURNS = """subscription($after: String) { turnRequested(after: $after) {
    epoch latest message { id content } conversation { id ai { epoch state } } } }"""
_MARKER = "the marker: nothing comes after it"


@dataclass(frozen=True)
class Turn:
    """One requested turn."""

    content: str
    epoch: int
    latest: bool


async def turns_after(workspace: Workspace, cursor: str, conversation: str) -> list[Turn]:
    """Return the turns of a conversation that were requested since `cursor`."""
    marker = workspace.start()
    workspace.widget(marker).record(marker["conversation"]["id"], "USER", _MARKER)
    turns: list[Turn] = []
    async with workspace.key.socket() as socket:
        subscription = await socket.subscribe(TURNS, after=cursor)
        while True:
            event: dict[str, Any] = (await socket.next(subscription))["turnRequested"]
            if event["message"]["content"] == _MARKER:
                return turns
            if event["conversation"]["id"] == conversation:
                turns.append(Turn(event["message"]["content"], event["epoch"], event["latest"]))


def head_of(workspace: Workspace) -> str:
    """Return the cursor of the head of the workspace's log."""
    return str(workspace.key.ask("{ viewer { cursor } }")["viewer"]["cursor"])
