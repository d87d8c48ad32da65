"""The policy as a form: the portal's own values, and a line for each workflow with others."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django import forms
from django.forms.formsets import BaseFormSet, formset_factory

from retention.changing import REASON_LENGTH
from retention.models.policy import MOST_DAYS
from retention.values import (
    MOST_OVERRIDES,
    OVERRIDE_NAMES,
    OWN_NAMES,
    Override,
    Values,
)
from runs.views.my_settings import ZoneField

_HOURS = [(hour, f"{hour:02d}:00") for hour in range(24)]
_WRONG = {
    "required": f"From 1 to {MOST_DAYS:,} days.",
    "min_value": f"From 1 to {MOST_DAYS:,} days.",
    "max_value": f"From 1 to {MOST_DAYS:,} days.",
    "invalid": "A whole number of days.",
}


def _days(label: str, *, required: bool = True, empty: str = "") -> forms.IntegerField:
    widget = forms.NumberInput(
        attrs={"class": "op-input op-days", "inputmode": "numeric", "placeholder": empty}
    )
    return forms.IntegerField(
        label=label, min_value=1, max_value=MOST_DAYS, required=required, widget=widget,
        error_messages=_WRONG,
    )  # fmt: skip


class PolicyForm(forms.Form):
    completed_days = _days("Completed")
    failed_days = _days("Failed")
    terminated_days = _days("Terminated")
    delete_days = _days("Delete for good after", required=False, empty="never")
    restore_days = _days("A restored log stays")
    hour = forms.TypedChoiceField(
        label="Begins at", choices=_HOURS, coerce=int, widget=forms.Select({"class": "op-input"})
    )
    zone = ZoneField(label="Time zone", widget=forms.Select({"class": "op-input"}))
    is_on = forms.BooleanField(
        label="Archive every night",
        required=False,
        widget=forms.CheckboxInput({"class": "op-check"}),
    )
    reason = forms.CharField(
        label="Why", required=False, max_length=REASON_LENGTH,
        widget=forms.TextInput({"class": "op-input", "autocomplete": "off"}),
    )  # fmt: skip

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        kept = self.initial.get("zone")
        listed = (name for _, names in self.fields["zone"].choices for name, _ in names)  # type: ignore[attr-defined]
        if kept and kept not in listed:
            field = self.fields["zone"]
            field.choices = [("Present", ((kept, kept),)), *field.choices]  # type: ignore[attr-defined]


class OverrideForm(forms.Form):
    """Numbers that are left empty are the portal's own."""

    workflow = forms.CharField(
        max_length=200,
        widget=forms.TextInput(
            {"class": "op-input", "list": "workflows", "autocomplete": "off", "placeholder": "Add…"}
        ),
        error_messages={"required": "Say for which workflow."},
    )
    completed_days = _days("Completed", required=False)
    failed_days = _days("Failed", required=False)
    terminated_days = _days("Terminated", required=False)
    delete_days = _days("Delete for good after", required=False)
    never_deleted = forms.BooleanField(
        label="Never deleted", required=False, widget=forms.CheckboxInput({"class": "op-check"})
    )


class _Overrides(BaseFormSet):
    def add_fields(self, form: forms.Form, index: int | None) -> None:
        super().add_fields(form, index)
        if "DELETE" in form.fields:
            form.fields["DELETE"].widget = forms.CheckboxInput({"class": "op-check"})

    @property
    def kept(self) -> Iterator[forms.Form]:
        """What is filled in and not to be removed."""
        for form in self.forms:
            if form.has_changed() or form.initial:
                if form.cleaned_data.get("DELETE") or not form.cleaned_data.get("workflow"):
                    continue
                yield form


OverrideForms = formset_factory(
    OverrideForm, formset=_Overrides, extra=1, can_delete=True,
    # A box that is not there cannot be ticked: the line for a new one has none.
    can_delete_extra=False,
    max_num=MOST_OVERRIDES + 1, absolute_max=MOST_OVERRIDES + 1,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Problem:
    """`place` is its field's id on the page; "" where it is of none."""

    place: str
    label: str
    said: str


class Asked:
    """The page's form as a whole: shown with what is saved, or with what was sent."""

    def __init__(self, saved: Values, data: Any = None, *, is_editable: bool = True) -> None:
        own = {name: getattr(saved, name) for name in OWN_NAMES}
        lines = [
            {"workflow": slug, **{name: getattr(given, name) for name in OVERRIDE_NAMES}}
            for slug, given in saved.workflows.items()
        ]
        self.form = PolicyForm(data, initial=own)
        # What was sent stands for itself: others may have saved other lines meanwhile.
        lines = lines if data is None else []
        self.lines: Any = OverrideForms(data, initial=lines, prefix="workflows")
        if not is_editable:
            self.lines.extra = 0
            for form in (self.form, *self.lines.forms):
                for field in form.fields.values():
                    field.disabled = True

    def values(self) -> Values | None:
        """None where it says nothing that could be a policy; the fields say why."""
        is_valid = [self.form.is_valid(), self.lines.is_valid()]
        if not all(is_valid):
            return None
        given = self.form.cleaned_data
        workflows: dict[str, Override] = {}
        for form in self.lines.kept:
            slug = form.cleaned_data["workflow"].strip()
            if slug in workflows:
                form.add_error("workflow", "This workflow has a line already.")
                return None
            own = {name: form.cleaned_data[name] for name in OVERRIDE_NAMES}
            workflows[slug] = Override(**own)
        own = {name: given[name] for name in OWN_NAMES}
        return Values(**own, workflows=dict(sorted(workflows.items())))

    @property
    def reason(self) -> str:
        return str(self.form.cleaned_data.get("reason", ""))

    def problems(self) -> list[Problem]:
        """All that is wrong, in the page's order."""
        found = list(_problems_of(self.form, ""))
        found += [Problem("", "", str(said)) for said in self.lines.non_form_errors()]
        for number, form in enumerate(self.lines.forms, 1):
            slug = str(form["workflow"].value() or "").strip()
            found += _problems_of(form, slug[:100] or f"line {number}")
        return found

    def add(self, problems: dict[str, str]) -> None:
        """What is wrong, where it is."""
        by_slug = {form.cleaned_data["workflow"].strip(): form for form in self.lines.kept}
        for place, said in problems.items():
            if place in self.form.fields:
                self.form.add_error(place, said)
                continue
            # A workflow's id may hold points, no field's name does.
            rest = place.removeprefix("workflows.")
            slug, _, name = rest.rpartition(".")
            if slug in by_slug and name in OVERRIDE_NAMES:
                by_slug[slug].add_error(name, said)
            elif rest in by_slug:
                by_slug[rest].add_error("workflow", said)
            else:
                self.form.add_error(None, said)


def _problems_of(form: forms.Form, whose: str) -> Iterator[Problem]:
    for name, said in form.errors.items():
        field = form[name] if name in form.fields else None
        label = str(field.label) if field else ""
        if whose:
            label = whose if name == "workflow" else f"{whose}, {label.lower()}"
        place = field.id_for_label if field else ""
        yield Problem(place, label, " ".join(str(each) for each in said))
