"""Where a definition's nodes, and what is wrong with them, stand in its text. Pure."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any

_NODES = re.compile(r'"nodes"\s*:\s*\[')
_BETWEEN = re.compile(r"[\s,]*")
_QUOTED = re.compile(r"“([^”]{1,200})”")
_UNKNOWN = re.compile(r"unknown field ([^,\s]+)")
# Of a node that has no id to be called by.
_NUMBERED = re.compile(r"node (\d+) ")


@dataclass(frozen=True, slots=True)
class Places:
    text: str
    # Of each node in their order: id, and where it begins and ends in the text.
    spans: tuple[tuple[str, int, int], ...] = ()
    _starts: dict[str, int] = field(default_factory=dict)

    def line(self, node: str) -> int | None:
        """The line on which the node says its id."""
        found = self._span(node)
        return self._line_at(self._id_in(*found)) if found else None

    def line_of(self, node: str, message: str) -> int | None:
        """The line that a complaint about a node, or about the whole, is most likely about."""
        numbered = _NUMBERED.match(message) if not node else None
        if numbered and int(numbered[1]) <= len(self.spans):
            return self._line_at(self.spans[int(numbered[1]) - 1][1])
        if node and message == "stands twice":
            _, *span = [each for each in self.spans if each[0] == node][-1:][0]
            return self._line_at(self._id_in(node, *span))
        found = self._span(node) if node else ("", 0, len(self.text))
        if found is None:
            return None
        _, start, end = found
        for word in _UNKNOWN.findall(message) + _QUOTED.findall(message):
            for name in (word, word.partition(".")[0]):
                said = json.dumps(name, ensure_ascii=False)
                at = self.text.find(said, start, end) if node else self._outside(said)
                if at >= 0:
                    return self._line_at(at)
        return self.line(node) if node else None

    def _span(self, node: str) -> tuple[str, int, int] | None:
        at = self._starts.get(node)
        return self.spans[at] if at is not None else None

    def _id_in(self, node: str, start: int, end: int) -> int:
        said = re.compile(r'"id"\s*:\s*' + re.escape(json.dumps(node, ensure_ascii=False)))
        found = said.search(self.text, start, end)
        return found.start() if found else start

    def _outside(self, name: str) -> int:
        """The first place of `name` that is in no node."""
        at = self.text.find(name)
        for _, start, end in self.spans:
            if start <= at < end:
                at = self.text.find(name, end)
        return at

    def _line_at(self, offset: int) -> int:
        return self.text.count("\n", 0, offset) + 1


def places(text: str, definition: Any) -> Places:
    """`definition` is what `text` says."""
    nodes = definition.get("nodes") if isinstance(definition, dict) else None
    if not isinstance(nodes, list) or not nodes:
        return Places(text)
    for start in _NODES.finditer(text):
        spans = _spans(text, start.end(), nodes)
        if spans is not None:
            first: dict[str, int] = {}
            for place, (key, _, _) in enumerate(spans):
                first.setdefault(key, place)
            return Places(text, tuple(spans), first)
    return Places(text)


def _spans(text: str, at: int, nodes: list[Any]) -> list[tuple[str, int, int]] | None:
    """Where these nodes stand, if it is they whose list begins here."""
    decoder = json.JSONDecoder()
    found = []
    for node in nodes:
        at = _BETWEEN.match(text, at).end()  # type: ignore[union-attr]  # matches anything
        try:
            value, end = decoder.raw_decode(text, at)
        except (ValueError, RecursionError):
            return None
        if value != node:
            return None
        key = node.get("id") if isinstance(node, dict) else None
        found.append((key if isinstance(key, str) else "", at, end))
        at = end
    return found
