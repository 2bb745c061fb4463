"""The builds before measuring: the two programs in C, and the peers' packages."""

import subprocess
from pathlib import Path
from shutil import which

_HERE = Path(__file__).parent
_NATIVE, _BUILD = _HERE / "native", _HERE / "build"
PEERS = _HERE / "peers"
_SOURCES = {"client": ("client.c", "subscriber.c", "caller.c"), "limit": ("limit.c",)}
_FLAGS = ("-O2", "-Wall", "-Wextra", "-Werror", "-std=c11")


def compiled(name: str) -> Path:
    """Return the program of that name, compiled if older than a source in `native/`."""
    program = _BUILD / name
    newest = max(file.stat().st_mtime for file in _NATIVE.iterdir())
    if not program.exists() or program.stat().st_mtime < newest:
        _BUILD.mkdir(exist_ok=True)
        fresh = program.with_suffix(".new")
        subprocess.run(["gcc", *_FLAGS, "-o", fresh, *_SOURCES[name]], cwd=_NATIVE, check=True)
        fresh.replace(program)
    return program


def install_peers(folder: Path = PEERS) -> bool:
    """Install the packages of a package-lock.json; whether there is a Node.js to run them."""
    if which("npm") is None or which("node") is None:
        return False
    installed, lock = folder / "node_modules" / ".package-lock.json", folder / "package-lock.json"
    if not installed.exists() or installed.stat().st_mtime < lock.stat().st_mtime:
        command = ["npm", "ci", "--no-audit", "--no-fund", "--loglevel", "error"]
        subprocess.run(command, cwd=folder, check=True)
        installed.touch()
    return True
