"""The audit of pinned packages, and the bill of materials."""

import json
from collections.abc import Iterator
from importlib.metadata import distribution
from itertools import product
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from scripts import audit
from scripts.lock_files import ROOT, normalized, pinned_packages
from scripts.make_sbom import bill_of_materials, package_url


def program(folder: Path, name: str, output: str) -> None:
    """Put a program into the folder that prints the output."""
    path = folder / name
    path.write_text(f"#!/bin/sh\ncat <<'END'\n{output}\nEND\n")
    path.chmod(0o755)


def audited(capsys: pytest.CaptureFixture[str]) -> tuple[object, str]:
    """Return the exit code of the audit and its last line."""
    with pytest.raises(SystemExit) as ended:
        audit.main()
    return ended.value.code, capsys.readouterr().out.splitlines()[-1]


@pytest.mark.parametrize(
    ("faults", "code", "words"),
    [([], 0, "no open advisory"), ([{"id": "CVE-2026-1"}], 1, "starlette 1.10.0: CVE-2026-1")],
)
def test_audit_reports_what_the_services_know(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    faults: list[object],
    code: int,
    words: str,
) -> None:
    advisories = {"dependencies": [{"name": "starlette", "version": "1.10.0", "vulns": faults}]}
    program(tmp_path, "pip-audit", json.dumps(advisories))
    program(tmp_path, "npm", json.dumps({"vulnerabilities": {}}))
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert audited(capsys) == (code, words)


def test_audit_without_data_is_incomplete(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    program(tmp_path, "npm", "offline")
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert audited(capsys) == (2, "not everything was checked")


def test_pinned_packages_are_divided_into_service_and_development() -> None:
    runs = {item.name: item.runs for item in pinned_packages() if item.ecosystem == "pypi"}
    assert runs["starlette"]
    assert runs["anyio"]
    assert not runs["pytest"]
    assert not runs["mypy"]
    assert len(runs) == (ROOT / "requirements.lock").read_text().count("==")


def environments() -> Iterator[dict[str, str]]:
    """Yield the environments that Baton promises, as markers see them."""
    machines = (("linux", "Linux", "x86_64"), ("linux", "Linux", "aarch64"), ("darwin", "Darwin", "arm64"))
    for version, (platform, system, machine) in product(("3.11.0", "3.11.3", "3.12.0", "3.13.0"), machines):
        yield {
            "python_full_version": version,
            "implementation_version": version,
            "python_version": version.rpartition(".")[0],
            "sys_platform": platform,
            "platform_system": system,
            "platform_machine": machine,
            "extra": "",
        }


def test_lock_has_what_each_promised_version_of_python_needs() -> None:
    locked = {item.name for item in pinned_packages() if item.ecosystem == "pypi"}
    missing = {
        f"{name} needs {requirement} on Python {environment['python_full_version']}"
        for name in locked
        for requirement in map(Requirement, distribution(name).requires or ())
        for environment in environments()
        if normalized(requirement.name) not in locked
        and (requirement.marker is None or requirement.marker.evaluate(environment))
    }
    assert not missing, "make it a dependency without a marker in pyproject.toml, and run `make lock`"


def test_bill_of_materials_names_every_pinned_package() -> None:
    bill = bill_of_materials()
    components = {item["purl"]: item for item in bill["components"]}
    assert len(components) == len(bill["components"])
    assert set(map(package_url, pinned_packages())) <= set(components)
    assert [url for url in components if url.startswith("pkg:generic/postgresql@18.")]
    assert any(url.startswith("pkg:npm/%40") for url in components)
    for item in bill["components"]:
        assert {"type", "bom-ref", "name", "version", "purl", "scope"} <= set(item)


def test_bill_of_materials_is_the_same_each_time() -> None:
    assert json.dumps(bill_of_materials()) == json.dumps(bill_of_materials())
