"""Processes of the soak's own: each has a pipe to the main one, and ends with it."""

from __future__ import annotations

import logging
import multiprocessing
import signal
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from multiprocessing.connection import Connection
from typing import Any

from config.embedded.processes import die_with_parent

# Nothing of the main process is to be had by the others but what they are given.
_context = multiprocessing.get_context("spawn")
Counter = Any


class Failed(Exception):  # noqa: N818
    """A part of the soak itself does not work, or not in time."""


def counter() -> Counter:
    """A number that another process counts up, and anybody reads."""
    return _context.Value("Q", 0)


class Part:
    """A function, ``module:name``, at work in a process. Its first argument is its pipe."""

    def __init__(self, name: str, function: str, *given: Any) -> None:
        self.name = name
        self._pipe, theirs = _context.Pipe()
        self._process = _context.Process(
            target=_run, args=(function, theirs, *given), name=name, daemon=True
        )
        self._process.start()
        theirs.close()

    @property
    def has_answer(self) -> bool:
        return self._pipe.poll()

    def tell(self, what: Any) -> None:
        self._pipe.send(what)

    def answer(self, seconds: float) -> Any:
        """What it says next."""
        if not self._pipe.poll(seconds):
            raise Failed(f"{self.name} has said nothing for {seconds:.0f} s")
        try:
            said = self._pipe.recv()
        except EOFError:
            raise Failed(f"{self.name} has died") from None
        if isinstance(said, _Broken):
            raise Failed(f"{self.name} failed:\n{said.trace}")
        return said

    def kill(self) -> None:
        self._process.kill()
        self._process.join()


class _Broken:
    def __init__(self, trace: str) -> None:
        self.trace = trace


def _run(function: str, pipe: Connection, *given: Any) -> None:
    die_with_parent(signal.SIGKILL)
    # A terminal's Ctrl-C goes to all; the main process ends the others.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        import django

        # What breaks is meant to; warnings of it would hide what the soak says.
        logging.disable(logging.WARNING)
        django.setup()  # before anything is imported that has models
        module, _, name = function.partition(":")
        getattr(import_module(module), name)(pipe, *given)
    except Exception:
        pipe.send(_Broken(traceback.format_exc()))


@contextmanager
def parts() -> Iterator[Callable[..., Part]]:
    """Start processes; all are gone at the end, however it comes."""
    begun: list[Part] = []

    def start(name: str, function: str, *given: Any) -> Part:
        begun.append(Part(name, function, *given))
        return begun[-1]

    try:
        yield start
    finally:
        for part in begun:
            part.kill()
