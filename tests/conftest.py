"""The servers, the browser and the really started portal that the tests work with."""

import os
import shutil
from collections.abc import Iterator

import pytest

from tests import servers

# Before pytest-django, or a conftest further down, reads the settings.
servers.start()

import django  # noqa: E402

from tests.portal import Portal  # noqa: E402

django.setup()

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
QUIET = (
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Browser tests go last.

    Playwright leaves an event loop running in the main thread, where Django's ORM would then
    refuse to work for every test that follows.
    """
    for item in items:
        if "playwright" in item.fixturenames:
            item.add_marker("browser")
    items.sort(key=lambda item: item.get_closest_marker("browser") is not None)


@pytest.fixture(scope="session")
def portal() -> Iterator[Portal]:
    """The whole portal, started once for all tests that only use it."""
    started = Portal(servers.temporary_folder() / "portal").start()
    yield started
    started.stop()


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict) -> dict:
    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    if program is None:
        pytest.fail("The browser tests need Chromium or Chrome: make test installs one on Debian.")
    # Chromium's sandbox does not work for root.
    args = ["--no-sandbox", *QUIET] if os.geteuid() == 0 else list(QUIET)
    return {**browser_type_launch_args, "executable_path": program, "args": args}
