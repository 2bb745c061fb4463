"""A conversation in which an uncertain reply may wait, and ways to have its time come."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from rules.typeid import CONVERSATION, parse_id
from tests.support.baton_client import Server, Workspace, wait_for
from tests.support.conversation_driver import Talk
from tests.support.locks import Contender, Scene
from tests.support.log_audit import Ledger

LONG = 600  # seconds: no test lasts so long
_FIELDS = """message { id status createdAt } ai { state epoch pausedBy }
    escalation { id %s } pendingEscalation { requestedAt firesAt %s }"""
RECORD = "mutation($input: RecordMessageInput!) { recordMessage(input: $input) { %s } }"
FOR_THE_TEAM = RECORD % _FIELDS % ("trigger", "confidence")
FOR_CUSTOMERS = RECORD % _FIELDS % ("", "")
WAITS = "query($id: ID!) { conversation(id: $id) { pendingEscalation { confidence requestedAt firesAt } } }"


@dataclass(frozen=True)
class Doubt(Talk):
    """A conversation with an AI agent whose uncertainty escalates after a delay."""

    @classmethod
    def begin(cls, workspace: Workspace, delay: int = LONG, **settings: Any) -> "Doubt":
        """Start a conversation with a new AI agent that has this delay and `settings`."""
        auto = {"delaySeconds": delay, **settings.pop("autoEscalation", {})}
        begun = Talk.begin(workspace, autoEscalation=auto, **settings)
        return cls(begun.workspace, begun.agent_id, begun.started)

    @property
    def server(self) -> Server:
        """Return its server."""
        return self.workspace.server

    @property
    def uuid(self) -> UUID:
        """The conversation's key."""
        return parse_id(CONVERSATION, self.id)

    def records(self, role: str, content: str, **more: Any) -> dict[str, Any]:
        """recordMessage's payload, with what waits after it, as the AI's back end sees it."""
        given = {"conversationId": self.id, "role": role, "content": content, **more}
        record_message: dict[str, Any] = self.key.ask(FOR_THE_TEAM, input=given)["recordMessage"]
        return record_message

    def writes(self, content: str) -> dict[str, Any]:
        """Write as the customer in the widget."""
        given = {"conversationId": self.id, "role": "USER", "content": content}
        record_message: dict[str, Any] = self.widget.ask(FOR_CUSTOMERS, input=given)["recordMessage"]
        return record_message

    def replies(self, confidence: float | None = None, **more: Any) -> dict[str, Any]:
        """Record a reply of the AI."""
        return self.records("ASSISTANT", "It may be so.", confidence=confidence, **more)

    @property
    def waits(self) -> dict[str, Any] | None:
        """Return the conversation's pending escalation."""
        pending_escalation: dict[str, Any] | None = self.key.ask(WAITS, id=self.id)["conversation"][
            "pendingEscalation"
        ]
        return pending_escalation

    @property
    def kept(self) -> list[dict[str, Any]]:
        """All that have waited in it, first to last."""
        query = "SELECT * FROM pending_escalations WHERE conversation_id = $1 ORDER BY requested_at, id"
        return self.server.rows(query, self.uuid)

    @property
    def outcomes(self) -> list[str]:
        """Return the outcomes."""
        return [row["outcome"] for row in self.kept]

    @property
    def raised(self) -> dict[str, Any]:
        """All of the conversation's one escalation that does not change by itself."""
        return {name: value for name, value in self.escalation.items() if name != "sla"}

    @property
    def logged(self) -> list[str]:
        """Return the conversation's log entries, except messages."""
        query = "SELECT type FROM log WHERE stream = $1 ORDER BY position"
        types = [row["type"] for row in self.server.rows(query, self.uuid)]
        return [type_.removeprefix("conversation.") for type_ in types if type_ != "message.added"]

    def checked(self) -> Ledger:
        """Return the conversation's tables and log after a consistency check."""
        key, widget = (Contender(self.server.url, caller.token) for caller in (self.key, self.widget))
        result = Ledger.of(
            Scene(self.workspace, key, widget, self.id, self.started["conversation"]["cursor"])
        )
        result.check()
        return result

    def time_comes(self) -> None:
        """End the delay and wait until the timers have run."""
        keys = [row["id"] for row in self.kept]
        assert jobs_of(self.server, keys[-1:]) == 1, "else there would be no timer to wait for"
        end_delays(self.server, keys)
        await_timers(self.server, keys)


def end_delays(server: Server, keys: Sequence[UUID], seconds: float = 0) -> None:
    """Let delays end in `seconds`, all at one instant. For past ones only the timer runs."""
    server.execute(
        """WITH instant AS (SELECT clock_timestamp() + $3::interval AS at),
            due AS (UPDATE pending_escalations SET fires_at = at FROM instant
                    WHERE id = ANY($1) AND outcome = 'WAITING')
           UPDATE pgqueuer SET execute_after = at FROM instant
           WHERE entrypoint = 'pending_escalation' AND payload = ANY($2)""",
        list(keys),
        [key.bytes for key in keys],
        timedelta(seconds=seconds),
    )
    ring(server)


def ring(server: Server) -> None:
    """Wake the workers: moving a time does not, but removing jobs does, even none."""
    server.execute("DELETE FROM pgqueuer WHERE false")


def jobs_of(server: Server, keys: Sequence[UUID]) -> int:
    """Return the number of timers that have not run."""
    query = "SELECT count(*) FROM pgqueuer WHERE entrypoint = 'pending_escalation' AND payload = ANY($1)"
    return int(server.rows(query, [key.bytes for key in keys])[0]["count"])


def await_timers(server: Server, keys: Sequence[UUID]) -> None:
    """Wait until the timers have run."""
    wait_for(lambda: jobs_of(server, keys) == 0, "the timers to run")


def instant(text: str) -> datetime:
    """Parse a time of the API."""
    return datetime.fromisoformat(text)
