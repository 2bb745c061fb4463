"""How often something may be tried."""

import math
import time

from limits import RateLimitItem, RateLimitItemPerMinute, RateLimitItemPerSecond
from limits.aio.storage import MemoryStorage, RedisStorage, Storage
from limits.aio.strategies import MovingWindowRateLimiter

from resolvers.errors import RateLimitedError

SIGN_IN = RateLimitItemPerMinute(10)
# Many people may share one address.
SIGN_IN_FROM = RateLimitItemPerMinute(100)
TYPING = RateLimitItemPerSecond(5)


class Limits:
    """Counts attempts: in Redis when the bell hangs there, else in this process."""

    def __init__(self, redis_url: str | None) -> None:
        storage: Storage = (
            RedisStorage(f"async+{redis_url}", implementation="redispy") if redis_url else MemoryStorage()
        )
        self._limiter = MovingWindowRateLimiter(storage)

    async def take(self, limit: RateLimitItem, *who: str) -> None:
        """Counts one attempt; raises RateLimitedError when there were too many."""
        if not await self._limiter.hit(limit, *who):
            reset = (await self._limiter.get_window_stats(limit, *who)).reset_time
            seconds = max(1, math.ceil(reset - time.time()))
            raise RateLimitedError(f"Too often: at most {limit}. Try again in {seconds} s.", seconds)

    async def allows(self, limit: RateLimitItem, *who: str) -> bool:
        """Counts one attempt and says whether it may go on."""
        return await self._limiter.hit(limit, *who)
