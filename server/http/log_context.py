"""The context that every log line of a request carries: its id and, where known, workspace and conversation.

Resolvers add the conversation that they lock. The application binds each HTTP request. The WebSocket
transport binds each operation, in the operation's own task.
"""

from random import getrandbits

from structlog.contextvars import bind_contextvars, clear_contextvars, get_contextvars

from resolvers.actor import Actor
from rules.typeid import CONVERSATION, WORKSPACE, format_id


def begin_log_context(actor: Actor | None = None) -> None:
    """Bind a new request id, and the actor's ids, to all further log lines of this task.

    A task has one request. What it inherits from the task that created it is forgotten.
    """
    clear_contextvars()
    bind_contextvars(request_id=_new_request_id())
    bind_actor(actor)


def bind_actor(actor: Actor | None) -> None:
    """Bind the workspace of a caller, and a customer's conversation, to the log lines that follow."""
    if actor is not None:
        bind_contextvars(workspace=format_id(WORKSPACE, actor.workspace_id))
        if actor.conversation_id is not None:
            bind_contextvars(conversation=format_id(CONVERSATION, actor.conversation_id))


def current_request_id() -> str:
    """Return the id of the request under way; a new one outside any request."""
    return str(get_contextvars().get("request_id") or _new_request_id())


def _new_request_id() -> str:
    # It is no secret, and the system's random numbers take a call that lets other threads run.
    return f"{getrandbits(128):032x}"
