"""Runs cases under the watcher, and compares each with its limits."""

import asyncio
import json
import math
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from statistics import median

from attack.case import Case, Limits
from attack.machine import measure_slowness, measure_waiting
from attack.stage import Stage
from attack.watcher import Sample
from attack.wire import BrokenPromiseError

LEAST_SECONDS = 0.25  # of a measurement, also of a case that is over sooner
SETTLE_SECONDS = 5.0
CASE_SECONDS = 180.0  # a case that hangs
SAMPLES_FOR_A_PERCENTILE = 100


@dataclass(frozen=True, slots=True)
class Outcome:
    """Costs of a case, and what was wrong."""

    case: Case
    seconds: float
    loop_seconds: float
    health_seconds: float
    memory_bytes: int
    reply_bytes: int
    mails: int
    deliveries: int
    wrong: list[str] = field(default_factory=list)


@dataclass
class Watch:
    """The samples of the watcher so far."""

    samples: list[Sample] = field(default_factory=list)

    def since(self, began: float) -> list[Sample]:
        """Return the samples of calls that ended after a time."""
        return [sample for sample in self.samples if sample.at >= began]

    @property
    def latest(self) -> Sample:
        """Return the newest sample."""
        return self.samples[-1]


@asynccontextmanager
async def watching(stage: Stage) -> AsyncIterator[Watch]:
    """Run the watcher for the block."""
    command = [sys.executable, "-m", "attack.watcher", str(stage.world.port), str(stage.world.pid)]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    watch = Watch()

    async def read(lines: asyncio.StreamReader) -> None:
        while line := await lines.readline():
            watch.samples.append(Sample(**json.loads(line)))

    reading = asyncio.create_task(read(process.stdout))
    try:
        async with asyncio.timeout(30):
            while not watch.samples:
                await asyncio.sleep(0.05)
        yield watch
    finally:
        process.terminate()
        await process.wait()
        await reading


async def run_case(stage: Stage, watch: Watch, cases: Sequence[Case]) -> Outcome:
    """Run cases concurrently under one measurement; the sum of their limits applies."""
    world = stage.world
    item = _together(cases)
    if item.slow or item.alone:
        world.waiting = await asyncio.to_thread(measure_waiting)
    world.largest_reply = 0
    mails = stage.mails.mails
    deliveries = await stage.deliveries() if _counts(item) else 0
    before, began = watch.latest, time.monotonic()
    wrong = [
        text for texts in await asyncio.gather(*(_attempt(stage, part) for part in cases)) for text in texts
    ]
    if _counts(item):
        await stage.notified()
    await asyncio.sleep(max(LEAST_SECONDS - (time.monotonic() - began), 0.05))
    seconds = time.monotonic() - began
    samples = watch.since(began) or [watch.latest]
    wrong += await _files_left(watch, before.files, item.limits)
    sent = await stage.deliveries() - deliveries if _counts(item) else 0
    outcome = Outcome(
        item,
        seconds,
        max(sample.lag for sample in samples),
        percentile([sample.health for sample in samples], 0.99),
        max(sample.memory for sample in samples) - before.memory,
        world.largest_reply,
        stage.mails.mails - mails,
        sent,
        wrong,
    )
    if exceeded(outcome, samples, world.slowness):
        # The machine may have become slower since the start, for instance by a neighbour of the core.
        world.slowness = max(world.slowness, measure_slowness())
    outcome.wrong.extend(exceeded(outcome, samples, world.slowness))
    return outcome


def exceeded(outcome: Outcome, samples: Sequence[Sample], slowness: float) -> list[str]:
    """Return the limits that a case has exceeded."""
    limits, wrong = outcome.case.limits, []
    if outcome.loop_seconds > limits.loop_seconds * slowness:
        wrong.append(f"{outcome.loop_seconds:.2f} s of the event loop")
    if len(samples) >= SAMPLES_FOR_A_PERCENTILE:
        lag = percentile([sample.lag for sample in samples], 0.99)
        if lag > limits.health_seconds * slowness:
            wrong.append(f"the event loop ran up to {lag:.2f} s in 99 % of the calls of /healthz")
    if missing := sum(1 for sample in samples if sample.status != 200):
        wrong.append(f"{missing} calls of /healthz failed")
    if outcome.memory_bytes > limits.memory_bytes:
        wrong.append(f"{outcome.memory_bytes / 2**20:.0f} MiB of memory")
    if outcome.reply_bytes > limits.reply_bytes:
        wrong.append(f"a reply of {outcome.reply_bytes / 2**20:.1f} MiB")
    if outcome.mails > limits.mails:
        wrong.append(f"{outcome.mails} mails")
    if outcome.deliveries > limits.deliveries:
        wrong.append(f"{outcome.deliveries} deliveries")
    return wrong


def percentile(values: Sequence[float], share: float) -> float:
    """Return the smallest value that is not exceeded by this share of the values."""
    return sorted(values)[max(math.ceil(len(values) * share) - 1, 0)]


def healthy(samples: Sequence[Sample]) -> str:
    """Return a line on all calls of `/healthz`."""
    times = [sample.health for sample in samples]
    return (
        f"/healthz: {len(times)} calls, median {median(times) * 1e3:.1f} ms, "
        f"99 % within {percentile(times, 0.99) * 1e3:.0f} ms, longest {max(times) * 1e3:.0f} ms"
    )


def _together(cases: Sequence[Case]) -> Case:
    if len(cases) == 1:
        return cases[0]
    limits = Limits(
        memory_bytes=sum(item.limits.memory_bytes for item in cases),
        mails=sum(item.limits.mails for item in cases),
        deliveries=sum(item.limits.deliveries for item in cases),
        reply_bytes=max(item.limits.reply_bytes for item in cases),
    )
    names = ", ".join(item.name for item in cases)
    return Case(f"together: {names}", "each is cut at its deadline", cases[0].attack, limits, slow=True)


def _counts(item: Case) -> bool:
    return item.limits.mails > 0 or item.limits.deliveries > 0


async def _attempt(stage: Stage, item: Case) -> list[str]:
    try:
        async with asyncio.timeout(stage.world.patience(CASE_SECONDS)):
            await item.attack(stage.world)
    except BrokenPromiseError as error:
        return [f"{item.promise}: {error}" if not item.slow else f"{item.name}: {error}"]
    except TimeoutError:
        return [f"{item.name} took more than {CASE_SECONDS:.0f} s"]
    except OSError as error:
        return [f"{item.name}: {error!r}"]
    return []


async def _files_left(watch: Watch, before: int, limits: Limits) -> list[str]:
    end = time.monotonic() + SETTLE_SECONDS
    while time.monotonic() < end:
        if watch.latest.files <= before + limits.files:
            return []
        await asyncio.sleep(0.1)
    return [f"{watch.latest.files - before} descriptors more than before"]
