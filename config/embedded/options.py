"""What the one-command start reads from the environment."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from config.embedded.portal import PROJECT
from config.embedded.processes import StartError


class Options(NamedTuple):
    port: int
    data_dir: Path
    demo: bool
    own_database: bool
    own_broker: bool


def read(env: Mapping[str, str]) -> Options:
    port = env.get("PORT") or "8000"
    if not port.isdecimal() or not 0 < int(port) < 65_536:
        raise StartError(f"PORT must be a port number, not {port!r}.")
    demo = env.get("DEMO") or "1"
    if demo not in ("0", "1"):
        raise StartError(f"DEMO must be 0 or 1, not {demo!r}.")
    return Options(
        port=int(port),
        data_dir=Path(env.get("DATA_DIR") or PROJECT / "var").resolve(),
        demo=demo == "1",
        own_database=not env.get("DATABASE_URL"),
        own_broker=not env.get("REDIS_URL"),
    )


def child_environment(env: Mapping[str, str], options: Options) -> dict[str, str]:
    """The environment of the portal's processes. Only the preparation gets the password."""
    kept = {name: value for name, value in env.items() if name != "ADMIN_PASSWORD"}
    return {
        **kept,
        "DJANGO_SETTINGS_MODULE": "config.settings",
        # Every Celery process would repeat the checks that the preparation has made.
        "CELERY_SKIP_CHECKS": "1",
        "PORTAL_LOCAL": "1",
        "DATA_DIR": str(options.data_dir),
        "PORT": str(options.port),
        "DEMO": "1" if options.demo else "0",
    }
