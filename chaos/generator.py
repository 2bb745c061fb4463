"""The people: customers who write, an AI that answers, a team that replies, hands back and is asked again."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from random import Random
from typing import Any

from chaos.client import Client, RefusedError
from chaos.cluster import Tenant
from chaos.processes import Say

START = """mutation($input: StartConversationInput!) { startConversation(input: $input) {
    conversation { id cursor } widgetToken } }"""
RECORD = """mutation($input: RecordMessageInput!) { recordMessage(input: $input) {
    message { position status } } }"""
ESCALATE = """mutation($input: EscalateConversationInput!) { escalateConversation(input: $input) {
    escalation { id } } }"""
REPLY = """mutation($input: ReplyInput!) { replyToEscalation(input: $input) {
    message { position status } } }"""
RESOLVE = """mutation($input: ResolveEscalationInput!) { resolveEscalation(input: $input) {
    escalation { id } } }"""
AGENT = 'mutation { createAgent(name: "Clocks") { id } }'
SETTINGS = """mutation($input: UpdateEscalationSettingsInput!) { updateEscalationSettings(input: $input) {
    settings { version } } }"""

# At risk after 0.6 s, due after a minute.
QUICK = {"targetResponseMinutes": 1, "atRiskPercent": 1}
TEAM_SECONDS, CUSTOMER_SECONDS, CLOCK_SECONDS = (0.5, 2.0), (1.0, 5.0), (4.0, 10.0)
HAND_BACK, BURST, IN_A_BURST = 0.06, 0.1, 5


@dataclass
class Talk:
    """A conversation, and its active escalation."""

    id: str
    cursor: str
    widget_token: str
    escalation: str = ""


@dataclass
class Said:
    """A written message; `position` and `status` are those of the response."""

    conversation: str
    content: str
    position: int | None = None
    status: str = ""


class Generator:
    """A writer that runs until `ending` is set and then finishes its running calls.

    Every mutation carries an idempotency key and is repeated until it is answered. `said` is by content.
    """

    def __init__(self, client: Client, tenant: Tenant, chance: Random, blame: Say) -> None:
        self.talks: list[Talk] = []
        self.clocks: list[str] = []
        self.said: dict[str, Said] = {}
        self.acts = 0
        self.ending = asyncio.Event()
        self._client = client
        self._tenant = tenant
        self._chance = chance
        self._blame = blame
        self._clocks_agent = ""

    async def prepare(self, talks: int) -> None:
        """Create escalated conversations, and an AI agent with short SLA targets."""
        made = await self._client.ask(self._tenant.api_key, AGENT)
        self._clocks_agent = made["createAgent"]["id"]
        given = {"agentId": self._clocks_agent, "sla": QUICK}
        await self._client.ask(self._tenant.api_key, SETTINGS, input=given)
        self.talks = [await self._start(self._tenant.agent_id) for _ in range(talks)]
        for talk in self.talks:
            await self._customer(talk)
            await self._answer(talk)
            await self._escalate(talk)

    async def run(self, seconds: float) -> None:
        """Write in all conversations concurrently, for about so many seconds.

        Every second conversation falls silent earlier: no later wake-up can replace a lost last one.
        """
        began = asyncio.get_running_loop().time()
        async with asyncio.TaskGroup() as group:
            for place, talk in enumerate(self.talks):
                silent = began + self._chance.uniform(0.3, 1) * seconds if place % 2 else None
                group.create_task(self._replay_result(TEAM_SECONDS, partial(self._team, talk), silent))
                group.create_task(self._replay_result(CUSTOMER_SECONDS, partial(self._others, talk), silent))
            group.create_task(self._replay_result(CLOCK_SECONDS, self._clock))

    @property
    def unanswered(self) -> int:
        """Return the number of messages without a response."""
        return sum(item.position is None for item in self.said.values())

    async def _replay_result(
        self, pause: tuple[float, float], act: Callable[[], Awaitable[None]], until: float | None = None
    ) -> None:
        while until is None or asyncio.get_running_loop().time() < until:
            with suppress(TimeoutError):
                await asyncio.wait_for(self.ending.wait(), self._chance.uniform(*pause))
                return
            try:
                await act()
            except RefusedError as error:
                self._blame(f"an act was refused: {error}")

    async def _team(self, talk: Talk) -> None:
        dice = self._chance.random()
        if dice < HAND_BACK:
            await self._hand_back(talk)
        elif dice < HAND_BACK + BURST:
            await asyncio.gather(*(self._reply(talk) for _ in range(IN_A_BURST)))
        else:
            await self._reply(talk)

    async def _others(self, talk: Talk) -> None:
        # While people have the conversation, what the AI says is held: no widget may show it.
        await (self._customer(talk) if self._chance.random() < 0.6 else self._answer(talk))

    async def _hand_back(self, talk: Talk) -> None:
        """People are done, the AI says something, and a person is asked for again."""
        try:
            await self._ask(RESOLVE, {"escalationId": talk.escalation})
        except RefusedError as error:
            # An earlier attempt has done it, and its answer was lost.
            if error.code != "CONFLICT":
                raise
        await self._answer(talk)
        await self._escalate(talk)

    async def _clock(self) -> None:
        talk = await self._start(self._clocks_agent)
        await self._escalate(talk)
        self.clocks.append(talk.escalation)

    async def _start(self, agent_id: str) -> Talk:
        result = (await self._ask(START, {"agentId": agent_id, **self._key()}))["startConversation"]
        made = result["conversation"]
        return Talk(made["id"], made["cursor"], result["widgetToken"])

    async def _escalate(self, talk: Talk) -> None:
        given = {"conversationId": talk.id, "reason": "a person is needed", **self._key()}
        talk.escalation = (await self._ask(ESCALATE, given))["escalateConversation"]["escalation"]["id"]

    async def _reply(self, talk: Talk) -> None:
        await self._say(talk, "reply", REPLY, {"escalationId": talk.escalation})

    async def _customer(self, talk: Talk) -> None:
        given = {"conversationId": talk.id, "role": "USER"}
        await self._say(talk, "question", RECORD, given, talk.widget_token)

    async def _answer(self, talk: Talk) -> None:
        given = {"conversationId": talk.id, "role": "ASSISTANT", "confidence": 95.0}
        await self._say(talk, "answer", RECORD, given)

    async def _say(self, talk: Talk, what: str, query: str, given: dict[str, Any], token: str = "") -> None:
        key = self._key()
        said = Said(talk.id, f"{what} {key['idempotencyKey']}")
        self.said[said.content] = said
        answer = await self._ask(query, {**given, "content": said.content, **key}, token)
        (payload,) = answer.values()
        said.position, said.status = payload["message"]["position"], payload["message"]["status"]

    async def _ask(self, query: str, given: dict[str, Any], token: str = "") -> dict[str, Any]:
        return await self._client.ask(token or self._tenant.api_key, query, input=given)

    def _key(self) -> dict[str, str]:
        self.acts += 1
        return {"idempotencyKey": f"{self.acts:06}"}
