"""The portal's own processes: how its web server, worker, beat and preparation are started."""

import sys
from collections.abc import Mapping
from pathlib import Path
from signal import SIGKILL

from config.embedded.processes import Command

PROJECT = Path(__file__).resolve().parents[2]


def _python(
    name: str, data_dir: Path, env: Mapping[str, str], module: str, *arguments: str
) -> Command:
    return Command(
        name=name,
        argv=[sys.executable, "-m", module, *arguments],
        env=env,
        log=data_dir / "logs" / f"{name}.log",
        cwd=PROJECT,
        orphan_signal=SIGKILL,
    )


def prepare(data_dir: Path, env: Mapping[str, str]) -> Command:
    return _python("prepare", data_dir, env, "config.embedded.prepare")


def web(data_dir: Path, env: Mapping[str, str], port: int) -> Command:
    return _python(
        "web",
        data_dir,
        {**env, "DATABASE_POOL": "1"},
        "config.bounded_uvicorn",
        "config.asgi:application",
        *("--host", "127.0.0.1", "--port", str(port)),
        # Else whoever calls from this machine could claim any address: see runs.callers.
        *("--lifespan", "off", "--ws", "none", "--no-proxy-headers"),
        # Open streams would keep it for ever.
        *("--timeout-graceful-shutdown", "2"),
        *("--no-access-log", "--log-level", "warning"),
    )


def worker(data_dir: Path, env: Mapping[str, str]) -> Command:
    return _python(
        "worker",
        data_dir,
        {**env, "WORKER_ALL_QUEUES": "1"},
        "celery",
        *("-A", "config.celery", "worker"),
        *("--concurrency", "2", "--queues", "runs", "--hostname", "runs@%h"),
        *("--without-gossip", "--without-mingle", "--loglevel", "warning"),
    )


def control(data_dir: Path, env: Mapping[str, str]) -> Command:
    """The worker of the engine's pulse: long nodes must not hold up the rescue of others."""
    return _python(
        "control",
        data_dir,
        env,
        "celery",
        *("-A", "config.celery", "worker"),
        *("--pool", "solo", "--queues", "control", "--hostname", "control@%h"),
        *("--without-gossip", "--without-mingle", "--loglevel", "warning"),
    )


def bulk(data_dir: Path, env: Mapping[str, str]) -> Command:
    """The worker of bulk operations: a million runs must not hold up the nodes of others."""
    return _python(
        "bulk",
        data_dir,
        env,
        "celery",
        *("-A", "config.celery", "worker"),
        *("--pool", "solo", "--queues", "bulk", "--hostname", "bulk@%h"),
        *("--without-gossip", "--without-mingle", "--loglevel", "warning"),
    )


def beat(data_dir: Path, env: Mapping[str, str]) -> Command:
    return _python(
        "beat",
        data_dir,
        env,
        "celery",
        # The file with its process number would outlive a kill and forbid the next start.
        *("-A", "config.celery", "beat", "--pidfile=", "--loglevel", "warning"),
    )
