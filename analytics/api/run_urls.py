"""The analysis of one run, under /api/runs/."""

from django.urls import path

from analytics.api.views import RunAnalysisViewSet

urlpatterns = [
    path(
        "<slug:run_id>/analysis/",
        RunAnalysisViewSet.as_view({"get": "retrieve"}),
        name="run_analysis",
    ),
]
