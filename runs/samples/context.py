"""What the sample executors and the engine agree on: the context, and how a refusal looks."""

from typing import Any, Protocol

from runs.engine.errors import Permanent

Output = dict[str, Any]


class Context(Protocol):
    """The part of the engine's executor context that the samples use."""

    run_id: str
    node: str

    @property
    def should_stop(self) -> bool: ...

    def log(self, message: str, level: str = "info") -> None: ...

    def progress(self, done: int, total: int, message: str = "") -> None: ...


class Refused(Permanent):
    """The input can't be processed as it stands, now or later; the message tells why."""


class Stopped(Exception):  # noqa: N818
    """The run was terminated while the executor worked."""


def step(ctx: Context, done: int, total: int, unit: str) -> None:
    """Between two pieces of work: show how far it is, stop if the run was terminated."""
    ctx.progress(done, total, f"{unit} {done} of {total}")
    if done < total and ctx.should_stop:
        raise Stopped(f"stopped after {unit} {done} of {total}")
