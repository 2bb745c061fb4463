"""The audit of pinned packages, and the bill of materials."""

import json
from datetime import date, timedelta
from pathlib import Path

import pytest

from scripts.audit import OLD_DAYS, AdvisoryList, shipped_packages
from scripts.lock_files import ROOT, Package, pinned_packages
from scripts.make_sbom import bill_of_materials, package_url

TODAY = date(2026, 11, 29)


@pytest.fixture
def listed(tmp_path: Path) -> AdvisoryList:
    path = tmp_path / "advisories.json"
    advisories = [{"ecosystem": "pypi", "name": "a", "affected": ">=1,<1.5", "ids": ["CVE-2026-1"]}]
    path.write_text(json.dumps({"reviewed": "2026-11-01", "advisories": advisories}))
    return AdvisoryList.read(path)


def test_pinned_versions_have_no_open_advisory() -> None:
    advisories = AdvisoryList.read()
    assert len(advisories.advisories) > 30
    assert list(advisories.faults(shipped_packages(), advisories.reviewed)) == []


@pytest.mark.parametrize(("version", "count"), [("0.9", 0), ("1.0", 1), ("1.4.9", 1), ("1.5", 0)])
def test_affected_version_is_reported(listed: AdvisoryList, version: str, count: int) -> None:
    faults = list(listed.faults([Package("pypi", "a", version, runs=True)], TODAY))
    assert faults == [f"a {version}: CVE-2026-1"] * count
    assert list(listed.faults([Package("npm", "a", version, runs=True)], TODAY)) == []


def test_list_that_is_not_reviewed_is_reported(listed: AdvisoryList) -> None:
    last = listed.reviewed + timedelta(days=OLD_DAYS)
    assert list(listed.faults([], last)) == []
    assert "93 days ago" in next(listed.faults([], last + timedelta(days=1)))


def test_pinned_packages_are_divided_into_service_and_development() -> None:
    runs = {item.name: item.runs for item in pinned_packages() if item.ecosystem == "pypi"}
    assert runs["starlette"]
    assert runs["anyio"]
    assert not runs["pytest"]
    assert not runs["mypy"]
    assert len(runs) == (ROOT / "requirements.lock").read_text().count("==")


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
