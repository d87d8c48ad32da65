"""A trouble that lasts is said once when it begins, and once when it is over."""

import logging
import threading


class Trouble:
    """`what` says what does not work meanwhile."""

    def __init__(self, logger: logging.Logger, what: str) -> None:
        self._logger = logger
        self._what = what
        self._lock = threading.Lock()
        self._lasts = False

    def met(self, error: BaseException) -> None:
        with self._lock:
            news, self._lasts = not self._lasts, True
        if news:
            self._logger.warning("%s: %s: %s", self._what, type(error).__name__, error)

    def over(self) -> None:
        if not self._lasts:
            return
        with self._lock:
            news, self._lasts = self._lasts, False
        if news:
            self._logger.info("%s: that is over", self._what)
