"""An act on the runs that are selected in the list, or on all that match a filter: ask, then begin.

A few named runs are done at once, and the list says what became of them; more are worked off in
the background, and the operation's page says so.
"""

from __future__ import annotations

import logging
import uuid
from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib import messages
from django.contrib.auth.mixins import PermissionRequiredMixin
from django.core.exceptions import PermissionDenied
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.views.generic import View
from django_htmx.http import HttpResponseClientRedirect

from runs import ids
from runs.bulk import operations, tasks, work
from runs.filters import RunFilter
from runs.models import BulkOperation
from runs.models.bulk import MOST_CHOSEN, BulkKind, OutcomeStatus
from runs.states import LABELS
from runs.templatetags.runs_ui import short
from runs.views.bulk.acts import ACTS, Act
from runs.views.bulk.ask_form import WORD, AskForm
from runs.views.bulk.counted import (
    Counted,
    count_matching,
    count_named,
    figure_words,
    total_of,
)

logger = logging.getLogger(__name__)

# Named runs that are done at once, and the seconds that this may take; the rest follows.
AT_ONCE = 200
SECONDS_AT_ONCE = 1.0
# Runs that the word afterwards names.
NAMED = 5


@dataclass(frozen=True, slots=True)
class Selected:
    """Runs by their ids, or by a filter."""

    chosen: list[uuid.UUID] | None = None
    wanted: RunFilter | None = None

    def for_act(self, act: Act) -> Selected:
        """Of all runs, failed ones alone are retried: no need to visit the others."""
        if self.wanted is not None and not self.wanted.state and len(act.states) == 1:
            return Selected(wanted=self.wanted.with_(state=LABELS[act.states[0]][1]))
        return self


class RunsAct(PermissionRequiredMixin, View):
    """Mount it with ``RunsAct.as_view(model_admin=self)``. Without `confirm` it asks."""

    model_admin: Any = None
    permission_required = "runs.view_run"
    raise_exception = True
    http_method_names = ["get", "head", "post", "options"]
    now: datetime

    def get(self, request: HttpRequest) -> HttpResponse:
        """Who had to sign in before the act is led here, without what was sent."""
        messages.warning(request, "Nothing was done. Select the runs and choose again.")
        return redirect("admin:runs_run_changelist")

    def post(self, request: HttpRequest) -> HttpResponse:
        self.now = timezone.now()
        act = ACTS.get(request.POST.get("act", ""))
        selected = self._selected()
        if act is None or selected is None:
            messages.error(request, "Select runs in the list first.")
            return self._lead(self.back)
        if not request.user.has_perm(act.permission):
            raise PermissionDenied(f"Your account may not do this to runs: {act.verb.lower()}.")
        if "confirm" not in request.POST:
            return self.ask(act, selected, AskForm(act))
        form = AskForm(act, request.POST)
        if not form.is_valid():
            return self.ask(act, selected, form, 422)
        return self.begin(act, selected, form)

    def _selected(self) -> Selected | None:
        given = self.request.POST
        if given.get("all"):
            wanted, errors = RunFilter.parse(QueryDict(given.get("filter", "").lstrip("?")))
            # A part that is not understood would mean more runs than were shown.
            return None if errors else Selected(wanted=wanted)
        named = given.get("runs", "").split(",")[:MOST_CHOSEN]
        found = (ids.decode("run", text) for text in dict.fromkeys(named))
        chosen = [run_id for run_id in found if run_id is not None]
        return Selected(chosen=chosen) if chosen else None

    @property
    def back(self) -> str:
        """The list as it was: its query string alone is taken from the form."""
        query = self.request.POST.get("back", "")
        path = reverse("admin:runs_run_changelist")
        return path + query if query.startswith("?") else path

    def _lead(self, url: str) -> HttpResponse:
        # A redirect that a script followed would show the messages to nobody.
        if self.request.headers.get("HX-Request"):
            return HttpResponseClientRedirect(url)
        return redirect(url)

    # -- Asking ------------------------------------------------------------------------------

    def ask(self, act: Act, selected: Selected, form: AskForm, status: int = 200) -> HttpResponse:
        given, counted = self.request.POST, self._counted(selected)
        doing = counted.doing(act) if counted else []
        count, is_capped = total_of(doing)
        is_one = count == 1 and not is_capped
        some = f"at least {count:,}" if is_capped else f"{count:,}"
        runs = f"{some} run{'' if is_one else 's'}" if counted else "all of these runs"
        wanted = selected.wanted
        # Where it is not known how many there are, there may be some.
        is_possible = counted is None or count > 0
        none = f"None of them can be {act.past}"
        context = {
            "now": self.now,
            "title": f"{act.phrase.format(runs)}?" if is_possible else none,
            "act": act,
            "counted": counted,
            "doing": doing,
            "figure": figure_words(count, is_capped) if counted else WORD,
            "is_possible": is_possible,
            "is_one": is_one,
            "skipped": counted.skipped(act) if counted else [],
            "left_out": operations.left_out(act.kind, wanted),
            "gone": counted.gone if counted else 0,
            "archived": counted.archived(act) if counted else "",
            "words": wanted.words(self.now) if wanted is not None else "",
            "is_bulk": wanted is not None or len(selected.chosen or ()) > AT_ONCE,
            "runs": ",".join(ids.encode("run", run_id) for run_id in selected.chosen or ()),
            "all": "1" if wanted is not None else "",
            "filter": given.get("filter", ""),
            "back": given.get("back", ""),
            "back_url": self.back,
            "form": form,
        }
        if self.request.headers.get("HX-Request"):
            return render(self.request, "runs/_act.html", context, status=status)
        frame = self.model_admin.admin_site.each_context(self.request)
        return render(self.request, "runs/act.html", {**frame, **context}, status=status)

    def _counted(self, selected: Selected) -> Counted | None:
        """None where counting takes too long: the operation never waits for it."""
        if selected.chosen is not None:
            return count_named(selected.chosen)
        assert selected.wanted is not None
        try:
            return count_matching(selected.wanted, self.now)
        except DatabaseError as error:
            logger.warning("a selection could not be counted: %s", error)
            return None

    # -- Beginning ---------------------------------------------------------------------------

    def begin(self, act: Act, selected: Selected, form: AskForm) -> HttpResponse:
        meant = selected.for_act(act)
        counted = self._counted(meant) if meant.wanted is not None else None
        try:
            operation = operations.make(
                act.kind,
                by=self.request.user.as_actor(),  # type: ignore[union-attr]
                now=self.now,
                wanted=meant.wanted,
                chosen=meant.chosen,
                reason=form.cleaned_data["reason"],
                rate=form.cleaned_data["rate"],
                at_least=counted.total if counted else 0,
                options=self._options(act, form),
            )
        except operations.NotPossible as error:
            form.add_error(None, str(error))
            return self.ask(act, selected, form, 422)
        if self._is_done_at_once(operation):
            self._say(act, operation)
            return self._lead(self.back)
        tasks.begin(operation)
        return self._lead(reverse("bulk_operation", args=[operation.public_id]))

    def _options(self, act: Act, form: AskForm) -> dict[str, Any]:
        if act.kind != BulkKind.EXPORT:
            return form.options
        # What the file's links to runs begin with.
        pages = self.request.build_absolute_uri(reverse("admin:runs_run_changelist"))
        return form.options | {"pages": pages}

    def _is_done_at_once(self, operation: BulkOperation) -> bool:
        few = operation.chosen is not None and len(operation.chosen) <= AT_ONCE
        if not few or operation.rate or operation.kind in work.BESIDE:
            return False
        try:
            work.work(operation.pk, SECONDS_AT_ONCE)
        except DatabaseError as error:
            # What is done is done, with its outcomes; a worker does the rest.
            logger.warning("%s goes on in the background: %s", operation.public_id, error)
            return False
        operation.refresh_from_db()
        return not operation.is_open

    def _say(self, act: Act, operation: BulkOperation) -> None:
        rows = list(operation.outcomes.values_list("run_id", "status", "reason", "new_run"))
        done = [new or run for run, status, _, new in rows if status == OutcomeStatus.DONE]
        url = reverse("bulk_operation", args=[operation.public_id])
        if done:
            messages.success(self.request, _done_words(act, done, url))
        why = Counter(reason for _, status, reason, _ in rows if status != OutcomeStatus.DONE)
        for words, count in why.most_common(NAMED):
            said = f"{count} {'run was' if count == 1 else 'runs were'} not {act.past}: {words}."
            messages.warning(self.request, said)
        if not done or len(why) > NAMED:
            messages.info(
                self.request,
                format_html('<a class="op-link" href="{}">What became of each run</a>', url),
            )


def _done_words(act: Act, run_ids: list[uuid.UUID], url: str) -> SafeString:
    count = len(run_ids)
    what = "1 run was" if count == 1 else f"{count} runs were"
    details = format_html(' <a class="op-link" href="{}">Details</a>', url)
    if act.kind == BulkKind.DELETE:
        return format_html("{} {}.{}", what, act.past, details)
    links = format_html_join(
        ", ",
        '<a class="op-link" href="{}">{}</a>',
        (
            (reverse("admin:runs_run_page", args=[public_id]), short(public_id))
            for run_id in run_ids[:NAMED]
            for public_id in (ids.encode("run", run_id),)
        ),
    )
    new = " The new one: " if count == 1 else " The new ones: "
    rest = f" and {count - NAMED} more" if count > NAMED else ""
    lead = new if act.kind == BulkKind.RETRY else " "
    return format_html("{} {}.{}{}{}.{}", what, act.past, lead, links, rest, details)
