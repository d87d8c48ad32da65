"""Who starts, retries and ends made-up runs, and the references that callers give."""

from __future__ import annotations

import hashlib
import random
import uuid
from dataclasses import dataclass

from runs import ids
from runs.synthetic.urn import Urn

# Those first named work most.
OPERATORS = ("maria.keller", "jonas.weber", "aylin.demir", "p.novak", "grace.obi", "l.fontaine")
CLERKS = (
    "anna.lind", "tom.becker", "s.rossi", "dmitri.k", "hana.sato", "ben.carter", "ines.costa",
    "ola.berg", "ruth.meyer", "vik.patel", "zoe.martin", "emil.horvat", "nadia.haddad",
    "chris.doyle", "lea.brandt", "omar.farouk", "julia.nowak", "sam.wright", "petra.vos",
    "ivo.maric", "kim.jensen", "luca.greco", "mina.park", "noah.fischer", "paula.silva",
    "rosa.blanco", "stefan.ilic", "tara.singh", "uwe.lang", "yara.aziz",
)  # fmt: skip
# Names of triggers and tokens' owners, with the caller's own word for a reference, if any.
SOURCES: dict[str, tuple[tuple[str, str], ...]] = {
    "api": (("erp.connector", "order"), ("crm.sync", "case"), ("mobile.app", ""), ("qa.bot", "")),
    "webhook": (("mail-gateway", "message"), ("scanner-hub", "batch"), ("partner-portal", "")),
    "schedule": (("every-5-minutes", ""), ("hourly-import", ""), ("nightly-close", "")),
    "event": (("document_intake completed", ""), ("customer.created", "customer")),
    "automation": (("large contracts", ""), ("manuals on release", "release")),
}
_WORDS = {
    "order": "PO-{:08d}", "case": "CASE-{:07d}", "message": "<{:x}@mx.example.org>",
    "batch": "B{:09d}", "customer": "C-{:07d}", "release": "rel-{}",
}  # fmt: skip
_OWN_WORD = 0.7


@dataclass(frozen=True, slots=True)
class Source:
    triggered_by: str
    ref_type: str
    ref_id: str


def _reference(kind: str, name: str) -> str:
    """The same account or trigger has the same id in every load."""
    digest = hashlib.sha256(f"{kind} {name}".encode()).digest()
    return ids.encode(kind, uuid.UUID(bytes=digest[:16], version=4))


def _person(name: str) -> Source:
    return Source(name, "user", _reference("user", name))


def _crew(names: tuple[str, ...]) -> Urn[Source]:
    return Urn({_person(name): 1 / (place + 1.5) for place, name in enumerate(names)})


_PEOPLE, _OPERATORS = _crew((*OPERATORS[3:], *CLERKS)), _crew(OPERATORS)
_BY_TRIGGER = {
    trigger: [
        (Source(name, kind, _reference(kind, name)), word)
        for kind in ("token" if trigger == "api" else trigger,)
        for name, word in sources
    ]
    for trigger, sources in SOURCES.items()
}


def source(rng: random.Random, trigger: str) -> Source:
    """Who or what starts a run by `trigger`, and the reference that it gives."""
    if trigger == "manual":
        return _PEOPLE.draw(rng)
    sources = _BY_TRIGGER[trigger]
    found, word = sources[int(rng.random() * len(sources))]
    if word and rng.random() < _OWN_WORD:
        own = _WORDS[word].format(int(rng.random() * 10_000_000))
        return Source(found.triggered_by, word, own)
    return found


def operator(rng: random.Random) -> Source:
    """Who retries or ends a run."""
    return _OPERATORS.draw(rng)
