"""What the documentation says to type, typed at a portal that was started as it says."""

import json
import os
import subprocess
import sys

import pytest

from runs.graph import parse
from runs.triggers import rule
from tests import servers
from tests.docs.pages import PROJECT, Block, blocks
from tests.portal import Portal

# Blocks that other tests run, by a word in them.
ELSEWHERE = {
    "make run\n": "each test that starts a portal, without make",
    "make test\n": "this is it",
    "hexkey": "tests/runs/api/test_hooks_for_real.py",
    "load_runs": "tests/runs/test_load_runs.py",
}
# And all those of these pages.
WHOLE = {"operations.md": "tests/config/test_operations_doc.py"}
# Refused requests fail, and streams end.
_CURL = """#!/bin/sh
for each in "$@"; do [ "$each" = -N ] && endless=1; done
if [ -n "$endless" ]; then
  "$REAL_CURL" --fail-with-body -sS --max-time 3 "$@" || [ $? = 28 ]
else
  exec "$REAL_CURL" --fail-with-body -sS "$@"
fi
"""
_JQ = """#!/bin/sh
[ "$1" = -r ] || exit 2
exec "$PYTHON" -c 'import json, sys; print(json.load(sys.stdin)[sys.argv[1][1:]])' "$2"
"""
_PYTHON = """#!/bin/sh
exec "$PYTHON" "$@"
"""


@pytest.fixture(scope="module")
def portal():
    started = Portal(servers.temporary_folder() / "portal").start()
    yield started
    started.stop()


@pytest.fixture(scope="module")
def shell(portal):
    """Run a text as a reader would who has the portal that it tells of, and account and token."""
    folder = servers.temporary_folder()
    for name, text in {"curl": _CURL, "jq": _JQ, "python": _PYTHON}.items():
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    real = subprocess.run(["which", "curl"], capture_output=True, text=True, check=True)
    env = {
        **{name: value for name, value in os.environ.items() if name not in ("DATABASE_URL",)},
        "PATH": f"{folder}:{os.environ['PATH']}",
        "REAL_CURL": real.stdout.strip(),
        "PYTHON": sys.executable,
        "PORTAL_LOCAL": "1",
        "DATA_DIR": str(portal.data_dir),
    }

    def run(text: str, **more: str) -> str:
        text = text.replace("http://127.0.0.1:8000", portal.url)
        text = text.replace("DATA_DIR=var ", f"DATA_DIR={portal.data_dir} ")
        text = text.replace(".venv/bin/python", "python").replace(
            "create_token anna", "create_token admin"
        )
        text = text.replace("-o runs.ndjson", f"-o {folder}/runs.ndjson")
        done = subprocess.run(
            ["bash", "-eu", "-o", "pipefail"], input=text, cwd=PROJECT, env={**env, **more},
            capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{text}\n{done.stdout[-1000:]}\n{done.stderr[-1000:]}"
        return done.stdout

    return run


@pytest.fixture(scope="module")
def token(shell):
    scopes = "view,execute,export,ingest,retry,decide"
    return shell(f"python manage.py create_token admin --scopes {scopes}").strip().splitlines()[-1]


def _own(language: str) -> list[Block]:
    return [
        each
        for each in blocks(language)
        if each.page not in WHOLE and not any(word in each.text for word in ELSEWHERE)
    ]


@pytest.mark.parametrize("document", sorted({each.page for each in _own("sh")}))
def test_commands(shell, token, document):
    """A page's in one go: what one of them makes, the next ones use."""
    text = "\n".join(each.text for each in _own("sh") if each.page == document)
    shell(text, TOKEN=token)


def test_each_block_that_others_run_is_there():
    texts = [each.text for each in blocks("sh")]
    assert [sum(word in text for text in texts) for word in ELSEWHERE] == [1] * len(ELSEWHERE)


def test_a_refused_request_fails(shell, token):
    with pytest.raises(AssertionError, match="returncode"):
        shell("curl http://127.0.0.1:8000/api/runs/?state=nonsense", TOKEN=token)


@pytest.mark.parametrize("block", _own("json"), ids=lambda each: each.page)
def test_definitions_and_rules_are_right(block):
    text = block.text.strip()
    given = json.loads(text if text.count('{"id"') == 0 or '"nodes"' in text else f"[{text}]")
    if isinstance(given, list):
        # Nodes that follow one which is shown before.
        first = {"id": "extract", "kind": "executor", "executor": "shop.extract"}
        given = {"nodes": [first, *given]}
    if "nodes" in given:
        parse(given)
    else:
        rule.parse("webhook", given)


def test_python_that_reports(portal, token):
    [block] = [each for each in blocks("python") if "client.run(" in each.text]
    text = "from runs.client.runs_client import Client\n" + block.text + "client.close()\n"
    _python(text.replace("http://127.0.0.1:8000", portal.url), token)


@pytest.mark.long
def test_python_that_asks_and_acts(portal, token):
    """Its last loop has no end: a change of the list is enough."""
    [block] = [each for each in blocks("python") if "portal.changes()" in each.text]
    before = "from runs.client.portal_client import Portal\ndef archive(run): pass\n"
    text = before + block.text + "    break\n"
    assert "reset" not in _python(text.replace("https://runs.example.org", portal.url), token)


def _python(text: str, token: str) -> str:
    done = subprocess.run(
        [sys.executable, "-"], input=f"token = {token!r}\n{text}", cwd=PROJECT,
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout
