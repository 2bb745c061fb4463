"""A fresh server with a mail server that counts, and the callers of the cases."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg
from aiosmtpd.smtp import SMTP, Envelope, Session

from attack.wire import HOST
from attack.world import World
from server.embedded.postgres import embedded_postgres

BATON = Path(sys.executable).with_name("baton")
START_SECONDS, STOP_SECONDS, NOTIFIED_SECONDS = 120, 40, 10
_NOTIFYING = """SELECT EXISTS (
    SELECT FROM planned_logs JOIN streams ON id = workspace_id WHERE position < head
) OR EXISTS (SELECT FROM deliveries WHERE status = 'PENDING' AND channel = 'EMAIL')"""
_START = """mutation($input: StartConversationInput!) {
    startConversation(input: $input) { conversation { id } widgetToken } }"""
_SETTINGS = """mutation($input: UpdateEscalationSettingsInput!) {
    updateEscalationSettings(input: $input) { settings { version } } }"""
_KEY = "mutation($input: CreateApiKeyInput!) { createApiKey(input: $input) { key } }"
_SIGN_IN = "mutation($e: String!, $p: String!) { signIn(email: $e, password: $p) { token } }"


class MailCounter:
    """A mail server's handler that counts the mails it accepts."""

    def __init__(self) -> None:
        self.mails = 0

    async def handle_DATA(self, _: SMTP, __: Session, ___: Envelope) -> str:  # noqa: N802 - aiosmtpd's name
        """Count a mail."""
        self.mails += 1
        return "250 OK"


@dataclass(frozen=True, slots=True)
class Stage:
    """A running server and what it has sent."""

    world: World
    mails: MailCounter

    async def deliveries(self) -> int:
        """Return the number of deliveries in the database."""
        async with connected(self.world.database_url) as database:
            count: int = await database.fetchval("SELECT count(*) FROM deliveries")
        return count

    async def notified(self) -> None:
        """Wait until the mails about all events so far are sent, at most 10 s."""
        end = asyncio.get_running_loop().time() + NOTIFIED_SECONDS
        async with connected(self.world.database_url) as database:
            while await database.fetchval(_NOTIFYING) and asyncio.get_running_loop().time() < end:
                await asyncio.sleep(0.05)


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[asyncpg.Connection]:
    """Connect to a database for the block."""
    connection = await asyncpg.connect(url)
    try:
        yield connection
    finally:
        await connection.close()


@asynccontextmanager
async def mail_server() -> AsyncIterator[tuple[MailCounter, int]]:
    """Run a mail server, and yield its counter and port."""
    counter = MailCounter()
    server = await asyncio.get_running_loop().create_server(lambda: SMTP(counter, hostname=HOST), HOST, 0)
    async with server:
        yield counter, int(server.sockets[0].getsockname()[1])


@asynccontextmanager
async def stage(folder: Path, **settings: str) -> AsyncIterator[Stage]:
    """Start a server with its database in a folder, and stop it at the end. `settings` are variables."""
    async with mail_server() as (counter, mail_port):
        environment = _environment(folder, mail_port) | settings
        log = folder / "serve.log"
        with log.open("wb") as output:
            process = subprocess.Popen([BATON, "serve"], env=environment, stdout=output, stderr=output)
        try:
            port = await _port(process, log)
            with embedded_postgres(folder) as embedded:
                world = await _world(environment, port)
                world.pid, world.database_url = process.pid, embedded.owner_url
                yield Stage(world, counter)
        finally:
            process.terminate()
            await asyncio.to_thread(process.wait, STOP_SECONDS)


def _environment(folder: Path, mail_port: int) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("BATON_")}
    return inherited | {
        "BATON_DATA_DIR": str(folder),
        "BATON_HOST": HOST,
        "BATON_PORT": "0",
        "BATON_SMTP_URL": f"smtp://{HOST}:{mail_port}?from=baton@example.com&starttls=never",
        "BATON_CONFIRMED_DOMAINS": "*",
        # No address of this machine is a proxy's, so that the limits per address apply.
        "FORWARDED_ALLOW_IPS": "192.0.2.1",
    }


async def _port(process: "subprocess.Popen[bytes]", log: Path) -> int:
    async with asyncio.timeout(START_SECONDS):
        while process.poll() is None:
            for line in log.read_text().splitlines():
                if '"serve.ready"' in line:
                    return int(json.loads(line)["listening"].rpartition(":")[2])
            await asyncio.sleep(0.05)
    raise RuntimeError(f"the server did not start:\n{log.read_text()}")


async def _world(environment: dict[str, str], port: int) -> World:
    world, neighbour = await asyncio.gather(
        asyncio.to_thread(_init, environment, port, "admin@example.com"),
        asyncio.to_thread(_init, environment, port, "neighbour@example.com"),
    )
    await _fill(world)
    world.neighbour_key = neighbour.key
    world.neighbour_conversation, _ = await new_conversation(neighbour)
    return world


def _init(environment: dict[str, str], port: int, email: str) -> World:
    command = [str(BATON), "init", "--json", "--name", "Attacked", "--email", email]
    ended = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    made = json.loads(ended.stdout)
    member = made["member"]
    return World(port, made["agentId"], made["apiKey"], member["email"], member["password"])


async def _fill(world: World) -> None:
    started = await new_conversation(world)
    world.conversation, world.widget = started
    email = {"enabled": True, "recipients": ["team@example.com"], "frequency": "IMMEDIATE"}
    settings = {"agentId": world.agent, "notifications": {"email": email}}
    await world.ask(_SETTINGS, token=world.key, input=settings)
    signed_in = await world.ask(_SIGN_IN, e=world.email, p=world.password)
    world.session = signed_in["signIn"]["token"]


async def new_key(world: World) -> str:
    """Create an API key that may record messages, and return it."""
    given = {"name": "flood", "scopes": ["CONVERSATIONS_WRITE"]}
    key: str = (await world.ask(_KEY, token=world.session, input=given))["createApiKey"]["key"]
    return key


async def new_conversation(world: World) -> tuple[str, str]:
    """Start a conversation, and return its id and a widget token."""
    started = await world.ask(_START, token=world.key, input={"agentId": world.agent})
    payload = started["startConversation"]
    return payload["conversation"]["id"], payload["widgetToken"]
