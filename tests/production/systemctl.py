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
from pathlib import Path
from signal import SIGKILL, SIGTERM

ROOT = Path(os.environ["MACHINE"])
UNITS = ROOT / "etc/systemd/system"


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


def pid_file(unit: str) -> Path:
    return ROOT / "run" / f"{unit}.pid"


def running(unit: str) -> int | None:
    try:
        pid = int(pid_file(unit).read_text())
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (OSError, ValueError):
        return None
    return None if state == "Z" else pid


def start(unit: str) -> None:
    if running(unit):
        return
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
        process = subprocess.Popen(
            shlex.split(command), env=env, cwd=values["WorkingDirectory"],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
    pid_file(unit).write_text(str(process.pid))


def stop(units: list[str]) -> None:
    """As KillMode=mixed: the main process is asked, what is left is killed."""
    pids = [pid for unit in units if (pid := running(unit))]
    for pid in pids:
        os.kill(pid, SIGTERM)
    end = time.monotonic() + 60
    while any(running(unit) for unit in units) and time.monotonic() < end:
        time.sleep(0.05)
    for pid in pids:
        try:
            os.killpg(pid, SIGKILL)
        except ProcessLookupError:
            continue


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
