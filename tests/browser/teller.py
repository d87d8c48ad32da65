"""Tells runs into a started portal's database, from a process of its own.

Playwright's event loop keeps Django's ORM out of the test's own process.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).parents[2]


class Teller:
    """`tell("failed_invoice")` gives the public id of a story of ``tests.runs.stories``."""

    def __init__(self, data_dir: Path) -> None:
        kept = {k: v for k, v in os.environ.items() if k not in ("DATABASE_URL", "REDIS_URL")}
        self._child = subprocess.Popen(
            [sys.executable, "-m", "tests.browser.teller"],
            cwd=PROJECT,
            env={**kept, "DATA_DIR": str(data_dir)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def tell(self, story: str, *args: object) -> str:
        return self._ask({"story": story, "args": args})

    def go_on(self, run_id: str, *steps: list[object]) -> None:
        """Call the story's methods, now: ``["log", "classify", "found"]``."""
        self._ask({"run": run_id, "steps": steps})

    def close(self) -> None:
        self._child.stdin.close()
        self._child.wait(timeout=20)

    def _ask(self, request: dict[str, object]) -> str:
        self._child.stdin.write(json.dumps(request) + "\n")
        self._child.stdin.flush()
        answer = self._child.stdout.readline().strip()
        assert answer, "the teller has ended; see its error above"
        return answer


def main() -> None:
    import django

    django.setup()
    from django.utils import timezone

    from tests.runs import stories

    told: dict[str, stories.Story] = {}
    for line in sys.stdin:
        request = json.loads(line)
        if "story" in request:
            story = getattr(stories, request["story"])(*request["args"])
            told[story.public_id] = story
            print(story.public_id, flush=True)
            continue
        story = told[request["run"]]
        for name, *args in request["steps"]:
            story.clock = timezone.now()
            getattr(story, name)(*args)
        print("done", flush=True)


if __name__ == "__main__":
    main()
