"""What a person says before a run is terminated, deleted, put under legal hold, or kept longer."""

from __future__ import annotations

from typing import Any

from django import forms

from runs import restore_days
from runs.models import Run

# Characters of an id's end that stand for it.
SHORT = 8


class TerminateForm(forms.Form):
    reason = forms.CharField(
        max_length=500,
        strip=True,
        error_messages={"required": "Say why: the reason is kept in the run's history."},
    )


class HoldForm(forms.Form):
    """Why a legal hold begins; its end may go without a word."""

    reason = forms.CharField(
        max_length=500,
        strip=True,
        error_messages={"required": "Say why: the reason is kept in the audit."},
    )

    def __init__(self, run: Run, *args: Any) -> None:
        super().__init__(*args)
        self.fields["reason"].required = not run.is_held


class ProlongForm(forms.Form):
    """For how many days from now on a restored log stays."""

    _wrong = f"A whole number from 1 to {restore_days.MOST:,}."
    days = forms.IntegerField(
        min_value=1, max_value=restore_days.MOST,
        error_messages=dict.fromkeys(("required", "invalid", "min_value", "max_value"), _wrong),
    )  # fmt: skip
    reason = forms.CharField(max_length=400, strip=True, required=False)


class DeleteForm(forms.Form):
    """`typed` is the end of the run's id, so that nobody deletes another run than they mean."""

    reason = forms.CharField(
        max_length=500,
        strip=True,
        error_messages={"required": "Say why: the reason is kept in the audit."},
    )
    typed = forms.CharField(max_length=40, required=False)

    def __init__(self, run: Run, *args: Any) -> None:
        super().__init__(*args)
        self.end = run.public_id[-SHORT:]

    def clean_typed(self) -> str:
        typed: str = self.cleaned_data["typed"]
        if typed.strip().lower()[-SHORT:] != self.end:
            raise forms.ValidationError(f"Type {self.end}, the end of this run's id.")
        return typed
