"""Addresses under /api/analysis/."""

from django.urls import path

from analytics.api.views import AnalysisViewSet, FailureGroupViewSet, OverviewViewSet

app_name = "analysis_api"

urlpatterns = [
    *(
        path(f"{name}/", AnalysisViewSet.as_view({"get": name}), name=name)
        for name in ("failures", "cost", "duration")
    ),
    path("overview/", OverviewViewSet.as_view({"get": "retrieve"}), name="overview"),
    path(
        "groups/<slug:group_id>/",
        FailureGroupViewSet.as_view({"get": "retrieve"}),
        name="group",
    ),
    path(
        "groups/<slug:group_id>/mark/",
        FailureGroupViewSet.as_view({"post": "mark"}),
        name="mark",
    ),
]
