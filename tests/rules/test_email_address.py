import unicodedata
from email import message_from_string
from email.policy import default

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from rules.email_address import ascii_address, email_address_error, named_address

LONG_HOST = "b." * 90 + "example"


@pytest.mark.parametrize(
    ("address", "wire"),
    [
        ("jane@example.com", "jane@example.com"),
        ("Jane.O'Hara+tag@mail.Example.co.uk", "Jane.O'Hara+tag@mail.Example.co.uk"),
        ("a!#$%&'*/?=^_`{|}~-b@x-y.example", "a!#$%&'*/?=^_`{|}~-b@x-y.example"),
        ("1@2.example", "1@2.example"),
        ("jane@bücher.example", "jane@xn--bcher-kva.example"),
        ("jane@straße.example", "jane@xn--strae-oqa.example"),
        ("jane@例え.jp", "jane@xn--r8jz45g.jp"),
        ("jane@xn--bcher-kva.example", "jane@xn--bcher-kva.example"),
        (f"{'x' * 64}@bb{LONG_HOST}", f"{'x' * 64}@bb{LONG_HOST}"),
    ],
)
def test_one_deliverable_address_is_taken(address: str, wire: str) -> None:
    assert email_address_error(address) is None
    assert ascii_address(address) == wire


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
        ("@", "nothing before"),
        ("@example.com", "nothing before"),
        ("jane@", "no domain"),
        ('"jane doe"@example.com', "quotes"),
        ('"a@b"@example.com', "quotes"),
        ("jane(home)@example.com", "a character before"),
        ("ja\\ne@example.com", "a character before"),
        ("ja:ne@example.com", "a character before"),
        ("[jane]@example.com", "a character before"),
        (".jane@example.com", "a dot too many"),
        ("jane.@example.com", "a dot too many"),
        ("ja..ne@example.com", "a dot too many"),
        ("jörg@example.com", "outside ASCII"),
        ("j\u0430ne@example.com", "outside ASCII"),
        ("jane@localhost", "without a dot"),
        ("jane@.com", "no domain"),
        ("jane@example.com.", "no domain"),
        ("jane@example..com", "no domain"),
        ("jane@-example.com", "no domain"),
        ("jane@example-.com", "no domain"),
        ("jane@exam_ple.com", "no domain"),
        ("jane@exam/ple.com", "no domain"),
        ("jane@exam?ple.com", "no domain"),
        (f"jane@{'x' * 64}.com", "no domain"),
        ("jane@[192.0.2.1]", "IP address"),
        ("jane@[IPv6:2001:db8::1]", "IP address"),
        ("jane@192.0.2.1", "IP address"),
        ("jane@☃.example", "alphabet"),
        ("jane@xn--zzzzz-.com", "alphabet"),
        ("jane@bü..example", "alphabet"),
        (f"jane@{'ü' * 80}.example", "alphabet"),
        (f"{'x' * 65}@example.com", "more than 64"),
        (f"{'x' * 64}@bb.{LONG_HOST}", "too long"),
        (f"{'x' * 60}@{'ü' * 44}.{'ü' * 44}.{'ü' * 44}.{'ü' * 44}.de", "too long"),
        ("=?utf-8?q?jane?=@example.com", "a character before"),
    ],
)
def test_anything_else_is_refused_in_words(address: str, why: str) -> None:
    fault = email_address_error(address)
    assert fault is not None
    assert why in fault
    assert fault.isprintable()


def test_a_domain_without_a_dot_passes_where_it_may() -> None:
    assert email_address_error("baton@localhost", dotless=True) is None
    assert email_address_error("baton@local_host", dotless=True)


@given(st.text(st.sampled_from("ab@.,;:<>\"'()[]\\ \r\n\t\0ü例Ⅷ。\u00ad\u202e=?-_%x"), max_size=12))
@example("a@b。c")
@example("a@ⅷ.b")
@example("=?utf-8?q?a?=@b.a")
def test_what_is_taken_is_one_address_for_every_reader(text: str) -> None:
    if email_address_error(text):
        return
    wire = ascii_address(text)
    assert wire.isascii()
    assert wire.isprintable()
    assert wire.count("@") == 1
    assert email_address_error(wire) is None
    [read] = message_from_string(f"To: {wire}\n\n", policy=default)["To"].addresses
    assert read.addr_spec == wire
    assert read.display_name == ""
    assert unicodedata.normalize("NFKC", text).partition("@")[0] == wire.partition("@")[0]


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
def test_a_sender_has_a_name_and_an_address(text: str, name: str, address: str) -> None:
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
    ],
)
def test_a_sender_that_is_not_one_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"^(has|holds|is) "):
        named_address(text)
