"""The portal's sidebar and stylesheets, as the admin theme wants them."""

from collections.abc import Callable
from typing import Any, NamedTuple

from django.db import DatabaseError
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


def _running() -> str:
    """How many runs are running, counted no further than the cap; "" for none."""
    from runs.models import Run
    from runs.states import RunState
    from runs.timeouts import statement_timeout

    try:
        with statement_timeout(BADGE_SECONDS):
            count = Run.objects.filter(state=RunState.ACTIVE).order_by()[: BADGE_CAP + 1].count()
    except DatabaseError:
        # The page itself says what is wrong, better than no page could.
        return ""
    return "" if not count else f"{BADGE_CAP}+" if count > BADGE_CAP else str(count)


def _waiting() -> str:
    """How many questions wait for people; "" for none."""
    from runs.models import Decision
    from runs.timeouts import statement_timeout

    try:
        with statement_timeout(BADGE_SECONDS):
            count = Decision.objects.open()[: BADGE_CAP + 1].count()
    except DatabaseError:
        return ""
    return "" if not count else f"{BADGE_CAP}+" if count > BADGE_CAP else str(count)


class Entry(NamedTuple):
    title: str
    icon: str
    url_name: str
    permission: str
    badge: Callable[[], str] | None = None


# What is not built yet is not listed.
GROUPS: tuple[tuple[str, tuple[Entry, ...]], ...] = (
    (
        "OPERATE",
        (
            Entry("Runs", "play_circle", "admin:runs_run_changelist", "runs.view_run", _running),
            Entry("Decisions", "how_to_reg", "decisions", "runs.view_run", _waiting),
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
        "MANAGE",
        (
            Entry("Users", "person", "admin:runs_user_changelist", "runs.view_user"),
            Entry("Groups", "group", "admin:auth_group_changelist", "auth.view_group"),
            Entry("Sources", "sensors", "admin:runs_source_changelist", "runs.view_source"),
            Entry("Audit", "policy", "admin:runs_auditentry_changelist", "runs.view_auditentry"),
        ),
    ),
)


def navigation(request: HttpRequest) -> list[dict[str, Any]]:
    """The groups that hold something the person may see."""
    shown: list[dict[str, Any]] = []
    for title, entries in GROUPS:
        items = [_item(entry) for entry in entries if request.user.has_perm(entry.permission)]
        if items:
            shown.append({"title": title, "separator": bool(shown), "items": items})
    return shown


def _item(entry: Entry) -> dict[str, Any]:
    link = reverse(entry.url_name)
    badge = entry.badge() if entry.badge else ""

    def is_active(request: HttpRequest) -> bool:
        # The theme's own test would find the link anywhere in the path.
        return request.path.startswith(link)

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
