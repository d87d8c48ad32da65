"""MANAGE → Settings → Runs: how long runs and their logs are kept, and what that comes to."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.contrib.auth.mixins import PermissionRequiredMixin
from django.core.exceptions import PermissionDenied
from django.db import OperationalError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.generic import View

from retention import changing, values
from retention.forms import Asked
from retention.models import Execution
from retention.models.execution import ExecutionKind
from retention.preview import SECONDS, preview
from retention.values import Values
from retention.views.shown import shown
from runs.models import AuditEntry, User, Workflow
from runs.timeouts import was_stopped

MANAGE = "runs.manage_retention"
# Workflows that the field for a new line offers; changes that are listed.
MOST_OFFERED, MOST_CHANGES, MOST_NIGHTS = 500, 8, 3


class _Page(PermissionRequiredMixin, View):
    """Mount it in `admin_view`."""

    permission_required = "runs.view_run"
    raise_exception = True

    def setup(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        super().setup(request, *args, **kwargs)
        self.now = timezone.now()

    @property
    def user(self) -> User:
        return self.request.user  # type: ignore[return-value]  # staff, by admin_view

    @property
    def may_change(self) -> bool:
        return self.user.has_perm(MANAGE)

    def previewed(self, saved: Values, changed: Values | None) -> dict[str, Any]:
        """What the preview's template shows."""
        context: dict[str, Any] = {"now": self.now}
        try:
            found = preview(saved, changed, self.now)
        except OperationalError as error:
            if not was_stopped(error):
                raise
            return {**context, "stopped_after": SECONDS}
        differences = values.differences(saved, changed) if changed else []
        told = shown(found, is_on=saved.is_on, will_be_on=(changed or saved).is_on)
        return {**context, "preview": told, "differences": differences}


class RunSettings(_Page):
    http_method_names = ["get", "head", "options", "post"]

    def get(self, request: HttpRequest) -> HttpResponse:  # noqa: ARG002
        saved = values.saved()
        return self._shown(saved, Asked(saved, is_editable=self.may_change))

    def post(self, request: HttpRequest) -> HttpResponse:
        if not self.may_change:
            raise PermissionDenied
        saved = values.saved()
        asked = Asked(saved, request.POST)
        wanted = asked.values()
        if request.POST.get("act") != "preview" and self._is_outdated(saved):
            return self._outdated(saved, asked, wanted)
        if wanted is None:
            return self._shown(saved, asked, 422)
        if request.POST.get("act") == "preview":  # without scripts
            return self._previewed(saved, asked, wanted)
        return self._save(saved, asked, wanted)

    def _save(self, saved: Values, asked: Asked, wanted: Values) -> HttpResponse:
        given = self.request.POST
        try:
            changed = changing.change(
                wanted,
                revision=given.get("revision", ""),
                # For these very values, not for others that were tried after.
                is_confirmed=given.get("confirm") == wanted.revision,
                by=self.user.as_actor(),
                reason=asked.reason,
                now=self.now,
            )
        except changing.Wrong as wrong:
            asked.add(wrong.problems)
            return self._shown(saved, asked, 422)
        except changing.Outdated:
            return self._outdated(values.saved(), asked, wanted)
        except changing.Unconfirmed as unconfirmed:
            return self._shown(
                saved, asked, 422,
                unconfirmed=unconfirmed.why,
                confirm=wanted.revision,
                # Of a question that was there already: what is missing of its answer.
                is_unticked=given.get("act") == "delete" and not given.get("confirm"),
                is_of_others=bool(given.get("confirm")),
                is_previewed=True,
                **self.previewed(saved, wanted),
            )  # fmt: skip
        count = len(changed.differences)
        said = "Saved. The next night goes by it." if count else "Nothing was changed."
        (messages.success if count else messages.info)(self.request, said)
        return redirect("run_settings")

    def _is_outdated(self, saved: Values) -> bool:
        return self.request.POST.get("revision", "") != saved.revision

    def _outdated(self, newest: Values, asked: Asked, wanted: Values | None) -> HttpResponse:
        """Before anything else that is wrong: that may be so because of what others saved."""
        mine = values.differences(newest, wanted) if wanted else None
        return self._shown(newest, asked, 409, is_outdated=True, mine=mine)

    def _previewed(self, saved: Values, asked: Asked, wanted: Values) -> HttpResponse:
        if wrong := values.problems(wanted):
            asked.add(wrong)
            return self._shown(saved, asked, 422)
        changed = wanted if wanted != saved else None
        return self._shown(saved, asked, is_previewed=True, **self.previewed(saved, changed))

    def _shown(self, saved: Values, asked: Asked, status: int = 200, **more: Any) -> HttpResponse:
        # Executions are audited under the same type; they change nothing of the policy.
        changes = AuditEntry.objects.filter(target_type=changing.AUDITED, action__in=changing.ACTS)
        context = {
            "title": "Runs",
            "now": self.now,
            "form": asked.form,
            "lines": asked.lines,
            "problems": asked.problems() if asked.form.is_bound else [],
            # Leaving the page loses it.
            "is_unsaved": asked.form.is_bound,
            "own_zone": timezone.get_current_timezone_name(),
            "night_zone": saved.zone,
            "night_hour": saved.hour,
            # Of what the person has before them; saving an older one is refused.
            "revision": self._revision(saved, more),
            "is_editable": self.may_change,
            "next_night": saved.next_night(self.now),
            "is_on": saved.is_on,
            "slugs": Workflow.objects.order_by("slug").values_list("slug", flat=True)[
                :MOST_OFFERED
            ],
            "changes": changes.order_by("-at", "-id")[:MOST_CHANGES],
            "sees_audit": self.user.has_perm("runs.view_auditentry"),
            "nights": _nights(),
            **more,
        }
        frame = admin.site.each_context(self.request)
        self.request.current_app = admin.site.name
        answer = render(
            self.request, "retention/settings.html", {**frame, **context}, status=status
        )
        answer.headers.setdefault("Cache-Control", "no-store")
        return answer

    def _revision(self, saved: Values, more: dict[str, Any]) -> str:
        # Who is told of others' changes has seen them then; who erred otherwise has not.
        sent = self.request.POST.get("revision", "")
        return sent if sent and not more.get("is_outdated") else saved.revision


class RunSettingsPreview(_Page):
    """The preview alone: of what is saved, and of the form as it is filled in."""

    http_method_names = ["get", "head", "options", "post"]

    def get(self, request: HttpRequest) -> HttpResponse:  # noqa: ARG002
        return self._part(self.previewed(values.saved(), None))

    def post(self, request: HttpRequest) -> HttpResponse:
        if not self.may_change:
            raise PermissionDenied
        saved = values.saved()
        asked = Asked(saved, request.POST)
        wanted = asked.values()
        if wanted is not None and (wrong := values.problems(wanted)):
            asked.add(wrong)
        if problems := asked.problems():
            # A field half filled in is no error yet: it is said here, and not at the field.
            return self._part({**self.previewed(saved, None), "problems": problems})
        assert wanted is not None
        told = self.previewed(saved, wanted if wanted != saved else None)
        is_outdated = request.POST.get("revision", "") != saved.revision
        return self._part({**told, "is_outdated": is_outdated})

    def _part(self, context: dict[str, Any]) -> HttpResponse:
        answer = render(self.request, "retention/settings_preview.html", context)
        answer.headers.setdefault("Cache-Control", "no-store")
        return answer


def _nights() -> list[Execution]:
    """The last ones, whoever began them."""
    did = Execution.objects.filter(kind=ExecutionKind.ARCHIVE, dry_run=False)
    return list(did.order_by("-created_at", "-id")[:MOST_NIGHTS])
