"""What the docs ask of systemd, without systemd: starts and stops the processes of their units.

``systemctl enable --now portal.target`` and its like. The folder with the units, the logs and the
numbers of the processes is named by MACHINE.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from signal import SIGKILL, SIGTERM, signal

ROOT = Path(os.environ["MACHINE"])
UNITS = ROOT / "etc/systemd/system"
RESTART_SECONDS = 2


def main(arguments: list[str]) -> int:
    verb, *names = [word for word in arguments if word != "--now"]
    units = [unit for name in names for unit in expanded(name)]
    if verb == "daemon-reload":
        return 0
    if verb in ("stop", "restart"):
        stop(units)
    if verb in ("start", "restart", "enable"):
        for unit in units:
            start(unit)
    return 0


def expanded(name: str) -> list[str]:
    if name.endswith(".target"):
        wants = re.findall(r"^Wants=(.+)$", (UNITS / name).read_text(), re.M)
        return [unit for line in wants for unit in line.split()]
    return [name if name.endswith(".service") else f"{name}.service"]


def pid_file(unit: str, of: str = "pid") -> Path:
    return ROOT / "run" / f"{unit}.{of}"


def write(file: Path, pid: int) -> None:
    """At once: it is read all the while."""
    draft = file.with_suffix(".draft")
    draft.write_text(str(pid))
    draft.replace(file)


def running(unit: str, of: str = "keeper") -> int | None:
    try:
        pid = int(pid_file(unit, of).read_text())
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (OSError, ValueError):
        return None
    return None if state == "Z" else pid


def start(unit: str) -> None:
    """Leaves a process behind that keeps the unit up."""
    if running(unit):
        return
    keeper = subprocess.Popen(
        [sys.executable, __file__, "keep", unit], stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    write(pid_file(unit, "keeper"), keeper.pid)


def keep(unit: str) -> int:
    """Restart=always, until it is told to end."""
    over = False
    process: subprocess.Popen[bytes] | None = None

    def end(*_: object) -> None:
        nonlocal over
        over = True
        if process is not None:
            process.terminate()

    signal(SIGTERM, end)
    while not over:
        process = begin(unit)
        write(pid_file(unit), process.pid)
        process.wait()
        # As KillMode=mixed: what is left of it is killed.
        with suppress(ProcessLookupError):
            os.killpg(process.pid, SIGKILL)
        if not over:
            time.sleep(RESTART_SECONDS)
    return 0


def begin(unit: str) -> subprocess.Popen[bytes]:
    stem, _, instance = unit.removesuffix(".service").partition("@")
    file = UNITS / (f"{stem}@.service" if instance else unit)
    service = file.read_text().partition("[Service]")[2].partition("[Install]")[0]
    pairs = [line.split("=", 1) for line in service.splitlines() if re.match(r"\w+=", line)]
    env = {"PATH": os.environ["PATH"], "HOME": str(ROOT), "MACHINE": str(ROOT)}
    for name, value in pairs:
        if name == "EnvironmentFile":
            lines = Path(value).read_text().splitlines()
            env |= dict(line.split("=", 1) for line in lines if re.match(r"\w+=", line))
        if name == "Environment":
            env |= dict(pair.split("=", 1) for pair in value.split())
    values = dict(pairs)
    command = values["ExecStart"].replace("%%", "\0").replace("%i", instance).replace("\0", "%")
    with (ROOT / "log" / f"{unit}.log").open("ab") as log:
        return subprocess.Popen(
            shlex.split(command), env=env, cwd=values["WorkingDirectory"],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip


def stop(units: list[str]) -> None:
    for unit in units:
        if keeper := running(unit):
            os.kill(keeper, SIGTERM)
    end = time.monotonic() + 40
    while any(running(unit) for unit in units) and time.monotonic() < end:
        time.sleep(0.05)
    # As after TimeoutStopSec.
    for unit in units:
        if keeper := running(unit):
            with suppress(OSError, ValueError):
                os.killpg(int(pid_file(unit).read_text()), SIGKILL)
            with suppress(ProcessLookupError):
                os.kill(keeper, SIGKILL)


if __name__ == "__main__":
    words = sys.argv[1:]
    sys.exit(keep(words[1]) if words[0] == "keep" else main(words))
