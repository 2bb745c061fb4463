"""The address of the mail server, `BATON_SMTP_URL`."""

import pytest

from notifications.email.smtp import Smtp

FROM = "from=Baton%20%3Cbaton@example.com%3E"
USER, PASSWORD = "mail+user@example.com", "s3cret:/?#@ pässword"
LOGIN = "mail%2Buser%40example.com:s3cret%3A%2F%3F%23%40%20p%C3%A4ssword"


@pytest.mark.parametrize(
    ("url", "host", "port", "tls", "starttls", "user", "password"),
    [
        ("smtp://mail.example.com", "mail.example.com", 25, False, "auto", None, None),
        ("SMTP://Mail.Example.com/", "mail.example.com", 25, False, "auto", None, None),
        ("smtp://mail_server:1025?starttls=never", "mail_server", 1025, False, "never", None, None),
        ("smtp://u:p@mail.example.com", "mail.example.com", 587, False, "auto", "u", "p"),
        ("smtp://u:p@mail.example.com:25?starttls=always", "mail.example.com", 25, False, "always", "u", "p"),
        ("smtps://u:p@mail.example.com", "mail.example.com", 465, True, "auto", "u", "p"),
        ("smtps://[2001:db8::1]:4650", "2001:db8::1", 4650, True, "auto", None, None),
        (f"smtp://{LOGIN}@localhost", "localhost", 587, False, "auto", USER, PASSWORD),
        ("smtp://u:a+b:c@localhost", "localhost", 587, False, "auto", "u", "a+b:c"),
    ],
)
def test_mail_server_address_is_parsed(
    url: str, host: str, port: int, tls: bool, starttls: str, user: str | None, password: str | None
) -> None:
    smtp = Smtp.of(url)
    assert (smtp.host, smtp.port, smtp.tls, smtp.starttls) == (host, port, tls, starttls)
    assert (smtp.user, smtp.password) == (user, password)
    assert "password" not in repr(smtp)
    assert repr(password) not in repr(smtp) or password is None


@pytest.mark.parametrize(
    ("url", "machine", "sender"),
    [
        (f"smtp://localhost?{FROM}", "ignored.example", "Baton <baton@example.com>"),
        ("smtp://localhost?from=alerts+baton@example.com", None, "alerts+baton@example.com"),
        ("smtp://localhost?starttls=never&from=B%C3%A4%20%3Ca@localhost%3E", None, "Bä <a@localhost>"),
        ("smtp://alerts%40example.com:p@smtp.example.net", "baton.example", "Baton <alerts@example.com>"),
        ("smtp://apikey:p@smtp.example.net", "baton.example", "Baton <baton@baton.example>"),
        ("smtp://localhost", "baton.example", "Baton <baton@baton.example>"),
        ("smtp://localhost", "no_host name", "Baton <baton@localhost>"),
        ("smtp://localhost", "127.0.0.1", "Baton <baton@localhost>"),
    ],
)
def test_sender_is_the_setting_or_the_account_or_the_machine(
    url: str, machine: str | None, sender: str
) -> None:
    assert Smtp.of(url, machine=machine).sender == sender


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("", "must begin with smtp:// or smtps://"),
        ("mail.example.com", "must begin with"),
        ("https://u:hunter2@mail.example.com", "must begin with"),
        ("smtp:mail.example.com", "odd host or port"),
        ("smtp://", "odd host or port"),
        ("smtp://u:hunter2@", "odd host or port"),
        ("smtp://mail example.com", "a space"),
        ("smtp://mail.example.com\n", "a space or a character"),
        ("smtp://bücher.example", "outside ASCII"),
        ("smtp://ma!l.example.com", "odd host or port"),
        ("smtp://mail.example.com:0", "odd host or port"),
        ("smtp://mail.example.com:65536", "odd host or port"),
        ("smtp://mail.example.com:smtp", "odd host or port"),
        ("smtp://[2001:db8::1", "odd host or port"),
        ("smtp://u:hunter2/x@mail.example.com", "odd host or port"),
        ("smtp://u:hunter2?x@mail.example.com", "odd host or port"),
        ("smtp://mail.example.com/path", "a / or #"),
        ("smtp://mail.example.com#hunter2", "a / or #"),
        ("smtp://u@mail.example.com", "both user and password"),
        ("smtp://:hunter2@mail.example.com", "both user and password"),
        ("smtp://u:hunter%2@mail.example.com", "write it as %25"),
        ("smtp://u:hunter2%FF@mail.example.com", "not UTF-8"),
        ("smtp://u:hunter2%00@mail.example.com", "control character"),
        ("smtp://mail.example.com?starttls=maybe", "auto, always or never"),
        ("smtps://mail.example.com?starttls=always", "encrypted from the start"),
        ("smtp://mail.example.com?starttls=auto&starttls=never", "unknown or repeated"),
        ("smtp://mail.example.com?password=hunter2", "unknown or repeated"),
        ("smtp://mail.example.com?from=", "unknown or repeated"),
        ("smtp://mail.example.com?from=Baton", "a sender (?from=) that has no @"),
        ("smtp://mail.example.com?from=a@b.example,c@d.example", "that is not one address"),
    ],
)
def test_invalid_server_address_is_refused_without_its_password(url: str, why: str) -> None:
    with pytest.raises(ValueError, match=r"^(has|holds|must) ") as refused:
        Smtp.of(url)
    assert why in str(refused.value)
    assert "hunter" not in str(refused.value)
    assert refused.value.__suppress_context__ or refused.value.__context__ is None
