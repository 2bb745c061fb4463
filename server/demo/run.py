"""`baton demo`: a sample workspace, a simulated AI agent, simulated customers and one simulated team member.

They use only the public API, over HTTP and WebSocket, as real ones would.
"""

import asyncio
import random
import secrets
from contextlib import suppress
from dataclasses import asdict, dataclass
from itertools import cycle
from pathlib import Path

import orjson
import structlog
from rich.console import Console

from resolvers.context import Services
from resolvers.credentials import actor_of
from resolvers.member import NewMember
from resolvers.workspace import NewWorkspace, make_workspace
from rules.agent_settings import (
    EmailNotifications,
    EscalationSettings,
    NotificationSettings,
    TopicRule,
    TriggerSettings,
    WidgetSettings,
)
from rules.roles import MemberRole
from rules.typeid import AGENT, format_id
from server.demo.client import DemoClient
from server.demo.scenarios import GREETING, HUMAN_ENDINGS, HUMAN_REPLIES, STORIES, Story, answer_to
from server.demo.shop import PATH as SHOP_PATH
from server.demo.shop import shop_origins
from server.settings import Settings

CUSTOMER_EVERY_SECONDS = 4.0
AT_ONCE = 20
MAILS_KEPT = 200

_TOPICS = [TopicRule(name="refunds", keywords=["refund", "chargeback"], priority="HIGH")]

_logger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Demo:
    """The credentials of the sample workspace, kept in the data folder for the next start."""

    agent_id: str
    api_key: str
    email: str
    password: str


async def run_demo(services: Services, settings: Settings) -> None:
    """Print the credentials and addresses, and simulate until cancelled."""
    demo = await _known_demo(services, settings) or await _new_demo(services, settings)
    async with DemoClient(settings.url, demo.api_key) as client, asyncio.TaskGroup() as people:
        await client.allow_pages(demo.agent_id, shop_origins(settings))
        _print(demo, settings)
        people.create_task(_ai_agent(client))
        people.create_task(_team_member(client, demo))
        people.create_task(_customers(client, demo))
        people.create_task(_tidy(mail_folder(settings)))


async def _known_demo(services: Services, settings: Settings) -> Demo | None:
    kept = demo_file(settings)
    if not kept.exists():
        return None
    demo = Demo(**orjson.loads(kept.read_bytes()))
    actor = await actor_of(services.database, services.widget_tokens, demo.api_key)
    return demo if actor else None


async def _new_demo(services: Services, settings: Settings) -> Demo:
    password = secrets.token_hex(8)
    admin = NewMember("ada@example.com", "Ada Admin", MemberRole.ADMIN, password)
    notifications = NotificationSettings(email=EmailNotifications(recipients=["team@example.com"]))
    own = EscalationSettings(
        triggers=TriggerSettings(topics=_TOPICS),
        notifications=notifications,
        widget=WidgetSettings(greeting=GREETING),
    )
    made = await make_workspace(services, NewWorkspace("Baton demo", "Shop assistant", admin, own))
    demo = Demo(format_id(AGENT, made.agent.id), made.api_key, admin.email, password)
    _keep(demo_file(settings), demo)
    return demo


def demo_file(settings: Settings) -> Path:
    """Return the file with the credentials of the sample workspace."""
    return settings.data_dir / "demo.json"


def _keep(kept: Path, demo: Demo) -> None:
    kept.parent.mkdir(parents=True, exist_ok=True)
    kept.touch(0o600)
    kept.write_bytes(orjson.dumps(asdict(demo)))


def _print(demo: Demo, settings: Settings) -> None:
    console = Console(highlight=False, soft_wrap=True)
    console.print(f"""
[bold]Baton is running with a sample workspace.[/bold] Simulated customers talk and escalate all the time.

  shop           {settings.url}{SHOP_PATH}   with the chat widget: ask for a person there
  dashboard      {settings.url}/app   where the team answers
  GraphiQL       {settings.url}/graphql
  REST           {settings.url}/openapi.json
  API key        {demo.api_key}
  sign in        {demo.email}   {demo.password}
  emails         {"to team@example.com" if settings.smtp_url else mail_folder(settings)}

Look at what is open:

  curl -s '{settings.url}/escalations?status=open' -H "Authorization: Bearer {demo.api_key}"

Ctrl-C stops it; the conversations stay in {settings.data_dir}.
""")


def mail_folder(settings: Settings) -> Path:
    """Return the folder of mails when there is no mail server."""
    return settings.data_dir / "mail"


async def _tidy(folder: Path) -> None:
    """Delete all but the newest mails periodically: the demo runs forever."""
    while True:
        mails = await asyncio.to_thread(
            lambda: sorted(folder.glob("*.eml"), key=lambda path: path.stat().st_mtime)
        )
        for mail in mails[:-MAILS_KEPT]:
            mail.unlink(missing_ok=True)
        await asyncio.sleep(60)


async def _customers(client: DemoClient, demo: Demo) -> None:
    places = asyncio.Semaphore(AT_ONCE)

    async def visit(story: Story) -> None:
        async with places:
            try:
                await _customer(client, demo, story)
            except Exception as error:
                _logger.warning("demo.customer_left", error=repr(error))

    async with asyncio.TaskGroup() as connections:
        for story in cycle(STORIES):
            connections.create_task(visit(story))
            await asyncio.sleep(CUSTOMER_EVERY_SECONDS)


async def _customer(client: DemoClient, demo: Demo, story: Story) -> None:
    conversation, token = await client.start(demo.agent_id, story.name, story.email)
    for turn in story.turns:
        await client.say(conversation, turn.customer, token)
        await asyncio.sleep(random.uniform(2, 4))
    if story.ending == "button":
        await client.press_button(conversation, token)
    elif story.ending == "form":
        await client.submit_form(conversation, token)
    elif story.ending == "tool":
        for _ in range(3):
            await client.report_failure(conversation, "change_address")
    elif story.ending == "api":
        await client.escalate(conversation, "VIP customer flagged for priority support")


async def _ai_agent(client: DemoClient) -> None:
    answers = {turn.customer: turn for story in STORIES for turn in story.turns}
    async for event in client.turns():
        said = event["message"]["content"]
        turn = answers.get(said) or answer_to(said)
        await asyncio.sleep(random.uniform(0.3, 1.2))
        await client.answer(
            event["conversation"]["id"],
            turn.answer,
            turn.confidence,
            event["epoch"],
        )


async def _team_member(client: DemoClient, demo: Demo) -> None:
    token = await client.sign_in(demo.email, demo.password)
    async with asyncio.TaskGroup() as at_work:
        async for event in client.escalations():
            at_work.create_task(_see_to(client, event["escalation"]["id"], token))


async def _see_to(client: DemoClient, escalation: str, token: str) -> None:
    # The user of the demo may claim it first.
    with suppress(Exception):
        await asyncio.sleep(random.uniform(6, 15))
        await client.claim(escalation, token)
        await client.reply(escalation, random.choice(HUMAN_REPLIES), token)
        await asyncio.sleep(random.uniform(5, 20))
        await client.reply(escalation, random.choice(HUMAN_ENDINGS), token)
        await client.resolve(escalation, token)
