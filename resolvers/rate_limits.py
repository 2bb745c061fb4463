"""How often something may be tried."""

import math
import time

import structlog
from limits import RateLimitItem, RateLimitItemPerMinute, RateLimitItemPerSecond
from limits.aio.storage import MemoryStorage, RedisStorage
from limits.aio.strategies import MovingWindowRateLimiter
from limits.errors import StorageError

from resolvers.errors import RateLimitedError

_logger = structlog.get_logger(__name__)

SIGN_IN = RateLimitItemPerMinute(10)
# Many people may share one address.
SIGN_IN_FROM = RateLimitItemPerMinute(100)
TYPING = RateLimitItemPerSecond(5)

REDIS_SECONDS = 1.0
AWAY_SECONDS = 10.0


class RateLimiter:
    """
    Counts attempts: in Redis when the bell hangs there, so that all processes count together; else, and
    while Redis is away, in this process.
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

    async def acquire(self, limit: RateLimitItem, *who: str) -> None:
        """Counts one attempt; raises RateLimitedError when there were too many."""
        seconds = await self._wait(limit, who)
        if seconds:
            raise RateLimitedError(f"Too often: at most {limit}. Try again in {seconds} s.", seconds)

    async def try_acquire(self, limit: RateLimitItem, *who: str) -> bool:
        """Counts one attempt and says whether it may go on."""
        return await self._wait(limit, who) == 0

    async def reset(self, limit: RateLimitItem, *who: str) -> None:
        """What was counted is forgiven, as after a password that was right."""
        try:
            if not self._is_away:
                await self._shared.clear(limit, *who)
        except StorageError as error:
            self._note_absence(error)
        await self._own.clear(limit, *who)

    async def _wait(self, limit: RateLimitItem, who: tuple[str, ...]) -> int:
        try:
            if not self._is_away:
                return await _seconds_to_wait(self._shared, limit, who)
        except StorageError as error:
            self._note_absence(error)
        return await _seconds_to_wait(self._own, limit, who)

    @property
    def _is_away(self) -> bool:
        return time.monotonic() < self._away_until

    def _note_absence(self, error: StorageError) -> None:
        # Not everybody is to wait for a Redis that has gone silent.
        self._away_until = time.monotonic() + AWAY_SECONDS
        _logger.warning("rate_limits.redis_unavailable", error=repr(error.storage_error))


async def _seconds_to_wait(
    limiter: MovingWindowRateLimiter, limit: RateLimitItem, who: tuple[str, ...]
) -> int:
    if await limiter.hit(limit, *who):
        return 0
    reset = (await limiter.get_window_stats(limit, *who)).reset_time
    return max(1, math.ceil(reset - time.time()))
