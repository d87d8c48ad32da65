"""Where the pages of executions are, under /admin/retention/executions/."""

from django.contrib import admin
from django.urls import path

from retention.views.executions.execution_list import Executions
from retention.views.executions.execution_page import ExecutionPage

urlpatterns = [
    path("", admin.site.admin_view(Executions.as_view()), name="retention_executions"),
    path(
        "<str:execution_id>/",
        admin.site.admin_view(ExecutionPage.as_view()),
        name="retention_execution",
    ),
]
