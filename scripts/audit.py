"""`python -m scripts.audit`: checks the pinned packages against advisories.

It asks `pip-audit` and `npm audit` where they are installed and their data can be read. The list in
`scripts/advisories.json` is checked in every case. Someone has to review that list: it is no substitute for
the data of the services, and an old list is an error.
"""

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from packaging.specifiers import SpecifierSet

from scripts.lock_files import ROOT, Package, pinned_packages
from server.embedded.location import postgres_programs
from server.embedded.release import embedded_release

LIST = Path(__file__).with_name("advisories.json")
OLD_DAYS = 92
TIMEOUT_SECONDS = 120


@dataclass(frozen=True, slots=True)
class Advisory:
    """Published faults of some versions of a package."""

    ecosystem: str
    name: str
    affected: SpecifierSet
    ids: tuple[str, ...]

    def concerns(self, package: Package) -> bool:
        """Return whether the package has one of the affected versions."""
        same = (package.ecosystem, package.name) == (self.ecosystem, self.name)
        return same and self.affected.contains(package.version, prereleases=True)


@dataclass(frozen=True, slots=True)
class AdvisoryList:
    """The list of the repository, and the day on which it was last reviewed."""

    reviewed: date
    advisories: tuple[Advisory, ...]

    @classmethod
    def read(cls, path: Path = LIST) -> "AdvisoryList":
        """Read a list."""
        content = json.loads(path.read_text(encoding="utf-8"))
        advisories = (
            Advisory(item["ecosystem"], item["name"], SpecifierSet(item["affected"]), tuple(item["ids"]))
            for item in content["advisories"]
        )
        return cls(date.fromisoformat(content["reviewed"]), tuple(advisories))

    def faults(self, packages: Iterable[Package], today: date) -> Iterator[str]:
        """Yield a line for each affected package, and one for a list that is too old."""
        for package in packages:
            for advisory in self.advisories:
                if advisory.concerns(package):
                    yield f"{package.name} {package.version}: {', '.join(advisory.ids)}"
        if (age := (today - self.reviewed).days) > OLD_DAYS:
            yield f"the list of advisories was last reviewed {age} days ago: review it, and set the date"


def shipped_packages() -> list[Package]:
    """Return the pinned packages, and the PostgreSQL in its wheel."""
    programs = postgres_programs()
    database = []
    if programs is not None:
        database = [Package("generic", "postgresql", embedded_release(programs.parent).version, runs=True)]
    return [*pinned_packages(), *database]


def ask_pip_audit(packages: Iterable[Package]) -> tuple[str, list[str]]:
    """Return the state of pip-audit's data, and the faults that it reports."""
    program = shutil.which("pip-audit")
    if program is None:
        return "pip-audit is not installed", []
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.writelines(f"{item.name}=={item.version}\n" for item in packages if item.ecosystem == "pypi")
        file.flush()
        command = [program, "--no-deps", "--disable-pip", "--format=json", "--requirement", file.name]
        output = _output(command)
    audited = [item for item in (output or {}).get("dependencies", ()) if "vulns" in item]
    if not audited:
        return "pip-audit has no data here", []
    faults = [
        f"{item['name']} {item['version']}: {', '.join(fault['id'] for fault in item['vulns'])}"
        for item in audited
        if item["vulns"]
    ]
    return f"pip-audit knows {len(audited)} packages", faults


def ask_npm_audit() -> tuple[str, list[str]]:
    """Return the state of npm's data, and the faults that it reports."""
    program = shutil.which("npm")
    if program is None:
        return "npm is not installed", []
    output = _output([program, "audit", "--package-lock-only", "--json"], ROOT / "web")
    if output is None or "vulnerabilities" not in output:
        return "npm audit has no data here", []
    faults = [f"{name}: {item['severity']}" for name, item in output["vulnerabilities"].items()]
    return "npm audit has data", faults


def _output(command: list[str], folder: Path = ROOT) -> dict[str, Any] | None:
    try:
        ended = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=TIMEOUT_SECONDS)
        output: dict[str, Any] = json.loads(ended.stdout)
    except (subprocess.TimeoutExpired, ValueError):
        return None
    return output


def main() -> None:
    """Print the faults. Exit code 1 means that there are some."""
    packages = shipped_packages()
    listed = AdvisoryList.read()
    faults = list(listed.faults(packages, datetime.now(UTC).date()))
    for state, reported in (ask_pip_audit(packages), ask_npm_audit()):
        print(state)
        faults += reported
    count = len(listed.advisories)
    print(f"{len(packages)} packages, {count} entries in the list of {listed.reviewed}")
    print("\n".join(faults) or "no open advisory")
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
