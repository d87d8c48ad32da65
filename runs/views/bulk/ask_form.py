"""What a person says before a bulk operation begins."""

from __future__ import annotations

from typing import Any

from django import forms

from runs.bulk.operations import MAX_RATE
from runs.models.bulk import BulkKind
from runs.views.bulk.acts import Act

# What is typed where there is no figure to type.
WORD = "all"
FORMATS = [("csv", "CSV"), ("json", "JSON"), ("ndjson", "NDJSON")]


class AskForm(forms.Form):
    reason = forms.CharField(
        max_length=500, error_messages={"required": "Say why: the reason is kept in the audit."}
    )
    rate = forms.IntegerField(
        required=False,
        min_value=1,
        max_value=MAX_RATE,
        error_messages={"invalid": "Give a whole number of runs a second."},
    )

    def __init__(self, act: Act, *args: Any) -> None:
        super().__init__(*args)
        self.fields["reason"].required = act.asks_why
        if act.kind == BulkKind.RETRY:
            self.fields["begin"] = forms.ChoiceField(
                required=False, choices=[("start", "start"), ("failed", "failed")]
            )
        if act.kind == BulkKind.EXPORT:
            self.fields["format"] = forms.ChoiceField(choices=FORMATS)
            self.fields["with_logs"] = forms.BooleanField(required=False)
        if act.kind == BulkKind.DELETE:
            # `shown` is the figure as the page said it.
            self.fields["shown"] = forms.CharField(required=False, max_length=20)
            self.fields["typed"] = forms.CharField(required=False, max_length=20)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if "typed" in self.fields:
            shown = cleaned.get("shown") or WORD
            if _bare(cleaned.get("typed", "")) != _bare(shown):
                self.add_error(
                    "typed", f"Type {shown}, so that nobody deletes more than they mean."
                )
        return cleaned

    @property
    def options(self) -> dict[str, Any]:
        """What the operation's kind needs beside."""
        given = self.cleaned_data
        if given.get("begin") == "failed":
            return {"from_failed": True}
        if "format" in self.fields:
            return {"format": given["format"], "with_logs": given["with_logs"]}
        return {}


def _bare(figure: str) -> str:
    """``10,000+``, ``10000+`` and ``10 000`` are one figure."""
    return "".join(figure.split()).replace(",", "").rstrip("+").lower()
