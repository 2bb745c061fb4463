"""The machine and software of the figures."""

import asyncio
import os
import platform
import subprocess
import tempfile
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from statistics import median
from time import perf_counter

import asyncpg

from bench.server_under_test import Stage
from models.row_security import is_protected

_REPOSITORY = Path(__file__).parent.parent
_LIBRARIES = ("uvicorn", "uvloop", "strawberry-graphql", "graphql-core", "sqlalchemy", "asyncpg")
_WRITES = 50
_PAGE = b"\0" * 8192


def surroundings(stage: Stage) -> list[tuple[str, str]]:
    """Name and values, read from the machine, the running database and the repository."""
    return [
        ("Date", f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC"),
        ("CPU", f"{_cpu_model()}, {os.cpu_count()} cores"),
        ("Kernel", f"{platform.system()} {platform.release()}"),
        ("Cores", stage.cores.in_words()),
        ("Baton", _commit()),
        (
            "Python",
            f"{platform.python_version()}; " + ", ".join(f"{item} {version(item)}" for item in _LIBRARIES),
        ),
        ("PostgreSQL", asyncio.run(_postgres(stage.database_url))),
        ("Disk", f"an fsync of 8 KiB takes {_fsync_seconds(stage.home) * 1e6:,.0f} µs (median)"),
    ]


def _cpu_model() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    result = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(result, platform.machine())


def _commit() -> str:
    def git(*arguments: str) -> str:
        result = subprocess.run(
            ["git", *arguments], cwd=_REPOSITORY, capture_output=True, text=True, check=False
        )
        return result.stdout.strip()

    commit = git("rev-parse", "--short", "HEAD") or "unknown"
    return f"{commit} with changes" if git("status", "--porcelain") else commit


async def _postgres(url: str) -> str:
    connection = await asyncpg.connect(url)
    try:
        names = ("server_version", "fsync", "synchronous_commit", "full_page_writes", "shared_buffers")
        shown = {name: await connection.fetchval(f"SHOW {name}") for name in names}
    finally:
        await connection.close()
    shown |= {"row-level security": "on"} if await is_protected(url) else {}
    return f"{shown.pop('server_version')} (embedded); " + ", ".join(
        f"{name} {value}" for name, value in shown.items()
    )


def _fsync_seconds(folder: Path) -> float:
    taken = []
    with tempfile.TemporaryFile(dir=folder) as file:
        for _ in range(_WRITES):
            file.write(_PAGE)
            file.flush()
            began = perf_counter()
            os.fsync(file.fileno())
            taken.append(perf_counter() - began)
    return median(taken)
