"""Saved views of the list, and the columns that a person sees in it."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth.mixins import PermissionRequiredMixin
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.generic import View
from django_htmx.http import HttpResponseClientRedirect

from runs import ids, saved_views
from runs.models import SavedView, User
from runs.saved_views import MOST_OWN
from runs.views.list_address import COLUMNS, ListAddress

# Views that a page lists.
MOST_LISTED = 300


def _list_url(query: str = "") -> str:
    path = reverse("admin:runs_run_changelist")
    return path + query if query.startswith("?") else path


class _Page(PermissionRequiredMixin, View):
    model_admin: Any = None
    permission_required = "runs.view_run"
    raise_exception = True

    @property
    def account(self) -> User:
        return self.request.user  # type: ignore[return-value]  # staff, by admin_view

    @property
    def is_part(self) -> bool:
        """Whether a dialog of the list asks, and not a page."""
        return bool(self.request.headers.get("HX-Request"))

    def framed(self, template: str, context: dict[str, Any], status: int = 200) -> HttpResponse:
        context = {"now": timezone.now(), **context}
        if not self.is_part:
            context = {**self.model_admin.admin_site.each_context(self.request), **context}
        answer = render(self.request, template, context, status=status)
        answer.headers.setdefault("Cache-Control", "no-store")
        return answer


class ViewForm(forms.Form):
    """A new view, or another one's place."""

    name = forms.CharField(
        max_length=80, required=False, widget=forms.TextInput(attrs={"class": "op-input"})
    )
    replace = forms.ChoiceField(
        required=False, widget=forms.Select(attrs={"class": "op-input"}), label="Save as"
    )
    shared = forms.BooleanField(required=False)
    default = forms.BooleanField(required=False)

    def __init__(self, changeable: list[SavedView], *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.changeable = {saved.public_id: saved for saved in changeable}
        self.fields["replace"].choices = [  # type: ignore[attr-defined]
            ("", "A new view"),
            *((key, f"Instead of “{saved}”") for key, saved in self.changeable.items()),
        ]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if not cleaned.get("name") and not cleaned.get("replace") and "name" not in self.errors:
            self.add_error("name", "Give the view a name.")
        return cleaned


class SaveView(_Page):
    """Name what the list shows: its filter, order and columns."""

    def _address(self, query: str) -> tuple[ListAddress, dict[str, str]]:
        address, errors = ListAddress.parse(QueryDict(query.removeprefix("?")))
        if not address.columns:
            shown = tuple(name for name in COLUMNS if name in self.account.list_columns)
            address = address.with_(columns=shown)
        return address, errors

    def _form(self, data: Any = None) -> ViewForm:
        found = SavedView.objects.seen_by(self.account)[:MOST_LISTED]
        return ViewForm([saved for saved in found if saved.can_be_changed_by(self.account)], data)

    def get(self, request: HttpRequest) -> HttpResponse:
        return self._shown(request.META.get("QUERY_STRING", ""), self._form())

    def post(self, request: HttpRequest) -> HttpResponse:
        query = request.POST.get("query", "")
        address, errors = self._address(query)
        form = self._form(request.POST)
        if errors or not form.is_valid():
            return self._shown(query, form, 422)
        given = form.cleaned_data
        saved = form.changeable.get(given["replace"]) or SavedView(owner=self.account)
        if saved._state.adding and self.account.saved_views.count() >= MOST_OWN:
            form.add_error(None, f"You keep {MOST_OWN} views already. Delete one first.")
            return self._shown(query, form, 422)
        saved.name = given["name"] or saved.name
        saved.query = address.query()
        # One that replaces a shared view stays shared: others open it.
        saved.is_shared = saved.is_shared or given["shared"]
        try:
            is_there = saved_views.save(saved, by=self.account.as_actor())
        except saved_views.NameTaken:
            form.add_error("name", f"You have a view “{saved.name}” already.")
            return self._shown(query, form, 422)
        if not is_there:
            form.add_error(None, f"The view “{saved.name}” is gone; save a new one.")
            return self._shown(query, form, 422)
        if given["default"]:
            User.objects.filter(pk=self.account.pk).update(default_view=saved)
        messages.success(request, f"The view “{saved.name}” is saved.")
        url = _list_url(f"?view={saved.public_id}")
        return HttpResponseClientRedirect(url) if self.is_part else redirect(url)

    def _shown(self, query: str, form: ViewForm, status: int = 200) -> HttpResponse:
        address, errors = self._address(query)
        context = {
            "title": "Save this view",
            "form": form,
            "query": address.query(),
            "words": address.filter.words(timezone.now()),
            "address": address,
            "errors": errors,
            "back_url": _list_url(address.query()),
        }
        template = "runs/_save_view.html" if self.is_part else "runs/save_view.html"
        return self.framed(template, context, status)


class ManageViews(_Page):
    def get(self, request: HttpRequest, status: int = 200) -> HttpResponse:  # noqa: ARG002
        now = timezone.now()
        found = SavedView.objects.seen_by(self.account).select_related("owner")[:MOST_LISTED]
        views = [
            {
                "view": saved,
                "can_change": saved.can_be_changed_by(self.account),
                "is_mine": saved.owner_id == self.account.pk,
                "is_default": saved.pk == self.account.default_view_id,
                "words": ListAddress.parse(QueryDict(saved.query[1:]))[0].filter.words(now),
            }
            for saved in found
        ]
        context = {"title": "Manage views", "views": views, "list_url": _list_url()}
        return self.framed("runs/views.html", context, status)

    def post(self, request: HttpRequest) -> HttpResponse:
        view_id = ids.decode("view", request.POST.get("view", ""))
        seen = SavedView.objects.seen_by(self.account)
        saved = seen.filter(pk=view_id).first() if view_id else None
        act = request.POST.get("act", "")
        if saved is None:
            messages.error(request, "That view is gone.")
        elif act in ("default", "no_default"):
            self._choose(saved if act == "default" else None)
        elif not saved.can_be_changed_by(self.account):
            messages.error(request, f"“{saved}” is changed by its owner or an administrator only.")
            return self.get(request, 403)
        elif act == "rename":
            if not self._rename(saved, request.POST.get("name", "").strip()):
                return self.get(request, 422)
        elif act in ("share", "unshare"):
            saved.is_shared = act == "share"
            saved_views.save(saved, by=self.account.as_actor())
            who = "all staff" if act == "share" else "only its owner"
            messages.success(request, f"“{saved}” is seen by {who} now.")
        elif act == "delete":
            saved_views.delete(saved, by=self.account.as_actor())
            messages.success(request, f"The view “{saved}” is deleted. No run was touched.")
        return redirect("admin:runs_run_views")

    def _choose(self, saved: SavedView | None) -> None:
        User.objects.filter(pk=self.account.pk).update(default_view=saved)
        opens = f"“{saved}”" if saved else "all runs"
        messages.success(self.request, f"Runs opens {opens} from now on.")

    def _rename(self, saved: SavedView, name: str) -> bool:
        if not name or len(name) > 80 or "\0" in name:
            messages.error(self.request, "A view's name has 1 to 80 characters.")
            return False
        before, saved.name = saved.name, name
        try:
            saved_views.save(saved, by=self.account.as_actor())
        except saved_views.NameTaken:
            messages.error(self.request, f"There is a view “{name}” already.")
            return False
        messages.success(self.request, f"“{before}” is “{name}” now.")
        return True


class ChooseColumns(_Page):
    """Which columns this person sees; the list's address then needs not say it."""

    http_method_names = ["post", "options"]

    def post(self, request: HttpRequest) -> HttpResponse:
        given = request.POST.getlist("column")
        chosen = [] if "usual" in request.POST else [name for name in COLUMNS if name in given]
        User.objects.filter(pk=self.account.pk).update(list_columns=chosen)
        everything = "?view=all" if self.account.default_view_id else "?"
        query = request.POST.get("back", "").removeprefix("?")
        address, _ = ListAddress.parse(QueryDict(query), everything)
        return redirect(_list_url(address.with_(columns=()).query()))
