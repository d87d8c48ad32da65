"""The TypeScript that ships with the portal: up to date, and of use to the compiler."""

import re
import subprocess

from runs.api.trpc.typescript import document
from tests.clients.node import APP_ROUTER, HERE, NODE, installed
from tests.docs.pages import only_block

MARK = "// @ts-expect-error"


def test_the_file_is_what_the_procedures_say():
    assert APP_ROUTER.read_text() == document(), "write it anew: manage.py trpc_types"


def _documented() -> str:
    """What docs/trpc.md shows, with what it leaves to its reader."""
    shown = only_block("ts", "createTRPCClient").replace('"./app_router"', '"./app_router.js"')
    return f"""{shown}
declare const process: {{ env: Record<string, string> }};
declare function refetch(): void;
declare function refresh(run: unknown): void;
"""


def test_the_compiler_refuses_what_is_wrong_and_nothing_else():
    folder, usage = installed(), (HERE / "usage.ts").read_text()
    wrong = [at + 1 for at, line in enumerate(usage.splitlines(), 1) if line.startswith(MARK)]
    (folder / "checked.ts").write_text(usage.replace(MARK, "//"))
    (folder / "documented.ts").write_text(_documented())
    compiler = folder / "node_modules" / "typescript" / "bin" / "tsc"
    ended = subprocess.run(
        [NODE, compiler, "--project", ".", "--pretty", "false"],
        cwd=folder, capture_output=True, text=True, check=False,
    )  # fmt: skip
    found = re.findall(r"^(\S+)\((\d+),\d+\): error", ended.stdout, re.MULTILINE)
    assert found == [("checked.ts", str(line)) for line in wrong], ended.stdout
    assert len(wrong) == 13
