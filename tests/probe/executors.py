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


@executor("probe.on_gpu", queue="gpu")
def on_gpu(ctx):
    return None


@executor("probe.one_by_one", limit=1)
def one_by_one(ctx):
    return None


@executor("probe.count")
def count(ctx, path, seconds=0.05):
    """Tell that it begins, and that it ends, in a file that all of them share."""
    with Path(path).open("a") as file:
        print("+", file=file, flush=True)
        time.sleep(seconds)
        print("-", file=file, flush=True)


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
def fail(ctx, message="no", permanent=False, after=""):
    """Fail, but not before there is a file `after`."""
    ended = time.monotonic() + 30
    while after and not Path(after).exists() and time.monotonic() < ended:
        time.sleep(0.02)
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


@executor("probe.need")
def need(ctx, path):
    """Fail until `path` exists."""
    if not Path(path).exists():
        raise Broken(f"there is no {path}")
    return {"found": True}


@executor("probe.large")
def large(ctx, size):
    return {"text": "x" * size}


@executor("probe.nest")
def nest(ctx, levels):
    """An output of objects within each other, as many as `levels`."""
    output = {}
    for _ in range(levels - 1):
        output = {"in": output}
    return output


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


class Unreadable(Exception):  # noqa: N818
    def __str__(self):
        raise RuntimeError("no words")


@executor("probe.raise_odd")
def raise_odd(ctx, what):
    errors = {
        "surrogate": Broken("half \ud83d and \0 nul"),
        "unreadable": Unreadable(),
        "exit": SystemExit(3),
        "interrupt": KeyboardInterrupt("by itself"),
        "generator": GeneratorExit("odd"),
    }
    raise errors[what]


@executor("probe.say_odd")
def say_odd(ctx, what):
    """Say something that cannot be stored, where it matters."""
    calls = {
        "progress": lambda: ctx.progress(2**63),
        "negative": lambda: ctx.progress(-1),
        "total": lambda: ctx.progress(1, 2**63),
        "tokens": lambda: ctx.llm_call("m", input_tokens=2**63, output_tokens=0, cost="0"),
        "cost": lambda: ctx.llm_call("m", input_tokens=0, output_tokens=0, cost="1e10"),
        "nan": lambda: ctx.llm_call("m", input_tokens=0, output_tokens=0, cost="NaN"),
        "infinite": lambda: ctx.llm_call("m", input_tokens=0, output_tokens=0, cost="Infinity"),
        "words": lambda: ctx.llm_call("m", input_tokens=0, output_tokens=0, cost="much"),
    }
    calls[what]()


@executor("probe.overspend")
def overspend(ctx, path=""):
    """Each call fits the ledger; their sum fits no column."""
    ctx.log("said before")
    for _ in range(2):
        ctx.llm_call("m", input_tokens=1, output_tokens=1, cost="9e9")
    if path:
        wait_for(ctx, path)
    return {"paid": True}


@executor("probe.output_of")
def output_of(ctx, what):
    return {"text": {"surrogate": "half \ud83d", "nul": "a\0b"}[what]}


@executor("probe.swallow")
def swallow(ctx, mark, kind="Exception", seconds=30.0):
    """Go on whatever is raised, and tell of each time."""
    errors = {"Exception": Exception, "BaseException": BaseException}
    ended = time.monotonic() + seconds
    while time.monotonic() < ended:
        try:
            time.sleep(0.05)
        except errors[kind]:
            with Path(mark).open("a") as file:
                file.write("swallowed\n")
            if len(Path(mark).read_text().splitlines()) >= 2:
                return {"stubborn": True}
    return {"done": True}


@executor("probe.leave_transaction_open")
def leave_transaction_open(ctx, how):
    from django.db import connection, transaction

    if how == "atomic":
        transaction.atomic().__enter__()
    else:
        connection.set_autocommit(False)
    return {"how": how}


@executor("probe.tell")
def tell(ctx, lines, pause=0.0, path=""):
    """Numbered lines and as many model calls, told slowly enough to be stored in many batches.

    Before the last of them it waits for `path`.
    """
    for number in range(lines):
        if path and number == lines - 1:
            wait_for(ctx, path)
        ctx.log(f"line {number}")
        ctx.llm_call(f"model-{number}", input_tokens=1, output_tokens=1, cost="0.01")
        time.sleep(pause)
    return {"lines": lines}


@executor("probe.tell_and_fail")
def tell_and_fail(ctx, lines, pause=0.0):
    tell(ctx, lines, pause)
    raise Broken("told all")
