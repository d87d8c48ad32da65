"""What failures have in common: an error's kind, its node, and its message without what differs
from run to run. Pure.

Rules, in this order; each puts # where it finds something:

- addresses: URLs but for their host, mail addresses, IP addresses with their ports;
- ids: UUIDs, ids with a prefix (``run_01k9…``), hexadecimal numbers of eight digits and more,
  addresses in memory (``0x7f…``), long tokens of letters and digits;
- dates and times, however they are written, with their zones;
- files: paths, and names with an extension;
- numbers, with their signs, separators and exponents, also within a word (``inv-88213``).

What is quoted is kept where none of these apply: a missing key's name tells one failure from
another. Case and spaces do not.
"""

from __future__ import annotations

import hashlib
import re

# Of a message; what is behind it hardly ever tells failures apart.
MOST = 300
_EXTENSIONS = (
    "avif|bmp|csv|docx?|eml|gif|gz|heic|html?|jpe?g|json|log|md|mp[34]|msg|odt|pdf|png|pptx?|py|"
    "tar|tiff?|txt|wav|webp|xlsx?|xml|ya?ml|zip|zst"
)
_MONTHS = "jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec"
_RULES = tuple(
    (re.compile(pattern, re.IGNORECASE), put)
    for pattern, put in (
        # Addresses.
        (r"\b([a-z][a-z0-9+.-]{1,15}://)(?:[^\s/@\"'<>]*@)?([a-z0-9.-]+)[^\s\"'<>)\]]*", r"\1\2/#"),
        (r"\b[\w.+-]+@[\w-]+(?:\.[\w-]+)+\b", "#"),
        (r"\b\d{1,3}(?:\.\d{1,3}){3}(?::\d{1,5})?\b", "#"),
        (r"\[?\b(?:[0-9a-f]{1,4}:){3,7}[0-9a-f]{0,4}\b\]?(?::\d{1,5})?", "#"),
        # Ids.
        (r"\b[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\b", "#"),
        (r"\b[a-z]{2,20}_(?=[a-z0-9]*\d)[a-z0-9]{16,}\b", "#"),
        (r"\b0x[0-9a-f]+\b", "#"),
        (r"\b(?=[a-f]*\d)[0-9a-f]{8,}\b", "#"),
        (r"\b(?=[a-z_-]*\d)(?=[0-9_-]*[a-z])[a-z0-9_-]{24,}\b=*", "#"),
        # Dates and times.
        (
            r"\b\d{4}-\d{2}-\d{2}(?:[t ]\d{2}:\d{2}(?::\d{2}(?:[.,]\d+)?)?)?"
            r"(?:\s?(?:z|utc|[+-]\d{2}:?\d{2}))?\b",
            "#",
        ),
        (
            rf"\b(?:(?:mon|tue|wed|thu|fri|sat|sun)[a-z]*,?\s+)?(?:\d{{1,2}}\.?\s+(?:{_MONTHS})[a-z]*"
            rf"|(?:{_MONTHS})[a-z]*\.?\s+\d{{1,2}},?)(?:\s+\d{{4}})?(?!\w)",
            "#",
        ),
        (r"\b\d{1,2}[./]\d{1,2}[./]\d{2,4}\b", "#"),
        (r"\b\d{1,2}:\d{2}(?::\d{2}(?:[.,]\d+)?)?(?:\s?(?:am|pm|utc|gmt)\b)?", "#"),
        # Files.
        (r"\b[a-z]:\\[^\s\"'<>|:*?]+", "#"),
        (r"(?<![\w#/<])(?:~|\.{1,2})?/(?:[\w.@%+=,-]+/)*[\w.@%+=,-]*[\w@%+=-]", "#"),
        (rf"[\w.#-]*[\w#-]\.(?:{_EXTENSIONS})\b(?::\d+)?", "#"),
        # Numbers.
        (r"(?<![\w#])[+-]?\d[\d_.,'’]*(?:e[+-]?\d+)?(?<=\d)", "#"),
        (r"(?:[\w#]+[-_/])*[\w#]*\d[\w#]*(?:[-_/][\w#]+)*", "#"),
        # What was found beside what was found.
        (r"#(?:[\s.,:;x×/_-]*#)+", "#"),
        (r"\s+", " "),
    )
)  # fmt: skip


def normalised(message: str) -> str:
    """The message with # for what differs, as it is shown."""
    text = message.strip()[: 2 * MOST]
    for pattern, put in _RULES:
        text = pattern.sub(put, text)
    return text.strip()[:MOST]


def fingerprint(kind: str, message: str, node: str) -> int:
    """The same for what failed alike: a whole number that PostgreSQL's bigint holds."""
    told = "\0".join((kind, node, normalised(message).lower()))
    digest = hashlib.blake2b(told.encode("utf-8", "replace"), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)


def public(group: int) -> str:
    """As it stands in URLs: sixteen hexadecimal digits."""
    return f"{group & 0xFFFF_FFFF_FFFF_FFFF:016x}"


def parsed(text: str) -> int | None:
    """The number that these digits stand for; None where they are none."""
    if not re.fullmatch(r"[0-9a-f]{16}", text):
        return None
    number = int(text, 16)
    return number - (1 << 64) if number >= 1 << 63 else number
