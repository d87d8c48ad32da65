"""Regular expressions that people write, matched in time that grows only with the text. Pure.

RE2 has no backtracking: neither a pattern nor a text can make it work for seconds. What cannot be
done without, such as a look ahead, it refuses.
"""

from functools import lru_cache
from typing import Any

import re2


class PatternError(ValueError):
    """A pattern that cannot be used; the message says why."""


@lru_cache(maxsize=1024)
def compiled(pattern: str, flags: str = "") -> Any:
    """`flags` are of “i”, “m”, “s”."""
    options = re2.Options()
    options.log_errors = False
    prefix = f"(?{flags})" if flags else ""
    try:
        return re2.compile(prefix + pattern, options)
    except (re2.error, UnicodeError) as error:
        raise PatternError(
            f"“{pattern[:100]}” is no pattern that can be used: {_why(error)}"
        ) from None


def search(pattern: str, text: str) -> bool:
    """Whether the pattern is found in the text; a text that is no Unicode holds nothing."""
    return _tells(compiled(pattern).search, text)


def fullmatch(pattern: str, text: str) -> bool:
    return _tells(compiled(pattern).fullmatch, text)


def _tells(match: Any, text: str) -> bool:
    try:
        return match(text) is not None
    except UnicodeError:
        return False


def _why(error: Exception) -> str:
    words = error.args[0] if error.args else ""
    return words.decode(errors="replace") if isinstance(words, bytes) else str(words)
