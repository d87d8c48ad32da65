"""Asks whether anything that the portal is made of has a known vulnerability: ``make audit``.

It ends with 1 where there is one, and with 0 where there is none, or nobody could be asked: then
it says so, as loudly as a line can.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parents[1]
# The one for development names all that the one for use does.
LOCKS = ("requirements-dev.lock", "requirements-install.lock")
CLIENTS = PROJECT / "tests" / "clients"
PATIENCE = 180
# Known ones that do not matter here: id → why, and until when nobody has to think of it again.
ACCEPTED: dict[str, str] = {}


@dataclass
class Audit:
    """What one who was asked said."""

    what: str
    asked: int = 0
    flaws: list[str] = field(default_factory=list)
    # Why it is not known, of all or of some.
    unknown: str = ""


def of_python(locks: Sequence[Path], options: Sequence[str] = ()) -> Audit:
    """Ask the service that pip-audit asks, about what lock files name."""
    audit = Audit(f"Python packages of {' and '.join(lock.name for lock in locks)}")
    with tempfile.TemporaryDirectory() as folder:
        # One first: where it is not to be had, some hundred are not either.
        first = Path(folder) / "first.txt"
        first.write_text(_first_of(locks[0].read_text()))
        told = _pip_audit([first], options, audit)
        if told is None or all("skip_reason" in each for each in told):
            audit.unknown = audit.unknown or "the advisory service knows none of them"
            return audit
        told = _pip_audit(locks, options, audit)
    if told is None:
        return audit
    skipped = [each["name"] for each in told if "skip_reason" in each]
    if skipped:
        audit.unknown = f"nothing could be learned of {', '.join(skipped)}"
    audit.asked = len(told) - len(skipped)
    for package in told:
        for flaw in package.get("vulns", ()):
            if not {flaw["id"], *flaw.get("aliases", ())} & ACCEPTED.keys():
                fixed = ", ".join(flaw.get("fix_versions", ())) or "no version yet"
                audit.flaws.append(
                    f"{package['name']} {package['version']}: {flaw['id']}, mended in {fixed}"
                )
    return audit


def _first_of(lock: str) -> str:
    """The first package of a lock file, with its hashes."""
    lines = lock.splitlines()
    end = next((n for n, line in enumerate(lines) if not line.endswith("\\")), len(lines))
    return "\n".join(lines[: end + 1])


def _pip_audit(
    locks: Sequence[Path], options: Sequence[str], audit: Audit
) -> list[dict[str, Any]] | None:
    command = [sys.executable, "-m", "pip_audit", "--format", "json", "--progress-spinner", "off"]
    command += ["--disable-pip", "--require-hashes", "--no-deps", *options]
    for lock in locks:
        command += ["--requirement", str(lock)]
    said = _said_by(command, PROJECT, audit)
    return None if said is None else said["dependencies"]


def of_npm(folder: Path, command: Sequence[str]) -> Audit:
    """Ask the registry about what the lock file in the folder names."""
    audit = Audit(f"npm packages of {folder.relative_to(PROJECT)}")
    said = _said_by([*command, "audit", "--package-lock-only", "--json"], folder, audit)
    if said is None:
        return audit
    if "vulnerabilities" not in said:
        error = said.get("error") or {}
        detail = said.get("message") or error.get("summary") or error.get("code") or "no answer"
        audit.unknown = str(detail)
        return audit
    audit.asked = said["metadata"]["dependencies"]["total"]
    for name, found in said["vulnerabilities"].items():
        ids = [str(via.get("url", via["source"])) for via in found["via"] if isinstance(via, dict)]
        if not ids or not set(ids) <= ACCEPTED.keys():
            audit.flaws.append(f"{name} {found['range']}: {found['severity']} {' '.join(ids)}")
    return audit


def _said_by(command: Sequence[str], folder: Path, audit: Audit) -> dict[str, Any] | None:
    """The JSON that a program says, whatever it ends with: both end with 1 for a finding too."""
    try:
        ended = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, timeout=PATIENCE, check=False
        )
        return json.loads(ended.stdout)
    except subprocess.TimeoutExpired:
        audit.unknown = f"no answer within {PATIENCE} seconds"
    except (OSError, ValueError):
        lines = ended.stderr.strip().splitlines() if "ended" in locals() else []
        audit.unknown = lines[-1][:300] if lines else "the program that asks does not run"
    return None


def tell(audits: Sequence[Audit]) -> int:
    for audit in audits:
        for flaw in audit.flaws:
            print(f"VULNERABLE  {flaw}")
        if audit.unknown:
            print(f"NOT AUDITED  {audit.what}: {audit.unknown}. Audit them where it can be asked.")
        if audit.asked:
            print(f"audited  {audit.what}: {audit.asked} known, {len(audit.flaws)} vulnerable")
    return int(any(audit.flaws for audit in audits))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--osv-url", help="another service that speaks OSV's protocol")
    given = parser.parse_args()
    options = (
        ["--vulnerability-service", "osv", "--osv-url", given.osv_url] if given.osv_url else []
    )
    from tests.clients.node import NODE, NPM

    locks = [PROJECT / name for name in LOCKS]
    return tell([of_python(locks, options), of_npm(CLIENTS, [str(NODE), str(NPM)])])


if __name__ == "__main__":
    sys.exit(main())
