"""Small documents that request large results, from each kind of caller."""

from functools import partial

from graphql import get_introspection_query

from attack.case import CUSTOMER, Case, Limits, add_case, case
from attack.world import World, expect, expect_refused, expect_sound

_FRAGMENTS = "{ conversations { nodes { ...F0 } } }" + "".join(
    f"fragment F{n} on Conversation {{ x: activeEscalation {{ conversation {{ ...F{n + 1} }} }} "
    f"y: activeEscalation {{ conversation {{ ...F{n + 1} }} }} }}"
    for n in range(20)
)
_TYPES = " ".join(f"a{n}: fields {{ name args {{ name type {{ name }} }} }}" for n in range(60))
_LIST = "conversations { nodes { id } }"
_OPEN, _CLOSE = "activeEscalation { conversation { ", "} }"

# Refused from every caller.
REFUSED: dict[str, str] = {
    "a thousand levels": "{ conversations { nodes { " + _OPEN * 500 + "id " + _CLOSE * 500 + "} } }",
    "500 aliases of one list": "{"
    + " ".join(f"a{n}: conversations {{ nodes {{ id }} }}" for n in range(500))
    + "}",
    "fragments that double": _FRAGMENTS + "fragment F20 on Conversation { id }",
    "fragments in a circle": (
        "{ conversations { nodes { ...A } } } fragment A on Conversation { ...B } "
        "fragment B on Conversation { ...A }"
    ),
    "introspection under 60 aliases": "{ __schema { types {" + _TYPES + "} } }",
    "a megabyte": "{ viewer { kind } } #" + "x" * 900_000,
    "lines without end": "\n" * 200_000 + "{ viewer { kind } }",
    "one field 5,000 times": "{ viewer { " + "kind " * 5_000 + "} }",
    "unknown fields with suggestions": "{" + " ".join(f"conversatoin{n}" for n in range(800)) + "}",
    "one name of 15,000 letters": "{ " + "a" * 15_000 + " }",
    "2,000 directives": "{ viewer { kind " + "@include(if: true) " * 2_000 + "} }",
    "2,000 variables": "query(" + " ".join(f"$v{n}: Int" for n in range(2_000)) + ") { viewer { kind } }",
    "a thousand operations": " ".join(f"query q{n} {{ viewer {{ kind }} }}" for n in range(1_000)),
    "an open string": '{ agent(id: "' + "\\u0041" * 2_000,
    "nested lists in an argument": "{ agents(first: " + "[" * 4_000 + "]" * 4_000 + ") { id } }",
    "a number of 10,000 digits": "{ conversations(first: " + "9" * 10_000 + ") { nodes { id } } }",
    "pages without bound": "{ conversations(first: 100000) { nodes { id } } }",
    "NUL and other control signs": "{ viewer\0 { kind\x01 } \x1b }",
    "an empty document": "",
}
_CALLERS = {"no caller": None, "a customer": "widget", "an API key": "key"}


async def send_document(caller: str | None, document: str, world: World) -> None:
    """Send a document that must be refused."""
    expect_refused(await world.graphql(document, token=getattr(world, caller) if caller else None))


for _name, _document in REFUSED.items():
    for _caller, _field in _CALLERS.items():
        add_case(
            Case(
                f"{_name}, from {_caller}",
                "a costly document is refused before it is executed",
                partial(send_document, _field, _document),
                CUSTOMER if _field == "widget" else Limits(),
                customers=_field == "widget",
            )
        )


@case("a long word", "a long comment is refused, or read in linear time")
async def send_long_word(world: World) -> None:
    """Send one word of 60,000 letters in a comment, as each caller."""
    for token in (None, world.widget, world.key):
        expect_sound(await world.graphql("# " + "x" * 60_000 + "\n{ viewer { kind } }", token=token))


@case("introspection", "the whole schema is answered within the limits, or refused")
async def introspect(world: World) -> None:
    """Ask for the whole schema as each caller."""
    for token in (None, world.widget, world.key):
        expect_sound(await world.graphql(get_introspection_query(), token=token))


@case("documents that differ in a space", "documents of strangers fill no cache without bound")
async def fill_cache(world: World) -> None:
    """Send 1,000 documents, no two of which are equal."""
    padding = "#" + "x" * 4_000 + "\n"
    for number in range(1_000):
        expect_sound(await world.graphql(f"{padding}{{ viewer {{ kind }} }} # {number}"))


@case("an array of 1,000 operations", "a request has one operation")
async def send_batch(world: World) -> None:
    """Send a batch."""
    body = b"[" + b",".join([b'{"query":"{ viewer { kind } }"}'] * 1_000) + b"]"
    reply = await world.call("POST", "/graphql", body, token=world.key, Content_Type="application/json")
    expect(reply.status == 400, f"{reply.status} instead of 400")


@case("the largest pages", "the most expensive accepted page stays within the limits")
async def read_pages(world: World) -> None:
    """Read pages of messages of 20 kB under aliases, as far as the cost allows."""
    record = """mutation($i: RecordMessageInput!) { recordMessage(input: $i) { message { id } } }"""
    content = "word " * 1_900
    for _ in range(30):
        given = {"conversationId": world.conversation, "role": "SYSTEM", "content": content}
        expect_sound(await world.graphql(record, {"i": given}, token=world.key))
    for aliases in (1, 5, 10, 20):
        pages = " ".join(
            f"a{n}: messages(first: 100) {{ nodes {{ id content metadata }} }}" for n in range(aliases)
        )
        document = "query($id: ID!) { conversation(id: $id) { " + pages + " } }"
        for token in (world.key, world.widget):
            reply = await world.graphql(document, {"id": world.conversation}, token=token)
            expect_sound(reply)
            most = 2 if token == world.widget else 8
            expect(reply.size <= most * 2**20, f"a reply of {reply.size:,} bytes")
