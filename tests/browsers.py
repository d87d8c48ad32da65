"""How the tests start the browser that is there."""

import os
import shutil
from typing import Any

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
QUIET = (
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def launch_options() -> dict[str, Any]:
    """Playwright's options for the browser of this machine. Raises LookupError without one."""
    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    if program is None:
        raise LookupError(
            "The browser tests need Chromium or Chrome: make test installs one on Debian."
        )
    # Chromium's sandbox does not work for root.
    args = ["--no-sandbox", *QUIET] if os.geteuid() == 0 else list(QUIET)
    return {"executable_path": program, "args": args}
