"""The executors that workflows may name: Python callables, registered by any installed app.

Register in a module that the app's ``AppConfig.ready`` imports::

    @executor("finance.check_totals")
    def check_totals(ctx: Context, fields: dict) -> dict: ...
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.conf import settings

from runs.graph import USUAL_QUEUE, queue_complaint

Function = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class Executor:
    function: Function
    limit: int | None
    queue: str


_registered: dict[str, Executor] = {}


def executor(
    name: str, *, limit: int | None = None, queue: str = ""
) -> Callable[[Function], Function]:
    """Register a function under `name`.

    It is called with a context and the node's inputs by name, and gives what can be stored as
    JSON. An exception fails the attempt: its class name is the error's kind. At most `limit` of
    its nodes are in flight at once, over all workers. Only workers of the Celery `queue` take
    them; without one, all do.
    """
    if limit is not None and limit < 1:
        raise ValueError(f"executor {name!r}: a limit is a whole number from 1, not {limit!r}")
    if queue and (complaint := queue_complaint(queue)):
        raise ValueError(f"executor {name!r}: its queue {complaint}")

    def register(function: Function) -> Function:
        made = Executor(function, limit, queue)
        if _registered.setdefault(name, made).function is not function:
            raise ValueError(f"executor {name!r} is registered twice")
        return function

    return register


def find(name: str) -> Function | None:
    found = _registered.get(name)
    return found.function if found else None


def names() -> frozenset[str]:
    return frozenset(_registered)


def limit_of(name: str) -> int | None:
    found = _registered.get(name)
    return found.limit if found else None


def queue_of(name: str) -> str:
    """The Celery queue that it declares; "" where it declares none."""
    found = _registered.get(name)
    return found.queue if found else ""


def queues() -> frozenset[str]:
    """All that nodes may name: the usual one, those of executors, and the operator's."""
    declared = {each.queue for each in _registered.values() if each.queue}
    return frozenset({USUAL_QUEUE, *settings.ENGINE_QUEUES, *declared})
