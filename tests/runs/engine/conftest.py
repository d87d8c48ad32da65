"""Real Celery workers and a real beat on the test's database and broker."""

import os
import resource
import signal
import subprocess
import sys
import time

import pytest
from django.conf import settings
from django.db import connection

from runs import heartbeat, lifecycle
from runs.models import Node, Run
from tests.runs.conftest import ANNA
from tests.runs.engine.service import Service

SECONDS = 40


def wait_for(condition, what="it", seconds=SECONDS):
    ended = time.monotonic() + seconds
    while time.monotonic() < ended:
        found = condition()
        if found:
            return found
        time.sleep(0.03)
    raise AssertionError(f"{what} did not come about within {seconds} s")


def environment(**more):
    database = settings.DATABASES["default"]
    url = "postgresql://{USER}:{PASSWORD}@{HOST}:{PORT}/{NAME}".format(**database)
    return {
        **os.environ,
        "DATABASE_URL": url,
        "REDIS_URL": settings.REDIS_URL,
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "EXTRA_APPS": "tests.probe",
        "ENGINE_LEASE_SECONDS": "2",
        "ENGINE_REDISPATCH_SECONDS": "1",
        **more,
    }


class Worker:
    """A Celery worker with one process to execute nodes, so that a test can tell which it is."""

    def __init__(self, log, queues="runs", concurrency=1, files=None, **env):
        """`files`: how many it may open."""
        self.path, self.log = log, log.open("ab")
        command = [sys.executable, "-m", "celery", "-A", "config.celery", "worker"]
        command += ["-Q", queues, "-c", str(concurrency), "-n", f"{log.stem}@test"]
        command += ["--without-gossip", "--without-mingle", "--loglevel", "warning"]
        self.process = subprocess.Popen(
            command,
            stdout=self.log,
            stderr=self.log,
            env=environment(**env),
            start_new_session=True,
        )
        if files is not None:
            resource.prlimit(self.process.pid, resource.RLIMIT_NOFILE, (files, files))

    def signal(self, number):
        os.killpg(self.process.pid, number)

    def kill(self):
        if self.process.poll() is None:
            self.signal(signal.SIGKILL)
        self.process.wait(10)
        self.log.close()


@pytest.fixture(scope="session")
def broker(django_db_setup):
    """The broker, empty of what an earlier test left in its queues."""
    import redis

    return redis.Redis.from_url(settings.REDIS_URL)


@pytest.fixture
def start_worker(transactional_db, broker, tmp_path):
    """Start workers of this test's own, to be killed and stopped as it likes."""
    broker.delete("runs")
    workers = []

    def start(**options):
        worker = Worker(tmp_path / f"worker{len(workers)}.log", **options)
        workers.append(worker)
        return worker

    yield start
    for worker in workers:
        worker.kill()


@pytest.fixture(scope="module")
def module_worker(broker, tmp_path_factory):
    worker = Worker(tmp_path_factory.mktemp("worker") / "shared.log", concurrency=2)
    yield worker
    worker.kill()


@pytest.fixture
def worker(transactional_db, broker, module_worker):
    """A worker with two processes that the tests of a module share, with an empty queue."""
    broker.delete("runs")
    return module_worker


@pytest.fixture(scope="package")
def package_beat(broker, tmp_path_factory):
    place = tmp_path_factory.mktemp("beat")
    control = Worker(place / "control.log", queues="control")
    with (place / "beat.log").open("ab") as log:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "celery", "-A", "config.celery", "beat", "--pidfile="),
                *("-S", "celery.beat:PersistentScheduler", "-s", str(place / "schedule")),
            ],
            stdout=log, stderr=log, env=environment(), start_new_session=True,
        )  # fmt: skip
    yield control
    process.kill()
    process.wait(10)
    control.kill()


@pytest.fixture
def beat(transactional_db, package_beat):
    """The pulse: a real beat, and the worker of the control queue, which has started."""
    wait_for(
        lambda: any("control" in process.queues for process in heartbeat.ages()),
        "the worker of the control queue",
    )
    return package_beat


_PULSES = """
import sys, time, django
django.setup()
from runs.engine.tasks import tick
print("ready", flush=True)
sys.stdin.readline()
for _ in range(int(sys.argv[1])):
    tick()
    time.sleep(float(sys.argv[2]))
"""


def pulses(times, every, clocks):
    """The pulse in a process for each of the clocks, all at once; an empty one is right."""
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", _PULSES, str(times), str(every)], text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            env=environment(PROBE_CLOCK=str(clock), ENGINE_REDISPATCH_SECONDS="600"),
        )
        for clock in clocks
    ]  # fmt: skip
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.stdin.write("\n")
        process.stdin.flush()
    for process in processes:
        process.communicate(timeout=60)
        assert process.returncode == 0


@pytest.fixture
def begin(publish, settings):
    """Publish a workflow of these nodes and start one run of it."""
    settings.ENGINE_REDISPATCH_SECONDS = 1

    def start(*nodes, data=None, **fields):
        version = publish(*nodes, **fields)
        return lifecycle.start(version, data if data is not None else {}, trigger="api", by=ANNA)

    return start


def node(run, key):
    return Node.objects.get(run=run.pk, key=key)


def wait_for_end(run, seconds=SECONDS):
    connection.close_if_unusable_or_obsolete()
    wait_for(
        lambda: Run.objects.finished().filter(pk=run.pk).exists(), f"the end of {run}", seconds
    )
    return Run.objects.get(pk=run.pk)


def wait_for_node(run, key, status, seconds=SECONDS):
    wait_for(lambda: node(run, key).status == status, f"{key} {status}", seconds)
    return node(run, key)


def kinds(run, key=None):
    events = run.events.order_by("seq")
    if key is not None:
        events = events.filter(node=key)
    return [event.kind for event in events]


__all__ = ["kinds", "node", "pulses", "wait_for", "wait_for_end", "wait_for_node"]


@pytest.fixture(scope="package")
def package_service():
    server = Service()
    yield server
    server.close()


@pytest.fixture
def service(package_service):
    """A server to be called, with an empty memory."""
    package_service.asked.clear()
    package_service.times.clear()
    return package_service


@pytest.fixture(scope="package")
def package_calling_worker(broker, package_service, tmp_path_factory):
    worker = Worker(
        tmp_path_factory.mktemp("worker") / "calling.log",
        PRIVATE_HOSTS=f"127.0.0.1:{package_service.server_port}",
        NODE_SECRET_SHOP="hunter2-and-more",
        NODE_SECRET_BANK="of-the-bank-only",
        NODE_SECRETS_HOSTS="BANK=bank.example",
    )
    yield worker
    worker.kill()


@pytest.fixture
def calling_worker(transactional_db, broker, package_calling_worker):
    """A worker that may call the tests' own server, with secrets."""
    broker.delete("runs")
    return package_calling_worker
