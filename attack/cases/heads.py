"""Heads of requests: sizes, shapes that proxies read differently, host names and paths."""

from functools import partial

from attack.case import Case, add_case, case
from attack.wire import HOST, request
from attack.world import World, expect, expect_sound

_QUERY = b'{"query":"{ viewer { kind } }"}'


@case("head: 1,000 fields", "a head has at most 100 fields")
async def send_fields(world: World) -> None:
    """Send a head of 1,000 fields."""
    reply = await world.send(request("GET", "/healthz", {f"x-{n}": "1" for n in range(1_000)}))
    expect(reply.status == 431, f"{reply.status} instead of 431")


@case("head: a megabyte", "a head has at most 32 KiB")
async def send_giant_head(world: World) -> None:
    """Send heads of a megabyte, in a field and in the address."""
    for data in (
        request("GET", "/healthz", {"x": "y" * 2**20}),
        request("GET", "/" + "a" * 2**20),
        request("GET", "/healthz", {"Cookie": "a=b; " * 100_000}),
    ):
        reply = await world.send(data)
        expect(reply.status in {0, 400, 414, 431}, f"{reply.status} instead of 431")


_BODY = b"0\r\n\r\nGET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"
_POST = b"POST /graphql HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
_LENGTH = b"Content-Length: %d\r\n" % len(_BODY)
SMUGGLED: dict[str, bytes] = {
    "both lengths": _LENGTH + b"Transfer-Encoding: chunked\r\n",
    "two lengths": _LENGTH + b"Content-Length: 5\r\n",
    "a length with a sign": b"Content-Length: +5\r\n",
    "a negative length": b"Content-Length: -5\r\n",
    "a length in hexadecimal": b"Content-Length: 0x10\r\n",
    "a list of lengths": b"Content-Length: 5, 5\r\n",
    "two codings": b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
    "an unknown coding": b"Transfer-Encoding: xchunked\r\n",
    "a coding with a tab": _LENGTH + b"Transfer-Encoding:\tchunked\r\n",
    "a space before the colon": _LENGTH + b"Transfer-Encoding : chunked\r\n",
    "a folded field": _LENGTH + b"Transfer-Encoding:\r\n chunked\r\n",
    "a bare line feed": _LENGTH + b"X: y\nTransfer-Encoding: chunked\r\n",
    "NUL in a field": _LENGTH + b"X: a\0b\r\nTransfer-Encoding: chunked\r\n",
}


async def smuggle(fields: bytes, world: World) -> None:
    """Send a request whose end proxies could see elsewhere: no second request may be answered."""
    reply = await world.send(_POST + fields + b"Connection: close\r\n\r\n" + _BODY, seconds=45)
    expect(reply.body.count(b"HTTP/1.1 ") == 0, "a hidden request was answered")
    expect(b"python_info" not in reply.body, "a hidden request was answered")
    expect(reply.status == 0 or 400 <= reply.status < 500, f"{reply.status}")


for _name, _fields in SMUGGLED.items():
    add_case(
        Case(f"smuggling: {_name}", "an ambiguous end of a request is refused", partial(smuggle, _fields))
    )

HOSTS = [
    "evil.example",
    "evil.example:80",
    "127.0.0.1.evil.example",
    "127.0.0.1@evil.example",
    "",
    "a b",
    "%00",
]


@case("host: foreign names", "another host name gets 421, and is in no answer")
async def send_hosts(world: World) -> None:
    """Call by foreign names, and name one in fields that some servers believe."""
    for host in HOSTS:
        for path in ("/", "/app", "/graphql/", "/escalations"):
            reply = await world.call("GET", path, Host=host)
            expect(reply.status in {400, 421}, f"{host}: {reply.status} instead of 421")
            expect("location" not in reply.headers, f"{host}: a redirect")
    for name in ("X_Forwarded_Host", "X_Host", "Forwarded", "X_Original_URL", "X_Rewrite_URL"):
        for path in ("/", "/app/", "/escalations"):
            reply = await world.call("GET", path, token=world.key, fields={name: "evil.example"})
            expect("evil" not in str(reply.headers) + repr(reply.body), f"{name} is believed")


PATHS = [
    "/app/../../etc/passwd",
    "/app/%2e%2e/%2e%2e/%2e%2e/etc/passwd",
    "/app/..%2f..%2f..%2fetc%2fpasswd",
    "/app/assets/..%5c..%5csecret_key",
    "/app/assets/%2e%2e/%2e%2e/%2e%2e/%2e%2e/secret_key",
    "/app/assets//etc/passwd",
    "/app/assets/%00.js",
    "/app/.env",
    "/app/.git/config",
    "/widget/..%2f..%2fsettings.py",
    "/widget/%2e%2e/app.py",
    "/widget/0.1.0/..%2f..%2fapp.py",
    "/widget.js/../../secret_key",
    "//etc/passwd",
    "/%c0%ae%c0%ae/etc/passwd",
    "/app/" + "../" * 200 + "etc/passwd",
    "/app/" + "a/" * 5_000,
]


@case("paths: out of the folder", "no path leaves the folders of built files")
async def send_paths(world: World) -> None:
    """Ask for files outside, in every spelling."""
    for path in PATHS:
        reply = await world.call("GET", path)
        expect_sound(reply)
        for secret in (b"root:x:0:0:", b"import ", b"[core]"):
            expect(secret not in reply.body, f"{path} gave a file")


@case("methods: unknown ones", "an unknown method is refused")
async def send_methods(world: World) -> None:
    """Send methods that no route has."""
    for method in ("TRACE", "CONNECT", "PROPFIND", "FOO", "a" * 5_000):
        reply = await world.send(request(method, "/graphql", body=_QUERY))
        expect(reply.status in {0, 400, 405, 431}, f"{method[:10]}: {reply.status}")
        expect(HOST.encode() not in reply.body, "the request is sent back")
