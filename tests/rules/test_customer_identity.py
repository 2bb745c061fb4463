"""Signed identities: which tokens prove one, and which do not."""

import hashlib
import hmac
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256

from rules.customer_identity import CustomerIdentity, InvalidIdentityError, read_identity
from tests.support.widget_pages import encoded, signed

AGENT = "agt_01h455vb4pex5vsknk084sn02q"
SECRET = "baton_is_" + "s" * 43
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
AT = int(NOW.timestamp())
HOUR, DAY = 3600, 24 * 3600
CLAIMS = {"sub": "customer-7", "aud": AGENT, "exp": AT + HOUR}


def read(token: str, *secrets: str) -> CustomerIdentity:
    return read_identity(token, secrets or (SECRET,), AGENT, NOW)


def test_signed_claims_are_the_identity() -> None:
    more = {"email": "jo@example.com", "name": "Jo", "iat": AT + 5, "nbf": AT, "role": "admin"}
    assert read(signed(CLAIMS | more, SECRET)) == CustomerIdentity("customer-7", "jo@example.com", "Jo")
    assert read(signed(CLAIMS | {"email": "", "name": None}, SECRET)) == CustomerIdentity("customer-7")


@pytest.mark.parametrize("audience", [AGENT, [AGENT], ["agt_other", AGENT]])
def test_audience_may_be_a_list(audience: object) -> None:
    assert read(signed(CLAIMS | {"aud": audience}, SECRET)).subject == "customer-7"


@pytest.mark.parametrize("seconds", [1, HOUR, DAY, DAY + 25])
def test_token_that_ends_within_a_day_is_valid(seconds: int) -> None:
    assert read(signed(CLAIMS | {"exp": AT + seconds}, SECRET)).subject == "customer-7"


def test_each_valid_secret_verifies() -> None:
    token = signed(CLAIMS, SECRET)
    assert read(token, "another secret of at least 32 letters", SECRET).subject == "customer-7"
    with pytest.raises(InvalidIdentityError, match="not signed with an identity secret"):
        read_identity(token, [], AGENT, NOW)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sub": None}, "lacks sub"),
        ({"aud": None}, "lacks aud"),
        ({"exp": None}, "lacks exp"),
        ({"sub": ""}, "invalid sub: it is empty"),
        ({"sub": " \u200b"}, "invalid sub: it is empty"),
        ({"sub": "x" * 201}, "invalid sub: it has 201 characters"),
        ({"sub": "a\0b"}, "invalid sub: it holds a NUL"),
        ({"sub": 7}, "string as sub"),
        ({"sub": ["customer-7"]}, "string as sub"),
        ({"aud": "agt_other"}, "another audience"),
        ({"aud": []}, "lacks aud"),
        ({"aud": ""}, "lacks aud"),
        ({"aud": AGENT.upper()}, "another audience"),
        ({"aud": f" {AGENT}"}, "another audience"),
        ({"aud": 7}, "another audience"),
        ({"aud": {AGENT: 1}}, "another audience"),
        ({"exp": AT}, "has expired"),
        ({"exp": AT - 1}, "has expired"),
        ({"exp": 0}, "has expired"),
        ({"exp": -1e300}, "has expired"),
        ({"exp": AT + DAY + 60}, "more than 24 hours"),
        ({"exp": 10**20}, "more than 24 hours"),
        ({"exp": 1e300}, "more than 24 hours"),
        ({"exp": float("inf")}, "malformed exp"),
        ({"exp": float("nan")}, "malformed exp"),
        ({"exp": str(AT + HOUR)}, "malformed exp"),
        ({"exp": True}, "malformed exp"),
        ({"exp": [AT + HOUR]}, "malformed exp"),
        ({"nbf": AT + HOUR}, "not valid yet"),
        ({"nbf": "now"}, "malformed nbf"),
        ({"email": "no address"}, "invalid email"),
        ({"email": "a@example.com, b@example.com"}, "invalid email"),
        ({"email": {"a": 1}}, "malformed email"),
        ({"name": "x" * 201}, "invalid name: it has 201"),
    ],
    ids=str,
)
def test_claims_that_prove_nothing_are_refused(change: dict[str, Any], message: str) -> None:
    claims = {name: value for name, value in (CLAIMS | change).items() if value is not None}
    with pytest.raises(InvalidIdentityError, match=message):
        read(signed(claims, SECRET))


def rs256(header: dict[str, Any]) -> str:
    """Return a token that is genuinely signed with a key of the attacker's own."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    body = ".".join(encoded(json.dumps(part).encode()) for part in (header, CLAIMS))
    return f"{body}.{encoded(key.sign(body.encode(), PKCS1v15(), SHA256()))}"


def unsigned(header: dict[str, Any], signature: str = "") -> str:
    body = ".".join(encoded(json.dumps(part).encode()) for part in (header, CLAIMS))
    return f"{body}.{signature}"


def deep(depth: int) -> str:
    return encoded(b'{"alg":"HS256","x":' + b"[" * depth + b"]" * depth + b"}")


GENUINE = signed(CLAIMS, SECRET)
HEAD, BODY, SIGNATURE = GENUINE.split(".")
FORGED = {
    "alg none": unsigned({"alg": "none"}),
    "alg None": unsigned({"alg": "None"}),
    "alg nOnE with a signature": unsigned({"alg": "nOnE"}, SIGNATURE),
    "no alg": signed(CLAIMS, SECRET, {"typ": "JWT"}),
    "alg of another type": signed(CLAIMS, SECRET, {"alg": ["HS256"]}),
    "HS384 with the secret": signed(CLAIMS, SECRET, {"alg": "HS384"}, hashlib.sha384),
    "HS512 with the secret": signed(CLAIMS, SECRET, {"alg": "HS512"}, hashlib.sha512),
    "hs256 in small letters": signed(CLAIMS, SECRET, {"alg": "hs256"}),
    "RS256 with the secret": signed(CLAIMS, SECRET, {"alg": "RS256"}),
    "RS256 with a key of its own": rs256({"alg": "RS256"}),
    "HS256 over an RSA signature": rs256({"alg": "HS256"}),
    "key in the header": signed(
        CLAIMS, "k" * 32, {"alg": "HS256", "jwk": {"kty": "oct", "k": encoded(b"k" * 32)}}
    ),
    "key id in the header": signed(CLAIMS, "k" * 32, {"alg": "HS256", "kid": "../../dev/null"}),
    "critical extension": signed(CLAIMS, SECRET, {"alg": "HS256", "crit": ["exp"]}),
    "unencoded payload": signed(CLAIMS, SECRET, {"alg": "HS256", "b64": False, "crit": ["b64"]}),
    "another secret": signed(CLAIMS, SECRET + "x"),
    "empty secret": signed(CLAIMS, ""),
    "the agent's id as secret": signed(CLAIMS, AGENT),
    "no signature": f"{HEAD}.{BODY}.",
    "two parts": f"{HEAD}.{BODY}",
    "short signature": GENUINE[:-4],
    "changed payload": f"{HEAD}.{encoded(json.dumps(CLAIMS | {'sub': 'admin'}).encode())}.{SIGNATURE}",
    "payload that is a list": signed([1], SECRET),
    "payload that is a text": signed("customer-7", SECRET),
    "payload that is no JSON": ".".join(
        [HEAD, "AAAA", encoded(hmac.digest(SECRET.encode(), f"{HEAD}.AAAA".encode(), "sha256"))]
    ),
    "encrypted token": f"{HEAD}.{BODY}.{SIGNATURE}.{BODY}.{SIGNATURE}",
    "JSON serialisation": json.dumps({"protected": HEAD, "payload": BODY, "signature": SIGNATURE}),
    "deep header": f"{deep(2_000)}.{BODY}.{SIGNATURE}",
    "huge number in the header": f"{encoded(b'{' + b'9' * 5_000)}.{BODY}.{SIGNATURE}",
    "long": "a" * 8_193,
    "empty": "",
    "dots": "..",
    "NUL": "\0",
    "not ASCII": "ä.ö.ü",
    "half of a surrogate pair": "\ud800.\ud800.\ud800",
    "line break": f"{GENUINE}\n.",
    "scheme": f"Bearer {GENUINE}",
}


@pytest.mark.parametrize("token", FORGED.values(), ids=FORGED)
def test_forged_token_is_refused(token: str) -> None:
    with pytest.raises(InvalidIdentityError) as refused:
        read(token)
    assert "customer-7" not in str(refused.value)


def test_every_changed_letter_of_the_signature_matters() -> None:
    # The last letter carries two bits that are no part of the signature.
    for place in range(len(SIGNATURE) - 1):
        other = "A" if SIGNATURE[place] != "A" else "B"
        with pytest.raises(InvalidIdentityError):
            read(f"{HEAD}.{BODY}.{SIGNATURE[:place]}{other}{SIGNATURE[place + 1 :]}")
