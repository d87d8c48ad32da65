"""Where to look when runs do not do what they should, by the REST API."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response

from analytics import upkeep
from analytics.api import examples
from analytics.documents import plain
from analytics.troubleshooting import Troubles, troubles
from analytics.troubleshooting_logs import OneLog
from analytics.troubleshooting_parts import Section
from runs.api.serializers import StampField
from runs.api.views import ApiViewSet

NAMES = ("stuck", "logs", "failures", "slow")


class TroubleFigureSerializer(serializers.Serializer):
    label = serializers.CharField()  # type: ignore[assignment]
    words = serializers.CharField()
    note = serializers.CharField(allow_blank=True)
    is_worse = serializers.BooleanField()


class TroubleSerializer(serializers.Serializer):
    name = serializers.ChoiceField(choices=NAMES)
    is_fine = serializers.BooleanField(help_text="False: look here.")
    verdict = serializers.CharField()
    figures = TroubleFigureSerializer(many=True)
    rows = serializers.ListField(
        child=serializers.DictField(), help_text="What the verdict rests on, the worst first."
    )
    page = serializers.URLField(help_text="The page that helps.")


class OneLogSerializer(serializers.Serializer):
    run = serializers.CharField()
    last_seq = serializers.IntegerField()
    stored = serializers.IntegerField(help_text="Its events in the database.")
    archived = serializers.IntegerField(help_text="Its events in the archive's object.")
    missing = serializers.IntegerField()
    gaps = serializers.ListField(
        child=serializers.ListField(child=serializers.IntegerField()),
        help_text="The numbers that are missing, from and to; the first hundred.",
    )
    words = serializers.CharField()


class TroubleshootingSerializer(serializers.Serializer):
    counted_until = StampField(help_text="What happened later may not be counted yet.")
    is_fine = serializers.BooleanField()
    sections = TroubleSerializer(many=True)
    log = OneLogSerializer(allow_null=True, help_text="Of the run that was asked for.")


class TroubleshootingViewSet(ApiViewSet):
    """Where to look when runs do not do what they should."""

    permission = "runs.view_run"
    serializer_class = TroubleshootingSerializer
    pagination_class = None

    @extend_schema(
        operation_id="troubleshooting",
        parameters=[OpenApiParameter("run", description="Check the log of this run too.")],
        examples=[examples.TROUBLESHOOTING],
    )
    def retrieve(self, request: Request) -> Response:
        """Stuck runs, gaps in logs, failures and slowness against usual, each with a verdict."""
        self.refuse_unknown("run")
        found = troubles(self.now, request.query_params.get("run", "").strip()[:100])
        if found.not_found:
            raise NotFound(found.not_found)
        told = TroubleshootingSerializer(self._told(found), context=self.get_serializer_context())
        return Response(told.data, headers={"Cache-Control": "no-store"})

    def _told(self, found: Troubles) -> dict[str, Any]:
        return {
            "counted_until": upkeep.fresh_until(self.now),
            "is_fine": not found.worse,
            "sections": [self._of(section) for section in found.sections],
            "log": _log(found.asked) if found.asked else None,
        }

    def _of(self, section: Section) -> dict[str, Any]:
        heads, rows = section.table.heads, section.table.rows
        return {
            "name": section.name,
            "is_fine": section.verdict.is_fine,
            "verdict": section.verdict.words,
            "figures": section.figures,
            "rows": [plain(dict(zip(heads, row, strict=True))) for row in rows],
            "page": self.request.build_absolute_uri(section.links[0][1]),
        }


def _log(log: OneLog) -> dict[str, Any]:
    return {
        "run": log.public_id,
        "last_seq": log.last_seq,
        "stored": log.stored,
        "archived": log.archived,
        "missing": log.missing,
        "gaps": [list(gap) for gap in log.gaps],
        "words": log.words,
    }
