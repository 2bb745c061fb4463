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
from chaos.disk import Disk, enter_namespace
from chaos.report import Result
from chaos.run import run, say
from chaos.schedule import FULL_SECONDS, SHORT_SECONDS
from server.embedded.postgres import embedded_postgres

INTERRUPTED = 130


def main() -> None:
    """Run the fault test; exit code 0 means that it passed, 1 that it failed."""
    given = _arguments()
    enter_namespace()
    # As an exception, so that what runs is ended.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    seconds = SHORT_SECONDS if given.short else given.seconds
    replies = faults = rounds = 0
    while rounds == 0 or replies < given.replies or faults < given.faults:
        seed = SystemRandom().randrange(1_000_000) if given.seed is None else given.seed + rounds
        result = _round(seed, seconds)
        if result.wrong:
            sys.exit(1)
        replies, faults, rounds = replies + result.replies, faults + result.done.total(), rounds + 1
        if given.replies or given.faults:
            say(f"{rounds} rounds passed: {replies:,} replies over {faults:,} faults")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m chaos", description=__doc__)
    parser.add_argument(
        "--seconds", type=float, default=FULL_SECONDS, help="duration of the faults of a round in seconds"
    )
    parser.add_argument(
        "--short", action="store_true", help=f"{SHORT_SECONDS} s, every kind of fault at least once"
    )
    parser.add_argument("--seed", type=int, help="the printed seed of an earlier run, for the same schedule")
    parser.add_argument("--replies", type=int, default=0, help="rounds until so many calls were answered")
    parser.add_argument("--faults", type=int, default=0, help="rounds until so many faults were injected")
    return parser.parse_args()


def _round(seed: int, seconds: float) -> Result:
    """Run once in a folder of its own, which stays if something is wrong."""
    folder = Path(tempfile.mkdtemp(prefix="baton-chaos-"))
    # Run by root, the embedded PostgreSQL is another user, who must get in.
    folder.chmod(0o755)
    (database := folder / "database").mkdir(mode=0o755)
    disk = Disk.mounted(database)
    passed = False
    try:
        result = _run(folder, disk, seed, seconds)
        passed = not result.wrong
        return result
    except (KeyboardInterrupt, asyncio.CancelledError):
        say("interrupted")
        sys.exit(INTERRUPTED)
    finally:
        if disk:
            disk.unmount(None if passed else folder / "database-kept")
        if passed:
            shutil.rmtree(folder)
        else:
            say(f"logs and database are in {folder}; the same schedule again: --seed {seed}")


def _run(folder: Path, disk: Disk | None, seed: int, seconds: float) -> Result:
    wrong: list[str] = []
    with embedded_postgres(folder / "database") as embedded:
        stage = Stage(folder, Postgres(embedded), disk, wrong.append)

        async def until_told() -> Result:
            task = asyncio.current_task()
            assert task is not None
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
            return await run(stage, seed, seconds, wrong)

        return uvloop.run(until_told())


if __name__ == "__main__":
    main()
