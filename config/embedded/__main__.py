"""``python -m config.embedded``: the whole portal with one command, stopped by Ctrl-C."""

import os
import sys

from config.embedded.processes import StartError
from config.embedded.runner import run

if __name__ == "__main__":
    try:
        run(os.environ)
    except StartError as error:
        sys.exit(f"The portal does not start. {error}")
