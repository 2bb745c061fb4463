"""Work that is awaited: whose cancellation it is."""

import asyncio

import pytest

from realtime.cancellation import convert_stray_cancellation

pytestmark = pytest.mark.anyio


async def test_unrequested_cancellation_is_an_error() -> None:
    part = asyncio.get_running_loop().create_future()
    whole = asyncio.create_task(convert_stray_cancellation(part))
    await asyncio.sleep(0)
    part.cancel()
    with pytest.raises(RuntimeError, match="cancelled"):
        await whole


async def test_requested_cancellation_is_a_cancellation() -> None:
    whole = asyncio.create_task(convert_stray_cancellation(asyncio.get_running_loop().create_future()))
    await asyncio.sleep(0)
    whole.cancel()
    with pytest.raises(asyncio.CancelledError):
        await whole


async def test_result_or_error_of_the_work_is_passed_on() -> None:
    assert await convert_stray_cancellation(asyncio.sleep(0, "done")) == "done"
    failed = asyncio.get_running_loop().create_future()
    failed.set_exception(ValueError("no"))
    with pytest.raises(ValueError, match="no"):
        await convert_stray_cancellation(failed)
