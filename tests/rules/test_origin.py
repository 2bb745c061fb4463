"""Origins of pages, and networks of addresses."""

import pytest

from rules.network_address import network_of
from rules.origin import is_listed, normalized

ALLOWED = ["https://shop.example", "http://localhost:3000", "http://[::1]:8080"]


@pytest.mark.parametrize(
    ("origin", "listed"),
    [
        ("https://shop.example", True),
        ("https://Shop.Example:443", True),
        ("HTTPS://shop.example", True),
        ("http://localhost:3000", True),
        ("http://[::1]:8080", True),
        ("http://shop.example", False),
        ("https://shop.example:444", False),
        ("https://shop.example.", False),
        ("https://a.shop.example", False),
        ("https://shop.example.evil.example", False),
        ("https://shop.example@evil.example", False),
        ("https://evil.example#https://shop.example", False),
        ("wss://shop.example", False),
        ("https://shop.example:0443x", False),
        ("http://localhost:3000 http://localhost:3000", False),
        ("http://127.0.0.1:3000", False),
        ("null", False),
        ("", False),
        ("https://", False),
        ("://shop.example", False),
        ("https://[", False),
        ("https://shop.example\x00", False),
        ("https://ｓhop.example", False),
    ],
)
def test_origin_is_listed_if_scheme_host_and_port_are_equal(origin: str, listed: bool) -> None:
    assert is_listed(origin, ALLOWED) is listed


def test_equal_origins_have_one_normal_form() -> None:
    forms = {normalized(origin) for origin in ("https://shop.example", "HTTPS://Shop.example:443")}
    assert forms == {"https://shop.example:443"}
    assert normalized("http://shop.example") not in forms
    assert normalized("null") == "null"


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", ""),
        ("not:an:address", "not:an:address"),
    ],
)
def test_address_counts_by_its_network(address: str, network: str) -> None:
    assert network_of(address) == network
