"""The servers, the browser and the really started portal that the tests work with."""

import os
from collections.abc import Iterator

import hypothesis
import pytest

from tests import servers

# How long an example takes is the machine's affair: a busy one must fail no test.
hypothesis.settings.register_profile("patient", deadline=None)
hypothesis.settings.load_profile("patient")

# Before pytest-django, or a conftest further down, reads the settings.
servers.start()

import django  # noqa: E402

from tests.browsers import launch_options  # noqa: E402
from tests.portal import Portal  # noqa: E402
from tests.seaweed import between, bucket, seaweed  # noqa: E402, F401  (fixtures)

django.setup()


# Before the marks are selected by.
@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Browser tests go last.

    Playwright leaves an event loop running in the main thread, where Django's ORM would then
    refuse to work for every test that follows.
    """
    for item in items:
        if "playwright" in item.fixturenames:
            item.add_marker("browser")
    items.sort(key=lambda item: item.get_closest_marker("browser") is not None)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_setupnodes() -> None:
    """Processes that share the tests have servers of their own, so they must come to this module
    before they read the settings, as a single process does."""
    os.environ.pop("DJANGO_SETTINGS_MODULE", None)


@pytest.fixture(scope="session")
def portal() -> Iterator[Portal]:
    """The whole portal, started once for all tests that only use it."""
    started = Portal(servers.temporary_folder() / "portal").start()
    yield started
    started.stop()


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict) -> dict:
    return {**browser_type_launch_args, **launch_options()}
