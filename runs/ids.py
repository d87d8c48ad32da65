"""TypeIDs outside, UUIDv7 inside: ``run_01j…`` is the UUID's base32 with a prefix."""

import uuid
from datetime import datetime

from typeid import TypeID, base32
from typeid.errors import TypeIDException
from uuid_utils import compat


def new_id() -> uuid.UUID:
    """A UUIDv7: later ids sort after earlier ones."""
    return compat.uuid7()


def id_at(moment: datetime) -> uuid.UUID:
    """A UUIDv7 as it would have been made then."""
    milliseconds = int(moment.timestamp() * 1000)
    return uuid.UUID(int=milliseconds << 80 | new_id().int & (1 << 80) - 1)


def encode(prefix: str, value: uuid.UUID) -> str:
    # By the codec alone: a list encodes hundreds, and the prefixes here need no check.
    return f"{prefix}_{base32.encode(value.bytes)}"


def decode(prefix: str, text: str) -> uuid.UUID | None:
    """The UUID of a public id, or None for whatever is not one with this prefix."""
    try:
        parsed = TypeID.from_string(text)
    except (TypeIDException, ValueError):
        return None
    # Its own UUID class is not the one that Django's field takes.
    return uuid.UUID(bytes=parsed.uuid.bytes) if parsed.prefix == prefix else None


def end_bytes(short: str) -> bytes | None:
    """The last five bytes of an id of which a list shows the last eight characters.

    What stands before them, such as ``run_…``, is passed over; None for what is no such end.
    """
    end = short.strip().lower()[-8:]
    padded = decode("run", f"run_{end:0>26}") if len(end) == 8 else None
    return padded.bytes[-5:] if padded else None
