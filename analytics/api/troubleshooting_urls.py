"""Where to look, under /api/troubleshooting/."""

from django.urls import path

from analytics.api.troubleshooting import TroubleshootingViewSet

urlpatterns = [
    path("", TroubleshootingViewSet.as_view({"get": "retrieve"}), name="troubleshooting_api"),
]
