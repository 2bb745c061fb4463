"""`python -m chaos`: breaks a Baton for ten minutes, and says whether anything was lost or came twice."""

import argparse
import asyncio
import shutil
import signal
import sys
import tempfile
from pathlib import Path
from random import SystemRandom

import uvloop

from chaos.cluster import Postgres, Stage
from chaos.run import run, say
from chaos.schedule import FULL_SECONDS, SHORT_SECONDS
from server.embedded.postgres import embedded_postgres

INTERRUPTED = 130


def main() -> None:
    """Run the fault test; exit code 0 means that it passed, 1 that it failed."""
    parser = argparse.ArgumentParser(prog="python -m chaos", description=__doc__)
    parser.add_argument(
        "--seconds", type=float, default=FULL_SECONDS, help="duration of the faults in seconds"
    )
    parser.add_argument(
        "--short", action="store_true", help=f"{SHORT_SECONDS} s, every kind of fault at least once"
    )
    parser.add_argument("--seed", type=int, help="the printed seed of an earlier run, for the same schedule")
    given = parser.parse_args()
    seed = SystemRandom().randrange(1_000_000) if given.seed is None else given.seed
    # As an exception, so that what runs is ended.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    folder = Path(tempfile.mkdtemp(prefix="baton-chaos-"))
    # Run by root, the embedded PostgreSQL is another user, who must get in.
    folder.chmod(0o755)
    code = 1
    try:
        code = 0 if _run(folder, seed, SHORT_SECONDS if given.short else given.seconds) else 1
    except (KeyboardInterrupt, asyncio.CancelledError):
        say("interrupted")
        code = INTERRUPTED
    finally:
        if code == 0:
            shutil.rmtree(folder)
        else:
            say(f"logs and database are in {folder}; the same schedule again: --seed {seed}")
    sys.exit(code)


def _run(folder: Path, seed: int, seconds: float) -> bool:
    wrong: list[str] = []
    with embedded_postgres(folder) as embedded:
        stage = Stage(folder, Postgres(embedded), wrong.append)

        async def until_told() -> bool:
            task = asyncio.current_task()
            assert task is not None
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
            return await run(stage, seed, seconds, wrong)

        return uvloop.run(until_told())


if __name__ == "__main__":
    main()
