"""The settings: environment variables that begin with BATON_."""

import os
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Self
from urllib.parse import urlsplit
from uuid import UUID

import structlog
from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationError, model_validator
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, SettingsConfigDict

from notifications.email.smtp import Smtp
from realtime.pubsub import SCHEMES as BROADCAST_SCHEMES
from rules.network_address import is_confidential
from rules.typeid import WORKSPACE, MalformedIdError, parse_id
from schema.trusted_documents import check_setting
from server.secret_key import check_secret_key, kept_secret_key

_PREFIX = "BATON_"
_POSTGRES = ("postgresql", "postgres")
_LOG_LEVELS = ("debug", "info", "warning", "error")
WITHOUT_ISSUER = "Set BATON_OIDC_ISSUER too, or remove the variable."
_EMPTY = "is empty; leave the variable out for the default"
# Faults by their type, in the terms of someone who sets a variable. The limits are filled in.
_IN_WORDS = {
    "bool_parsing": "must be true or false",
    "int_parsing": "must be a whole number",
    "float_parsing": "must be a number",
    "greater_than": "must be more than {gt:.9g}",
    "greater_than_equal": "must be at least {ge:.9g}",
    "less_than_equal": "must be at most {le:.9g}",
    "string_too_short": _EMPTY,
    "string_too_long": "has more than {max_length} characters",
}

_logger = structlog.get_logger(__name__)


class SettingsError(Exception):
    """An environment variable has an invalid value; the message names it and says what it takes."""


def _url_of(*schemes: str) -> AfterValidator:
    def check(url: str) -> str:
        if urlsplit(url).scheme not in schemes:
            raise ValueError(f"must begin with {' or '.join(f'{scheme}://' for scheme in schemes)}")
        return url

    return AfterValidator(check)


def _public_url(url: str) -> str:
    parts = urlsplit(url)
    if not parts.hostname or parts.port == 0 or parts.query or parts.fragment or "@" in parts.netloc:
        raise ValueError("takes a scheme, a host and perhaps a path, such as https://support.example.com")
    return url


def _filled(text: object) -> object:
    """Return the text unless it is empty: the empty host is every address, the empty path this folder."""
    if text == "":
        raise ValueError(_EMPTY)
    return text


def _log_level(level: str) -> str:
    if level not in _LOG_LEVELS:
        raise ValueError(f"must be one of {', '.join(_LOG_LEVELS)}")
    return level


def _host_names(text: str) -> str:
    for name in _split_names(text):
        if any(sign in name for sign in "/@*? \t") or name.count(":") == 1:
            raise ValueError("takes host names without scheme and port, separated by commas")
    return text


def _split_names(text: str) -> list[str]:
    return [name.strip("[]") for part in text.split(",") if (name := part.strip().lower())]


def _domains(text: str) -> str:
    if any(name != "*" and any(sign in name for sign in "/@*:? \t") for name in _split_names(text)):
        raise ValueError("takes domains such as example.com, separated by commas, or * for all")
    return text


def _contact(url: str) -> str:
    if not url.startswith(("https://", "mailto:")) or any(sign.isspace() for sign in url):
        raise ValueError("must begin with https:// or mailto: and have no spaces")
    return url


def _issuer(url: str) -> str:
    if not is_confidential(url) or urlsplit(url).query or urlsplit(url).fragment:
        raise ValueError("must begin with https://, or http:// on this machine, and have no query")
    return url


def _domain_names(text: str) -> str:
    if any(not name.isascii() or any(sign in name for sign in "/@*:? \t") for name in _split_names(text)):
        raise ValueError("takes domains such as example.com, separated by commas, those of IDNs as xn--…")
    return text


def _client_id(text: str) -> str:
    if not 1 <= len(text) <= 500 or not all("!" <= sign <= "~" for sign in text):
        raise ValueError("must be up to 500 printable ASCII characters without spaces")
    return text


def _plain_secret(secret: SecretStr) -> SecretStr:
    if not secret.get_secret_value().isascii() or not secret.get_secret_value().isprintable():
        raise ValueError("must be printable ASCII characters")
    return secret


def _workspace_id(text: object) -> object:
    try:
        return parse_id(WORKSPACE, text) if isinstance(text, str) else text
    except MalformedIdError as error:
        raise ValueError(f"takes the id of a workspace, ws_…: {error}") from None


def _smtp(url: str) -> str:
    Smtp.of(url)
    return url


class Settings(BaseSettings):
    """The settings of a process. Each has a default: Baton then runs its own PostgreSQL in `data_dir`.

    `migration_url` is the database as the role that owns the tables, if that is not the service's role.
    Migrations run as this role, and grant the role of `database_url` what it needs.
    """

    model_config = SettingsConfigDict(env_prefix=_PREFIX, extra="ignore", frozen=True)

    database_url: Annotated[str, _url_of(*_POSTGRES)] | None = None
    migration_url: Annotated[str, _url_of(*_POSTGRES)] | None = None
    row_level_security: bool = False
    broadcast_url: Annotated[str, _url_of(*BROADCAST_SCHEMES)] | None = None
    public_url: Annotated[str, _url_of("http", "https"), AfterValidator(_public_url)] | None = None
    hosts: Annotated[str, AfterValidator(_host_names)] = ""
    security_contact: Annotated[str, AfterValidator(_contact)] | None = None
    smtp_url: Annotated[str, AfterValidator(_smtp)] | None = None
    confirmed_domains: Annotated[str, AfterValidator(_domains)] = ""
    storm_notices: int = Field(10, ge=1, le=10_000)
    storm_minutes: float = Field(5, gt=0, le=60)
    mails_per_recipient: int = Field(60, ge=1, le=1_000_000)
    mails_per_workspace: int = Field(1_000, ge=1, le=1_000_000)
    slack_api_url: Annotated[str, _url_of("http", "https")] = "https://slack.com/api/"
    webhook_allow_private: bool = False
    secret_key: Annotated[str, AfterValidator(check_secret_key)] | None = None
    data_dir: Annotated[Path, BeforeValidator(_filled)] = Path(".baton")
    host: Annotated[str, BeforeValidator(_filled)] = "127.0.0.1"
    port: int = Field(8000, ge=0, le=65535)
    worker_host: Annotated[str, BeforeValidator(_filled)] = "127.0.0.1"
    worker_port: int = Field(8900, ge=0, le=65535)
    connections_per_address: int = Field(100, ge=1)
    concurrent_requests: int = Field(16, ge=4, le=10_000)
    waiting_requests: int = Field(1_000, ge=1, le=100_000)
    requests_per_conversation: int = Field(4, ge=1, le=1_000)
    starts_per_address: int = Field(10, ge=1, le=1_000_000)
    starts_per_origin: int = Field(300, ge=1, le=1_000_000)
    messages_per_widget: int = Field(20, ge=1, le=1_000_000)
    escalations_per_widget: int = Field(10, ge=1, le=1_000_000)
    writes_per_widget: int = Field(120, ge=1, le=1_000_000)
    writes_per_key: int = Field(30_000, ge=1, le=10_000_000)
    writes_per_member: int = Field(1_200, ge=1, le=10_000_000)
    writes_per_conversation: int = Field(3_000, ge=1, le=10_000_000)
    writes_per_address: int = Field(1_200, ge=1, le=10_000_000)
    writes_per_workspace: int = Field(60_000, ge=1, le=10_000_000)
    oidc_issuer: Annotated[str, AfterValidator(_issuer)] | None = None
    oidc_client_id: Annotated[str, AfterValidator(_client_id)] | None = None
    oidc_client_secret: Annotated[SecretStr, AfterValidator(_plain_secret)] | None = None
    oidc_name: str = Field("single sign-on", min_length=1, max_length=60)
    oidc_domains: Annotated[str, AfterValidator(_domain_names)] = ""
    oidc_new_members_in: Annotated[UUID, BeforeValidator(_workspace_id)] | None = None
    password_sign_in: bool = True
    graphiql: bool = False
    list_connections: int = Field(8, ge=1, le=1_000)
    list_seconds: float = Field(3, ge=0.1, le=20)
    session_idle_hours: float = Field(12, gt=0, le=720)
    widget_documents: Annotated[str, AfterValidator(check_setting)] | None = None
    web_dir: Annotated[Path, BeforeValidator(_filled)] = Path(__file__).parent / "static"
    log_level: Annotated[str, AfterValidator(_log_level)] = "info"

    @model_validator(mode="after")
    def _check_combination(self) -> Self:
        if faults := list(self._faults()):
            raise ValueError("\n".join(faults))
        return self

    def _faults(self) -> Iterator[str]:
        if self.migration_url and not self.database_url:
            yield (
                "BATON_MIGRATION_URL: BATON_DATABASE_URL is missing. Without it the embedded database would "
                "be served. Set BATON_DATABASE_URL to the same database as the service's role."
            )
        if self.oidc_issuer:
            yield from self._oidc_faults()
        elif not self.password_sign_in:
            yield "BATON_PASSWORD_SIGN_IN: false needs BATON_OIDC_ISSUER, or no member could sign in."

    def _oidc_faults(self) -> Iterator[str]:
        if not (self.oidc_client_id and self.oidc_client_secret):
            yield "BATON_OIDC_ISSUER: set BATON_OIDC_CLIENT_ID and BATON_OIDC_CLIENT_SECRET too."
        if not self.public_url:
            yield "BATON_OIDC_ISSUER: set BATON_PUBLIC_URL too: the provider returns people to that address."
        if self.oidc_new_members_in and not self.oidc_domains:
            yield "BATON_OIDC_NEW_MEMBERS_IN: set BATON_OIDC_DOMAINS too, or every account could join."
        if find_spec("authlib") is None:
            yield "BATON_OIDC_ISSUER: install the extra first: pip install 'baton[oidc]'."

    @property
    def oidc_domain_names(self) -> list[str]:
        """The domains of emails that may sign in by the OpenID provider, in lower case."""
        return _split_names(self.oidc_domains)

    @property
    def host_names(self) -> list[str]:
        """The further host names under which the service may be called, in lower case."""
        return _split_names(self.hosts)

    @property
    def confirmed_domain_names(self) -> frozenset[str]:
        """The domains whose addresses need no confirmation, in lower case."""
        return frozenset(_split_names(self.confirmed_domains))

    @property
    def url(self) -> str:
        """The URL under which people reach the service."""
        return (self.public_url or f"http://{self.host}:{self.port}").rstrip("/")


def read_settings() -> Settings:
    """Read the environment; logs variables without effect, and raises SettingsError for invalid ones."""
    for name in unknown_variables(os.environ):
        _logger.warning("settings.unknown", variable=name, hint="It has no effect; is it misspelt?")
    for name in idle_variables(os.environ):
        _logger.warning("settings.no_effect", variable=name, hint=WITHOUT_ISSUER)
    try:
        return Settings()
    except ValidationError as error:
        faults = error.errors(include_url=False, include_input=False)
        raise SettingsError("\n".join(map(_in_words, faults))) from error


def _in_words(fault: ErrorDetails) -> str:
    variable = _PREFIX + "".join(str(part).upper() for part in fault["loc"][:1])
    if os.environ.get(variable) == "":
        return f"{variable}: {_EMPTY}"
    if words := _IN_WORDS.get(fault["type"]):
        return f"{variable}: {words.format(**fault.get('ctx', {}))}"
    message = fault["msg"].removeprefix("Value error, ")
    return f"{variable}: {message}" if fault["loc"] else message


def unknown_variables(environment: Mapping[str, str]) -> list[str]:
    """Return the names that begin with BATON_ and are no settings."""
    names = {_PREFIX + name.upper() for name in Settings.model_fields}
    return sorted(name for name in environment if name.startswith(_PREFIX) and name not in names)


def idle_variables(environment: Mapping[str, str]) -> list[str]:
    """Return the variables of the OpenID provider, if the one that names it is missing."""
    oidc = f"{_PREFIX}OIDC_"
    if f"{oidc}ISSUER" in environment:
        return []
    return sorted(name for name in environment if name.startswith(oidc))


def secret_key_of(settings: Settings) -> str:
    """Return the secret key: the one that is set, else the one of the data folder.

    Raises SecretKeyError when the data folder has an unusable one, or cannot keep one.
    """
    if settings.secret_key:
        return settings.secret_key
    if settings.database_url:
        _logger.warning(
            "settings.secret_key_missing",
            hint="Set BATON_SECRET_KEY to the same value on every machine. With different keys, "
            "a widget token is valid on one machine only.",
        )
    return kept_secret_key(settings.data_dir)


def with_secret_key(settings: Settings) -> Settings:
    """Return the settings with the secret key filled in, before anything is started."""
    return settings.model_copy(update={"secret_key": secret_key_of(settings)})
