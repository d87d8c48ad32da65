"""Which runs are meant: one value that the list, the API, bulk operations, export and analysis use.

A filter is parsed from a query string, applied to a queryset, written back as a query string and
said in words. A new field is one on the form and one on the value, and its part of `apply` and of
`words`.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.utils import timezone
from django.utils.dateparse import parse_date, parse_datetime

from runs import contents, fingerprint, ids
from runs.driver import plain_cursor
from runs.models.stuck import StuckKind
from runs.querysets import RunQuerySet
from runs.states import LABELS, NodeStatus, RunState, Trigger

# What a state is called in a URL: the word of the page, "running" rather than "active".
STATES: dict[str, RunState] = {name: state for state, (_, name, _) in LABELS.items()}
_STATE_NAMES: dict[str, str] = {name: name for name in STATES} | {
    str(state): name for name, state in STATES.items()
}

# Ranges that go with the time: they end now, whenever the page is opened. Shortest first.
RANGES: dict[str, tuple[str, timedelta]] = {
    "1h": ("Last hour", timedelta(hours=1)),
    "24h": ("Last 24 hours", timedelta(hours=24)),
    "7d": ("Last 7 days", timedelta(days=7)),
    "30d": ("Last 30 days", timedelta(days=30)),
}

# Where the logs are: what can be restored, and what can be read as it is; then what they are in
# between, and what is wrong with their object.
LOGS = {
    "archived": "Archived",
    "live": "In the database",
    "partly": "Archived, with later events",
    "restored": "Restored for a time",
    "archiving": "Being archived",
    "restoring": "Being restored",
    "damaged": "Archive damaged",
}
_LOGS_WORDS = {
    "archived": "with archived logs",
    "live": "with logs at hand",
    "partly": "with archived logs and later events",
    "restored": "with restored logs",
    "archiving": "with logs that are being archived",
    "restoring": "with logs that are being restored",
    "damaged": "with a damaged archive",
}
HELD = {"yes": "Held", "no": "Not held"}
_HELD_WORDS = {"yes": "under legal hold", "no": "not under legal hold"}

# What a node that was executed can be in, and what its runs are called.
NODE_STATUSES: dict[str, str] = {
    NodeStatus.RUNNING: "is running",
    NodeStatus.WAITING: "waits for a person",
    NodeStatus.COMPLETED: "completed",
    NodeStatus.FAILED: "failed",
    NodeStatus.TERMINATED: "was terminated",
}
# What is told of runs by what is in them, and by what became of them.
SPENT = {"failed": "that spent on failed attempts"}
IS_RETRY = {"yes": "that retry another", "no": "that retry no other"}
RETRIED = {
    "yes": "that failed and were retried",
    "recovered": "that failed and completed when retried",
    "no": "that failed and were not retried",
}
TIMED = {"yes": "that have started and ended"}
STUCK: dict[str, str] = {
    "yes": "that are stuck",
    **{kind.value: f"that are stuck ({kind.label.lower()})" for kind in StuckKind},
}

# Nothing finds these but looking at one run after the other: what is said without a beginning.
UNDATED = {
    "q": "Error text is searched within a date range: give its beginning.",
    "node": "Runs of a node are looked for within a date range: give its beginning.",
    "model": "Runs of a model are looked for within a date range: give its beginning.",
    "spent": "What runs spent is looked for within a date range: give its beginning.",
}
# A kind may hold anything; a node's id has no “@”, and there may be none.
_ERROR = r"\A[^\n\r]{0,100}@[^@\n\r]{0,64}\Z"
_TRIGGER_WORDS: dict[str, str] = {
    Trigger.MANUAL: "by hand",
    Trigger.API: "by the API",
    Trigger.SCHEDULE: "on a schedule",
    Trigger.WEBHOOK: "by a webhook",
    Trigger.EVENT: "by an event",
    Trigger.AUTOMATION: "by an automation",
}


class MomentField(forms.Field):
    """A time: ``2026-11-21 14:59`` or a day alone in the person's zone, or with its own offset.

    A day alone is its beginning, or with `end` that of the next one, so that “to” includes it.
    """

    def __init__(self, *, end: bool = False) -> None:
        super().__init__(required=False)
        self.end = end

    def to_python(self, value: Any) -> datetime | None:
        text = str(value or "").strip()
        if not text:
            return None
        try:
            if day := parse_date(text):
                moment = datetime(day.year, day.month, day.day) + timedelta(days=self.end)  # noqa: DTZ001
            elif (parsed := parse_datetime(text)) is not None:
                moment = parsed
            else:
                raise ValueError
            if timezone.is_naive(moment):
                moment = timezone.make_aware(moment)
            # Beyond, a zone's offset may lead out of the calendar.
            if not 1000 <= moment.year <= 9000:
                raise ValueError
            return moment.astimezone(UTC)
        except (ValueError, OverflowError):
            raise forms.ValidationError(
                f"“{text[:40]}” is not a time. Write it like 2026-11-21 14:59."
            ) from None


def _choice(what: str, shown: Iterable[str], also: Iterable[str] = ()) -> forms.ChoiceField:
    there_are = ", ".join(shown)
    return forms.ChoiceField(
        required=False,
        choices=[(name, name) for name in (*shown, *also)],
        error_messages={"invalid_choice": f"There is no {what} “%(value)s”, only {there_are}."},
    )


class FilterForm(forms.Form):
    state = _choice("state", STATES, _STATE_NAMES)
    workflow = forms.RegexField(
        r"\A[A-Za-z0-9_-]{1,64}\Z",
        required=False,
        error_messages={"invalid": "A workflow’s id has letters, digits and underscores only."},
    )
    created = _choice("range", RANGES)
    created_from = MomentField()
    created_to = MomentField(end=True)
    triggered_by = forms.CharField(required=False, max_length=150)
    trigger = _choice("trigger", [str(trigger) for trigger in Trigger])
    ref = forms.CharField(required=False, max_length=200)
    error = forms.RegexField(
        _ERROR,
        required=False,
        error_messages={"invalid": "Write the error as its kind, “@” and the node that failed."},
        help_text="Runs that failed so: the error’s kind, “@” and the node, if one failed.",
    )
    group = forms.RegexField(
        r"\A[0-9a-f]{16}\Z",
        required=False,
        error_messages={"invalid": "A failure group’s id has sixteen hexadecimal digits."},
    )
    version = forms.IntegerField(
        required=False,
        min_value=1,
        max_value=2_000_000_000,
        error_messages={"invalid": "A version is a number, such as 4."},
    )
    node = forms.RegexField(
        r"\A\S{1,64}\Z",
        required=False,
        error_messages={"invalid": "A node’s id has 64 characters at most, and no spaces."},
    )
    node_status = _choice("status of an executed node", NODE_STATUSES)
    model = forms.CharField(required=False, max_length=128)
    spent = _choice("thing that is spent on", SPENT)
    is_retry = _choice("answer", IS_RETRY)
    retried = _choice("answer", RETRIED)
    timed = _choice("answer", TIMED)
    stuck = _choice("class of stuck runs", STUCK)
    logs = _choice("place of logs", LOGS)
    held = _choice("answer", HELD)
    q = forms.CharField(required=False, max_length=200)

    def clean_state(self) -> str:
        name: str = self.cleaned_data["state"]
        return _STATE_NAMES.get(name, "")

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        since, until = cleaned.get("created_from"), cleaned.get("created_to")
        if cleaned.get("created") and (since or until):
            self.add_error("created", "Give a range or a beginning and an end, not both.")
        if since and until and since >= until:
            self.add_error("created_to", "The end must come after the beginning.")
        if cleaned.get("version") and not cleaned.get("workflow"):
            self.add_error("version", "Versions are those of a workflow: give it too.")
        if cleaned.get("node_status") and not cleaned.get("node"):
            self.add_error("node_status", "A status is that of a node: give it too.")
        if not (cleaned.get("created") or cleaned.get("created_from")):
            for name, said in UNDATED.items():
                if cleaned.get(name):
                    self.add_error(name, said)
        return cleaned


@lru_cache(maxsize=256)
def _form_of(names: frozenset[str]) -> type[FilterForm]:
    """The form with these fields alone: the others would be empty, and each takes its time."""

    class GivenForm(FilterForm):
        pass

    fields = FilterForm.base_fields.items()
    GivenForm.base_fields = {name: field for name, field in fields if name in names}
    return GivenForm


@dataclass(frozen=True, slots=True)
class RunFilter:
    """Which runs are meant. Empty fields mean all; the names are those of the URL."""

    state: str = ""
    workflow: str = ""
    created: str = ""
    created_from: datetime | None = None
    created_to: datetime | None = None
    triggered_by: str = ""
    trigger: str = ""
    # A reference's id, or its beginning; what the run failed with, as “kind@node”; and text of an
    # error.
    ref: str = ""
    error: str = ""
    # What failed alike, by its fingerprint; and a version of the workflow, by its number.
    group: str = ""
    version: int | None = None
    # A node that was executed and what it is in now; a model that was called; what was spent on.
    node: str = ""
    node_status: str = ""
    model: str = ""
    spent: str = ""
    # Whether they repeat another one, were retried themselves, and have a duration.
    is_retry: str = ""
    retried: str = ""
    timed: str = ""
    # Whether they get on: any class in which they are stuck, or one.
    stuck: str = ""
    logs: str = ""
    # Whether they are under legal hold.
    held: str = ""
    q: str = ""

    @classmethod
    def parse(cls, data: Mapping[str, Any]) -> tuple[RunFilter, dict[str, str]]:
        """The filter, and per field what is wrong with it; a wrong field is left out."""
        form = _form_of(frozenset(FilterForm.base_fields.keys() & data.keys()))(data)
        form.full_clean()
        errors = {
            name: " ".join(str(text) for text in texts) for name, texts in form.errors.items()
        }
        values = {name: form.cleaned_data.get(name) for name in form.fields if name not in errors}
        return cls(**{name: value for name, value in values.items() if value}), errors

    def with_(self, **changes: Any) -> RunFilter:
        return replace(self, **changes)

    def without(self, name: str) -> RunFilter:
        """Without this field, and without what means nothing when it is gone."""
        names = (name, *_BESIDE.get(name, ()))
        return replace(self, **{each: _UNSET[each] for each in names})

    def __bool__(self) -> bool:
        return self != RunFilter()

    # -- As a question -----------------------------------------------------------------------

    def since(self, now: datetime) -> datetime | None:
        return now - RANGES[self.created][1] if self.created else self.created_from

    def apply(self, runs: RunQuerySet, now: datetime) -> RunQuerySet:
        """Those of `runs` that are meant. Reads the workflow's id, where one is named."""
        if self.state:
            runs = runs.filter(state=STATES[self.state])
        if self.workflow:
            runs = _of_workflow(runs, self.workflow, self.version)
        if since := self.since(now):
            runs = runs.filter(created_at__gte=since)
        if self.created_to:
            runs = runs.filter(created_at__lt=self.created_to)
        if self.triggered_by:
            runs = runs.filter(triggered_by=self.triggered_by)
        if self.trigger:
            runs = runs.filter(trigger=self.trigger)
        if self.ref:
            runs = runs.with_reference(self.ref)
        if self.held:
            runs = runs.filter(held_at__isnull=self.held == "no")
        return _with_logs(self._holding(self._failing(self._repeated(runs))), self.logs)

    def _repeated(self, runs: RunQuerySet) -> RunQuerySet:
        if self.is_retry:
            runs = runs.filter(retry_of__isnull=self.is_retry == "no")
        if self.timed:
            runs = runs.filter(started_at__isnull=False, completed_at__isnull=False)
        if self.stuck:
            runs = contents.stuck(runs, "" if self.stuck == "yes" else self.stuck)
        return contents.retried(runs, self.retried) if self.retried else runs

    def _holding(self, runs: RunQuerySet) -> RunQuerySet:
        if self.node:
            runs = contents.with_node(runs, self.node, self.node_status)
        if self.model:
            runs = contents.with_model(runs, self.model)
        return contents.spent_for_nothing(runs) if self.spent else runs

    def _failing(self, runs: RunQuerySet) -> RunQuerySet:
        if self.error:
            runs = runs.failed_like(*self.error_parts)
        if self.group:
            runs = runs.failed_alike(fingerprint.parsed(self.group))
        return runs.with_error_text(self.q) if self.q else runs

    # -- As a URL ----------------------------------------------------------------------------

    def pairs(self) -> list[tuple[str, str]]:
        """Names and values as they stand in a URL, in a fixed order."""
        values = ((field.name, getattr(self, field.name)) for field in fields(self))
        return [(name, _text(value)) for name, value in values if value]

    def query(self, **more: object) -> str:
        """The query string, with its question mark; `more` is what else stands in it."""
        return "?" + urlencode([*self.pairs(), *((k, str(v)) for k, v in more.items() if v)])

    # -- In words ----------------------------------------------------------------------------

    def words(self, now: datetime, *, one: bool = False) -> str:
        """``failed runs of invoice_processing in the last 24 hours``, or of `one` run."""
        parts = [LABELS[STATES[self.state]][0].lower()] if self.state else []
        parts.append("run" if one else "runs")
        if self.workflow:
            parts.append(f"of {self.workflow}" + (f" v{self.version}" if self.version else ""))
        if self.trigger:
            parts.append(f"started {_TRIGGER_WORDS[self.trigger]}")
        if self.triggered_by:
            parts.append(f"triggered by {self.triggered_by}")
        if self.ref:
            parts.append(f"with reference {self.ref}")
        parts += [*self._failing_words(), *self.holding_words().values()]
        if self.logs:
            parts.append(_LOGS_WORDS[self.logs])
        if self.held:
            parts.append(_HELD_WORDS[self.held])
        if self.created:
            parts.append(f"in the {RANGES[self.created][0].lower()}")
        elif self.created_from or self.created_to:
            parts.append(f"created {range_words(self.created_from, self.created_to, now)}")
        return " ".join(parts)

    def _failing_words(self) -> list[str]:
        parts = []
        if self.error:
            kind, node = self.error_parts
            where = f"at {node}" if node else "before any node"
            parts.append(f"with {kind or 'an error'} {where}")
        if self.group:
            parts.append(f"of failure group {self.group}")
        if self.q:
            parts.append(f"with “{self.q}” in their error")
        return parts

    def holding_words(self) -> dict[str, str]:
        """By the field's name, what is said of runs for what is in them or became of them."""
        found = {}
        if self.node:
            became = NODE_STATUSES.get(self.node_status, "was executed")
            found["node"] = f"in which {self.node} {became}"
        if self.model:
            found["model"] = f"that called {self.model}"
        choices = {
            "spent": SPENT,
            "is_retry": IS_RETRY,
            "retried": RETRIED,
            "timed": TIMED,
            "stuck": STUCK,
        }
        for name, words in choices.items():
            if value := getattr(self, name):
                found[name] = words[value]
        return found

    @property
    def error_parts(self) -> tuple[str, str]:
        """The error's kind and its node; no node where the run failed before any."""
        kind, _, node = self.error.rpartition("@")
        return kind, node

    @property
    def is_dated(self) -> bool:
        """Whether it has a beginning: then what must look at every run of it may be asked."""
        return bool(self.created or self.created_from)

    @property
    def must_be_dated(self) -> bool:
        """Whether it is never asked without a beginning."""
        return any(getattr(self, name) for name in UNDATED)

    @property
    def created_label(self) -> str:
        return RANGES[self.created][0] if self.created else "Any time"

    def wider(self) -> RunFilter | None:
        """The same with the next longer range; None where the range is not what narrows it."""
        if self.created:
            names = list(RANGES)
            longer = names[names.index(self.created) + 1 :]
            if not longer and self.must_be_dated:
                return None
            return self.with_(created=longer[0] if longer else "")
        if (self.created_from or self.created_to) and not self.must_be_dated:
            return self.with_(created_from=None, created_to=None)
        return None


_UNSET: dict[str, Any] = {field.name: field.default for field in fields(RunFilter)}
_BESIDE = {"workflow": ("version",), "node": ("node_status",)}


def _with_logs(runs: RunQuerySet, place: str) -> RunQuerySet:
    match place:
        case "":
            return runs
        case "archived":
            return runs.archived()
        case "live":
            return runs.with_log()
        case "damaged":
            return contents.with_damaged_archive(runs)
    return runs.filter(logs=place)


def _of_workflow(runs: RunQuerySet, slug: str, version: int | None) -> RunQuerySet:
    """By its id: how many runs it has is known of a value, not of a subquery or a join."""
    with plain_cursor() as cursor:
        found = cursor.execute("SELECT id FROM workflows WHERE slug = %s", [slug]).fetchone()
    if not found:
        return runs.none()
    runs = runs.filter(workflow=found[0])
    return _of_version(runs, found[0], version) if version else runs


def _of_version(runs: RunQuerySet, workflow_id: int, number: int) -> RunQuerySet:
    with plain_cursor() as cursor:
        found = cursor.execute(
            "SELECT id FROM workflow_versions WHERE workflow_id = %s AND number = %s",
            [workflow_id, number],
        ).fetchone()
    return runs.filter(version=found[0]) if found else runs.none()


def pasted_id(text: str) -> uuid.UUID | None:
    """The run of a pasted run or job id, however it was copied."""
    bare = text.strip().strip("\"'`“”<>()[],;").lower()
    return ids.decode("run", bare) or ids.decode("job", bare)


def range_words(since: datetime | None, until: datetime | None, now: datetime) -> str:
    """``from 21 Nov 14:59 to 22 Nov 09:00`` in the person's zone; whole days without times."""
    if since and until:
        if _is_midnight(since) and _is_midnight(until):
            first, last = _day_words(since, now), _day_words(last_day(until), now)
            return f"on {first}" if first == last else f"from {first} to {last}"
        return f"from {_moment_words(since, now)} to {_moment_words(until, now)}"
    if since:
        return f"since {_moment_words(since, now)}"
    return f"before {_moment_words(until, now)}" if until else "at any time"


def last_day(until: datetime) -> datetime:
    """A moment of the last day before a midnight; that may have had 23 or 25 hours."""
    return until - timedelta(hours=1)


def typed_from(moment: datetime | None) -> str:
    """As one types it: a midnight is its day."""
    if moment is None:
        return ""
    return (
        f"{timezone.localtime(moment):{'%Y-%m-%d' if _is_midnight(moment) else '%Y-%m-%d %H:%M'}}"
    )


def typed_to(moment: datetime | None) -> str:
    """As one types an end: a midnight is the day before, which is included."""
    if moment is not None and _is_midnight(moment):
        return f"{timezone.localtime(last_day(moment)):%Y-%m-%d}"
    return typed_from(moment)


def _is_midnight(moment: datetime) -> bool:
    local = timezone.localtime(moment)
    return (local.hour, local.minute, local.second, local.microsecond) == (0, 0, 0, 0)


def _day_words(moment: datetime, now: datetime) -> str:
    local = timezone.localtime(moment)
    year = "" if local.year == timezone.localtime(now).year else f" {local.year}"
    return f"{local.day} {local:%b}{year}"


def _moment_words(moment: datetime, now: datetime) -> str:
    return f"{_day_words(moment, now)} {timezone.localtime(moment):%H:%M}"


def _text(value: Any) -> str:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    return str(value)
