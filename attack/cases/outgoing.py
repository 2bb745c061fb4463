"""URLs that would make the service call what only it can reach."""

from attack.case import case
from attack.world import World, expect

_CREATE = """mutation($i: CreateWebhookEndpointInput!) {
    createWebhookEndpoint(input: $i) { endpoint { id } } }"""
URLS = [
    "http://127.0.0.1/",
    "http://127.1/",
    "http://2130706433/",
    "http://0x7f000001/",
    "http://017700000001/",
    "http://0/",
    "http://localhost/",
    "http://localhost./",
    "http://[::1]/",
    "http://[::]/",
    "http://[::ffff:127.0.0.1]/",
    "http://[::ffff:7f00:1]/",
    "http://[64:ff9b::7f00:1]/",
    "http://10.0.0.1/",
    "http://172.16.0.1/",
    "http://192.168.1.1/",
    "http://169.254.169.254/latest/meta-data/",
    "http://100.64.0.1/",
    "http://[fd00::1]/",
    "http://[fe80::1]/",
    "http://[fd00:ec2::254]/",
    "http://0.0.0.0/",
    "http://255.255.255.255/",
    "http://224.0.0.1/",
    "http://user:pass@127.0.0.1/",
    "http://example.com@127.0.0.1/",
    "http://127.0.0.1#@example.com/",
    "http://127.0.0.1\\@example.com/",
    "http://１２７.0.0.1/",
    "http://①②⑦.⓪.⓪.①/",
    "http://127.0.0.1%00.example.com/",
    "http://127.0.0.1%2eexample.com/",
    "file:///etc/passwd",
    "gopher://127.0.0.1:6379/_x",
    "ftp://127.0.0.1/",
    "dict://127.0.0.1/",
    "javascript:alert(1)",
    "data:text/plain,x",
    "http://",
    "https://",
    "//127.0.0.1/",
    "127.0.0.1",
    "http:/127.0.0.1",
    "http://[",
    "http://]",
    "http://a..b/",
    "http://example.com:0/",
    "http://example.com:99999/",
]


@case("webhooks: private addresses", "no webhook leads to a private address, in any spelling")
async def create_endpoints(world: World) -> None:
    """Create endpoints with each URL; none may exist afterwards."""
    for url in [*URLS, "http://example.com/\r\nX: y", "http://example.com/ x", "http://" + "a" * 9_000, ""]:
        given = {"agentId": world.agent, "url": url}
        reply = await world.graphql(_CREATE, {"i": given}, token=world.key)
        answer = reply.json()
        expect(answer.get("errors"), f"{url[:60]} was accepted")
        code = answer["errors"][0]["extensions"]["code"]
        expect(code == "BAD_USER_INPUT", f"{url[:60]}: {code}")
