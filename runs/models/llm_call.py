"""The ledger of model calls: one row a call, also of attempts that failed."""

from django.db import models

from runs.models.run import Run


class LLMCall(models.Model):
    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="llm_calls", db_index=False)
    # The event that tells of it.
    seq = models.IntegerField()
    node = models.CharField(max_length=64)
    attempt = models.SmallIntegerField()
    model = models.CharField(max_length=128)
    input_tokens = models.BigIntegerField()
    output_tokens = models.BigIntegerField()
    cached_tokens = models.BigIntegerField(default=0)
    # US dollars.
    cost = models.DecimalField(max_digits=20, decimal_places=10)
    at = models.DateTimeField()

    class Meta:
        db_table = "llm_calls"
        verbose_name = "LLM call"
        constraints = [
            models.UniqueConstraint(fields=["run", "seq"], name="llm_calls_seq"),
            models.CheckConstraint(
                condition=models.Q(
                    input_tokens__gte=0, output_tokens__gte=0, cached_tokens__gte=0, cost__gte=0
                ),
                name="llm_calls_not_negative",
            ),
        ]
