"""Who causes something: a person, a token's owner, a trigger, or the portal itself."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Actor:
    """`name` is shown and kept as text, so that it outlives the account."""

    name: str
    ref_type: str
    ref_id: str
    # Where the request came from, and the prefix of the API token that it came with.
    address: str | None = None
    via: str = ""


ENGINE = Actor(name="engine", ref_type="engine", ref_id="engine")

# References that name an actor; every other ref_type is a caller's own word.
ACTOR_REFS = frozenset({"user", "token", "schedule", "webhook", "event", "automation"})
