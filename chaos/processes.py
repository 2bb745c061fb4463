"""Processes that are kept running, except while the nemesis has them down."""

import asyncio
import fcntl
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

TICK_SECONDS = 0.05
START_SECONDS = 40
END_SECONDS = 30  # what docs/settings.md asks to be given before anything harder
PAUSE_SECONDS = 0.5
PIPE_BYTES = 4_096

Say = Callable[[str], None]


class Process:
    """A command that runs in the background.

    `ready` is set while it runs and has printed `pattern`. A process that does not come up is started again.
    A process that ends unexpectedly is reported to `blame`.
    """

    def __init__(
        self, name: str, command: Sequence[str | Path], pattern: str, folder: Path, blame: Say
    ) -> None:
        self.name = name
        self.ready = asyncio.Event()
        self.found: re.Match[str] | None = None
        self.starts = 0
        self.environment: dict[str, str] = {}
        self._command = list(command)
        self._pattern = re.compile(pattern)
        self._log = folder / f"{name}.log"
        self._blame = blame
        self._popen: subprocess.Popen[bytes] | None = None
        self._wanted = asyncio.Event()
        self._told_to_end = False
        self._copying: set[asyncio.Task[None]] = set()
        self._reading = asyncio.Event()
        self._reading.set()

    @property
    def runs(self) -> bool:
        """True while the process runs."""
        return self._popen is not None and self._popen.poll() is None

    async def keep(self) -> None:
        """Keep the process running until cancelled; then end it."""
        try:
            while True:
                await self._wanted.wait()
                if not await self._start():
                    self._signal(signal.SIGKILL)
                    await asyncio.sleep(PAUSE_SECONDS)
                    continue
                self.ready.set()
                while self.runs:
                    await asyncio.sleep(TICK_SECONDS)
                self.ready.clear()
                if not self._told_to_end:
                    self._blame(f"{self.name} ended by itself, with code {self._code}")
        finally:
            # A process that is stopped dies of SIGKILL as well.
            self._signal(signal.SIGKILL)
            if self._popen:
                self._popen.wait()
            self.read_log()
            await asyncio.gather(*self._copying)

    def want(self) -> None:
        """Start the process whenever it is wanted."""
        self._wanted.set()

    def kill(self) -> None:
        """Kill the process."""
        self._told_to_end = True
        self._wanted.clear()
        self.ready.clear()
        self._signal(signal.SIGKILL)

    def stop(self) -> None:
        """Stop the process by SIGSTOP."""
        self._signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """Continue the process."""
        self._signal(signal.SIGCONT)

    def block_log(self) -> None:
        """Read no more of what it logs: its pipe fills."""
        self._reading.clear()

    def read_log(self) -> None:
        """Read its log again."""
        self._reading.set()

    async def end(self) -> None:
        """Terminate the process; a process that does not end is reported to `blame` and killed."""
        self._told_to_end = True
        self._wanted.clear()
        self.ready.clear()
        self._signal(signal.SIGTERM)
        limit = time.monotonic() + END_SECONDS
        while self.runs and time.monotonic() < limit:
            await asyncio.sleep(TICK_SECONDS)
        if self.runs:
            self._blame(f"{self.name} did not end within {END_SECONDS} s of SIGTERM")
            self._signal(signal.SIGKILL)

    @contextmanager
    def _piped(self) -> Iterator[int]:
        """Yield the end of a small pipe for one run. What is read from the other is the log."""
        reader, writer = os.pipe()
        fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
        os.set_blocking(reader, False)
        task = asyncio.create_task(self._copy_log(reader))
        self._copying.add(task)
        task.add_done_callback(self._copying.discard)
        try:
            yield writer
        finally:
            os.close(writer)

    async def _copy_log(self, reader: int) -> None:
        """Copy the pipe to the log until its end, which is the end of the process."""
        try:
            with self._log.open("ab") as log:
                while True:
                    await self._reading.wait()
                    try:
                        data = os.read(reader, PIPE_BYTES)
                    except BlockingIOError:
                        await asyncio.sleep(TICK_SECONDS)
                        continue
                    if not data:
                        return
                    log.write(data)
                    log.flush()
        finally:
            os.close(reader)

    @property
    def _code(self) -> int | None:
        return self._popen.returncode if self._popen else None

    def _signal(self, number: int) -> None:
        if self._popen:
            self._popen.send_signal(number)  # does nothing once it has ended

    async def _start(self) -> bool:
        """Start the process and return whether it became ready."""
        while self.runs:
            await asyncio.sleep(TICK_SECONDS)
        # The last lines of the former process must not be taken for those of the new one.
        self.read_log()
        await asyncio.gather(*self._copying)
        begun = self._log.stat().st_size if self._log.exists() else 0
        with self._piped() as log:
            environment = {k: v for k, v in os.environ.items() if not k.startswith("BATON_")}
            self._popen = subprocess.Popen(
                self._command,
                env=environment | self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # The terminal's Ctrl-C is for who ends them in their turn.
                start_new_session=True,
            )
        self.starts += 1
        self._told_to_end = False
        limit = time.monotonic() + START_SECONDS
        while self.runs and self._wanted.is_set() and time.monotonic() < limit:
            await asyncio.sleep(TICK_SECONDS)
            self.found = self._pattern.search(self._log.read_bytes()[begun:].decode(errors="replace"))
            if self.found:
                return self._wanted.is_set()
        return False
