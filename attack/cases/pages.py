"""Pages of other sites that use what a browser sends along."""

import asyncio

from attack.case import case
from attack.wire import connection, message, open_socket
from attack.world import World, expect, expect_refused

_ACT = 'mutation { createAgent(name: "made by an evil page") { id } }'
_AGENTS = "{ agents { name } }"
FOREIGN: list[dict[str, str]] = [
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {"Origin": "http://127.0.0.1:1"},
    {"Origin": "https://127.0.0.1"},
    {"Origin": "http://127.0.0.1.evil.example"},
    {"Origin": "https://evil.example", "Sec_Fetch_Site": "same-origin"},
    {"Sec_Fetch_Site": "cross-site"},
    {"Sec_Fetch_Site": "same-site"},
    {"Sec_Fetch_Site": "none"},
    {"Referer": "http://127.0.0.1/"},
    {},
]


@case("CSRF: a session from another page", "the session cookie works from the service's own pages only")
async def forge_requests(world: World) -> None:
    """Send mutations and exports with the cookie as other pages would, and compare the data after it."""
    cookie = f"baton_session={world.session}"
    for foreign in FOREIGN:
        fields = foreign | {"Cookie": cookie}
        expect_refused(await world.graphql(_ACT, fields=fields))
        export = "/exports/escalations.csv?from=2026-01-01T00:00:00Z&to=2026-02-01T00:00:00Z"
        expect_refused(await world.call("GET", export, fields=fields))
        expect_refused(await world.call("GET", "/graphql?query=%7Bviewer%7Bkind%7D%7D", fields=fields))
    agents = await world.ask(_AGENTS, token=world.key)
    expect(all(agent["name"] != "made by an evil page" for agent in agents["agents"]), "an agent was created")


@case("CSRF: a socket from another page", "a socket of another page does not get the session")
async def forge_sockets(world: World) -> None:
    """Open sockets with the cookie as other pages would."""
    for fields in FOREIGN:
        named = {name.replace("_", "-"): value for name, value in fields.items()}
        async with connection(world.port) as streams:
            status = await open_socket(streams, named | {"Cookie": f"baton_session={world.session}"})
            expect(status == 101, f"{status} instead of 101")
            reader, writer = streams
            query = {"query": "{ viewer { kind } }"}
            writer.write(message(type="connection_init") + message(id="1", type="subscribe", payload=query))
            async with asyncio.timeout(10):
                received = b""
                while b"UNAUTHENTICATED" not in received and b"TEAM_MEMBER" not in received:
                    data = await reader.read(65_536)
                    expect(data, f"the socket was closed: {received[-80:]!r}")
                    received += data
            expect(b"TEAM_MEMBER" not in received, f"the session is used from {fields}")


@case("CORS: a foreign page asks first", "no page may send the session, and answers name no origin")
async def ask_for_cors(world: World) -> None:
    """Send a preflight as a page of another site would."""
    for path in ("/graphql", "/escalations", "/exports/escalations.csv"):
        reply = await world.call(
            "OPTIONS",
            path,
            Origin="https://evil.example",
            Access_Control_Request_Method="POST",
            Access_Control_Request_Headers="content-type",
        )
        expect("access-control-allow-credentials" not in reply.headers, "credentials are allowed")
        expect(reply.headers.get("access-control-allow-origin") in {None, "*"}, "the origin is repeated")
