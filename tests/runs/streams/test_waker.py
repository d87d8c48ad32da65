"""What a stream waits on; it must neither miss a call nor fall asleep for ever."""

import asyncio

from runs.streams.waker import Waker, listening

LONG = 60


def test_a_call_ends_the_waiting():
    async def scene():
        waker = Waker(LONG)
        waiting = asyncio.create_task(waker.wait())
        await asyncio.sleep(0)
        assert not waiting.done()
        waker.wake()
        assert await waiting

    asyncio.run(scene())


def test_a_call_before_the_waiting_counts_until_it_is_cleared():
    async def scene():
        waker = Waker(LONG)
        waker.wake()
        assert await waker.wait()
        waker.clear()
        waiting = asyncio.create_task(waker.wait())
        await asyncio.sleep(0)
        assert not waiting.done()
        waiting.cancel()

    asyncio.run(scene())


def test_silence_is_told_again_and_again():
    async def scene():
        waker = Waker(0.01)
        for _ in range(3):
            assert not await waker.wait()
        waker.wake()
        assert await waker.wait()

    asyncio.run(scene())


def test_who_is_busy_is_not_told_of_a_silence_that_is_over():
    async def scene():
        waker = Waker(0.01)
        await asyncio.sleep(0.05)  # nobody waits meanwhile
        waiting = asyncio.create_task(waker.wait())
        await asyncio.sleep(0)
        assert not waiting.done()
        waiting.cancel()

    asyncio.run(scene())


def test_who_has_gone_is_neither_called_nor_timed():
    async def scene():
        wakers = set()
        with listening(wakers, LONG) as waker:
            assert wakers == {waker}
        assert not wakers
        assert waker._timer.cancelled()

    asyncio.run(scene())
