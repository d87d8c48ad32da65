"""Runs: the list and the page are our own; beside them the plain record."""

from typing import Any

from django.contrib import admin
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from runs.admin.read_only import ReadOnlyAdmin
from runs.admin.records import run_link
from runs.models import Run
from runs.views.run_page import RunPage
from runs.views.runs_act import RunsAct
from runs.views.runs_list import RunsList
from runs.views.runs_views import ChooseColumns, ManageViews, SaveView


@admin.register(Run)
class RunAdmin(ReadOnlyAdmin):
    list_display = ("id",)
    fields = (
        "page", "job", "workflow", "version", "state", "state_seq", "last_seq", "created_at",
        "started_at", "completed_at", "start_deadline", "trigger", "triggered_by", "ref_type",
        "ref_id", "original", "chain", "cost", "input_tokens", "output_tokens", "cached_tokens",
        "nodes_total", "nodes_done", "current_node", "error_node", "error_kind", "error_message",
        "ended_by", "reason", "records",
    )  # fmt: skip

    def get_urls(self) -> list[URLPattern]:
        def view(page: Any) -> Any:
            return self.admin_site.admin_view(page.as_view(model_admin=self))

        record = path(
            "<str:object_id>/change/",
            self.admin_site.admin_view(self.changeform_view),
            name="runs_run_change",
        )
        return [
            path("", view(RunsList), name="runs_run_changelist"),
            path("act/", view(RunsAct), name="runs_run_act"),
            path("columns/", view(ChooseColumns), name="runs_run_columns"),
            path("views/", view(ManageViews), name="runs_run_views"),
            path("views/new/", view(SaveView), name="runs_run_save_view"),
            path("<str:run_id>/", view(RunPage), name="runs_run_page"),
            record,
        ]

    @admin.display(description="run")
    def page(self, run: Run) -> SafeString:
        return run_link(run.pk)

    @admin.display(description="job")
    def job(self, run: Run) -> str:
        return run.job_id

    # Both may name runs that are gone.
    @admin.display(description="retry of", empty_value="-")
    def original(self, run: Run) -> SafeString | None:
        return run_link(run.retry_of_id) if run.retry_of_id else None

    @admin.display(description="first of its retries", empty_value="-")
    def chain(self, run: Run) -> SafeString | None:
        return run_link(run.first_id) if run.first_id else None

    @admin.display(description="records")
    def records(self, run: Run) -> SafeString:
        return format_html(
            '<a class="text-link" href="{}?run={}">Events</a>, '
            '<a class="text-link" href="{}?run={}">LLM calls</a>',
            reverse("admin:runs_event_changelist"),
            run.public_id,
            reverse("admin:runs_llmcall_changelist"),
            run.public_id,
        )
