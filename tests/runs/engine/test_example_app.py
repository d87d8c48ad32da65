"""The example of an app with an executor: installed as a package, and its workflow executed."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from runs.context import output_of
from runs.models import Run
from tests.runs.engine.conftest import environment, wait_for_end

pytestmark = pytest.mark.django_db(transaction=True)
EXAMPLE = Path(__file__).resolve().parents[3] / "docs" / "example_app"
# As the portal does it when somebody saves a definition, and then presses “Run”.
START = """
import sys
import django
django.setup()
from pathlib import Path
from runs import drafts, lifecycle
from runs.actors import Actor
from runs.models import Workflow
draft = drafts.read(Path(sys.argv[1]).read_text())
assert draft.is_sound, draft.findings
version = Workflow.objects.publish("greet", draft.definition)
by = Actor("anna", "user", "user_anna")
print(lifecycle.start(version, {"name": "Ada"}, trigger="manual", by=by).pk)
"""


def test_the_example_app_is_installed_and_its_workflow_runs(start_worker, tmp_path):
    place = tmp_path / "packages"
    install = ["-m", "uv", "pip", "install", "--quiet", "--no-deps", "--offline", "--target"]
    subprocess.run([sys.executable, *install, place, EXAMPLE], check=True, timeout=60)
    assert (place / "greetings" / "executors.py").exists()
    settings = {
        "EXTRA_APPS": "greetings",
        "PYTHONPATH": os.pathsep.join([str(place), os.environ.get("PYTHONPATH", "")]),
    }
    start_worker(**settings)
    done = subprocess.run(
        [sys.executable, "-c", START, EXAMPLE / "workflow.json"],
        check=True, capture_output=True, text=True, timeout=60, env=environment(**settings),
        cwd=EXAMPLE.parents[1],
    )  # fmt: skip
    run = wait_for_end(Run.objects.get(pk=done.stdout.strip()))
    assert (run.state, output_of(run)) == ("completed", {"text": "Hello, Ada!"})
