"""Tokens that are tampered with, and passwords that are guessed."""

import asyncio
import base64
import hashlib
import hmac
import json
import time

from attack.case import Limits, case
from attack.world import NEIGHBOUR, World, expect, expect_refused

_VIEWER = "{ viewer { kind } }"
_SIGN_IN = "mutation($e: String!, $p: String!) { signIn(email: $e, password: $p) { token } }"
_GUESSES, _CONCURRENT = 300, 60
SIGN_IN_SECONDS = 2.0


def tampered(token: str) -> list[str]:
    """Return a widget token with other signatures, algorithms and claims."""
    prefix, dot, rest = token.partition(".")
    parts = rest.split(".") if dot else []
    result = [token[:-1], token + "A", token[::-1], token.swapcase(), token.replace(".", ""), prefix, "." * 3]
    if len(parts) == 2:
        start = prefix.rpartition("_")[0]
        start = f"{start}_" if start else ""
        claims = _decoded(parts[0])
        for claim, value in {"exp": 4_102_444_800, "sub": "conv_other", "cid": "conv_other"}.items():
            changed = _encoded(json.dumps(json.loads(claims or b"{}") | {claim: value}).encode())
            result.append(f"{prefix}.{changed}.{parts[1]}")
        for algorithm in ("none", "None", "HS256", "RS256"):
            head = _encoded(json.dumps({"alg": algorithm, "typ": "JWT"}).encode())
            result.append(f"{start}{head}.{parts[0]}.")
            for secret in (b"", b"secret", b"\0" * 32):
                signature = hmac.new(secret, f"{head}.{parts[0]}".encode(), hashlib.sha256).digest()
                result.append(f"{start}{head}.{parts[0]}.{_encoded(signature)}")
    return [item for item in result if item != token]


def _decoded(text: str) -> bytes:
    try:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except ValueError:
        return b""


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


@case("tokens: tampered", "a token with another signature, algorithm or claim is refused")
async def tamper(world: World) -> None:
    """Call with changed tokens of every kind."""
    kinds = [
        *tampered(world.widget),
        *(token[:-2] + end for token in (world.key, world.session) for end in ("AA", "", "__x")),
        "x" * 20_000,
        "' OR 1=1 --",
        "\u00ff" * 10,
    ]
    for token in kinds:
        reply = await world.graphql(_VIEWER, token=token)
        expect_refused(reply)
        expect(b'"kind"' not in reply.body, f"accepted {token[:40]}")


@case("tokens: 1,000 unknown ones", "unknown tokens are refused at little cost")
async def guess_tokens(world: World) -> None:
    """Guess API keys, sessions and tokens of incoming webhooks."""

    async def guess(number: int) -> None:
        digest = hashlib.sha256(str(number).encode()).hexdigest()
        expect_refused(await world.graphql(_VIEWER, token=f"baton_sk_{digest[:43]}"))
        reply = await world.call("POST", f"/hooks/baton_sk_{digest[:43]}/escalate", b"{}")
        expect(reply.status in {401, 404, 415, 429}, f"{reply.status}")

    for start in range(0, 500, 25):
        await asyncio.gather(*(guess(number) for number in range(start, start + 25)))


# Each hash of a password takes 64 MiB for a moment, outside the event loop.
@case(
    "sign-in: 300 wrong passwords",
    "guessing is refused soon, and a right password of another address is not kept waiting",
    # The member gets one mail on suspicious attempts, which is a delivery.
    Limits(memory_bytes=300 * 2**20, mails=2, deliveries=2),
    alone=True,
)
async def guess_passwords(world: World) -> None:
    """Guess from one address; sign in from another meanwhile."""

    async def guess(number: int) -> int:
        email = world.email if number % 2 else f"member{number}@example.com"
        reply = await world.graphql(_SIGN_IN, {"e": email, "p": f"guess {number}"})
        expect(b'"token"' not in reply.body or b'"signIn":null' in reply.body, "a guess was right")
        return reply.status

    async def guess_all() -> None:
        for start in range(0, _GUESSES, _CONCURRENT):
            await asyncio.gather(*(guess(number) for number in range(start, start + _CONCURRENT)))

    guessing = asyncio.create_task(guess_all())
    try:
        await asyncio.sleep(0.3)
        began = time.monotonic()
        # Without a member of that name, the other address must get its refusal in time, too.
        reply = await world.graphql(_SIGN_IN, {"e": "other@example.com", "p": "x y z"}, source=NEIGHBOUR)
        seconds = time.monotonic() - began
        expect_refused(reply)
        limit = world.patience(SIGN_IN_SECONDS)
        expect(seconds <= limit, f"another address waited {seconds:.1f} s, more than {limit:.1f}")
    finally:
        await guessing


@case("sign-in: a password of a megabyte", "a password that none can be is refused before it is hashed")
async def send_long_password(world: World) -> None:
    """Send passwords that are longer than any that can be set."""
    for password in ("x" * 900_000, "\u0000" * 1_000, "é" * 100_000):
        expect_refused(await world.graphql(_SIGN_IN, {"e": world.email, "p": password}, source=NEIGHBOUR))
