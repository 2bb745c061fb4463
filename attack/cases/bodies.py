"""Bodies of requests that are malformed, deep, huge or in a wrong encoding."""

from functools import partial

from attack.case import Case, add_case, case
from attack.wire import request
from attack.world import World, expect, expect_refused, expect_sound

_JSON = "application/json"
_FORM_TYPES = ("text/plain", "multipart/form-data; boundary=x", "application/x-www-form-urlencoded", "")
_QUERY = b'{"query":"query($v: ID!) { conversation(id: $v) { id } }","variables":{"v":'

BODIES: dict[str, bytes] = {
    "arrays 100,000 deep": b"[" * 100_000 + b"]" * 100_000,
    "objects 50,000 deep": b'{"a":' * 50_000 + b"1" + b"}" * 50_000,
    "variables 10,000 deep": _QUERY + b"[" * 10_000 + b"]" * 10_000 + b"}}",
    "a number of 500,000 digits": _QUERY + b"9" * 500_000 + b"}}",
    "a number with a huge exponent": _QUERY + b"1e999999999}}",
    "NaN and Infinity": _QUERY + b"NaN}}",
    "100,000 keys": b"{" + b",".join(b'"%d":1' % n for n in range(100_000)) + b"}",
    "100,000 equal keys": b"{" + b",".join([b'"query":"{a}"'] * 70_000) + b"}",
    "100,000 variables": b'{"query":"{ viewer { kind } }","variables":{'
    + b",".join(b'"v%d":1' % n for n in range(60_000))
    + b'},"x":',
    "bad UTF-8": b'{"query":"\xff\xfe{ viewer { kind } }"}',
    "UTF-16": '{"query":"{ viewer { kind } }"}'.encode("utf-16"),
    "a lone surrogate": b'{"query":"{ viewer { kind } }","operationName":"\\uddff"}',
    "NUL": b'{"query":"{ viewer { kind } }\\u0000"}',
    "no JSON": b"query=%7B+viewer+%7D",
    "nothing": b"",
    "null": b"null",
    "a query of a wrong type": b'{"query":{"a":[1]}}',
    "variables of a wrong type": b'{"query":"{ viewer { kind } }","variables":[1]}',
    "two mebibytes": b'{"query":"' + b" " * (2 * 2**20) + b'"}',
}


async def send_body(body: bytes, world: World) -> None:
    """Send a body to GraphQL and to REST; each must refuse it."""
    expect_refused(await world.call("POST", "/graphql", body, token=world.key, Content_Type=_JSON))
    path = f"/conversations/{world.conversation}/escalate"
    expect_refused(await world.call("POST", path, body, token=world.key, Content_Type=_JSON))


for _name, _body in BODIES.items():
    add_case(Case(f"body: {_name}", "a malformed body is refused", partial(send_body, _body)))


@case("body: other media types", "only JSON is read, so no form of another site is")
async def send_types(world: World) -> None:
    """Send a valid document under media types that a form could have."""
    body = b'{"query":"mutation { createAgent(name: \\"x\\") { id } }"}'
    for media_type in (
        "text/plain",
        "multipart/form-data; boundary=x",
        "application/x-www-form-urlencoded",
        "",
    ):
        reply = await world.call("POST", "/graphql", body, token=world.key, Content_Type=media_type)
        expect(reply.status == 415, f"{media_type}: {reply.status} instead of 415")


@case("body: compressed", "a compressed body is not unpacked")
async def send_compressed(world: World) -> None:
    """Send bytes as gzip."""
    reply = await world.call(
        "POST", "/graphql", b"\x1f\x8b" + b"\0" * 1_000, Content_Type=_JSON, Content_Encoding="gzip"
    )
    expect(reply.status in {400, 415}, f"{reply.status}")


@case("body: chunks without end", "a body of unknown length is cut at 1 MiB")
async def send_chunks(world: World) -> None:
    """Send 8 MiB in chunks without a length."""
    head = request("POST", "/graphql", {"Content-Type": _JSON, "Transfer-Encoding": "chunked"})
    chunk = b"10000\r\n" + b" " * 65_536 + b"\r\n"
    reply = await world.send(head + chunk * 128)
    expect(reply.status in {0, 413}, f"{reply.status} instead of 413")


@case("body: a thousand tiny chunks", "the number of chunks costs little")
async def send_tiny_chunks(world: World) -> None:
    """Send a body of single bytes."""
    head = request("POST", "/graphql", {"Content-Type": _JSON, "Transfer-Encoding": "chunked"})
    expect_refused(await world.send(head + b"1\r\n \r\n" * 1_000 + b"0\r\n\r\n"))


@case("body: a length that is a lie", "a shorter body than announced is refused or cut", slow=True)
async def send_less(world: World) -> None:
    """Announce more than is sent, and close."""
    data = request("POST", "/graphql", {"Content-Type": _JSON, "Content-Length": "1000"}) + b"{}"
    reply = await world.feed(data, 1, 0.1)
    expect(reply.status in {0, 400, 408}, f"{reply.status}")


@case("body: failing operations of a megabyte", "a failed operation keeps nothing of its request")
async def send_failing(world: World) -> None:
    """Send operations that fail, with variables that they do not declare."""
    body = _QUERY + b'"x"' + b"".join(b',"v%d":"%s"' % (n, b"x" * 18_000) for n in range(50)) + b"}}"
    for _ in range(60):
        expect_refused(await world.call("POST", "/graphql", body, token=world.key, Content_Type=_JSON))


@case("query: parameters without end", "parameters of an address are bounded by the head")
async def send_parameters(world: World) -> None:
    """Send 4,000 parameters, and deep variables in the address."""
    many = "&".join(f"a{n}=1" for n in range(4_000))
    expect_sound(await world.call("GET", f"/graphql?query=%7Bviewer%7Bkind%7D%7D&{many}", token=world.key))
    deep = "%5B" * 5_000
    expect_refused(await world.call("GET", f"/graphql?query=%7Bviewer%7Bkind%7D%7D&variables={deep}"))
    expect_refused(await world.call("GET", f"/escalations?{many}", token=world.key))
