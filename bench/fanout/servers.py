"""The peers of Baton, each one process on the server's core."""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from shutil import which
from socket import socket

from bench.fanout.build import PEERS, compiled
from bench.processes import Processes, only, with_children
from bench.server_under_test import HOST, START_SECONDS, Cores

DOCUMENT = """subscription MessageAdded($id: ID!, $after: String) {
  messageAdded(conversationId: $id, after: $after) { cursor message { id content author { name } } } }"""
REPOSITORY = Path(__file__).parents[2]
NCHAN = Path("/usr/lib/nginx/modules/ngx_nchan_module.so")


@dataclass(frozen=True, slots=True)
class Subscriber:
    """The payloads of its two messages. In `subscribe` stands @AFTER@ for its last cursor."""

    init: dict[str, str]
    subscribe: str


def subscriber(conversation: str, token: str | None = None) -> Subscriber:
    """Return a subscriber of a conversation, with or without a credential."""
    variables = json.dumps({"id": conversation, "after": "@AFTER@"}).replace('"@AFTER@"', "@AFTER@")
    query = json.dumps(" ".join(DOCUMENT.split()))
    init = {"authorization": f"Bearer {token}"} if token else {}
    return Subscriber(init, f'{{"query":{query},"variables":{variables}}}')


@dataclass(frozen=True, slots=True)
class Audience:
    """The subscribers of a server; `control` is the port of its publisher."""

    name: str
    port: int
    server: Processes
    control: int = 0
    path: str = "/graphql"
    raw: bool = False
    subscribers: Sequence[Subscriber] = field(default_factory=lambda: [subscriber("1")])


@contextmanager
def limit() -> Iterator[Audience]:
    """Start the send() loop in C."""
    port, control = free_ports(2)
    with started([compiled("limit"), str(port), str(control)], [port, control]) as process:
        yield Audience("C limit", port, only(process.pid), control)


@contextmanager
def node(name: str, script: str) -> Iterator[Audience]:
    """One of the servers in `peers/`."""
    port, control = free_ports(2)
    with started(
        ["node", "--no-warnings", str(PEERS / script), str(port), str(control)], [port, control]
    ) as process:
        yield Audience(name, port, only(process.pid), control)


@contextmanager
def plain_strawberry() -> Iterator[Audience]:
    """Strawberry with broadcaster, every socket executing."""
    port, control = free_ports(2)
    module = "bench.fanout.plain_strawberry"
    with started([sys.executable, "-m", module, str(port), str(control)], [port, control]) as process:
        yield Audience("plain Strawberry", port, only(process.pid), control)


_NGINX = """
load_module %(module)s;
daemon off; worker_processes 1; pid %(folder)s/pid; worker_rlimit_nofile 20000;
events { worker_connections 20000; }
http {
  access_log off; keepalive_requests 1000000000;
  client_body_temp_path %(folder)s/body; proxy_temp_path %(folder)s/proxy;
  fastcgi_temp_path %(folder)s/fastcgi; uwsgi_temp_path %(folder)s/uwsgi; scgi_temp_path %(folder)s/scgi;
  server {
    listen 127.0.0.1:%(port)d;
    location = /publish { nchan_publisher; nchan_channel_id m; nchan_message_buffer_length 100; }
    location = /subscribe {
      nchan_subscriber websocket; nchan_channel_id m; nchan_subscriber_first_message newest;
    }
  }
}
"""


@contextmanager
def nchan() -> Iterator[Audience]:
    """Nginx with its module for publishing; it sends whole frames that it was handed."""
    (port,) = free_ports(1)
    with tempfile.TemporaryDirectory(prefix="baton-bench-") as folder:
        configuration = Path(folder, "nginx.conf")
        configuration.write_text(_NGINX % {"module": NCHAN, "folder": folder, "port": port})
        with (
            started(["nginx", "-c", configuration, "-e", f"{folder}/error.log"], [port]) as process,
            publisher("post", str(port)) as control,
        ):
            yield Audience("Nchan", port, with_children(process.pid), control, "/subscribe", raw=True)


def has_nchan() -> bool:
    """Return whether nginx and the module are installed."""
    return which("nginx") is not None and NCHAN.exists()


@contextmanager
def mercurius_replies(database: str, count: int) -> Iterator[tuple[Audience, list[tuple[str, str]]]]:
    """Start Mercurius, which writes replies into PostgreSQL and publishes them by Redis.

    `database` is the folder of PostgreSQL's socket, where Baton's own owner of tables gets in.
    """
    port, redis = free_ports(2)
    settings = ("--save", "", "--appendonly", "no", "--bind", HOST, "--logfile", "/dev/null")
    script = [str(PEERS / "mercurius_replies.mjs"), str(port), str(redis), database, "baton_owner", "baton"]
    with (
        started(["redis-server", "--port", str(redis), *settings], [redis], cores().client),
        started(["node", "--no-warnings", *script], [port]) as process,
    ):
        conversations = [str(number) for number in range(count)]
        replies = [("", _reply(conversation)) for conversation in conversations]
        subscribers = [subscriber(conversation) for conversation in conversations]
        yield Audience("Mercurius", port, only(process.pid), subscribers=subscribers), replies


def _reply(conversation: str) -> str:
    query = "mutation($id: ID!, $content: String!) { reply(conversationId: $id, content: $content) { id } }"
    variables = {"id": conversation, "content": "t=@STAMP@ I have looked it up: we call you back today."}
    return json.dumps({"query": query, "variables": variables})


@contextmanager
def publisher(*arguments: str) -> Iterator[int]:
    """Start a publisher on the client's core, with its control port."""
    (control,) = free_ports(1)
    command = [sys.executable, "-m", "bench.fanout.publisher", str(control), *arguments]
    with started(command, [control], cores().client):
        yield control


@cache
def cores() -> Cores:
    """Return the cores; call this before this process is bound to one."""
    return Cores.of_this_machine()


@contextmanager
def started(
    command: Sequence[str | Path], ports: Sequence[int], core: int | None = None
) -> Iterator["subprocess.Popen[bytes]"]:
    """Start a process on a core, by default the server's, and wait until it listens."""
    own = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {cores().server if core is None else core})
    process = subprocess.Popen(command, cwd=REPOSITORY)
    os.sched_setaffinity(0, own)
    try:
        _wait_for_ports(process, ports)
        yield process
    finally:
        process.terminate()
        process.wait(START_SECONDS)


def _wait_for_ports(process: "subprocess.Popen[bytes]", ports: Sequence[int]) -> None:
    # A connection to see whether it answers would be taken for the client.
    end = time.monotonic() + START_SECONDS
    while not set(ports) <= _listening():
        if process.poll() is not None or time.monotonic() > end:
            raise RuntimeError(f"{process.args!r} does not listen on {ports}")
        time.sleep(0.02)


def _listening() -> set[int]:
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return {int(line[1].rpartition(":")[2], 16) for line in lines if line[3] == "0A"}


def free_ports(count: int) -> list[int]:
    """Return an unused port."""
    probes = [socket() for _ in range(count)]
    for probe in probes:
        probe.bind((HOST, 0))
    ports = [int(probe.getsockname()[1]) for probe in probes]
    for probe in probes:
        probe.close()
    return ports
