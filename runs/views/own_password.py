"""The page on which a person changes their own password."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.auth.views import PasswordChangeView
from django.db import transaction
from django.http import HttpResponse
from django.urls import reverse_lazy
from unfold.forms import AdminOwnPasswordChangeForm

from runs.models import AuditEntry, User


class OwnPassword(PasswordChangeView):
    """The theme's page, audited: mount it in `admin_view` in the place of the theme's own."""

    form_class = AdminOwnPasswordChangeForm
    success_url = reverse_lazy("admin:password_change_done")

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return {**admin.site.each_context(self.request), **super().get_context_data(**kwargs)}

    def form_valid(self, form: Any) -> HttpResponse:
        user = form.user
        assert isinstance(user, User)
        with transaction.atomic():
            AuditEntry.objects.note(
                user.as_actor(), "change_password", ("user", user.public_id), str(user)
            )
            return super().form_valid(form)
