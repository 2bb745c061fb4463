"""The files for containers and service managers: what cannot run in a test is checked in parts."""

import os
import re
import shutil
import stat
import subprocess
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest
import yaml  # type: ignore[import-untyped]  # no stubs are pinned

from scripts.lock_files import ROOT, runtime_lock
from server.settings import Settings
from tests.support.baton_client import Server

DEPLOY = ROOT / "deploy"
CONTAINERFILE = (ROOT / "Containerfile").read_text()
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())
OURS = ("migrate", "serve1", "serve2", "worker")


def test_services_are_those_of_a_whole_installation() -> None:
    assert set(COMPOSE["services"]) == {*OURS, "proxy", "postgres", "redis"}
    commands = {name: COMPOSE["services"][name].get("command") for name in OURS[1:]}
    serve = ["serve", "--no-worker"]
    assert commands == {"serve1": serve, "serve2": serve, "worker": ["worker"]}
    assert COMPOSE["services"]["redis"]["image"].endswith("redis:7")


@pytest.mark.parametrize("name", OURS)
def test_own_container_has_no_rights(name: str) -> None:
    service = COMPOSE["services"][name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in service["security_opt"]
    assert not service.get("ports")
    assert not service.get("privileged")


def test_compose_sets_only_settings_that_exist_and_no_secret() -> None:
    names = {f"BATON_{name.upper()}" for name in Settings.model_fields}
    environment = COMPOSE["services"]["serve1"]["environment"]
    assert {name for name in environment if name.startswith("BATON_")} <= names
    for name in ("BATON_SECRET_KEY", "BATON_DATABASE_URL", "BATON_MIGRATION_URL"):
        assert ":?}" in environment[name], f"{name} must be given by the operator"


@pytest.mark.parametrize("path", [".env", "deploy/baton.env"])
def test_file_with_secrets_enters_neither_commit_nor_image(path: str) -> None:
    assert subprocess.run(["git", "check-ignore", "--quiet", path], cwd=ROOT).returncode == 0
    # Docker reads only this name; Podman reads it, too.
    assert path in (ROOT / ".dockerignore").read_text().splitlines()


def test_final_image_runs_as_an_account_without_build_tools() -> None:
    final = CONTAINERFILE.rpartition("\nFROM ")[2]
    assert re.search(r"^USER 10001:10001$", final, re.MULTILINE)
    assert not re.search(r"apt-get|\bpip\b|\bgcc\b|\bnpm\b", final)
    assert 'ENTRYPOINT ["baton"]' in final


def test_health_check_of_the_image_succeeds_on_a_server(server: Server) -> None:
    match = re.search(r'CMD \["python", "-c", "(?P<code>[^"]+)"\]', CONTAINERFILE)
    assert match
    code = match["code"].replace("127.0.0.1:8000", f"127.0.0.1:{server.port}")
    assert code != match["code"]
    python = shutil.which("python3") or "python"
    assert subprocess.run([python, "-c", code], timeout=60).returncode == 0
    stopped = match["code"].replace("127.0.0.1:8000", "127.0.0.1:9")
    assert subprocess.run([python, "-c", stopped], timeout=60, capture_output=True).returncode != 0


def test_worker_has_the_health_check_of_the_image_at_its_own_port() -> None:
    *_, image = re.findall(r'CMD \["python", "-c", "([^"]+)"\]', CONTAINERFILE)
    port = Settings.model_fields["worker_port"].default
    command = COMPOSE["services"]["worker"]["healthcheck"]["test"]
    assert command == ["CMD", "python", "-c", image.replace(":8000/", f":{port}/")]


def test_runtime_lock_has_what_the_service_needs_only() -> None:
    lock = runtime_lock()
    names = set(re.findall(r"^([a-z0-9-]+)(?:\[[^]]*\])?==", lock, re.MULTILINE))
    assert {"starlette", "uvicorn", "asyncpg", "anyio"} <= names
    assert not {"pytest", "mypy", "ruff", "hypothesis", "setuptools", "pip"} & names
    for block in re.split(r"\n(?=\S)", lock.strip()):
        assert "--hash=sha256:" in block, block


@pytest.mark.anyio
async def test_script_creates_roles_and_database_for_migrations(server: Server, tmp_path: Path) -> None:
    script = (DEPLOY / "create-roles.sh").read_text()
    assert os.access(DEPLOY / "create-roles.sh", os.X_OK)
    checked = subprocess.run(["sh", "-n", str(DEPLOY / "create-roles.sh")], capture_output=True)
    assert checked.returncode == 0
    statements = [line for line in script.splitlines() if line.startswith("CREATE ")]
    assert [line.split()[1:3] for line in statements] == [
        ["ROLE", "baton_owner"],
        ["ROLE", "baton"],
        ["DATABASE", "baton"],
    ]
    # The owner of the tables is what the embedded database calls it, too.
    connection = await asyncpg.connect(server.owner_url)
    assert await connection.fetchval("SELECT current_user") == "baton_owner"
    await connection.close()


@pytest.mark.parametrize("name", ["baton-serve", "baton-worker"])
def test_unit_is_valid_and_hardened(name: str, tmp_path: Path) -> None:
    text = (DEPLOY / f"{name}.service").read_text()
    for line in (
        "NoNewPrivileges=yes",
        "ProtectSystem=strict",
        "CapabilityBoundingSet=",
        "StateDirectoryMode=0700",
    ):
        assert f"\n{line}\n" in text
    if not shutil.which("systemd-analyze"):
        pytest.skip("there is no systemd-analyze")
    program = tmp_path / "baton"
    program.write_text("#!/bin/sh\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    unit = tmp_path / f"{name}.service"
    unit.write_text(text.replace("/opt/baton/.venv/bin/baton", str(program)))
    command = ["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", str(unit)]
    verified = subprocess.run(command, capture_output=True, text=True)
    assert (verified.returncode, verified.stderr) == (0, "")


def test_alerts_use_metrics_that_exist(server: Server) -> None:
    rules = yaml.safe_load((DEPLOY / "alerts.yaml").read_text())["groups"][0]["rules"]
    metrics = httpx.get(f"{server.url}/metrics").text
    exposed = set(re.findall(r"^([a-z_]+)", metrics, re.MULTILINE))
    for rule in rules:
        named = set(re.findall(r"\b((?:baton|process)_[a-z_]+)", rule["expr"]))
        assert named <= exposed, rule["alert"]
        assert rule["labels"]["severity"] in {"warning", "critical"}
        assert {"summary", "action"} <= set(rule["annotations"])


def test_proxy_configuration_is_valid(tmp_path: Path) -> None:
    text = (DEPLOY / "Caddyfile").read_text()
    assert text.count("{") == text.count("}")
    for name in ("serve1:8000", "serve2:8000", "flush_interval -1", "max_size 1MB", "read_header 10s"):
        assert name in text
    if caddy := shutil.which("caddy"):
        command = [caddy, "validate", "--adapter", "caddyfile", "--config", str(DEPLOY / "Caddyfile")]
        environment = os.environ | {"BATON_DOMAIN": "localhost", "HOME": str(tmp_path)}
        checked = subprocess.run(command, env=environment, capture_output=True, text=True)
        assert checked.returncode == 0, checked.stderr
