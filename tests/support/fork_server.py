"""
A process that has imported Baton and forks a `baton` process for each request.

Importing takes more CPU time than everything else that a process does in most tests. The tests of locales,
terminals, pipes and the wheel start the command as a user does.

A request is a length, with the file descriptors of a status socket and of the three standard streams, and
then JSON: the arguments, the environment and the folder. On the status socket come the lines `pid N`,
`stopped` and `ended CODE`.

A password's hash costs as little as Argon2 allows, unless the environment has TESTS_FULL_PASSWORD_COSTS.
Otherwise most of the time of the tests would be spent on signing in.
"""

import atexit
import gc
import json
import os
import selectors
import signal
import socket
import sys
import threading
from contextlib import suppress
from typing import Any

from argon2.profiles import CHEAPEST

from resolvers import passwords
from schema.trusted_documents import read_trusted_documents
from server.cli.main import app
from tests.support.baton_process import FULL_PASSWORD_COSTS


class ForkServer:
    """The loop of the process."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._statuses: dict[int, socket.socket] = {}

    def run(self) -> list[str] | None:
        """Fork on request. Returns the arguments in a forked process, and None at the end."""
        signalled, wakeup = os.pipe()
        os.set_blocking(wakeup, False)
        signal.set_wakeup_fd(wakeup)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        with selectors.DefaultSelector() as selector:
            selector.register(self._control, selectors.EVENT_READ)
            selector.register(signalled, selectors.EVENT_READ)
            while True:
                for key, _ in selector.select():
                    if key.fd == signalled:
                        os.read(signalled, 4096)
                        self._report()
                        continue
                    length, descriptors, _, _ = socket.recv_fds(self._control, 4, 4)
                    if not length:
                        return None
                    request = json.loads(self._received(int.from_bytes(length, "big")))
                    arguments = self._fork(request, *descriptors)
                    if arguments is not None:
                        return arguments

    def _received(self, length: int) -> bytes:
        data = b""
        while len(data) < length:
            data += self._control.recv(length - len(data))
        return data

    def _fork(self, request: dict[str, Any], status: int, *streams: int) -> list[str] | None:
        pid = os.fork()
        if pid == 0:
            os.chdir(request["folder"])
            self._become(request["environment"], streams)
            arguments: list[str] = request["arguments"]
            return arguments
        for stream in streams:
            os.close(stream)
        self._statuses[pid] = socket.socket(fileno=status)
        self._statuses[pid].sendall(f"pid {pid}\n".encode())
        return None

    @staticmethod
    def _become(environment: dict[str, str], streams: tuple[int, ...]) -> None:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
        # The sockets of other processes, and the lock files of the tests, must not stay open here.
        os.closerange(3, max(map(int, os.listdir("/dev/fd"))) + 1)
        os.environ.clear()
        os.environ.update(environment)
        if FULL_PASSWORD_COSTS not in environment:
            passwords.COSTS = CHEAPEST

    def _report(self) -> None:
        while self._statuses:
            pid, status = os.waitpid(-1, os.WNOHANG | os.WUNTRACED)
            if pid == 0:
                return
            if os.WIFSTOPPED(status):
                self._send(self._statuses[pid], "stopped")
            else:
                with self._statuses.pop(pid) as connection:
                    self._send(connection, f"ended {os.waitstatus_to_exitcode(status)}")

    @staticmethod
    def _send(connection: socket.socket, line: str) -> None:
        # The test may have ended without waiting for the process.
        with suppress(OSError):
            connection.sendall(f"{line}\n".encode())


def end_process(error: BaseException | None) -> None:
    """End like the interpreter without freeing all objects, which would copy their pages."""
    code = None if error is None else getattr(error, "code", "failed")
    if isinstance(code, str):
        return  # The interpreter prints it, or the traceback.
    # The interpreter's own end calls both of these; neither has a public name.
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(code or 0)


if __name__ == "__main__":
    read_trusted_documents(None)
    gc.freeze()
    command = ForkServer(socket.socket(fileno=int(sys.argv[1]))).run()
    if command is not None:
        sys.argv = ["baton", *command]
        try:
            app()
        finally:
            end_process(sys.exc_info()[1])
