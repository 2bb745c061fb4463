"""The errors that callers are meant to see. Everything else is masked."""

import re
from enum import StrEnum


class ErrorCode(StrEnum):
    """The code of an error, for programs."""

    UNAUTHENTICATED = "UNAUTHENTICATED"
    FORBIDDEN = "FORBIDDEN"
    NOT_FOUND = "NOT_FOUND"
    BAD_USER_INPUT = "BAD_USER_INPUT"
    CONFLICT = "CONFLICT"
    IDEMPOTENCY_MISMATCH = "IDEMPOTENCY_MISMATCH"
    RESYNC_REQUIRED = "RESYNC_REQUIRED"
    RATE_LIMITED = "RATE_LIMITED"
    QUERY_TOO_COMPLEX = "QUERY_TOO_COMPLEX"
    QUERY_TOO_SLOW = "QUERY_TOO_SLOW"
    PERSISTED_QUERY_NOT_SUPPORTED = "PERSISTED_QUERY_NOT_SUPPORTED"
    UNAVAILABLE = "UNAVAILABLE"
    SECOND_FACTOR_REQUIRED = "SECOND_FACTOR_REQUIRED"
    INTERNAL = "INTERNAL"


# No fault of the caller's: the same request may succeed later.
FAILURES = frozenset({ErrorCode.INTERNAL, ErrorCode.UNAVAILABLE})


class BatonError(Exception):
    """An expected error; the message says what to do next."""

    code: ErrorCode
    field: str | None = None
    retry_after: int | None = None  # in seconds, when that is known


class UnauthenticatedError(BatonError):
    """No credential, or one that is no longer good."""

    code = ErrorCode.UNAUTHENTICATED

    def __init__(self, message: str = "Sign in, or present an API key or a widget token.") -> None:
        super().__init__(message)


class SecondFactorRequiredError(BatonError):
    """The password is right, and a code of the second factor is needed too."""

    code = ErrorCode.SECOND_FACTOR_REQUIRED

    def __init__(self) -> None:
        super().__init__("Sign in again with the code of your authenticator, or with a recovery code.")


class ForbiddenError(BatonError):
    """The caller may see it, and may not do this."""

    code = ErrorCode.FORBIDDEN


class NotFoundError(BatonError):
    """The row does not exist or is not visible to the caller; the error does not say which."""

    code = ErrorCode.NOT_FOUND

    def __init__(self, what: str) -> None:
        super().__init__(f"There is no such {what}.")


class BadInputError(BatonError):
    """An input is at fault. `field` is its path in the API's spelling, `message` what is wrong with it."""

    code = ErrorCode.BAD_USER_INPUT

    def __init__(self, field: str, message: str) -> None:
        self.field = camel(field)
        super().__init__(f"{self.field} {message}")


class ConflictError(BatonError):
    """The state of things does not allow it now."""

    code = ErrorCode.CONFLICT


class IdempotencyMismatchError(BatonError):
    """The key was used with another input."""

    code = ErrorCode.IDEMPOTENCY_MISMATCH

    def __init__(self) -> None:
        super().__init__("This idempotency key was used with another input; use a new key for a new request.")


class ResyncRequiredError(BatonError):
    """The cursor is no place in the log."""

    code = ErrorCode.RESYNC_REQUIRED

    def __init__(self) -> None:
        super().__init__(
            "This cursor is unknown or too old: query the current state and subscribe with the cursor it has."
        )


class RateLimitedError(BatonError):
    """Too often; it may be tried again after `retry_after` seconds, when that is known."""

    code = ErrorCode.RATE_LIMITED

    def __init__(self, message: str, retry_after: int | None = None) -> None:
        self.retry_after = retry_after
        super().__init__(message)


class TooComplexError(BatonError):
    """The operation asks for more than one request may cost."""

    code = ErrorCode.QUERY_TOO_COMPLEX


class QueryTooSlowError(BatonError):
    """The database took too long for a list, a search or a count. `advice` says how to ask for less."""

    code = ErrorCode.QUERY_TOO_SLOW

    def __init__(self, seconds: float, advice: str) -> None:
        super().__init__(f"This took longer than {seconds:g} s. {advice}")


class UnavailableError(BatonError):
    """Too much to do now; nothing has been executed. It may be tried again after `retry_after` seconds."""

    code = ErrorCode.UNAVAILABLE

    def __init__(self, message: str, retry_after: int) -> None:
        self.retry_after = retry_after
        super().__init__(message)


def camel(path: str) -> str:
    """`sla.target_response_minutes` as the API spells it: `sla.targetResponseMinutes`."""
    return re.sub(r"_([a-z])", lambda match: match[1].upper(), path)
