"""Limits on how often something may be tried."""

import math
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

import structlog
from limits import RateLimitItem, RateLimitItemPerHour, RateLimitItemPerMinute, RateLimitItemPerSecond
from limits.aio.storage import RedisStorage
from limits.aio.strategies import SlidingWindowCounterRateLimiter
from limits.errors import StorageError

from resolvers.errors import RateLimitedError
from resolvers.window_counter import WindowCounter

R = TypeVar("R")

_logger = structlog.get_logger(__name__)

SIGN_IN = RateLimitItemPerMinute(10)
# Many people may share one address.
SIGN_IN_FROM = RateLimitItemPerMinute(100)
TYPING = RateLimitItemPerSecond(5)
VIEWING = RateLimitItemPerSecond(20)
# Entries of the audit log on refused calls of one caller: of one kind, and all.
REFUSALS_OF_KIND = RateLimitItemPerMinute(1, 10)
REFUSALS = RateLimitItemPerMinute(20, 10)

REDIS_SECONDS = 1.0
AWAY_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class StartLimits:
    """Conversations that visitors may start in an hour: from one network address, and from one origin."""

    per_address: int = 10
    per_origin: int = 300

    def of_address(self) -> RateLimitItem:
        """Return the limit of one address."""
        return RateLimitItemPerHour(self.per_address)

    def of_origin(self) -> RateLimitItem:
        """Return the limit of one origin."""
        return RateLimitItemPerHour(self.per_origin)


@dataclass(frozen=True, slots=True)
class MutationLimits:
    """Mutations that may be called in a minute; escalations of a widget, in an hour.

    A widget is all tokens of one conversation. `per_address` holds for widgets only.
    """

    messages_per_widget: int = 20
    escalations_per_widget: int = 10
    per_widget: int = 120
    per_key: int = 30_000
    per_member: int = 1_200
    per_conversation: int = 3_000
    per_address: int = 1_200
    per_workspace: int = 60_000


class RateLimiter:
    """Counts attempts.

    The count is in Redis if pub/sub uses Redis, so that all processes count together. Otherwise, and while
    Redis is unavailable, each process counts for itself. `own` is the count of this process.
    """

    def __init__(self, redis_url: str | None) -> None:
        self.own = WindowCounter()
        self._shared: SlidingWindowCounterRateLimiter | None = None
        self._away_until = -math.inf
        if redis_url:
            storage = RedisStorage(
                f"async+{redis_url}",
                implementation="redispy",
                wrap_exceptions=True,
                socket_timeout=REDIS_SECONDS,
                socket_connect_timeout=REDIS_SECONDS,
            )
            self._shared = SlidingWindowCounterRateLimiter(storage)

    async def acquire(self, limit: RateLimitItem, *key: str) -> None:
        """Count one attempt; raises RateLimitedError if there were too many."""
        if seconds := await self.count(limit, *key):
            raise too_often(limit, seconds)

    async def try_acquire(self, limit: RateLimitItem, *key: str) -> bool:
        """Count one attempt and return whether it may proceed."""
        return await self.count(limit, *key) == 0

    async def count(self, limit: RateLimitItem, *key: str) -> int:
        """Count one attempt; return 0 if it may proceed, otherwise the seconds to wait."""
        counted = await self._ask(lambda shared: _count(shared, limit, key))
        return math.ceil(self.own.hit(limit, key)) if counted is None else counted

    async def require(self, limit: RateLimitItem, *key: str) -> None:
        """Raise RateLimitedError if there were too many attempts; counts nothing."""
        seconds = await self._ask(lambda shared: _seconds_to_wait(shared, limit, key))
        if seconds is None:
            seconds = math.ceil(self.own.seconds_to_wait(limit, key))
        if seconds:
            raise too_often(limit, seconds)

    async def remaining(self, limit: RateLimitItem, *key: str) -> int:
        """Return how many attempts may still proceed now."""
        remaining = await self._ask(lambda shared: _remaining(shared, limit, key))
        return self.own.remaining(limit, key) if remaining is None else remaining

    async def reset(self, limit: RateLimitItem, *key: str) -> None:
        """Forget the counted attempts, as after a correct password."""
        await self._ask(lambda shared: shared.clear(limit, *key))
        self.own.clear(limit, key)

    async def _ask(self, question: Callable[[SlidingWindowCounterRateLimiter], Awaitable[R]]) -> R | None:
        """Return the answer of Redis, or None while this process counts for itself."""
        if self._shared is None or time.monotonic() < self._away_until:
            return None
        try:
            return await question(self._shared)
        # uvloop raises RuntimeError for a connection that was reset while its caller waited.
        except (StorageError, RuntimeError) as error:
            # Not every caller should wait for a Redis that does not answer.
            self._away_until = time.monotonic() + AWAY_SECONDS
            cause = error.storage_error if isinstance(error, StorageError) else error
            _logger.warning("rate_limits.redis_unavailable", error=repr(cause))
            return None


async def _count(limiter: SlidingWindowCounterRateLimiter, limit: RateLimitItem, key: tuple[str, ...]) -> int:
    if await limiter.hit(limit, *key):
        return 0
    return await _seconds_to_reset(limiter, limit, key)


async def _seconds_to_wait(
    limiter: SlidingWindowCounterRateLimiter, limit: RateLimitItem, key: tuple[str, ...]
) -> int:
    if await limiter.test(limit, *key):
        return 0
    return await _seconds_to_reset(limiter, limit, key)


async def _seconds_to_reset(
    limiter: SlidingWindowCounterRateLimiter, limit: RateLimitItem, key: tuple[str, ...]
) -> int:
    reset = (await limiter.get_window_stats(limit, *key)).reset_time
    return max(1, math.ceil(reset - time.time()))


async def _remaining(
    limiter: SlidingWindowCounterRateLimiter, limit: RateLimitItem, key: tuple[str, ...]
) -> int:
    return (await limiter.get_window_stats(limit, *key)).remaining


def too_often(limit: RateLimitItem, seconds: int) -> RateLimitedError:
    """Return the error for an attempt that must wait `seconds`."""
    return RateLimitedError(f"Too many attempts: at most {limit}. Try again in {seconds} s.", seconds)
