"""Long tests that break what the portal runs on: ``make chaos``, no part of ``make test``.

``make chaos ARGS=engine`` runs one of the suites, and ``ARGS="engine --seed 7"`` repeats what
it printed as its seed; ``ARGS="engine --help"`` names the rest.
"""

import subprocess
import sys
from functools import partial
from signal import SIGTERM

from config.embedded.processes import die_with_parent

SUITES = ("streams", "engine", "bulk", "archive")


def main(arguments: list[str]) -> int:
    if not arguments:
        return max(map(_alone, SUITES))
    suite, *rest = arguments
    if suite == "streams":
        from tests.chaos import soak

        return soak.main(rest)
    if suite == "engine":
        from tests.chaos.engine import soak as soak_of_engine

        return soak_of_engine.main(rest)
    if suite == "bulk":
        from tests.chaos.bulk import soak as soak_of_bulk

        return soak_of_bulk.main(rest)
    if suite == "archive":
        from tests.chaos.archive import soak as soak_of_archive

        return soak_of_archive.main(rest)
    print(f"There is no suite {suite!r}; there are {', '.join(SUITES)}.")
    return 2


def _alone(suite: str) -> int:
    """Each suite in a process of its own: it has servers and settings of its own."""
    command = [sys.executable, "-m", "tests.chaos", suite]
    return subprocess.run(
        command, check=False, preexec_fn=partial(die_with_parent, SIGTERM)
    ).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
