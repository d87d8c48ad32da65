"""Where the pages of the analysis are, under /admin/analysis/."""

from django.contrib import admin
from django.urls import path

from analytics.views.cost import CostPage
from analytics.views.duration import DurationPage
from analytics.views.failures import FailuresPage
from analytics.views.marks import MarkGroup
from analytics.views.run import RunAnalysisPage

urlpatterns = [
    path("duration/", admin.site.admin_view(DurationPage.as_view()), name="analysis_duration"),
    path("cost/", admin.site.admin_view(CostPage.as_view()), name="analysis_cost"),
    path("failures/", admin.site.admin_view(FailuresPage.as_view()), name="analysis_failures"),
    path(
        "runs/<str:run_id>/",
        admin.site.admin_view(RunAnalysisPage.as_view()),
        name="analysis_run",
    ),
    path(
        "failures/<str:group>/mark/",
        admin.site.admin_view(MarkGroup.as_view()),
        name="analysis_mark",
    ),
]
