"""Addresses under /api/retention/."""

from django.urls import path

from retention.api.policy import RetentionViewSet

app_name = "retention_api"

urlpatterns = [
    path(
        "",
        RetentionViewSet.as_view({"get": "retrieve", "put": "update", "patch": "partial_update"}),
        name="policy",
    ),
    path(
        "preview/",
        RetentionViewSet.as_view({"get": "preview", "post": "preview"}),
        name="preview",
    ),
]
