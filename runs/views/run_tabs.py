"""The lower half of a run's page: its history, context, job and lineage, one at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from runs.context import context_of, job_of
from runs.models import Node, Run
from runs.states import Kind
from runs.views import run_history
from runs.views.event_words import Teller, kind_words, pretty
from runs.views.run_address import Address
from runs.views.run_archive import Archived
from runs.views.run_difference import difference
from runs.views.run_overview import lineage_of
from runs.whole_log import AT_ONCE_BYTES

# A context whose payloads take more bytes, as stored, is fetched when it is looked at.
CONTEXT_INLINE_BYTES = 20_000
# Of more nodes than a menu can hold one is named instead of picked.
LISTED_NODES = 60


def tab_context(run: Run, address: Address, teller: Teller, log: Archived | None) -> dict[str, Any]:
    """What the template of the tab that the address names needs."""
    makers: dict[str, Callable[[], dict[str, Any]]] = {
        "history": lambda: _history_tab(run, address, teller, log),
        "context": lambda: _context_tab(run, log),
        "job": lambda: {"job_text": pretty(job_of(run))},
        "lineage": lambda: _lineage_tab(run, address),
    }
    return makers[address.tab]()


def history_context(
    run: Run, address: Address, teller: Teller, log: Archived | None
) -> dict[str, Any]:
    """The stretch of events that the address names; of those that are in the database."""
    chosen = address.chosen
    limit = min(address.number("limit") or run_history.PAGE, run_history.MOST)
    # Before without a number: the last ones.
    backwards = "before" in address.query
    seq = address.number("before" if backwards else "after")
    floor = log.last_seq if log else 0
    stretch = run_history.read(run.pk, seq, chosen, limit, backwards=backwards, floor=floor)
    lines = run_history.told(run.pk, stretch.entries, teller)
    return {
        "lines": lines,
        "stretch": stretch,
        "dated": teller.dated,
        "chosen": chosen,
        "seconds": run_history.SECONDS,
        "before_url": address.link(tab="history", before=lines[0].seq) if lines else "",
        "after_url": address.link(tab="history", after=lines[-1].seq) if lines else "",
    }


def _history_tab(
    run: Run, address: Address, teller: Teller, log: Archived | None
) -> dict[str, Any]:
    unfiltered = address.link(tab="history", of=None)
    names_node = run.nodes_total > LISTED_NODES
    nodes = Node.objects.filter(run=run.pk).order_by("position").values_list("key")
    return {
        **history_context(run, address, teller, log),
        "kinds": [_kind_link(address, kind) for kind in Kind],
        "nodes": [] if names_node else [_node_link(address, key, unfiltered) for (key,) in nodes],
        "names_node": names_node,
        "kept_but_node": address.kept("kind", "find", "node", "pane", "attempt", "view"),
        "kept": address.kept("kind", "of", "node", "pane", "attempt", "view"),
        "plain_url": address.link(tab="history", kind=None, of=None, find=None),
        "last_url": address.link(tab="history", before=""),
    }


def _lineage_tab(run: Run, address: Address) -> dict[str, Any]:
    """With two runs to compare: those asked for, else this one and what it repeats or began."""
    chain = lineage_of(run)
    here = next((place for place, each in enumerate(chain) if each.pk == run.pk), 0)
    before = next((each for each in chain if each.pk == run.retry_of_id), None)
    other = before or next((each for each in chain[here + 1 :]), None)
    # From the older to the newer one, unless asked otherwise.
    names = [each.public_id for each in chain if other and each.pk in (other.pk, run.pk)]
    given = [address.query.get("with"), address.query.get("to")]
    one, two = (given if all(given) else names) if len(names) == 2 else ("", "")
    found = difference(chain, one or "", two or "")
    return {
        "lineage": chain,
        "compared": (one, two),
        "difference": found,
        "same_twice": bool(one) and one == two,
    }


def _kind_link(address: Address, kind: Kind) -> dict[str, Any]:
    """Chooses the kind beside those that are chosen, or leaves it out again."""
    chosen = address.chosen.kinds
    others = [other for other in chosen if other != kind]
    return {
        "label": kind_words(kind),
        "is_set": kind in chosen,
        "url": address.link(tab="history", kind=others if kind in chosen else [*others, kind]),
    }


def _node_link(address: Address, key: str, unfiltered: str) -> dict[str, Any]:
    is_set = key == address.chosen.node
    return {
        "label": key,
        "is_set": is_set,
        "url": unfiltered if is_set else f"{unfiltered}&of={quote(key)}",
    }


def _context_tab(run: Run, log: Archived | None) -> dict[str, Any]:
    found = {"context_url": "?fragment=context", "download_url": "?fragment=context&download=1"}
    if log and log.is_away:
        # It is read from storage, which the page does not wait for.
        too_long = log.archive is None or log.archive.unpacked > AT_ONCE_BYTES
        return {**found, "context_text": "", "context_is_too_long": too_long}
    nodes = Node.objects.filter(run=run.pk).order_by().values_list("input_seq", "output_seq")
    seqs = {1, *(seq for pair in nodes for seq in pair if seq)}
    inline = run_history.stored_bytes(run.pk, seqs) <= CONTEXT_INLINE_BYTES
    return {**found, "context_text": pretty(context_of(run)) if inline else ""}
