"""The messages of the protocol `graphql-transport-ws` (github.com/enisdenjo/graphql-ws, PROTOCOL.md)."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import orjson

from schema.live.event_buffer import EncodedBatch

SUBPROTOCOL = "graphql-transport-ws"
FRAME_BYTES = 65_536
ID_LENGTH = 200
# A close frame has room for 125 bytes; its code takes two.
REASON_BYTES = 123

ACK = b'{"type":"connection_ack"}'
PONG = b'{"type":"pong"}'

_TEXT = 0x81  # the whole of a text message
_BEFORE_ID, _AFTER_ID = b'{"id":', b',"type":"next","payload":'


@dataclass(frozen=True, slots=True)
class CloseReason:
    """Why a connection is ended: the close code and the reason that the client is given."""

    code: int
    reason: str

    @property
    def short_reason(self) -> str:
        """The reason, cut to what a close frame can hold."""
        return self.reason.encode()[:REASON_BYTES].decode(errors="ignore")


class ProtocolError(Exception):
    """What the client sent ends its connection."""

    def __init__(self, ending: CloseReason) -> None:
        self.ending = ending
        super().__init__(ending.reason)


class Kind(StrEnum):
    """What a client may send."""

    CONNECTION_INIT = "connection_init"
    PING = "ping"
    PONG = "pong"
    SUBSCRIBE = "subscribe"
    COMPLETE = "complete"


@dataclass(frozen=True, slots=True)
class Message:
    """A client's message. `id` is empty where the kind has none."""

    kind: Kind
    id: str = ""
    payload: dict[str, Any] | None = None


def read_message(text: str) -> Message:
    """The message in a text frame; raises RefusedError for whatever is none."""
    frame = text.encode()
    if len(frame) > FRAME_BYTES:
        raise ProtocolError(CloseReason(1009, f"Frames hold at most {FRAME_BYTES} bytes"))
    try:
        fields = orjson.loads(frame)
    except orjson.JSONDecodeError:
        raise malformed("the frame is not JSON") from None
    if not isinstance(fields, dict):
        raise malformed("the frame is not a JSON object")
    kind = _kind(fields.get("type"))
    payload = fields.get("payload")
    if payload is not None and not isinstance(payload, dict):
        raise malformed("payload must be an object")
    if kind is Kind.SUBSCRIBE and payload is None:
        raise malformed("payload is missing")
    has_id = kind in {Kind.SUBSCRIBE, Kind.COMPLETE}
    return Message(kind, _id(fields.get("id")) if has_id else "", payload)


def _kind(name: object) -> Kind:
    try:
        return Kind(name)  # type: ignore[arg-type]
    except ValueError:
        raise malformed("type is not one that a client sends") from None


def _id(found: object) -> str:
    if not isinstance(found, str) or not 0 < len(found) <= ID_LENGTH:
        raise malformed(f"id must be a string of 1 to {ID_LENGTH} characters")
    return found


def malformed(reason: str) -> ProtocolError:
    """The refusal of what is no message of the protocol."""
    return ProtocolError(CloseReason(4400, f"Invalid message: {reason}"))


def framed(message: bytes) -> bytes:
    """The message as a WebSocket's text frame, as a server sends it (RFC 6455)."""
    return _head(len(message)) + message


def _head(length: int) -> bytes:
    if length < 126:
        return bytes((_TEXT, length))
    if length < 65_536:
        return bytes((_TEXT, 126, length >> 8, length & 255))
    return bytes((_TEXT, 127)) + length.to_bytes(8, "big")


class ResultFrames:
    """
    Puts results, encoded as JSON, into the frames of one operation.

    What stands between the ids is the same for all operations whose ids are as long: it is made once.
    """

    __slots__ = ("_id", "_length")

    def __init__(self, id_: str) -> None:
        # Not by orjson: what it makes keeps 1 KiB at least.
        self._id = json.dumps(id_).encode()
        self._length = len(self._id)

    def of(self, results: EncodedBatch) -> bytes:
        """The frames of all results, one behind the other."""
        return self._id.join(results.shared(self._length, _around_ids))


def _around_ids(payloads: Sequence[bytes], id_length: int) -> list[bytes]:
    pieces = [b""]
    for payload in payloads:
        rest = b"%b%b}" % (_AFTER_ID, payload)
        pieces[-1] += _head(len(_BEFORE_ID) + id_length + len(rest)) + _BEFORE_ID
        pieces.append(rest)
    return pieces


def write_error(id_: str, errors: list[Any]) -> bytes:
    """The operation has failed, and is over."""
    return orjson.dumps({"id": id_, "type": "error", "payload": errors})


def write_complete(id_: str) -> bytes:
    """The operation is over."""
    return orjson.dumps({"id": id_, "type": "complete"})
