"""The C client, driven from here: thousands of subscribers of one server, and what it says of a run."""

import json
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

from bench.fanout.build import compiled
from bench.fanout.servers import Audience
from bench.processes import Processes

START_SECONDS = 120


class ClientFailedError(Exception):
    """The client ended: a socket was closed, or something else than events came."""


@dataclass(frozen=True, slots=True)
class Latency:
    """Of `count` deliveries, in seconds, to 1.6 %."""

    count: int
    p50: float
    p90: float
    p99: float
    max: float

    @classmethod
    def of(cls, result: dict[str, int]) -> "Latency":
        """Read the client's, which is in microseconds."""
        return cls(result["count"], *(result[name] / 1e6 for name in ("p50", "p90", "p99", "max")))


@dataclass(frozen=True, slots=True)
class Run:
    """Events that were published and read: in `seconds`, with what CPU the server took.

    `lost` did not come within 30 s after the last was published.
    """

    seconds: float
    delivered: int
    lost: int
    latency: Latency
    server_cpu: float
    client_cpu: float

    @property
    def rate(self) -> float:
        """Messages a second."""
        return self.delivered / self.seconds

    @property
    def cost(self) -> float:
        """The server's CPU for one delivered message, in microseconds."""
        return self.server_cpu / max(self.delivered, 1) * 1e6


@dataclass(frozen=True, slots=True)
class Cut:
    """A reset of all sockets: the time until acknowledged, and until all events have arrived."""

    acked: Latency
    caught_up: Latency
    missing: int
    doubled: int
    again: int
    server_cpu: float


@dataclass(frozen=True, slots=True)
class Replies:
    """Replies, each to a widget of its own: from request to answer, from answer and request to widget."""

    seconds: float
    replies: int
    lost: int
    answered: Latency
    after_answer: Latency
    after_request: Latency
    server_cpu: float

    @property
    def rate(self) -> float:
        """Replies a second."""
        return self.replies / self.seconds


class Client:
    """A running client whose subscribers have all had an event."""

    def __init__(self, process: "subprocess.Popen[str]", server: Processes) -> None:
        self._process = process
        self._server = server
        ready = self._answer()
        self.frame_bytes = int(ready["frame_bytes"])

    def saturate(self, events: int, inflight: int, seconds: float) -> Run:
        """Publish batches of events, with fewer than `inflight` batches under way."""
        return self._run(f"sat {events} {inflight} {seconds}")

    def pace(self, rate: float, events: int, seconds: float) -> Run:
        """Publish batches of events, `rate` batches per second."""
        return self._run(f"paced {rate} {events} {seconds}")

    def cut(self, events: int, seconds: float) -> Cut:
        """Reset every socket, publishes, and waits so long for all to have come back and caught up."""
        before = self._server.cpu_seconds()
        result = self._ask(f"cut {events} {seconds}")
        cpu = self._server.cpu_seconds() - before
        acked, caught_up = Latency.of(result["acked"]), Latency.of(result["caught_up"])
        return Cut(acked, caught_up, result["missing"], result["doubled"], result["again"], cpu)

    def replies(self, seconds: float) -> Replies:
        """Have every caller send one reply after the other."""
        before = self._server.cpu_seconds()
        result = self._ask(f"replies {seconds}")
        cpu = self._server.cpu_seconds() - before
        return Replies(
            result["seconds"],
            result["replies"],
            result["lost"],
            Latency.of(result["answered"]),
            Latency.of(result["after_answer"]),
            Latency.of(result["after_request"]),
            cpu,
        )

    def _run(self, command: str) -> Run:
        before = self._server.cpu_seconds()
        result = self._ask(command)
        cpu = self._server.cpu_seconds() - before
        latency = Latency.of(result["latency"])
        return Run(result["seconds"], result["delivered"], result["lost"], latency, cpu, result["cpu"])

    def _ask(self, command: str) -> dict[str, Any]:
        assert self._process.stdin is not None
        self._process.stdin.write(command + "\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise ClientFailedError("the client has ended: it said why above")
        result: dict[str, Any] = json.loads(line)
        return result


@contextmanager
def client(audience: Audience, count: int) -> Iterator[Client]:
    """So many subscribers of an audience; they are gone afterwards."""
    with NamedTemporaryFile("w", prefix="baton-bench-") as subscribers:
        subscribers.writelines(
            f"{json.dumps(item.init)}\t{item.subscribe}\n" for item in audience.subscribers
        )
        subscribers.flush()
        last = [str(audience.control), *(["raw"] if audience.raw else [])]
        with _running(audience, count, subscribers.name, last) as running:
            yield running


@contextmanager
def callers(audience: Audience, requests: Sequence[tuple[str, str]], members: int) -> Iterator[Client]:
    """Start a subscriber per request (token and body), and so many members that send them."""
    with (
        NamedTemporaryFile("w", prefix="baton-bench-") as subscribers,
        NamedTemporaryFile("w", prefix="baton-bench-") as asked,
    ):
        subscribers.writelines(
            f"{json.dumps(item.init)}\t{item.subscribe}\n" for item in audience.subscribers
        )
        subscribers.flush()
        asked.writelines(f"{token}\t{body}\n" for token, body in requests)
        asked.flush()
        with _running(audience, len(requests), subscribers.name, [asked.name, str(members)]) as running:
            yield running


@contextmanager
def _running(audience: Audience, count: int, subscribers: str, last: Sequence[str]) -> Iterator[Client]:
    program = compiled("client")
    command: list[str | Path] = [program, str(audience.port), audience.path, str(count), subscribers, *last]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        yield Client(process, audience.server)
    finally:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.close()
        process.stdout.close()
        if process.poll() is None:
            process.terminate()
        process.wait(START_SECONDS)
