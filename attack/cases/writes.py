"""Mutations in mass, and inputs that are far larger than they should be."""

import asyncio
from functools import partial

from attack.case import CUSTOMER, MIB, Case, Limits, add_case, case
from attack.stage import new_conversation
from attack.world import World, expect, expect_refused, expect_sound

_REQUEST = """mutation($id: ID!) { requestHuman(conversationId: $id) { created escalation { id } } }"""
_ESCALATE = """mutation($i: EscalateConversationInput!) {
    escalateConversation(input: $i) { created escalation { id version } } }"""
_RECORD = "mutation($i: RecordMessageInput!) { recordMessage(input: $i) { message { id } } }"
_SETTINGS = """mutation($i: UpdateEscalationSettingsInput!) {
    updateEscalationSettings(input: $i) { settings { version } } }"""
_TRIGGERS, _CONCURRENT = 1_000, 20


@case(
    "triggers: a button 1,000 times",
    "equal triggers make one escalation, one mail, and delay nobody",
    Limits(reply_bytes=2 * MIB, mails=3, deliveries=3),
)
async def press_button(world: World) -> None:
    """Press the button of one conversation again and again; a neighbour's conversation goes on."""
    conversation, widget = await new_conversation(world)
    other, _ = await new_conversation(world)
    escalations = set()

    async def press(_: int) -> None:
        reply = await world.graphql(_REQUEST, {"id": conversation}, token=widget)
        expect_sound(reply)
        if (data := reply.json().get("data")) and data["requestHuman"]:
            escalations.add(data["requestHuman"]["escalation"]["id"])

    for start in range(0, _TRIGGERS, _CONCURRENT):
        await asyncio.gather(*(press(number) for number in range(start, start + _CONCURRENT)))
    expect(len(escalations) == 1, f"{len(escalations)} escalations")
    given = {"conversationId": other, "role": "USER", "content": "hello"}
    await world.ask(_RECORD, token=world.key, i=given)


LONG = {
    "a reason of a megabyte": {"reason": "x" * 900_000},
    "a reason of NUL": {"reason": "a\0b"},
    "a reason of nothing": {"reason": " " * 1_000},
    "an assignee of 100,000 letters": {"reason": "x", "assignTo": "a" * 100_000 + "@example.com"},
    "an assignee in loops": {"reason": "x", "assignTo": "a." * 5_000 + "@" + "b." * 5_000 + "com"},
}


async def escalate_wrongly(given: dict[str, str], world: World) -> None:
    """Escalate with an input that must be refused."""
    variables = {"i": {"conversationId": world.conversation, **given}}
    expect_refused(await world.graphql(_ESCALATE, variables, token=world.key))


for _name, _given in LONG.items():
    add_case(
        Case(f"input: {_name}", "an input of a wrong size is refused", partial(escalate_wrongly, _given))
    )


@case("input: lists of 20,000", "every list input has a bound")
async def send_lists(world: World) -> None:
    """Send long lists wherever an input takes one."""
    many = [f"word {number}" for number in range(20_000)]
    mails = [f"a{number}@example.com" for number in range(20_000)]
    for changes in (
        {"triggers": {"extraPhrases": many}},
        {"notifications": {"email": {"recipients": mails}}},
        {"widget": {"allowedOrigins": many}},
    ):
        expect_refused(
            await world.graphql(_SETTINGS, {"i": {"agentId": world.agent, **changes}}, token=world.key)
        )
    intents = {"conversationId": world.conversation, "role": "USER", "content": "x", "intents": many}
    expect_refused(await world.graphql(_RECORD, {"i": intents}, token=world.key))
    deep: object = 1
    for _ in range(400):
        deep = [deep]
    given = {"conversationId": world.conversation, "role": "USER", "content": "x", "metadata": {"a": deep}}
    expect_sound(await world.graphql(_RECORD, {"i": given}, token=world.key))
    given["metadata"] = {str(number): "x" * 40 for number in range(15_000)}
    expect_sound(await world.graphql(_RECORD, {"i": given}, token=world.key))


# Texts on which patterns with nested repetitions take exponential or quadratic time.
BOMBS = [
    "a" * 9_900,
    " " * 9_900 + "x",
    "person " * 1_400,
    "i want " * 1_400,
    "a@" * 4_900,
    "a." * 4_900 + "!",
    "(" * 9_900,
    "http://" * 1_400,
    "<" * 9_900,
    "*_~`" * 2_400,
    "\u200b" * 9_900,
    "e\u0301" * 4_900,
    "\u202e" * 9_900,
    "👩‍👩‍👧‍👦" * 1_000,
    "?!" * 4_900,
    "not no never " * 750,
    "\n" * 9_900,
    "1" * 9_900,
]


@case(
    "text: patterns in loops",
    "recognition, mail and display take linear time",
    Limits(mails=5, deliveries=20),
)
async def send_bombs(world: World) -> None:
    """Write texts as a customer, which recognition searches for a request for a person."""
    conversation, widget = await new_conversation(world)
    for text in BOMBS:
        given = {"conversationId": conversation, "role": "USER", "content": text}
        expect_sound(await world.graphql(_RECORD, {"i": given}, token=widget))
        expect_sound(
            await world.graphql(
                _ESCALATE, {"i": {"conversationId": conversation, "reason": text}}, token=world.key
            )
        )


@case("messages: as a customer, in mass", "a customer's messages cost the others nothing", CUSTOMER)
async def send_messages(world: World) -> None:
    """Write 300 long messages with one token."""
    conversation, widget = await new_conversation(world)

    async def write(number: int) -> None:
        given = {"conversationId": conversation, "role": "USER", "content": f"{number} " + "x" * 9_000}
        expect_sound(await world.graphql(_RECORD, {"i": given}, token=widget))

    for start in range(0, 300, _CONCURRENT):
        await asyncio.gather(*(write(number) for number in range(start, start + _CONCURRENT)))


@case("search: words that fit everything", "a search is bounded")
async def search(world: World) -> None:
    """Search with wildcards, long texts and NUL."""
    document = "query($s: String!) { conversations(filter: {search: $s}) { nodes { id } } }"
    for text in ("%", "_" * 200, "\\", "'; DROP TABLE messages; --", "\0", "a b " * 500, "(" * 200, ":*&|!"):
        expect_sound(await world.graphql(document, {"s": text}, token=world.key))
    agents = await world.ask("{ agents { id } }", token=world.key)
    expect(agents["agents"], "the data is gone")
