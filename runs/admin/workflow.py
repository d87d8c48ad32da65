"""Workflows: pages of our own, mounted where the admin has its list and its forms."""

from django.contrib import admin
from django.http import HttpRequest
from django.urls import URLPattern, path, register_converter
from django.utils.safestring import SafeString
from unfold.admin import ModelAdmin

from runs import json_text
from runs.admin.read_only import ReadOnlyAdmin, shown_text
from runs.models import Workflow, WorkflowVersion
from runs.views.workflow_list import WorkflowList
from runs.views.workflow_new import NewWorkflow, NewWorkflowCheck
from runs.views.workflow_page import WorkflowById, WorkflowCheck, WorkflowPage
from runs.views.workflow_run import InputCheck, RunWorkflow
from runs.views.workflow_settings import WorkflowSettings
from runs.views.workflow_versions import CompareVersions, RestoreVersion, WorkflowVersionPage


class SlugConverter:
    """A workflow's id."""

    regex = "[a-z][a-z0-9_]{0,63}"

    def to_python(self, value: str) -> str:
        return value

    def to_url(self, value: str) -> str:
        return value


register_converter(SlugConverter, "workflow")


@admin.register(Workflow)
class WorkflowAdmin(ModelAdmin):
    actions = None
    show_full_result_count = False

    def get_urls(self) -> list[URLPattern]:
        def mount(route: str, view: type, name: str) -> URLPattern:
            return path(
                route,
                self.admin_site.admin_view(view.as_view(model_admin=self)),  # type: ignore[attr-defined]
                name=name,
            )

        return [
            mount("", WorkflowList, "runs_workflow_changelist"),
            mount("add/", NewWorkflow, "runs_workflow_add"),
            mount("add/check/", NewWorkflowCheck, "runs_workflow_add_check"),
            mount("<workflow:slug>/", WorkflowPage, "runs_workflow_page"),
            mount("<workflow:slug>/check/", WorkflowCheck, "runs_workflow_check"),
            mount(
                "<workflow:slug>/versions/<int:number>/",
                WorkflowVersionPage,
                "runs_workflow_version",
            ),
            mount("<workflow:slug>/settings/", WorkflowSettings, "runs_workflow_settings"),
            mount(
                "<workflow:slug>/versions/<int:number>/restore/",
                RestoreVersion,
                "runs_workflow_restore",
            ),
            mount("<workflow:slug>/compare/", CompareVersions, "runs_workflow_compare"),
            mount("<workflow:slug>/run/", RunWorkflow, "runs_workflow_run"),
            mount("<workflow:slug>/run/check/", InputCheck, "runs_workflow_run_check"),
            mount("<int:object_id>/change/", WorkflowById, "runs_workflow_change"),
        ]

    def has_delete_permission(
        self,
        request: HttpRequest,  # noqa: ARG002
        obj: Workflow | None = None,  # noqa: ARG002
    ) -> bool:
        # Its runs and their history refer to it.
        return False


@admin.register(WorkflowVersion)
class WorkflowVersionAdmin(ReadOnlyAdmin):
    list_display = ("__str__", "created_at", "created_by")
    list_select_related = ("workflow", "created_by")
    fields = ("workflow", "number", "created_at", "created_by", "shown_definition")
    heavy = ("definition",)
    ordering = ("-id",)

    @admin.display(description="definition")
    def shown_definition(self, version: WorkflowVersion) -> SafeString:
        return shown_text(json_text.write(version.definition))
