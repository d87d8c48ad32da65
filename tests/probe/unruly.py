"""Executors that do to their process what none should. Each is a way to break a worker."""

import ctypes
import decimal
import locale
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

from django.db import connection, transaction

from runs.engine.registry import executor

_kept = []


class Stop(BaseException):
    pass


@executor("unruly.do")
def do(ctx, what, **more):
    return globals()[f"_{what}"](ctx, **more)


@executor("unruly.whole")
def whole(ctx):
    """What the next node of the same process finds."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('search_path'), current_setting('TimeZone')")
        path, zone = cursor.fetchone()
    return {
        "pid": os.getpid(),
        "folder": os.getcwd(),
        "environment": os.environ.get("UNRULY"),
        "path": os.environ.get("PATH", ""),
        "term": repr(signal.getsignal(signal.SIGTERM)),
        "blocked": sorted(map(int, signal.pthread_sigmask(signal.SIG_BLOCK, ()))),
        "locale": locale.setlocale(locale.LC_ALL),
        "depth": sys.getrecursionlimit(),
        "umask": _mask(),
        "search_path": path,
        "zone": zone,
        "logging": logging.root.manager.disable,
        "stdout": type(sys.stdout).__name__,
    }


def _mask():
    mask = os.umask(0o022)
    os.umask(mask)
    return mask


def _not_json(ctx, value):
    loop = []
    loop.append(loop)
    return {
        "object": object(),
        "nan": float("nan"),
        "infinite": float("inf"),
        "set": {1},
        "bytes": b"x",
        "circular": loop,
        "decimal": decimal.Decimal(1),
        "keys": {(1, 2): 3},
    }[value]


def _raise_own(ctx):
    raise Stop("no exception, but raised")


class _Mute(Exception):  # noqa: N818
    def __str__(self):
        raise SystemExit("not even words")


def _raise_mute(ctx):
    raise _Mute


def _print_secrets(ctx, also=""):
    print("the secret is", os.environ["NODE_SECRET_SHOP"])
    print("password", connection.settings_dict["PASSWORD"])
    sys.stderr.write(f"aside: {os.environ['NODE_SECRET_SHOP']}\n")
    logging.getLogger("unruly").error("logged %s", os.environ["NODE_SECRET_SHOP"])
    try:
        raise ValueError(os.environ["NODE_SECRET_SHOP"])
    except ValueError:
        logging.getLogger("unruly").exception("with its trace")
    print("x" * 10_000_000)
    print("the end of what is printed")
    return {"secret": os.environ["NODE_SECRET_SHOP"], "key": connection.settings_dict["PASSWORD"]}


def _hold_the_lock(ctx, long):
    """Sleep in C, with the interpreter's lock: no signal is handled, no other thread runs."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGALRM})
    ctypes.PyDLL(None).sleep(int(long))


def _exit_at_once(ctx):
    os._exit(7)


def _kill_itself(ctx, number):
    os.kill(os.getpid(), number)
    time.sleep(30)


def _crash(ctx):
    ctypes.string_at(0)


def _recurse(ctx):
    sys.setrecursionlimit(30_000)

    def deeper(n):
        return deeper(n + 1) + 1

    return deeper(0)


def _fork_and_return(ctx):
    """Both processes come back from here."""
    pid = os.fork()
    if pid:
        os.waitpid(pid, 0)
        return {"who": "parent"}
    return {"who": "child"}


def _fork_and_stay(ctx):
    _kept.append(subprocess.Popen(["sleep", "60"], start_new_session=True))
    return {"child": _kept[-1].pid}


def _fork_and_tell(ctx):
    pid = os.fork()
    if pid:
        return {"code": os.waitpid(pid, 0)[1]}
    try:
        ctx.log("from the child")
    except RuntimeError:
        os._exit(42)
    os._exit(1)


def _threads(ctx, path):
    """One that goes on, and tells when the attempt is long over."""

    def go_on():
        while not Path(path).exists():
            time.sleep(0.02)
        try:
            ctx.llm_call("late", input_tokens=1, output_tokens=1, cost="1")
        except RuntimeError as error:
            Path(path).write_text(str(error))

    threading.Thread(target=go_on, name="goes-on", daemon=True).start()
    return {"left": 1}


def _database(ctx, how):
    with connection.cursor() as cursor:
        if how == "close":
            connection.close()
        elif how == "close raw":
            connection.connection.close()
        elif how == "settings":
            cursor.execute("SET search_path TO pg_catalog; SET TIME ZONE 'Asia/Tokyo'")
            cursor.execute("SET default_transaction_read_only = on")
        elif how == "open":
            cursor.execute("BEGIN")
            cursor.execute("CREATE TABLE unruly_left (n int)")
        elif how == "broken":
            transaction.atomic().__enter__()
            try:
                cursor.execute("SELECT nonsense")
            except Exception:
                return {"how": how}
        elif how == "rollback":
            transaction.set_autocommit(False)
            ctx.log("said in a transaction")
            connection.rollback()
        elif how == "lock":
            transaction.atomic().__enter__()
            cursor.execute("LOCK TABLE jobs IN ACCESS EXCLUSIVE MODE")
    return {"how": how}


def _many_lines_in_a_transaction(ctx, lines):
    """More than are kept in memory: they are stored in the midst of what is rolled back."""
    with transaction.atomic():
        for number in range(lines):
            ctx.log(f"line {number}")
        transaction.set_rollback(True)
    return {"lines": lines}


def _surroundings(ctx, folder):
    os.chdir(folder)
    Path(folder).rmdir()
    os.environ["UNRULY"] = "1"
    os.environ["PATH"] = "/nowhere"
    os.umask(0)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGALRM, signal.SIG_IGN)
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGALRM})
    locale.setlocale(locale.LC_ALL, "C.UTF-8")
    sys.setrecursionlimit(77_777)
    logging.disable(logging.CRITICAL)
    sys.stdout = None
    return {"done": True}


def _files(ctx):
    """Open whatever can be opened, and keep it."""
    while True:
        _kept.append(open("/dev/null"))  # noqa: SIM115


def _memory(ctx, megabytes):
    return len(bytearray(megabytes * 1_048_576))


def _lines(ctx, count, size=1):
    for number in range(count):
        ctx.log(f"{number} " + "x" * size)
        ctx.progress(number)
    return {"count": count}


def _deaf(ctx):
    """Go on whatever is raised, and never look whether to stop."""
    while True:
        try:
            time.sleep(5)
        except BaseException:
            continue
