"""The sliding window counter, on a clock of its own."""

from limits import RateLimitItem, RateLimitItemPerMinute, RateLimitItemPerSecond

from resolvers.window_counter import WindowCounter

THREE = RateLimitItemPerMinute(3)
KEY = ("widget", "one")


class Clock:
    def __init__(self) -> None:
        self.now = 600.0
        self.counter = WindowCounter(lambda: self.now)

    def hits(self, limit: RateLimitItem, seconds: float, step: float) -> list[float]:
        """Return the times of the admitted attempts among one attempt per `step` seconds."""
        admitted = []
        end = self.now + seconds
        while self.now < end:
            if self.counter.hit(limit, KEY) == 0:
                admitted.append(self.now)
            self.now += step
        return admitted


def test_attempts_up_to_the_limit_are_admitted_immediately() -> None:
    clock = Clock()
    assert [clock.counter.hit(THREE, KEY) == 0 for _ in range(5)] == [True] * 3 + [False] * 2
    assert clock.counter.hit(THREE, ("widget", "two")) == 0


def test_refused_attempt_is_admitted_after_the_wait_and_not_before() -> None:
    for elapsed in (0.0, 7.5, 59.0):
        clock = Clock()
        clock.now += elapsed
        for _ in range(3):
            assert clock.counter.hit(THREE, KEY) == 0
        wait = clock.counter.hit(THREE, KEY)
        assert wait > 0
        clock.now += wait - 0.01
        assert clock.counter.hit(THREE, KEY) > 0
        clock.now += 0.02
        assert clock.counter.hit(THREE, KEY) == 0


def test_no_window_admits_more_than_its_estimate_allows() -> None:
    clock = Clock()
    admitted = clock.hits(THREE, 600, 0.5)
    # In ten minutes of attempts: about the limit on average, and never twice the limit in any minute.
    assert 20 <= len(admitted) <= 33
    assert all(sum(at <= other < at + 60 for other in admitted) <= 5 for at in admitted)


def test_remaining_attempts_are_those_that_are_admitted() -> None:
    clock = Clock()
    assert clock.counter.remaining(THREE, KEY) == 3
    clock.counter.hit(THREE, KEY)
    assert clock.counter.remaining(THREE, KEY) == 2
    clock.hits(THREE, 1, 0.1)
    assert clock.counter.remaining(THREE, KEY) == 0


def test_limits_with_windows_of_other_lengths_count_separately() -> None:
    clock = Clock()
    second = RateLimitItemPerSecond(1)
    assert clock.counter.hit(second, KEY) == clock.counter.hit(THREE, KEY) == 0
    assert 0 < clock.counter.hit(second, KEY) <= 2


def test_keys_are_forgotten_after_two_windows() -> None:
    clock = Clock()
    for number in range(1_000):
        clock.counter.hit(THREE, ("widget", str(number)))
    clock.now += 120
    clock.counter.hit(THREE, KEY)
    (windows,) = clock.counter._windows.values()
    assert (len(windows.before), len(windows.running)) == (0, 1)


def test_cleared_key_starts_again() -> None:
    clock = Clock()
    for _ in range(3):
        clock.counter.hit(THREE, KEY)
    clock.counter.clear(THREE, KEY)
    assert clock.counter.remaining(THREE, KEY) == 3
