"""What a person chooses for themselves: the zone in which every time is shown."""

from __future__ import annotations

import zoneinfo
from functools import cache
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.generic import View

from runs.models import User


@cache
def zones() -> tuple[tuple[str, tuple[tuple[str, str], ...]], ...]:
    """The zones by region, UTC first; without names that only old systems know."""
    by_region: dict[str, list[tuple[str, str]]] = {}
    for name in sorted(zoneinfo.available_timezones()):
        region, slash, place = name.partition("/")
        if slash and region not in ("Etc", "SystemV", "US"):
            by_region.setdefault(region, []).append((name, place.replace("_", " ")))
    return (
        ("Universal", (("UTC", "UTC"),)),
        *((region, tuple(names)) for region, names in by_region.items()),
    )


class ZoneField(forms.ChoiceField):
    """A select of zones; one that is stored but not listed is kept."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(choices=zones, **kwargs)

    def valid_value(self, value: Any) -> bool:
        return str(value) in zoneinfo.available_timezones()


class SettingsForm(forms.ModelForm):
    time_zone = ZoneField(
        label="Time zone", widget=forms.Select(attrs={"class": "op-input", "data-zones": ""})
    )

    class Meta:
        model = User
        fields = ("time_zone",)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        kept = self.instance.time_zone
        if not any(kept == name for _, names in zones() for name, _ in names):
            field = self.fields["time_zone"]
            field.choices = [("Yours", ((kept, kept),)), *zones()]  # type: ignore[attr-defined]


class MySettings(View):
    """For everybody who may sign in: mount it in `admin_view`, which asks for that."""

    http_method_names = ["get", "head", "options", "post"]

    def get(self, request: HttpRequest) -> HttpResponse:
        return self._shown(request, SettingsForm(instance=self._account(request)))

    def post(self, request: HttpRequest) -> HttpResponse:
        form = SettingsForm(request.POST, instance=self._account(request))
        if not form.is_valid():
            return self._shown(request, form, status=422)
        form.instance.save(update_fields=["time_zone"])
        messages.success(request, f"Every time is shown in {form.instance.time_zone} from now on.")
        query = request.POST.get("back", "")
        if query.startswith("?"):  # from the foot of the list
            return redirect(reverse("admin:runs_run_changelist") + query)
        return redirect("my_settings")

    def _account(self, request: HttpRequest) -> User:
        return User.objects.get_by_natural_key(request.user.get_username())

    def _shown(self, request: HttpRequest, form: SettingsForm, status: int = 200) -> HttpResponse:
        frame = admin.site.each_context(request)
        context = {"title": "My settings", "form": form, "now": timezone.now()}
        answer = render(request, "runs/my_settings.html", {**frame, **context}, status=status)
        answer.headers.setdefault("Cache-Control", "no-store")
        return answer
