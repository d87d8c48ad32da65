"""What goes wrong in made-up runs, what their steps log, and why people end them."""

from __future__ import annotations

import random
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Fault:
    """`{}` in the message stands for the run's document; `model`: only where one is asked."""

    kind: str
    message: str
    share: float
    permanent: bool = False
    model: bool = False
    # Comes in waves, when something that all depend on is away.
    outage: bool = False


FAULTS = (
    Fault("UpstreamUnavailable", "503 from the document store while reading {}", 20, outage=True),
    Fault("RateLimited", "the model's provider refused: 429, try again in 20 s", 16, model=True,
          outage=True),
    Fault("NodeTimeout", "no result after 600 s", 9),
    Fault("ConnectionError", "connection to db-ledger:5432 was reset", 7, outage=True),
    Fault("ValidationError", "{}: the totals differ: 1,204.50 on the page, 1,240.50 in sum", 14,
          permanent=True),
    Fault("UnreadableDocument", "{} has no text layer and the scan is too faint", 11,
          permanent=True),
    Fault("AnswerInvalid", "the model's answer is no JSON: Expecting value: line 1 column 1", 9,
          model=True),
    Fault("KeyError", "'iban'", 5, permanent=True),
    Fault("PermissionDenied", "403: the account may not write to archive/{}", 4, permanent=True),
    Fault("OutOfMemory", "the worker was stopped at 2,048 MB while drawing {}", 3),
    Fault("DuplicateDocument", "{} was filed already under another number", 2, permanent=True),
)  # fmt: skip
TRACE = (
    "app/steps.py:{line}  {node}\n  result = client.send(request)\n"
    "app/client.py:118  send\n  response.raise_for_status()\n"
    "app/client.py:64  raise_for_status\n  raise {kind}(message)"
)
REFUSALS = (
    ("InputInvalid", "document: 17 is not of type 'string'"),
    ("ExecutorMissing", "no executor “archive.seal” is registered"),
    ("StartDeadlinePassed", "no worker began it within 900 s"),
)
LINES = (
    ("info", "{} read: 12 pages, 41 kB of text"),
    ("info", "cache hit for the last page"),
    ("debug", "request took 184 ms"),
    ("info", "nothing unusual found"),
    ("info", "3 of 3 checks passed"),
    ("warning", "page 7 is rotated; turned it"),
    ("info", "stored under results/{}.json"),
    ("warning", "slow answer: 2,310 ms"),
    ("debug", "18 candidates, best match 0.97"),
)
REASONS = (
    "sent twice by mistake",
    "wrong document",
    "customer withdrew the request",
    "blocks the queue; will be run again tonight",
    "",
)


def fault(rng: random.Random, *, model: bool, outage: bool) -> Fault:
    found = [f for f in FAULTS if (model or not f.model) and (f.outage or not outage)]
    return rng.choices(found, [f.share for f in found])[0]


def error(rng: random.Random, chosen: Fault, node: str, document: str) -> dict[str, str]:
    trace = TRACE.format(line=rng.randrange(20, 400), node=node, kind=chosen.kind)
    return {
        "kind": chosen.kind,
        "message": chosen.message.replace("{}", document),
        "trace": trace,
    }
