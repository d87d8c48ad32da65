"""What archived logs are called in storage."""

from __future__ import annotations

import re
import secrets
import uuid
from datetime import datetime

from runs import ids

PREFIX = "archive/"
# Objects that were put before names were used only once have no last part.
_NAME = re.compile(
    PREFIX + r"[0-9]{4}/[0-9]{2}/[0-9]{2}/(run_[0-9a-z]{26})\.[1-9][0-9]{0,9}(\.[0-9a-f]{16})?\.zst"
)


def new_name(run_id: uuid.UUID, completed_at: datetime, last_seq: int) -> str:
    """What an object with these events is to be called: as none ever was, so that whoever still
    deletes or puts another one, however late, means that one. By days, which keeps listings
    short."""
    run, once = ids.encode("run", run_id), secrets.token_hex(8)
    return f"{PREFIX}{completed_at:%Y/%m/%d}/{run}.{last_seq}.{once}.zst"


def run_of(name: str) -> uuid.UUID | None:
    """The run that an object's name tells; None for what is none of ours, such as a copy that
    somebody made of one."""
    found = _NAME.fullmatch(name)
    return ids.decode("run", found[1]) if found else None
