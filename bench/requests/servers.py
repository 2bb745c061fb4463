"""The servers that are measured in turn, on one core and one database."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass

from bench.client import Target
from bench.fanout.build import PEERS, install_peers
from bench.fanout.servers import free_ports, started
from bench.processes import Processes, only
from bench.requests.works import LIST, LISTS, RECORDS, REPLIES, WORKS
from bench.server_under_test import HOST, Stage, server_beside

PEER = "Mercurius"
POSTGRAPHILE = "PostGraphile"
BATON, WITH_WORKER = "Baton", "Baton with its worker"
POSTGRAPHILE_NODE = 22  # PostGraphile 5 fails in earlier versions
SETTLE_SECONDS = 0.3  # after a stopped server goes on
# The names of PostGraphile, with Baton's as aliases where it has the same field.
_POSTGRAPHILE_LIST = """query Escalations { escalations: allEscalations(
  first: 50, orderBy: [CREATED_AT_DESC, ROW_ID_DESC], condition: {workspaceId: "WORKSPACE"}) {
  nodes { id: rowId status priority reason createdAt slaStatus slaDueAt
    assignee: memberByAssigneeId { id: rowId name }
    conversation: conversationByConversationId { id: rowId customerName customerEmail
      messages: messagesByConversationId(last: 3, orderBy: [POSITION_ASC]) {
        nodes { id: rowId role content createdAt } } } }
  pageInfo { hasNextPage endCursor } } }"""


@dataclass(frozen=True, slots=True)
class Contestant:
    """A server, and what it does. At a pace it only records messages."""

    name: str
    target: Target
    processes: Processes
    pid: int
    works: Sequence[str] = WORKS
    paced: bool = False
    list_document: str = LIST


@contextmanager
def contestants(staged: Stage, beside: Collection[str]) -> Iterator[list[Contestant]]:
    """Start servers of these kinds next to Baton and Mercurius, except one that this machine cannot run."""
    (pid,) = staged.server.members()
    with ExitStack() as stack:
        result = [Contestant(BATON, staged.target, staged.server, pid, paced=True)]
        for kind, start in _KINDS.items():
            if kind == PEER or kind in beside:
                result.extend(map(stack.enter_context, start(staged)))
        yield result


@contextmanager
def only_running(chosen: Contestant, all_of_them: Sequence[Contestant]) -> Iterator[None]:
    """Stop the other servers meanwhile."""
    others = [item for item in all_of_them if item is not chosen]
    for item in others:
        os.kill(item.pid, signal.SIGSTOP)
    try:
        time.sleep(SETTLE_SECONDS)
        yield
    finally:
        for item in others:
            os.kill(item.pid, signal.SIGCONT)


Starting = Iterator[AbstractContextManager[Contestant]]


def _worker(staged: Stage) -> Starting:
    yield _with_worker(staged)


@contextmanager
def _with_worker(staged: Stage) -> Iterator[Contestant]:
    with server_beside(staged, BATON_CONCURRENT_REQUESTS="32") as (process, target):
        yield Contestant(WITH_WORKER, target, only(process.pid), process.pid, (), paced=True)


def _mercurius(staged: Stage) -> Starting:
    sockets = staged.database_url.partition("host=")[2]
    command = ["node", "--no-warnings", str(PEERS / "requests" / "server.mjs")]
    yield _peer(PEER, command, [sockets], paced=True)
    yield _peer(f"{PEER}, shown columns", command, [sockets, "shown"], (LISTS,))


def _postgraphile(staged: Stage) -> Starting:
    if left_out():
        return
    folder = PEERS / "postgraphile"
    install_peers(folder)
    command = ["env", "GRAPHILE_ENV=production", "node", "--no-warnings", str(folder / "server.mjs")]
    yield _peer(POSTGRAPHILE, command, [staged.database_url], (LISTS,), list_document=_POSTGRAPHILE_LIST)


def left_out() -> str | None:
    """Return which server this machine cannot run, and why."""
    version = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True).stdout.strip()
    if int(version.removeprefix("v").partition(".")[0]) >= POSTGRAPHILE_NODE:
        return None
    return f"{POSTGRAPHILE}: it needs Node {POSTGRAPHILE_NODE} or newer, and `node` is {version}"


def _lean(staged: Stage) -> Starting:
    command = [sys.executable, "-m", "bench.requests.lean"]
    yield _peer("lean-auth", command, [staged.database_url, "auth"], (RECORDS, REPLIES), paced=True)
    yield _peer("lean-opt", command, [staged.database_url, "opt"], (RECORDS, REPLIES))
    yield _peer("read-four", command, [staged.database_url, "four"], (LISTS,))


@contextmanager
def _peer(
    name: str,
    command: Sequence[str],
    arguments: Sequence[str],
    works: Sequence[str] = WORKS,
    *,
    paced: bool = False,
    list_document: str = LIST,
) -> Iterator[Contestant]:
    (port,) = free_ports(1)
    with started([*command, str(port), *arguments], [port]) as process:
        target = Target(HOST, port)
        yield Contestant(name, target, only(process.pid), process.pid, works, paced, list_document)


_KINDS: dict[str, Callable[[Stage], Starting]] = {
    "worker": _worker,
    PEER: _mercurius,
    POSTGRAPHILE: _postgraphile,
    "lean": _lean,
}
KINDS = tuple(_KINDS)
