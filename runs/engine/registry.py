"""The executors that workflows may name: Python callables, registered by any installed app.

Register in a module that the app's ``AppConfig.ready`` imports::

    @executor("finance.check_totals")
    def check_totals(ctx: Context, fields: dict) -> dict: ...
"""

from collections.abc import Callable
from typing import Any

Function = Callable[..., Any]
_registered: dict[str, Function] = {}


def executor(name: str) -> Callable[[Function], Function]:
    """Register a function under `name`.

    It is called with a context and the node's inputs by name, and gives what can be stored as
    JSON. An exception fails the attempt: its class name is the error's kind.
    """

    def register(function: Function) -> Function:
        if _registered.setdefault(name, function) is not function:
            raise ValueError(f"executor {name!r} is registered twice")
        return function

    return register


def find(name: str) -> Function | None:
    return _registered.get(name)


def names() -> frozenset[str]:
    return frozenset(_registered)
