import unicodedata
from email import message_from_string
from email.policy import default

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from rules.email_address import address_key, email_address_error, named_address, wire_address

LONG_HOST = "b." * 90 + "example"


@pytest.mark.parametrize(
    ("address", "wire"),
    [
        ("jane@example.com", "jane@example.com"),
        ("Jane.O'Hara+tag@mail.Example.co.uk", "Jane.O'Hara+tag@mail.example.co.uk"),
        ("a!#$%&'*/?=^_`{|}~-b@x-y.example", "a!#$%&'*/?=^_`{|}~-b@x-y.example"),
        ("1@2.example", "1@2.example"),
        ("jane@bücher.example", "jane@xn--bcher-kva.example"),
        ("jane@straße.example", "jane@xn--strae-oqa.example"),
        ("jane@例え.jp", "jane@xn--r8jz45g.jp"),
        ("jane@xn--bcher-kva.example", "jane@xn--bcher-kva.example"),
        (f"{'x' * 64}@bb{LONG_HOST}", f"{'x' * 64}@bb{LONG_HOST}"),
        ("admin@localhost", "admin@localhost"),
        ("ops@intranet", "ops@intranet"),
        ("ops@mail.local", "ops@mail.local"),
        ("jörg@example.com", "jörg@example.com"),
        ("jo\u0308rg@bu\u0308cher.example", "jörg@xn--bcher-kva.example"),
        ("राम@मोहन.ईन्फो", "राम@xn--l2bl7a9d.xn--o1b8dj2ki"),
        ("😀@example.com", "😀@example.com"),
    ],
)
def test_address_is_accepted_and_has_a_wire_form(address: str, wire: str) -> None:
    assert email_address_error(address) is None
    assert wire_address(address) == wire


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("", "is empty"),
        (" \t", "is empty"),
        ("a@b.example, c@d.example", "not one address"),
        ("a@b.example,c@d.example", "not one address"),
        ("a@b.example;c@d.example", "not one address"),
        ("a@b.example c@d.example", "not one address"),
        ("a@b@c.example", "not one address"),
        ("a@b.example,", "not one address"),
        ("Jane <jane@example.com>", "leave the name"),
        ("<jane@example.com>", "leave the name"),
        ("jane@example.com>", "leave the name"),
        ("jane@example.com\r\nBcc: all", "invisible character"),
        ("jane@example.com\n", "invisible character"),
        (" jane@example.com", "a space"),
        ("jane doe@example.com", "a space"),
        ("jane@exam\u00a0ple.com", "invisible character"),
        ("ja\0ne@example.com", "invisible character"),
        ("jane@exam\u200bple.com", "invisible character"),
        ("jane@example.com\u2028", "invisible character"),
        ("\u202ejane@example.com", "invisible character"),
        ("jane@\ud800.com", "invisible character"),
        ("jane", "has no @"),
        ("@", "something before"),
        ("@example.com", "something before"),
        ("jane@", "after the @-sign"),
        ('"jane doe"@example.com', "quotes"),
        ('"a@b"@example.com', "quotes"),
        ("jane(home)@example.com", "invalid characters before"),
        ("ja\\ne@example.com", "invalid characters before"),
        ("ja:ne@example.com", "invalid characters before"),
        ("[jane]@example.com", "invalid characters before"),
        (".jane@example.com", "period"),
        ("jane.@example.com", "period"),
        ("ja..ne@example.com", "period"),
        ("jane@.com", "after the @-sign"),
        ("jane@example.com.", "period"),
        ("jane@example..com", "period"),
        ("jane@-example.com", "after the @-sign"),
        ("jane@example-.com", "hyphen"),
        ("jane@exam_ple.com", "after the @-sign"),
        ("jane@exam/ple.com", "after the @-sign"),
        ("jane@exam?ple.com", "after the @-sign"),
        (f"jane@{'x' * 64}.com", "after the @-sign"),
        ("jane@[192.0.2.1]", "IP address"),
        ("jane@[IPv6:2001:db8::1]", "IP address"),
        ("jane@192.0.2.1", "IP address"),
        ("jane@☃.example", "after the @-sign"),
        ("jane@xn--zzzzz-.com", "hyphen"),
        ("jane@bü..example", "period"),
        (f"jane@{'ü' * 80}.example", "after the @-sign"),
        (f"{'x' * 65}@example.com", "too long before"),
        (f"{'x' * 64}@bb.{LONG_HOST}", "too long"),
        (f"{'x' * 60}@{'ü' * 44}.{'ü' * 44}.{'ü' * 44}.{'ü' * 44}.de", "too long"),
        ("=?utf-8?q?jane?=@example.com", "encoded word"),
    ],
)
def test_text_that_is_not_one_address_is_refused_with_the_reason(address: str, why: str) -> None:
    fault = email_address_error(address)
    assert fault is not None
    assert why in fault
    assert fault.isprintable()


def test_addresses_are_compared_composed_and_without_case() -> None:
    assert address_key("JO\u0308RG@Example.com") == address_key("jörg@example.com")
    assert address_key("jorg@example.com") != address_key("jörg@example.com")


@given(st.text(st.sampled_from("ab@.,;:<>\"'()[]\\ \r\n\t\0ü例Ⅷ。\u00ad\u202e=?-_%x"), max_size=12))
@example("a@b。c")
@example("a@ⅷ.b")
@example("=?utf-8?q?a?=@b.a")
def test_accepted_text_is_one_address_for_every_parser(text: str) -> None:
    if email_address_error(text):
        return
    wire = wire_address(text)
    local, _, domain = wire.partition("@")
    assert domain.isascii()
    assert wire.isprintable()
    assert wire.count("@") == 1
    assert email_address_error(wire) is None
    assert wire_address(wire) == wire
    [read] = message_from_string(f"To: {wire}\n\n", policy=default)["To"].addresses
    assert read.addr_spec == wire
    assert read.display_name == ""
    assert unicodedata.normalize("NFC", text).partition("@")[0] == local


@pytest.mark.parametrize(
    ("text", "name", "address"),
    [
        ("Baton <baton@example.com>", "Baton", "baton@example.com"),
        ("Baton<baton@example.com>", "Baton", "baton@example.com"),
        ('"Baton, Inc." <baton@example.com>', "Baton, Inc.", "baton@example.com"),
        ("Bätön 😀 <baton@bücher.example>", "Bätön 😀", "baton@bücher.example"),
        ("baton@example.com", "", "baton@example.com"),
        ("baton@localhost", "", "baton@localhost"),
    ],
)
def test_sender_has_a_name_and_an_address(text: str, name: str, address: str) -> None:
    assert named_address(text) == (name, address)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Baton",
        "Baton <>",
        "Baton <a@b.example, c@d.example>",
        "Baton <a@b.example> <c@d.example>",
        "a@b.example, c@d.example",
        "Baton\r\nBcc: x <baton@example.com>",
        "Ba\0ton <baton@example.com>",
        "Ba\u2028ton <baton@example.com>",
        f"{'B' * 101} <baton@example.com>",
        "Baton <baton@example.com> and more",
        "Bätön <bätön@example.com>",
    ],
)
def test_malformed_sender_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"^(has|holds|is) "):
        named_address(text)
