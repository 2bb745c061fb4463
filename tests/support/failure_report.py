"""Circumstances of a failed test: lines that its servers logged meanwhile, and pauses of the machine."""

import json
import threading
import time
from pathlib import Path
from typing import IO

LINES = 60
_SAMPLE_SECONDS, _PAUSE_SECONDS = 0.25, 2.0

_begun: dict[Path, int] = {}  # sizes of the logs when the current test began
_pauses: list[float] = []


def watch_log(output: IO[bytes]) -> None:
    """Include a server's log in the reports of tests that fail from now on."""
    if isinstance(output.name, str):
        _begun.setdefault(Path(output.name), 0)


def begin_report() -> None:
    """Forget what happened before the test that begins."""
    _pauses.clear()
    for path in list(_begun):
        if path.exists():
            _begun[path] = path.stat().st_size
        else:
            del _begun[path]


def circumstances() -> str:
    """Return the warnings, errors and refused requests that were logged meanwhile, and the pauses."""
    lines = [f"The machine stood still for {seconds:.0f} s." for seconds in _pauses]
    for path, size in _begun.items():
        if path.exists():
            written = path.read_bytes()[size:].decode(errors="replace").splitlines()
            lines += [f"{path.name}: {line}" for line in written if _is_notable(line)][-LINES:]
    return "\n".join(lines)


def _is_notable(line: str) -> bool:
    try:
        entry = json.loads(line)
    except ValueError:
        return bool(line.strip())
    return entry.get("level") not in ("debug", "info") or entry.get("outcome", "OK") != "OK"


def note_pauses() -> None:
    """Note from now on when nothing runs for a while, like on a virtual machine that is being moved."""
    threading.Thread(target=_sample, name="pauses of the machine", daemon=True).start()


def _sample() -> None:
    last = time.monotonic()
    while True:
        time.sleep(_SAMPLE_SECONDS)
        now = time.monotonic()
        if now - last > _PAUSE_SECONDS:
            _pauses.append(now - last)
        last = now
