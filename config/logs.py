"""Lines of the logs, without secrets in them, and none of them endless."""

import logging

from runs import counters
from runs.secret_values import masked

# An executor may print whatever it has.
LONGEST = 20_000


class ErrorCounter(logging.Handler):
    """Counts them for ``/metrics``."""

    def emit(self, record: logging.LogRecord) -> None:  # noqa: ARG002
        counters.add(counters.ERRORS)


class Formatter(logging.Formatter):
    """Masks the whole line, with the traceback that belongs to it."""

    def format(self, record: logging.LogRecord) -> str:
        line = str(masked(super().format(record)))
        if len(line) > LONGEST:
            line = f"{line[:LONGEST]}… and {len(line) - LONGEST:,} characters more"
        return line
