"""WebSocket frames, as a server sends them (RFC 6455): unmasked, a whole text message in each.

Results go from the queue to the transport by plain calls, which is several times cheaper than ASGI's `send`.
One system call sends everything that is written in one iteration of the event loop. The connection's own
frames (pings, pongs, the close) are written between whole frames of results.
"""

import json
from collections.abc import Sequence

from schema.live.event_buffer import EncodedBatch
from server.graphql.send_queue import SendQueue

_TEXT = 0x81  # the only and last frame of a text message
_BEFORE_ID, _AFTER_ID = b'{"id":', b',"type":"next","payload":'


def text_frame(message: bytes) -> bytes:
    """Return the message as one text frame."""
    return _header(len(message)) + message


def _header(length: int) -> bytes:
    if length < 126:
        return bytes((_TEXT, length))
    if length < 65_536:
        return bytes((_TEXT, 126, length >> 8, length & 255))
    return bytes((_TEXT, 127)) + length.to_bytes(8, "big")


class FrameEncoder:
    """Sink that encodes the results of one operation as frames, and offers them to its WebSocket's queue.

    Subscribers of a group differ only in their operation's id. So everything between the ids is made once for
    all ids of the same length. Example: for the results `{}` and `[]`, ids of three bytes share the pieces

        81 25 {"id":
        ,"type":"next","payload":{}} 81 25 {"id":
        ,"type":"next","payload":[]}

    (81 25 is the header of a text frame of 37 bytes), and the id `"7"` joins them to two frames.
    """

    __slots__ = ("_id", "_id_json", "_queue")

    def __init__(self, queue: SendQueue, id_: str) -> None:
        self._queue = queue
        self._id = id_
        # Not by orjson: its bytes keep at least 1 KiB.
        self._id_json = json.dumps(id_).encode()

    def offer(self, batch: EncodedBatch) -> bool:
        """Send or queue all results; return False if there is no space."""
        return self._queue.try_send(self._frames(batch), self._id, len(batch.payloads))

    async def put(self, batch: EncodedBatch) -> None:
        """Send or queue all results as soon as there is space."""
        await self._queue.send(self._frames(batch), self._id, len(batch.payloads))

    def _frames(self, batch: EncodedBatch) -> bytes:
        return self._id_json.join(batch.shared(len(self._id_json), _split_at_ids))


def _split_at_ids(payloads: Sequence[bytes], id_length: int) -> list[bytes]:
    pieces = [b""]
    for payload in payloads:
        rest = b"%b%b}" % (_AFTER_ID, payload)
        pieces[-1] += _header(len(_BEFORE_ID) + id_length + len(rest)) + _BEFORE_ID
        pieces.append(rest)
    return pieces
