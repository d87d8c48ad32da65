"""Those who ask the database the same at one time are answered by one statement."""

import asyncio
import threading

import pytest

from runs.streams.database import Readers

pytestmark = pytest.mark.django_db(transaction=True)


class Question:
    def __init__(self):
        self.begun, self.may_end = threading.Event(), threading.Event()
        self.asked = []

    def ask(self, of):
        self.asked.append(of)
        self.begun.set()
        assert self.may_end.wait(10)
        return of, len(self.asked)


def test_who_asks_before_the_reading_shares_it_and_who_asks_later_does_not():
    question = Question()

    async def scene():
        readers = Readers(1)
        first = asyncio.create_task(readers.share(question.ask, "a"))
        await asyncio.to_thread(question.begun.wait, 10)
        # The only thread is at work: these wait, and know nothing of what it has seen.
        later = [asyncio.create_task(readers.share(question.ask, "a")) for _ in range(5)]
        other = asyncio.create_task(readers.share(question.ask, "b"))
        await asyncio.sleep(0)
        question.may_end.set()
        return await first, await asyncio.gather(*later), await other

    first, later, other = asyncio.run(scene())
    assert first == ("a", 1)
    assert later == [("a", 2)] * 5
    assert other == ("b", 3)
    assert question.asked == ["a", "a", "b"]


def test_who_gives_up_takes_nothing_from_the_others():
    question = Question()

    async def scene():
        readers = Readers(1)
        hasty = asyncio.create_task(readers.share(question.ask, "a"))
        patient = asyncio.create_task(readers.share(question.ask, "a"))
        await asyncio.sleep(0)
        hasty.cancel()
        question.may_end.set()
        return await patient

    assert asyncio.run(scene()) == ("a", 1)
