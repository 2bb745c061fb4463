"""Limits on how often something may be tried."""

import math
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog
from limits import RateLimitItem, RateLimitItemPerHour, RateLimitItemPerMinute, RateLimitItemPerSecond
from limits.aio.storage import MemoryStorage, RedisStorage
from limits.aio.strategies import MovingWindowRateLimiter
from limits.errors import StorageError

from resolvers.errors import RateLimitedError

_logger = structlog.get_logger(__name__)

SIGN_IN = RateLimitItemPerMinute(10)
# Many people may share one address.
SIGN_IN_FROM = RateLimitItemPerMinute(100)
TYPING = RateLimitItemPerSecond(5)
VIEWING = RateLimitItemPerSecond(20)

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


class RateLimiter:
    """Counts attempts.

    The count is in Redis if pub/sub uses Redis, so that all processes count together. Otherwise, and while
    Redis is unavailable, each process counts for itself.
    """

    def __init__(self, redis_url: str | None) -> None:
        self._own = MovingWindowRateLimiter(MemoryStorage())
        self._shared = self._own
        self._away_until = -math.inf
        if redis_url:
            storage = RedisStorage(
                f"async+{redis_url}",
                implementation="redispy",
                wrap_exceptions=True,
                socket_timeout=REDIS_SECONDS,
                socket_connect_timeout=REDIS_SECONDS,
            )
            self._shared = MovingWindowRateLimiter(storage)

    async def acquire(self, limit: RateLimitItem, *key: str) -> None:
        """Count one attempt; raises RateLimitedError if there were too many."""
        if seconds := await self.count(limit, *key):
            raise too_often(limit, seconds)

    async def try_acquire(self, limit: RateLimitItem, *key: str) -> bool:
        """Count one attempt and return whether it may proceed."""
        return await self.count(limit, *key) == 0

    async def count(self, limit: RateLimitItem, *key: str) -> int:
        """Count one attempt; return 0 if it may proceed, otherwise the seconds to wait."""
        return await self._ask(lambda limiter: _count(limiter, limit, key))

    async def require(self, limit: RateLimitItem, *key: str) -> None:
        """Raise RateLimitedError if there were too many attempts; counts nothing."""
        if seconds := await self._ask(lambda limiter: _seconds_to_wait(limiter, limit, key)):
            raise too_often(limit, seconds)

    async def reset(self, limit: RateLimitItem, *key: str) -> None:
        """Forget the counted attempts, as after a correct password."""
        try:
            if not self._is_away:
                await self._shared.clear(limit, *key)
        except StorageError as error:
            self._note_absence(error)
        await self._own.clear(limit, *key)

    async def _ask(self, question: Callable[[MovingWindowRateLimiter], Awaitable[int]]) -> int:
        try:
            if not self._is_away:
                return await question(self._shared)
        except StorageError as error:
            self._note_absence(error)
        return await question(self._own)

    @property
    def _is_away(self) -> bool:
        return time.monotonic() < self._away_until

    def _note_absence(self, error: StorageError) -> None:
        # Not every caller should wait for a Redis that does not answer.
        self._away_until = time.monotonic() + AWAY_SECONDS
        _logger.warning("rate_limits.redis_unavailable", error=repr(error.storage_error))


async def _count(limiter: MovingWindowRateLimiter, limit: RateLimitItem, key: tuple[str, ...]) -> int:
    if await limiter.hit(limit, *key):
        return 0
    return await _seconds_to_reset(limiter, limit, key)


async def _seconds_to_wait(
    limiter: MovingWindowRateLimiter, limit: RateLimitItem, key: tuple[str, ...]
) -> int:
    if await limiter.test(limit, *key):
        return 0
    return await _seconds_to_reset(limiter, limit, key)


async def _seconds_to_reset(
    limiter: MovingWindowRateLimiter, limit: RateLimitItem, key: tuple[str, ...]
) -> int:
    reset = (await limiter.get_window_stats(limit, *key)).reset_time
    return max(1, math.ceil(reset - time.time()))


def too_often(limit: RateLimitItem, seconds: int) -> RateLimitedError:
    """Return the error for an attempt that must wait `seconds`."""
    return RateLimitedError(f"Too many attempts: at most {limit}. Try again in {seconds} s.", seconds)
