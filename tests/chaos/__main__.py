"""Long tests that break what the portal runs on: ``make chaos``, no part of ``make test``.

``make chaos ARGS="--seed 7"`` repeats what a run printed as its seed; ``--help`` names the rest.
"""

import sys

from tests.chaos import soak

if __name__ == "__main__":
    sys.exit(soak.main())
