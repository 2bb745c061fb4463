"""Work that is awaited: whose cancellation it is."""

import asyncio

import pytest

from realtime.cancellation import convert_stray_cancellation

pytestmark = pytest.mark.anyio


async def test_a_cancellation_that_nobody_asked_for_is_an_error() -> None:
    part = asyncio.get_running_loop().create_future()
    whole = asyncio.create_task(convert_stray_cancellation(part))
    await asyncio.sleep(0)
    part.cancel()
    with pytest.raises(RuntimeError, match="cancelled"):
        await whole


async def test_one_that_somebody_asked_for_is_one() -> None:
    whole = asyncio.create_task(convert_stray_cancellation(asyncio.get_running_loop().create_future()))
    await asyncio.sleep(0)
    whole.cancel()
    with pytest.raises(asyncio.CancelledError):
        await whole


async def test_what_the_work_gives_or_raises_is_handed_on() -> None:
    assert await convert_stray_cancellation(asyncio.sleep(0, "done")) == "done"
    failed = asyncio.get_running_loop().create_future()
    failed.set_exception(ValueError("no"))
    with pytest.raises(ValueError, match="no"):
        await convert_stray_cancellation(failed)
