"""A person's API tokens: what there are, a new one, and the end of one."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.generic import View

from runs import ids, tokens
from runs.models import ApiToken, User
from runs.models.token import NAME_LENGTH
from runs.scopes import Scope, scopes_of

# Newest first, those in use before those that have ended.
MOST_LISTED = 200
FOR_EVER = "never"
_DAYS = (("7", "in 7 days"), ("30", "in 30 days"), ("90", "in 90 days"), ("365", "in a year"))


class TokenForm(forms.Form):
    name = forms.CharField(
        max_length=NAME_LENGTH,
        widget=forms.TextInput(
            attrs={"class": "op-input", "autocomplete": "off", "placeholder": "What it is for"}
        ),
        error_messages={"required": "Give the token a name, such as what it is for."},
    )
    scopes = forms.MultipleChoiceField(
        choices=[], error_messages={"required": "Choose at least one scope."}
    )
    expires_days = forms.ChoiceField(
        label="Expires", choices=_DAYS, widget=forms.Select(attrs={"class": "op-input"})
    )

    def __init__(self, user: User, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        offered = [(str(scope), scope.label) for scope in scopes_of(user)]
        self.fields["scopes"].choices = offered  # type: ignore[attr-defined]
        self.fields["scopes"].initial = [Scope.VIEW]
        self.fields["expires_days"].initial = str(tokens.DEFAULT_DAYS)
        if tokens.may_keep_for_ever(user):
            self.fields["expires_days"].choices = [*_DAYS, (FOR_EVER, "never")]  # type: ignore[attr-defined]

    @property
    def days(self) -> int | None:
        given = self.cleaned_data["expires_days"]
        return None if given == FOR_EVER else int(given)


class Tokens(View):
    """For everybody who may sign in: mount it in `admin_view`, which asks for that."""

    http_method_names = ["get", "head", "options", "post"]

    @property
    def account(self) -> User:
        return self.request.user  # type: ignore[return-value]  # staff, by admin_view

    def get(self, request: HttpRequest) -> HttpResponse:  # noqa: ARG002
        return self._shown(TokenForm(self.account))

    def post(self, request: HttpRequest) -> HttpResponse:
        if request.POST.get("act") == "revoke":
            return self._revoke(request.POST.get("token", ""))
        form = TokenForm(self.account, request.POST)
        if not form.is_valid():
            return self._shown(form, 422)
        given = form.cleaned_data
        try:
            token, secret = tokens.make(
                self.account,
                name=given["name"],
                scopes=given["scopes"],
                days=form.days,
                by=self.account.as_actor(),
                now=timezone.now(),
            )
        except tokens.TokenRefused as refused:
            form.add_error(refused.field, str(refused))
            return self._shown(form, 422)
        # Answered at once: to be shown after a redirect the secret would have to be kept.
        return self._shown(TokenForm(self.account), made=token, secret=secret)

    def _revoke(self, public_id: str) -> HttpResponse:
        token_id = ids.decode("token", public_id)
        found = self._reachable(tokens.MANAGES_ALL).filter(pk=token_id) if token_id else None
        token = found.select_related("user").first() if found is not None else None
        if token is None:
            messages.error(self.request, "That token is gone, or not yours to revoke.")
        elif tokens.revoke(token, by=self.account.as_actor(), now=timezone.now()):
            messages.success(
                self.request, f"The token {token} is revoked. What still uses it is refused."
            )
        else:
            messages.success(self.request, f"The token {token} had been revoked already.")
        return redirect(reverse("api_tokens") + ("?all=1" if self._is_for_all else ""))

    def _reachable(self, permission: str) -> QuerySet[ApiToken]:
        everyone = self.account.has_perm(permission)
        return ApiToken.objects.all() if everyone else self.account.api_tokens.all()

    @property
    def _is_for_all(self) -> bool:
        return bool(self.request.GET.get("all")) and self.account.has_perm(tokens.SEES_ALL)

    def _rows(self, now: datetime) -> list[dict[str, Any]]:
        own = not self._is_for_all
        shown = self.account.api_tokens.all() if own else ApiToken.objects.all()
        shown = shown.select_related("user").order_by("-created_at", "-id")
        alive = list(shown.usable(now)[:MOST_LISTED])
        ended = shown.exclude(pk__in=ApiToken.objects.usable(now).values("pk"))
        others = self.account.has_perm(tokens.MANAGES_ALL)
        return [
            {
                "token": token,
                "is_expired": token.is_expired(now),
                "can_revoke": not token.is_revoked and (others or token.user_id == self.account.pk),
            }
            for token in [*alive, *ended[: MOST_LISTED - len(alive)]]
        ]

    def _shown(
        self, form: TokenForm, status: int = 200, made: ApiToken | None = None, secret: str = ""
    ) -> HttpResponse:
        now = timezone.now()
        context = {
            "title": "API tokens",
            "form": form,
            "made": made,
            "secret": secret,
            "rows": self._rows(now),
            "most": MOST_LISTED,
            "is_for_all": self._is_for_all,
            "sees_all": self.account.has_perm(tokens.SEES_ALL),
            "list_url": self.request.build_absolute_uri(reverse("api:run-list")),
            "now": now,
        }
        frame = admin.site.each_context(self.request)
        answer = render(self.request, "runs/tokens.html", {**frame, **context}, status=status)
        answer.headers["Cache-Control"] = "no-store"
        return answer
