"""Commands of the operator, as processes: what they do, print and refuse."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from joserfc.jwk import RSAKey

from tests.support.baton_client import BATON, PASSWORD, Caller, Refused, Server, Workspace, wait_for
from tests.support.baton_process import BatonProcess, run_baton
from tests.support.oidc_provider import CLIENT_ID, CLIENT_SECRET, FakeProvider

# Ctrl-C at a moment in which `baton` imports its modules.
INTERRUPTED = """
import sys
from importlib.metadata import entry_points

class Interruption:
    def find_spec(self, name, path=None, target=None):
        if name == "schema.api":
            raise KeyboardInterrupt

sys.meta_path.insert(0, Interruption())
entry_points(group="console_scripts")["baton"].load()()
"""
SIGN_IN = "mutation($e: String!, $p: String!) { signIn(email: $e, password: $p) { token } }"


def new_process(*arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Run a command in a process that starts as a user's does."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("BATON_")}
    return subprocess.run(
        [BATON, *arguments],
        env=inherited | environment,
        capture_output=True,
        encoding="utf-8",
        timeout=90,
        check=False,
    )


def on(server: Server) -> dict[str, str]:
    return {"BATON_DATA_DIR": str(server.data_dir)}


def sign_in(server: Server, email: str, password: str) -> str:
    token: str = Caller(server.url).ask(SIGN_IN, e=email, p=password)["signIn"]["token"]
    return token


# ---- versions


def test_version_is_the_same_everywhere(server: Server) -> None:
    printed = run_baton("--version")
    assert printed.returncode == 0
    name, version = printed.stdout.split()
    assert name == "baton"
    assert httpx.get(f"{server.url}/healthz").json() == {"status": "ok", "version": version}
    assert httpx.get(f"{server.url}/openapi.json").json()["info"]["version"] == version


def test_interrupt_during_imports_ends_without_a_traceback() -> None:
    command = [sys.executable, "-c", INTERRUPTED]
    done = subprocess.run(command, capture_output=True, text=True, timeout=90, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


# ---- reset-password


def test_reset_password_replaces_the_password_and_ends_sessions(workspace: Workspace) -> None:
    server = workspace.server
    session = Caller(server.url, sign_in(server, workspace.email, PASSWORD))
    reset = run_baton("reset-password", workspace.email.upper(), **on(server))
    assert reset.returncode == 0, reset.stderr
    password = reset.stdout.split()[-1]
    assert workspace.id in reset.stdout
    assert session.refusal("{ viewer { kind } }").code == "UNAUTHENTICATED"
    with pytest.raises(Refused):
        sign_in(server, workspace.email, PASSWORD)
    assert sign_in(server, workspace.email, password)


def test_reset_password_on_several_teams_asks_for_the_workspace(workspace: Workspace) -> None:
    server = workspace.server
    namesake = server.new_workspace(email=workspace.email, password="another password")
    unclear = run_baton("reset-password", workspace.email, **on(server))
    assert (unclear.returncode, unclear.stdout) == (1, "")
    assert workspace.id in unclear.stderr
    assert namesake.id in unclear.stderr
    chosen = run_baton("reset-password", workspace.email, "--workspace", namesake.id, **on(server))
    assert chosen.returncode == 0, chosen.stderr
    assert sign_in(server, workspace.email, PASSWORD)
    with pytest.raises(Refused):
        sign_in(server, workspace.email, "another password")


def test_chosen_password_is_read_from_standard_input(workspace: Workspace) -> None:
    reset = ("reset-password", workspace.email, "--password-stdin")
    chosen = run_baton(*reset, typed="from a file, not an argument\n", **on(workspace.server))
    assert chosen.returncode == 0, chosen.stderr
    assert sign_in(workspace.server, workspace.email, "from a file, not an argument")
    for typed in ("short\n", ""):
        refused = run_baton(*reset, typed=typed, **on(workspace.server))
        assert refused.returncode == 1
        assert "password" in refused.stderr
    assert sign_in(workspace.server, workspace.email, "from a file, not an argument")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("nobody@example.com",), "team member"),
        (("nobody@example.com", "--workspace", "x"), "workspace"),
    ],
)
def test_reset_password_refuses_in_words(server: Server, arguments: tuple[str, ...], message: str) -> None:
    refused = run_baton("reset-password", *arguments, **on(server))
    assert (refused.returncode, refused.stdout) == (1, "")
    assert message in refused.stderr
    assert "Traceback" not in refused.stderr


# ---- key create


def test_created_key_has_just_its_scopes(workspace: Workspace) -> None:
    server = workspace.server
    made = run_baton(
        *("key", "create", "--json", "--workspace", workspace.id, "--name", "Ops"),
        *("--scope", "ESCALATIONS_READ", "--scope", "CONVERSATIONS_READ"),
        **on(server),
    )
    assert made.returncode == 0, made.stderr
    fields = json.loads(made.stdout)
    assert set(fields) == {"workspaceId", "apiKey", "scopes"}
    viewer = Caller(server.url, fields["apiKey"]).ask("{ viewer { workspace { id } scopes } }")["viewer"]
    assert viewer == {
        "workspace": {"id": workspace.id},
        "scopes": ["CONVERSATIONS_READ", "ESCALATIONS_READ"],
    }


def test_created_key_is_printed_with_its_end(workspace: Workspace) -> None:
    made = run_baton("key", "create", "--workspace", workspace.id, **on(workspace.server))
    printed = re.search(r"API key +(baton_sk_\S+) +\(shown this once; ends after (\d+) days\)", made.stdout)
    assert printed, made.stdout
    own = Caller(workspace.server.url, printed[1]).ask("{ viewer { apiKey { createdAt expiresAt } } }")
    created, ends = map(datetime.fromisoformat, own["viewer"]["apiKey"].values())
    assert (ends - created).days in (int(printed[2]) - 1, int(printed[2]))


def test_key_create_with_several_workspaces_asks_for_one(workspace: Workspace, other: Workspace) -> None:
    unclear = run_baton("key", "create", **on(workspace.server))
    assert (unclear.returncode, unclear.stdout) == (1, "")
    assert workspace.id in unclear.stderr
    assert other.id in unclear.stderr


def test_key_create_without_a_workspace_says_how_to_make_one(own_dir: Path) -> None:
    refused = run_baton("key", "create", BATON_DATA_DIR=str(own_dir))
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "run `baton init` first" in refused.stderr


# ---- doctor


def findings(*, code: int, **environment: str) -> dict[str, dict[str, Any]]:
    examined = run_baton("doctor", "--json", **environment)
    assert examined.returncode == code, examined.stderr
    return {finding["check"]: finding for finding in json.loads(examined.stdout)}


def test_doctor_finds_a_running_installation_healthy(server: Server) -> None:
    checks = findings(code=0, **on(server))
    assert set(checks) == {"settings", "data folder", "secret key", "database", "clock", "pub/sub", "mail"}
    assert {name for name, finding in checks.items() if finding["verdict"] != "ok"} == {"mail"}
    assert "BATON_SMTP_URL" in checks["mail"]["advice"]


def test_doctor_names_the_release_of_the_database(server: Server) -> None:
    shown = run_baton("pg", "psql", "-At", "-c", "SHOW server_version", **on(server)).stdout.split()[0]
    assert f"PostgreSQL {shown}, migrated" in findings(code=0, **on(server))["database"]["detail"]


def test_doctor_names_each_fault_with_advice(server: Server) -> None:
    wrong = {
        "BATON_DATABSE_URL": "x",
        "BATON_BROADCAST_URL": "redis://127.0.0.1:1",
        "BATON_SMTP_URL": "smtp://user:a-password@127.0.0.1:1",
    }
    checks = findings(code=1, **on(server), **wrong)
    assert checks["settings"]["verdict"] == "warning"
    assert "BATON_DATABSE_URL" in checks["settings"]["detail"]
    for name, variable in (("pub/sub", "BATON_BROADCAST_URL"), ("mail", "BATON_SMTP_URL")):
        assert checks[name]["verdict"] == "failed"
        assert variable in checks[name]["advice"]
    assert "a-password" not in str(checks)


def test_doctor_names_variables_of_a_provider_without_issuer(server: Server) -> None:
    checks = findings(code=0, **on(server), BATON_OIDC_NAME="Our login")
    assert checks["settings"]["detail"] == "without effect: BATON_OIDC_NAME"
    assert "BATON_OIDC_ISSUER" in checks["settings"]["advice"]


def test_doctor_of_an_unreachable_database_says_what_to_check(own_dir: Path) -> None:
    checks = findings(
        code=1,
        BATON_DATA_DIR=str(own_dir),
        BATON_DATABASE_URL="postgresql://baton:a-password@127.0.0.1:1/baton",
    )
    assert checks["database"]["verdict"] == "failed"
    assert "BATON_DATABASE_URL" in checks["database"]["advice"]
    assert "a-password" not in str(checks)


def registered_at(provider: FakeProvider) -> dict[str, str]:
    """Return the settings of a registration at the provider."""
    return {
        "BATON_PUBLIC_URL": "http://127.0.0.1:8000",
        "BATON_OIDC_ISSUER": provider.issuer,
        "BATON_OIDC_CLIENT_ID": CLIENT_ID,
        "BATON_OIDC_CLIENT_SECRET": CLIENT_SECRET,
    }


def test_doctor_reads_metadata_and_keys_of_the_provider(server: Server, provider: FakeProvider) -> None:
    checks = findings(code=0, **on(server), **registered_at(provider))
    assert checks["sign-in"]["verdict"] == "ok"
    assert "1 keys" in checks["sign-in"]["detail"]
    assert provider.requests == ["/.well-known/openid-configuration", "/keys"]


@pytest.mark.parametrize(
    ("metadata", "ways", "words"),
    [
        ({"issuer": "https://elsewhere.example"}, {}, "issuer 'https://elsewhere.example'"),
        ({}, {"/.well-known/openid-configuration": "broken"}, "HTTP 500"),
        ({}, {"/keys": "text"}, "no JSON object"),
    ],
)
def test_doctor_finds_the_fault_of_an_openid_provider(
    server: Server, provider: FakeProvider, metadata: dict[str, str], ways: dict[str, str], words: str
) -> None:
    provider.metadata, provider.ways = metadata, ways
    checks = findings(code=1, **on(server), **registered_at(provider))
    assert checks["sign-in"]["verdict"] == "failed"
    assert words in checks["sign-in"]["detail"]
    assert "BATON_OIDC_ISSUER" in checks["sign-in"]["advice"]
    assert CLIENT_SECRET not in str(checks)


def test_doctor_finds_an_openid_provider_without_keys(server: Server, provider: FakeProvider) -> None:
    provider.key = RSAKey.generate_key(2048, {"use": "enc"})
    checks = findings(code=1, **on(server), **registered_at(provider))
    assert "no RSA or EC key" in checks["sign-in"]["detail"]


# ---- starts and ends


def test_migrate_says_what_it_did(own_dir: Path) -> None:
    first, second = (run_baton("migrate", BATON_DATA_DIR=str(own_dir)) for _ in range(2))
    assert (first.returncode, second.returncode) == (0, 0)
    assert "was at revision none and is now at" in first.stdout
    assert "there was nothing to do" in second.stdout


def test_migration_url_without_database_url_is_refused(own_dir: Path) -> None:
    url = "postgresql://owner:a-password@127.0.0.1:1/baton"
    refused = run_baton("serve", BATON_DATA_DIR=str(own_dir), BATON_MIGRATION_URL=url)
    assert refused.returncode == 1
    assert "BATON_DATABASE_URL is missing" in refused.stderr
    assert "a-password" not in refused.stderr
    assert list(own_dir.iterdir()) == []


def test_service_role_on_an_empty_database_is_refused_in_one_sentence(server: Server) -> None:
    superuser = Server(server.data_dir, server.owner_url.replace("baton_owner@", "postgres@"), "")
    superuser.execute("CREATE DATABASE empty")
    refused = run_baton(
        "serve", BATON_DATABASE_URL=server.service_url.replace("/baton?", "/empty?"), BATON_PORT="0"
    )
    assert refused.returncode == 1
    assert "baton migrate" in refused.stderr
    assert "permission denied" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_service_role_alone_serves_a_migrated_database(server: Server, own_dir: Path) -> None:
    second = Server(own_dir, server.owner_url, server.service_url)
    second.start(BATON_DATABASE_URL=server.service_url)
    assert httpx.get(f"{second.url}/readyz").status_code == 200
    assert second.stop() == 0


def test_ready_line_names_the_address_that_is_listened_on(own_dir: Path) -> None:
    with Server.started(own_dir, BATON_PUBLIC_URL="http://127.0.0.1:9") as server:
        lines = [json.loads(line) for line in server.log.read_text().splitlines()]
    (ready,) = (line for line in lines if line["event"] == "serve.ready")
    port = int(ready["listening"].removeprefix("127.0.0.1:"))
    assert port not in {0, 9}
    assert ready["url"] == "http://127.0.0.1:9"


@pytest.mark.parametrize("command", ["serve", "worker"])
@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGQUIT])
def test_closed_terminal_is_a_clean_stop(own_dir: Path, command: str, number: signal.Signals) -> None:
    environment = {"BATON_DATA_DIR": str(own_dir), "BATON_PORT": "0"}
    log = own_dir / "log"
    with log.open("wb") as file:
        process = BatonProcess(command, environment=environment, output=file)
    try:
        wait_for(lambda: b".ready" in log.read_bytes(), "the process to be ready", 60)
        process.send_signal(number)
        assert process.wait(30) == 0
    finally:
        process.kill()
    assert list(own_dir.rglob("postmaster.pid")) == []


def test_hangup_during_the_start_leaves_no_database_behind(own_dir: Path) -> None:
    environment = {"BATON_DATA_DIR": str(own_dir), "BATON_PORT": "0"}
    with (own_dir / "log").open("wb") as file:
        process = BatonProcess("serve", environment=environment, output=file)
    try:
        wait_for(lambda: list(own_dir.rglob("postmaster.pid")), "the database to start", 60)
        process.send_signal(signal.SIGHUP)
        assert process.wait(60) in {0, 128 + signal.SIGHUP}
    finally:
        process.kill()
    assert list(own_dir.rglob("postmaster.pid")) == []


def test_hangup_ignored_by_the_parent_stays_ignored(own_dir: Path) -> None:
    environment = {"BATON_DATA_DIR": str(own_dir), "BATON_PORT": "0"}
    log = own_dir / "log"
    with log.open("wb") as file:
        process = subprocess.Popen(["nohup", BATON, "serve"], env=os.environ | environment, stderr=file)
    try:
        wait_for(lambda: b"serve.ready" in log.read_bytes(), "the process to be ready", 60)
        process.send_signal(signal.SIGHUP)
        time.sleep(1)
        assert process.poll() is None
        process.terminate()
        assert process.wait(30) == 0
    finally:
        process.kill()


# ---- locales

PLAIN_LOCALE = {"LC_ALL": "C", "LANG": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}


@pytest.mark.parametrize(
    "arguments",
    [
        ("schema",),
        ("schema", "--permissions"),
        ("phrases", "Ich möchte mit einem Menschen sprechen 👋"),
        ("phrases", "--json", "Ich möchte mit einem Menschen sprechen 👋"),
        ("--help",),
    ],
)
def test_commands_work_in_a_plain_locale(arguments: tuple[str, ...]) -> None:
    plain, usual = new_process(*arguments, **PLAIN_LOCALE), run_baton(*arguments)
    assert (plain.returncode, usual.returncode) == (0, 0), plain.stderr
    assert "Traceback" not in plain.stderr
    if arguments[0] == "schema" or "--json" in arguments:
        assert plain.stdout == usual.stdout
