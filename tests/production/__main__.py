"""A production-like start under load, while each part is restarted: ``make production``.

The portal is installed as docs/operations.md says, from the same units and files: two web processes
and one of streams behind nginx, workers of two queues, the pulse, bulk, beat, PostgreSQL by
PgBouncer, Redis, and SeaweedFS as its storage. Events are reported, runs started, lists read,
exports made and streams followed, by clients that ask again. Meanwhile each part is restarted, and
most are killed, one after the other. At the end nothing may be lost or doubled, by the tables, the
clients' account and the streams.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from signal import SIGINT, SIGKILL, SIGQUIT
from typing import TYPE_CHECKING

from config.embedded.processes import stop
from config.embedded.services import bring_up
from tests.production.machine import DATABASE_PASSWORD, DOC, Machine, blocks
from tests.seaweed import Seaweed

if TYPE_CHECKING:
    from tests.production.client import Series
    from tests.production.load import Load

QUEUES = "fast"
Restart = tuple[str, Callable[[], None]]


class Production:
    def __init__(self, root: Path, options: argparse.Namespace) -> None:
        self._root, self._options = root, options
        self._begun = time.monotonic()

    def say(self, what: str) -> None:
        print(f"{time.monotonic() - self._begun:5.0f} s  {what}", flush=True)

    def run(self) -> list[str]:
        self._seaweed = Seaweed(self._root / "seaweed")
        bucket = self._seaweed.new_bucket()
        self._at = at = Machine(
            self._root / "machine", EXTRA_APPS="tests.probe", ENGINE_QUEUES=QUEUES,
            API_TOKEN_RATE="1000000", API_USER_RATE="1000000", API_INGEST_RATE="1000000",
            ENGINE_LEASE_SECONDS="10", **bucket.environment(),
        )  # fmt: skip
        try:
            at.start_servers()
            self.say(self._parts())
            commands = blocks(DOC.read_text(), until="PgBouncer")
            if not at.has_nginx:
                commands = [block for block in commands if "nginx" not in block]
            at.run(*commands)
            at.systemctl("start", f"portal-worker@{QUEUES}")
            self.say("installed as the docs say")
            token = self._prepare()
            # Only now: these import what has models.
            from tests.production.client import Door
            from tests.production.load import Load

            load = Load(Door(at), token, events=self._options.events, runs=self._options.runs)
            load.begin()
            windows = self._restart_all(load)
            load.end()
            return self._judge(load, windows)
        finally:
            at.end()
            self._seaweed.close()

    def _parts(self) -> str:
        at = self._at
        return (
            f"PostgreSQL of {at.postgres.programs}, {at.redis.program},"
            f" {'PgBouncer' if at.has_pgbouncer else 'no PgBouncer'},"
            f" {'nginx' if at.has_nginx else 'no nginx'}, SeaweedFS"
        )

    def _prepare(self) -> str:
        """Workflows, and a token; from here on this process reads the machine's database."""
        url = f"postgresql://portal:{DATABASE_PASSWORD}@127.0.0.1:{self._at.port(5432)}/portal"
        os.environ |= {**self._at.portal_environment(), "DATABASE_URL": url, "LOG_LEVEL": "ERROR"}
        import django

        django.setup()
        from django.utils import timezone

        from runs import tokens
        from runs.models import User, Workflow
        from runs.scopes import Scope
        from tests.chaos.engine import shapes

        nodes = shapes.definitions("http://127.0.0.1:1", str(self._root / "marks"))
        nodes["apart"] = [
            shapes.tell("begin"),
            *(
                shapes.act(f"part{n}", "probe.echo", needs=["begin"], queue=QUEUES, input={"n": n})
                for n in range(3)
            ),
        ]
        for slug in ("chain", "fan", "branching", "retrying", "failing", "apart"):
            Workflow.objects.publish(slug, {"nodes": nodes[slug]})
        user = User.objects.create_superuser("carla")
        scopes = [Scope.VIEW, Scope.EXECUTE, Scope.EXPORT, Scope.INGEST]
        _, secret = tokens.make(
            user, name="production", scopes=scopes, days=1, by=user.as_actor(), now=timezone.now()
        )
        return secret

    # -- Restarts ----------------------------------------------------------------------------

    def _restart_all(self, load: Load) -> list[tuple[str, float, float]]:
        """What was restarted, from when to the next."""
        windows = []
        restarts = [("nothing", lambda: None), *self._restarts()]
        for name, act in restarts:
            begun = time.monotonic()
            act()
            back = time.monotonic() - begun
            time.sleep(self._options.pause)
            windows.append((name, begun, time.monotonic()))
            gaps = self._gaps(load, *windows[-1][1:])
            self.say(f"{name:<38} back in {back:4.1f} s; longest gap of {gaps}")
            if load.trouble:
                break
        return windows

    def _restarts(self) -> list[Restart]:
        at = self._at
        units = [
            "portal-web@8001", "portal-web@8002", "portal-streams@8101", "portal-worker@runs",
            f"portal-worker@{QUEUES}", "portal-control", "portal-bulk", "portal-beat",
        ]  # fmt: skip
        found: list[Restart] = []
        for unit in units:
            found.append((f"{unit} restarted", lambda u=unit: self._restart(u)))
            found.append((f"{unit} killed", lambda u=unit: self._kill(u)))
        found += [
            ("Redis shut down", lambda: self._server("redis", signal.SIGTERM)),
            ("Redis killed", lambda: self._server("redis", SIGKILL)),
            ("PostgreSQL restarted", lambda: self._server("postgres", SIGINT)),
            ("PostgreSQL killed", lambda: self._server("postgres", SIGQUIT)),
            ("SeaweedFS killed", self._storage),
        ]
        if at.has_pgbouncer:
            found.append(("PgBouncer killed", lambda: self._server("pgbouncer", SIGKILL)))
        if at.has_nginx:
            found.append(("nginx reloaded", lambda: at.run("nginx -s reload")))
        return found

    def _restart(self, unit: str) -> None:
        self._at.systemctl("restart", unit)
        self._await_ready(unit)

    def _kill(self, unit: str) -> None:
        """Itself alone; the unit is started again by who keeps it."""
        before = self._at.pid(unit)
        os.kill(before, SIGKILL)
        while self._at.pid(unit) == before:
            time.sleep(0.05)
        self._await_ready(unit)

    def _await_ready(self, unit: str) -> None:
        port = unit.partition("@")[2]
        if port.isdecimal():
            self._at.await_ready(self._at.port(int(port)))
        else:
            # One that was stopped is missed at once; one that was killed only later.
            self._at.await_ready(self._at.port(8001), path="/healthz")

    def _server(self, name: str, number: int) -> None:
        child = self._at.servers[name]
        child.signal(signal.Signals(number))
        end = time.monotonic() + 30
        while child.ended() is None and time.monotonic() < end:
            time.sleep(0.02)
        stop([child], grace=5)
        self._at.servers[name] = bring_up(getattr(self._at, name))

    def _storage(self) -> None:
        self._seaweed.kill()
        time.sleep(2)
        self._seaweed.start()

    # -- What came of it ---------------------------------------------------------------------

    def _gaps(self, load: Load, begin: float, end: float) -> str:
        told = [
            f"{name} {series.longest_gap(begin, end):.1f} s"
            for name, series in self._series(load).items()
            if name != "exports"
        ]
        return ", ".join(told)

    def _series(self, load: Load) -> dict[str, Series]:
        return {
            "ingest": load.ingest, "starts": load.starts, "lists": load.lists,
            "streams": load.streams, "exports": load.exports,
        }  # fmt: skip

    def _judge(self, load: Load, windows: list[tuple[str, float, float]]) -> list[str]:
        from tests.production import judging
        from tests.production.load import HOT_RUNS, wait_for_listeners

        seconds = windows[-1][2] - windows[0][1]
        self.say("the load has ended; waiting for the last runs")
        problems = list(load.trouble)
        problems += judging.wait_for_the_end(180)
        last = judging.last_numbers(load.hot)
        wait_for_listeners(load.listeners, last, 90)
        problems += judging.of_everything(load)
        for name, series in self._series(load).items():
            longest = max(
                ((series.longest_gap(begin, end), what) for what, begin, end in windows[1:]),
                default=(0.0, ""),
            )
            met = ", ".join(f"{n} × {what}" for what, n in series.errors.most_common()) or "none"
            self.say(
                f"{name:<8} {sum(series.counts):>8,} in {seconds:.0f} s"
                f" ({sum(series.counts) / seconds:,.1f}/s), p50 {series.share(0.5) * 1000:.0f} ms,"
                f" p95 {series.share(0.95) * 1000:.0f} ms, longest gap {longest[0]:.1f} s"
                f" ({longest[1]}); errors met: {met}"
            )
        self.say(judging.figures(load, seconds))
        self.say(f"{sum(each.cut for each in load.listeners)} cuts of {2 * HOT_RUNS} streams")
        if not problems:
            problems += judging.of_logs(self._root / "machine/log")
        if problems:
            print(self._at.ends_of_logs(6))
        return problems


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="make production", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("--events", type=int, default=1_000, help="reported a second")
    parser.add_argument("--runs", type=float, default=4, help="started a second")
    parser.add_argument("--pause", type=float, default=8, help="seconds after each restart")
    parser.add_argument("--keep", action="store_true", help="the folder, for looking at")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    root = Path(tempfile.mkdtemp(prefix="runs-production-"))
    root.chmod(0o711)
    (root / "machine").mkdir()
    try:
        production = Production(root, options)
        problems = production.run()
    finally:
        if not options.keep:
            shutil.rmtree(root, ignore_errors=True)
    if not problems:
        production.say("nothing is lost, nothing is doubled")
        return 0
    print(f"\n{len(problems)} things are wrong:", *problems, sep="\n  ")
    return 1


if __name__ == "__main__":
    sys.exit(main())
