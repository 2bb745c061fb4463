"""Messages of the protocol `graphql-transport-ws` (github.com/enisdenjo/graphql-ws, PROTOCOL.md)."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import orjson

SUBPROTOCOL = "graphql-transport-ws"
MESSAGE_BYTES = 65_536
ID_LENGTH = 200
# A close frame has space for 125 bytes, two of which are the code.
REASON_BYTES = 123

ACK = b'{"type":"connection_ack"}'
PONG = b'{"type":"pong"}'


@dataclass(frozen=True, slots=True)
class CloseReason:
    """Code and text of a close frame."""

    code: int
    text: str

    @property
    def short_text(self) -> str:
        """Return the text, cut to what a close frame can hold."""
        return self.text.encode()[:REASON_BYTES].decode(errors="ignore")


class ProtocolError(Exception):
    """Message for which the protocol demands that the connection is closed."""

    def __init__(self, reason: CloseReason) -> None:
        self.reason = reason
        super().__init__(reason.text)


class MessageType(StrEnum):
    """Types of message that a client may send."""

    CONNECTION_INIT = "connection_init"
    PING = "ping"
    PONG = "pong"
    SUBSCRIBE = "subscribe"
    COMPLETE = "complete"


@dataclass(frozen=True, slots=True)
class ClientMessage:
    """Message of a client. `id` is empty where the type has none."""

    type: MessageType
    id: str = ""
    payload: dict[str, Any] | None = None


def parse_message(data: bytes) -> ClientMessage:
    """Parse a text message; raise ProtocolError if it is malformed."""
    if len(data) > MESSAGE_BYTES:
        raise ProtocolError(CloseReason(1009, f"Messages hold at most {MESSAGE_BYTES} bytes"))
    try:
        fields = orjson.loads(data)
    except orjson.JSONDecodeError:
        raise malformed("the message is not JSON in UTF-8") from None
    if not isinstance(fields, dict):
        raise malformed("the message is not a JSON object")
    type_ = _parse_type(fields.get("type"))
    payload = fields.get("payload")
    if payload is not None and not isinstance(payload, dict):
        raise malformed("payload must be an object")
    if type_ is MessageType.SUBSCRIBE and payload is None:
        raise malformed("payload is missing")
    has_id = type_ in {MessageType.SUBSCRIBE, MessageType.COMPLETE}
    return ClientMessage(type_, _parse_id(fields.get("id")) if has_id else "", payload)


def _parse_type(name: object) -> MessageType:
    try:
        return MessageType(name)  # type: ignore[arg-type]
    except ValueError:
        raise malformed("type is not one that a client sends") from None


def _parse_id(value: object) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= ID_LENGTH:
        raise malformed(f"id must be a string of 1 to {ID_LENGTH} characters")
    return value


def malformed(reason: str) -> ProtocolError:
    """Return the error for a message that the protocol does not know."""
    return ProtocolError(CloseReason(4400, f"Invalid message: {reason}"))


def encode_error(id_: str, errors: list[Any]) -> bytes:
    """Return the message that an operation has failed and is over."""
    return orjson.dumps({"id": id_, "type": "error", "payload": errors})


def encode_complete(id_: str) -> bytes:
    """Return the message that an operation is over."""
    return orjson.dumps({"id": id_, "type": "complete"})
