"""`python -m scripts.make_sbom FILE`: writes the bill of materials as CycloneDX 1.6 in JSON.

It is made from the lock files, so it is the same on every machine and needs no network.
"""

import json
import sys
import tomllib
from pathlib import Path
from typing import Any
from urllib.parse import quote

from scripts.lock_files import ROOT, Package, pinned_packages
from server.embedded.location import postgres_programs
from server.embedded.release import embedded_release


def bill_of_materials(root: Path = ROOT) -> dict[str, Any]:
    """Return the bill of materials."""
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "component": {
                "type": "application",
                "bom-ref": "baton",
                "name": project["name"],
                "version": project["version"],
                "licenses": [{"license": {"id": project["license"]}}],
            }
        },
        "components": [*map(_component, pinned_packages(root)), *_postgres()],
    }


def package_url(package: Package) -> str:
    """Return the package URL, such as pkg:npm/%40scope/name@1.0.0."""
    return f"pkg:{package.ecosystem}/{quote(package.name, safe='/')}@{quote(package.version)}"


def _component(package: Package) -> dict[str, Any]:
    url = package_url(package)
    component: dict[str, Any] = {
        "type": "library",
        "bom-ref": url,
        "name": package.name,
        "version": package.version,
        "purl": url,
        "scope": "required" if package.runs else "excluded",
    }
    if package.sha512:
        component["hashes"] = [{"alg": "SHA-512", "content": package.sha512}]
    return component


def _postgres() -> list[dict[str, Any]]:
    """Return the database inside the wheel, which the lock file does not name."""
    programs = postgres_programs()
    if programs is None:
        return []
    version = embedded_release(programs.parent).version
    url = f"pkg:generic/postgresql@{version}"
    return [
        {
            "type": "application",
            "bom-ref": url,
            "name": "postgresql",
            "version": version,
            "purl": url,
            "cpe": f"cpe:2.3:a:postgresql:postgresql:{version}:*:*:*:*:*:*:*",
            "scope": "required",
        }
    ]


def main() -> None:
    """Write the bill of materials."""
    path = Path(sys.argv[1] if len(sys.argv) > 1 else "sbom.json")
    bill = bill_of_materials()
    path.write_text(json.dumps(bill, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    print(f"{path}: {len(bill['components'])} components")


if __name__ == "__main__":
    main()
