"""`python -m scripts.audit`: checks the pinned packages against advisories.

It asks `pip-audit` and `npm audit`. Where one is not installed, or has no data, the check is incomplete, and
the exit code says so. The PostgreSQL in its wheel is reported with its age by `baton doctor`.
"""

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from scripts.lock_files import ROOT, Package, pinned_packages

TIMEOUT_SECONDS = 120


class State(NamedTuple):
    """The state of a service, in words, and whether it has answered with data."""

    text: str
    has_data: bool = False


def ask_pip_audit(packages: Iterable[Package]) -> tuple[State, list[str]]:
    """Return the state of pip-audit's data, and the faults that it reports."""
    program = shutil.which("pip-audit")
    if program is None:
        return State("pip-audit is not installed"), []
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.writelines(f"{item.name}=={item.version}\n" for item in packages if item.ecosystem == "pypi")
        file.flush()
        command = [program, "--no-deps", "--disable-pip", "--format=json", "--requirement", file.name]
        output = _output(command)
    audited = [item for item in (output or {}).get("dependencies", ()) if "vulns" in item]
    if not audited:
        return State("pip-audit has no data here"), []
    faults = [
        f"{item['name']} {item['version']}: {', '.join(fault['id'] for fault in item['vulns'])}"
        for item in audited
        if item["vulns"]
    ]
    return State(f"pip-audit knows {len(audited)} packages", has_data=True), faults


def ask_npm_audit() -> tuple[State, list[str]]:
    """Return the state of npm's data, and the faults that it reports."""
    program = shutil.which("npm")
    if program is None:
        return State("npm is not installed"), []
    output = _output([program, "audit", "--package-lock-only", "--json"], ROOT / "web")
    if output is None or "vulnerabilities" not in output:
        return State("npm audit has no data here"), []
    faults = [f"{name}: {item['severity']}" for name, item in output["vulnerabilities"].items()]
    return State("npm audit has data", has_data=True), faults


def _output(command: list[str], folder: Path = ROOT) -> dict[str, Any] | None:
    try:
        ended = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=TIMEOUT_SECONDS)
        output: dict[str, Any] = json.loads(ended.stdout)
    except (subprocess.TimeoutExpired, ValueError):
        return None
    return output


def main() -> None:
    """Print the faults. Exit code 1 means that there are some, 2 that a service could not be asked."""
    faults: list[str] = []
    unknown = False
    for state, reported in (ask_pip_audit(pinned_packages()), ask_npm_audit()):
        print(state.text)
        unknown = unknown or not state.has_data
        faults += reported
    print("\n".join(faults) or ("not everything was checked" if unknown else "no open advisory"))
    sys.exit(1 if faults else 2 if unknown else 0)


if __name__ == "__main__":
    main()
