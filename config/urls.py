"""Where everything is."""

from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView

from analytics.views.troubleshooting import TroubleshootingPage
from config.home import home, search
from runs.views.api_docs import ApiDocs
from runs.views.decisions import Decide, Decisions
from runs.views.my_settings import MySettings
from runs.views.own_password import OwnPassword
from runs.views.services import ServicesPage
from runs.views.stuck import StuckPage
from runs.views.tokens import Tokens

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="admin:index")),
    # The theme's own index and its page of the app only list models.
    path("admin/", admin.site.admin_view(home)),
    path("admin/runs/", RedirectView.as_view(pattern_name="admin:index")),
    path("admin/search/", admin.site.admin_view(search)),
    path("admin/me/", admin.site.admin_view(MySettings.as_view()), name="my_settings"),
    path("admin/tokens/", admin.site.admin_view(Tokens.as_view()), name="api_tokens"),
    path("admin/decisions/", admin.site.admin_view(Decisions.as_view()), name="decisions"),
    path(
        "admin/decisions/<str:run_id>/<str:node>/",
        admin.site.admin_view(Decide.as_view()),
        name="decide",
    ),
    path("admin/stuck/", admin.site.admin_view(StuckPage.as_view()), name="stuck_runs"),
    path("admin/services/", admin.site.admin_view(ServicesPage.as_view()), name="services"),
    path(
        "admin/troubleshooting/",
        admin.site.admin_view(TroubleshootingPage.as_view()),
        name="troubleshooting",
    ),
    path("admin/bulk/", include("runs.views.bulk.urls")),
    path("admin/retention/executions/", include("retention.views.executions.urls")),
    path("admin/automation/", include("runs.views.automation.urls")),
    path("admin/analysis/", include("analytics.views.urls")),
    path("admin/settings/", include("retention.urls")),
    path("admin/password_change/", admin.site.admin_view(OwnPassword.as_view(), cacheable=True)),
    path("admin/", admin.site.urls),
    path("api/docs", admin.site.admin_view(ApiDocs.as_view()), name="api_docs"),
    path("api/docs/", RedirectView.as_view(pattern_name="api_docs")),
    path("api/retention/executions/", include("retention.api.execution_urls")),
    path("api/retention/", include("retention.api.urls")),
    path("api/troubleshooting/", include("analytics.api.troubleshooting_urls")),
    path("api/analysis/", include("analytics.api.urls")),
    path("api/runs/", include("analytics.api.run_urls")),
    path("api/", include("runs.api.urls")),
]

# Under /api/ these answer with problems, elsewhere with pages.
handler400 = "runs.views.errors.bad_request"
handler403 = "runs.views.errors.permission_denied"
handler404 = "runs.views.errors.not_found"
handler500 = "config.errors.server_error"
