"""The pinned packages of requirements.lock and of package-lock.json.

`python -m scripts.lock_files` prints the part of requirements.lock that the service needs, for the container.
"""

import base64
import json
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

ROOT = Path(__file__).parents[1]
# Operators cannot add packages to the container.
SERVICE_EXTRAS = ("oidc", "otel")
_PINNED = re.compile(r"(?P<name>[A-Za-z0-9._-]+)(?:\[[^]]*\])?==(?P<version>[^\s;\\]+)")
_VIA = re.compile(r"#\s+(?:via\s+)?(?P<name>[A-Za-z0-9._-]+)")
_NAME = re.compile(r"[A-Za-z0-9._-]+")


@dataclass(frozen=True, slots=True, order=True)
class Package:
    """A pinned package. `runs` is false for one that only development needs."""

    ecosystem: str  # "pypi" or "npm"
    name: str
    version: str
    runs: bool
    sha512: str | None = None


def pinned_packages(root: Path = ROOT) -> list[Package]:
    """Return all pinned packages, once each."""
    packages: dict[tuple[str, str, str], Package] = {}
    for package in (*python_packages(root), *node_packages(root / "web" / "package-lock.json")):
        key = (package.ecosystem, package.name, package.version)
        if key not in packages or package.runs:
            packages[key] = package
    return sorted(packages.values(), key=lambda item: (item.ecosystem, item.name, item.version))


def python_packages(root: Path) -> Iterator[Package]:
    """Yield the packages of requirements.lock."""
    versions: dict[str, str] = {}
    parents: dict[str, set[str]] = {}
    current = ""
    for line in (root / "requirements.lock").read_text(encoding="utf-8").splitlines():
        if match := _PINNED.match(line):
            current = normalized(match["name"])
            versions[current], parents[current] = match["version"], set()
        elif current and (match := _VIA.search(line)) and "--hash" not in line:
            parents[current].add(normalized(match["name"]))
    running = _running(root, parents)
    for name, version in versions.items():
        yield Package("pypi", name, version, name in running)


def node_packages(lock: Path) -> Iterator[Package]:
    """Yield the packages of a package-lock.json."""
    for path, entry in json.loads(lock.read_text(encoding="utf-8"))["packages"].items():
        name = path.rpartition("node_modules/")[2]
        if not name or entry.get("link") or "version" not in entry:
            continue
        algorithm, _, digest = entry.get("integrity", "").partition("-")
        sha512 = base64.b64decode(digest).hex() if algorithm == "sha512" else None
        yield Package("npm", name, entry["version"], not entry.get("dev", False), sha512)


def normalized(name: str) -> str:
    """Return the normal form of a Python package's name."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _running(root: Path, parents: dict[str, set[str]]) -> set[str]:
    """Return the packages that the service needs: its dependencies, its extras, and theirs."""
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = chain.from_iterable(project["optional-dependencies"].get(name, ()) for name in SERVICE_EXTRAS)
    names = (_NAME.match(item) for item in chain(project["dependencies"], extras))
    waiting = [normalized(match[0]) for match in names if match]
    running: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name not in running:
            running.add(name)
            waiting.extend(child for child, needed_by in parents.items() if name in needed_by)
    return running


def runtime_lock(root: Path = ROOT) -> str:
    """Return requirements.lock without the packages that only development needs."""
    running = {package.name for package in python_packages(root) if package.runs}
    kept, keep = [], False
    for line in (root / "requirements.lock").read_text(encoding="utf-8").splitlines():
        if match := _PINNED.match(line):
            keep = normalized(match["name"]) in running
        if keep and not line.lstrip().startswith("#"):
            kept.append(line)
    return "\n".join(kept) + "\n"


if __name__ == "__main__":
    print(runtime_lock(), end="")
