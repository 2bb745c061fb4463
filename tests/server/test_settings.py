"""Settings that stop the start, in the words of someone who sets a variable."""

import pytest

from server.settings import SettingsError, read_settings


@pytest.mark.parametrize("name", ["HOST", "WORKER_HOST", "DATA_DIR", "WEB_DIR"])
def test_empty_variable_is_neither_every_address_nor_this_folder(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(f"BATON_{name}", "")
    with pytest.raises(SettingsError, match=f"BATON_{name}: is empty; leave the variable out"):
        read_settings()


@pytest.mark.parametrize(
    "url",
    ["http://", "https://:8000", "https://a.example?b=c", "https://a.example/#b", "https://me@a.example"],
)
def test_public_url_that_makes_no_links_is_refused(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("BATON_PUBLIC_URL", url)
    with pytest.raises(SettingsError, match="BATON_PUBLIC_URL: takes a scheme, a host and perhaps a path"):
        read_settings()


@pytest.mark.parametrize("url", ["http://localhost:8000", "https://a.example/support/", "https://[::1]"])
def test_public_url_of_a_host_and_a_path_is_taken(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("BATON_PUBLIC_URL", url)
    assert read_settings().public_url == url


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("LOG_LEVEL", "INFO", "must be one of debug, info, warning, error"),
        ("GRAPHIQL", "maybe", "must be true or false"),
        ("PORT", "80.5", "must be a whole number"),
        ("PORT", "70000", "must be at most 65535"),
        ("CONCURRENT_REQUESTS", "3", "must be at least 4"),
        ("STARTS_PER_ORIGIN", "2000000", "must be at most 1000000"),
        ("LIST_SECONDS", "0", "must be at least 0.1"),
        ("STORM_MINUTES", "0", "must be more than 0"),
        ("STORM_MINUTES", "soon", "must be a number"),
        ("OIDC_NAME", "", "is empty; leave the variable out for the default"),
        ("OIDC_NAME", "x" * 61, "has more than 60 characters"),
        ("DATABASE_URL", "", "is empty; leave the variable out for the default"),
        ("PORT", "", "is empty; leave the variable out for the default"),
        (
            "CONFIRMED_DOMAINS",
            "https://a.example",
            "takes domains such as example.com, separated by commas, or * for all",
        ),
        ("OIDC_CLIENT_ID", "a b", "must be up to 500 printable ASCII characters without spaces"),
    ],
)
def test_wrong_value_is_refused_in_words(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, message: str
) -> None:
    monkeypatch.setenv(f"BATON_{name}", value)
    with pytest.raises(SettingsError) as refused:
        read_settings()
    assert str(refused.value) == f"BATON_{name}: {message}"


def test_settings_that_need_each_other_are_refused_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BATON_MIGRATION_URL", "postgresql://owner@db.example/baton")
    monkeypatch.setenv("BATON_OIDC_ISSUER", "https://provider.example")
    with pytest.raises(SettingsError) as refused:
        read_settings()
    database, client, address = str(refused.value).splitlines()
    assert database.startswith("BATON_MIGRATION_URL: BATON_DATABASE_URL is missing.")
    assert client == "BATON_OIDC_ISSUER: set BATON_OIDC_CLIENT_ID and BATON_OIDC_CLIENT_SECRET too."
    assert address.startswith("BATON_OIDC_ISSUER: set BATON_PUBLIC_URL too")
