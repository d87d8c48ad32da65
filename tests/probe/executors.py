"""Executors for tests. They act on files named in their input, so that a test can steer them."""

import time
from pathlib import Path

from runs.engine.errors import Permanent
from runs.engine.registry import executor


class Broken(Exception):  # noqa: N818 (its name is the kind of error that runs show)
    pass


@executor("probe.noop")
def noop(ctx):
    return None


@executor("probe.echo")
def echo(ctx, **inputs):
    return inputs


@executor("probe.say")
def say(ctx, lines=3):
    for number in range(lines):
        ctx.log(f"line {number}")
        ctx.progress(number + 1, lines)
    return {"lines": lines}


@executor("probe.fail")
def fail(ctx, message="no", permanent=False):
    if permanent:
        raise Permanent(message)
    raise Broken(message)


@executor("probe.fail_until")
def fail_until(ctx, attempt):
    if ctx.attempt < attempt:
        raise Broken(f"attempt {ctx.attempt}")
    return {"attempt": ctx.attempt}


@executor("probe.call_model")
def call_model(ctx, calls=1, cost="0.001", then="return"):
    for _ in range(calls):
        ctx.llm_call("test-model", input_tokens=10, output_tokens=2, cost=cost)
    if then == "fail":
        raise Broken("after the call")
    return {"calls": calls}


@executor("probe.wait_for")
def wait_for(ctx, path, mark="", seconds=30.0, heed_stop=False):
    """Append the attempt to `mark`, then wait until `path` exists."""
    if mark:
        with Path(mark).open("a") as file:
            file.write(f"{ctx.run_id} {ctx.node} {ctx.attempt}\n")
    ended = time.monotonic() + seconds
    while not Path(path).exists() and time.monotonic() < ended:
        if heed_stop and ctx.should_stop:
            return {"stopped": True}
        time.sleep(0.02)
    return {"found": Path(path).exists()}


@executor("probe.large")
def large(ctx, size):
    return {"text": "x" * size}


@executor("probe.not_json")
def not_json(ctx):
    return {"a set": {1, 2}}


@executor("probe.meet")
def meet(ctx, mine, other, seconds=20.0):
    """Give a sign and wait for the other's: two of these end only when they run side by side."""
    Path(mine).touch()
    ended = time.monotonic() + seconds
    while not Path(other).exists():
        if time.monotonic() > ended:
            raise Broken("nobody came")
        time.sleep(0.01)
    return {"met": True}


@executor("probe.say_and_wait")
def say_and_wait(ctx, path):
    ctx.log("before")
    return wait_for(ctx, path)
