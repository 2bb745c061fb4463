"""The program `baton` for tests that type commands into a shell.

The processes are forked by `tests.support.fork_server`, with the arguments, environment, folder and streams
of the program, which passes signals on and ends like its process.
"""

import json
import os
import socket
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.support.baton_process import fork_baton

# Isolated and without `site`, the interpreter starts in a fiftieth of the time that Baton's imports take.
PROGRAM = (
    f"#!{sys.executable} -IS"
    + """
import json, os, signal, socket, sys
control = socket.socket(socket.AF_UNIX)
control.connect(os.path.join(os.path.dirname(__file__), "socket"))
request = {"arguments": sys.argv[1:], "environment": dict(os.environ), "folder": os.getcwd()}
socket.send_fds(control, [b" "], [0, 1, 2])
control.sendall(json.dumps(request).encode())
control.shutdown(socket.SHUT_WR)
lines = socket.socket(fileno=socket.recv_fds(control, 1, 1)[1][0]).makefile()
pid = int(next(lines).split()[1])
for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM):
    signal.signal(number, lambda number, _: os.kill(pid, number))
code = next(int(line.split()[1]) for line in lines if line.startswith("ended"))
if code < 0:
    signal.signal(-code, signal.SIG_DFL)
    os.kill(os.getpid(), -code)
sys.exit(code)
"""
)


@contextmanager
def typed_baton() -> Iterator[Path]:
    """Yield a folder, for PATH, with the program."""
    with (
        tempfile.TemporaryDirectory(prefix="baton-typed-") as name,
        socket.socket(socket.AF_UNIX) as listening,
    ):
        folder = Path(name)
        program = folder / "baton"
        program.write_text(PROGRAM)
        program.chmod(0o755)
        listening.bind(str(folder / "socket"))
        listening.listen()
        thread = threading.Thread(target=_serve, args=(listening,), name="typed commands")
        thread.start()
        try:
            yield folder
        finally:
            # Closing does not wake a thread that waits in accept().
            listening.shutdown(socket.SHUT_RDWR)
            thread.join()


def _serve(listening: socket.socket) -> None:
    with suppress(OSError):
        while True:
            connection, _ = listening.accept()
            with connection:
                _fork(connection)


def _fork(connection: socket.socket) -> None:
    _, descriptors, _, _ = socket.recv_fds(connection, 1, 3)
    try:
        request = json.loads(connection.makefile("rb").read())
        given = request["arguments"], request["environment"], descriptors, request["folder"]
        with fork_baton(*given) as status:
            socket.send_fds(connection, [b" "], [status.fileno()])
    finally:
        for descriptor in descriptors:
            os.close(descriptor)
