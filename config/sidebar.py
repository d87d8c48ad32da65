"""The portal's sidebar and stylesheets, as the admin theme wants them."""

from typing import Any, NamedTuple

from django.db import DatabaseError, connection
from django.db.models import QuerySet
from django.http import HttpRequest
from django.templatetags.static import static
from django.urls import reverse

# Running runs that the badge counts: "999+"; and the seconds that this may take.
BADGE_CAP = 999
BADGE_SECONDS = 1


def design(request: HttpRequest) -> str:  # noqa: ARG001
    return static("runs/design.css")


def portal(request: HttpRequest) -> str:  # noqa: ARG001
    return static("runs/portal.css")


def theme_script(request: HttpRequest) -> str:  # noqa: ARG001
    return static("runs/theme_htmx.js")


def _badges() -> dict[str, str]:
    """How many runs are running, how many do not get on, and how many questions wait for people,
    each counted no further than the cap; "" for none."""
    from runs import contents
    from runs.models import Decision, Run
    from runs.states import RunState
    from runs.timeouts import statement_timeout

    rows: dict[str, QuerySet[Any]] = {
        "running": Run.objects.filter(state=RunState.ACTIVE),
        "stuck": contents.stuck(Run.objects.all(), ""),
        "waiting": Decision.objects.open(),
    }
    # One statement for all: every page asks it.
    parts: list[str] = []
    given: list[Any] = []
    for each in rows.values():
        sql, params = each.order_by().values("pk")[: BADGE_CAP + 1].query.sql_with_params()
        parts.append(f"(SELECT count(*) FROM ({sql}) AS capped)")
        given += params
    try:
        with statement_timeout(BADGE_SECONDS), connection.cursor() as cursor:
            cursor.execute(f"SELECT {', '.join(parts)}", given)
            counts = cursor.fetchone()
    except DatabaseError:
        # The page itself says what is wrong, better than no page could.
        return {}
    return {
        name: "" if not count else f"{BADGE_CAP}+" if count > BADGE_CAP else str(count)
        for name, count in zip(rows, counts, strict=True)
    }


class Entry(NamedTuple):
    title: str
    icon: str
    url_name: str
    permission: str
    # What stands beside it, by its name in `_badges`.
    badge: str = ""


# What is not built yet is not listed.
GROUPS: tuple[tuple[str, tuple[Entry, ...]], ...] = (
    (
        "OPERATE",
        (
            Entry("Overview", "monitoring", "admin:index", "runs.view_run"),
            Entry("Runs", "play_circle", "admin:runs_run_changelist", "runs.view_run", "running"),
            Entry("Stuck runs", "running_with_errors", "stuck_runs", "runs.view_run", "stuck"),
            Entry("Decisions", "how_to_reg", "decisions", "runs.view_run", "waiting"),
            Entry("Automation", "bolt", "automation", "runs.view_trigger"),
            Entry("Bulk operations", "checklist", "bulk_operations", "runs.view_run"),
        ),
    ),
    (
        "BUILD",
        (
            Entry(
                "Workflows", "account_tree", "admin:runs_workflow_changelist", "runs.view_workflow"
            ),
            Entry("API", "api", "api_docs", "runs.view_run"),
        ),
    ),
    (
        "ANALYZE",
        (
            Entry("Duration", "timer", "analysis_duration", "runs.view_run"),
            Entry("Cost", "payments", "analysis_cost", "runs.view_run"),
            Entry("Failures", "report", "analysis_failures", "runs.view_run"),
        ),
    ),
    (
        "MANAGE",
        (
            Entry("Settings", "settings", "run_settings", "runs.view_run"),
            Entry("Users", "person", "admin:runs_user_changelist", "runs.view_user"),
            Entry("Groups", "group", "admin:auth_group_changelist", "auth.view_group"),
            Entry("Sources", "sensors", "admin:runs_source_changelist", "runs.view_source"),
            Entry(
                "Executor limits",
                "speed",
                "admin:runs_executorlimit_changelist",
                "runs.view_executorlimit",
            ),
            Entry("Archive", "inventory_2", "retention_executions", "runs.manage_retention"),
            Entry("Audit", "policy", "admin:runs_auditentry_changelist", "runs.view_auditentry"),
        ),
    ),
    (
        "INFRASTRUCTURE",
        (
            Entry("Services", "dns", "services", "runs.view_service"),
            Entry("Troubleshooting", "troubleshoot", "troubleshooting", "runs.view_run"),
        ),
    ),
)


def navigation(request: HttpRequest) -> list[dict[str, Any]]:
    """The groups that hold something the person may see."""
    shown: list[dict[str, Any]] = []
    badges: dict[str, str] | None = None
    for title, entries in GROUPS:
        seen = [entry for entry in entries if request.user.has_perm(entry.permission)]
        if badges is None and any(entry.badge for entry in seen):
            badges = _badges()
        items = [_item(entry, (badges or {}).get(entry.badge, "")) for entry in seen]
        if items:
            shown.append({"title": title, "separator": bool(shown), "items": items})
    return shown


def _item(entry: Entry, badge: str) -> dict[str, Any]:
    link, is_index = reverse(entry.url_name), entry.url_name == "admin:index"

    def is_active(request: HttpRequest) -> bool:
        # The theme's own test would find the link anywhere in the path; all are below the first.
        return request.path == link if is_index else request.path.startswith(link)

    item: dict[str, Any] = {
        "title": entry.title,
        "icon": entry.icon,
        "link": link,
        "active": is_active,
    }
    return {**item, "badge": badge, "badge_variant": "primary"} if badge else item


def favicon(request: HttpRequest) -> str:  # noqa: ARG001
    return static("runs/favicon.svg")


def account_links(request: HttpRequest) -> list[dict[str, Any]]:  # noqa: ARG001
    """What stands in the menu under one's own name."""
    return [
        {"title": "My settings", "link": reverse("my_settings")},
        {"title": "API tokens", "link": reverse("api_tokens")},
        {"title": "Change password", "link": reverse("admin:password_change")},
    ]
