"""How often a wrong password may be tried: per user name and address, and from one address with
whatever names; then not for a while.

It costs a few queries at each try to sign in, and nothing at any other request.
"""

from __future__ import annotations

import hashlib
import logging
from datetime import datetime, timedelta
from ipaddress import ip_address, ip_network
from typing import NamedTuple

from django.db import transaction
from django.db.models import F

from runs.actors import Actor
from runs.models import AuditEntry, LoginTry, User

logger = logging.getLogger(__name__)

MOST_TRIES = 5
# From one address, behind which there may be many people.
MOST_FROM_ONE = 50
LOCKED = timedelta(minutes=10)
# Old tries that are forgotten at one new one.
FORGOTTEN = 100


class Try(NamedTuple):
    # Of the name from that address, and of the address.
    key: str
    place: str
    is_last: bool
    # Which bound that is, where it is the last.
    most: int = MOST_TRIES
    # Until this nobody's password is looked at who comes with that name from there.
    locked_until: datetime | None = None


def begin(username: str, address: str | None, now: datetime) -> Try:
    """Count a try before its password is checked: many at once are no way around."""
    _forget_old(now)
    key, place = _key_of(username, address), _key_of("", address)
    most = {key: MOST_TRIES, place: MOST_FROM_ONE}
    with transaction.atomic():
        # In order of their keys, as everywhere: two who try must not wait for each other.
        rows = [
            LoginTry.objects.select_for_update().get_or_create(key=each, defaults={"at": now})[0]
            for each in sorted(most)
        ]
        for row in rows:
            if row.at + LOCKED <= now:
                row.count = 0
        if full := [row.at + LOCKED for row in rows if row.count >= most[row.key]]:
            return Try(key, place, is_last=False, locked_until=max(full))
        for row in rows:
            row.count += 1
            row.at = now
            row.save(update_fields=["count", "at"])
        reached = [most[row.key] for row in rows if row.count == most[row.key]]
        return Try(key, place, is_last=bool(reached), most=min(reached, default=MOST_TRIES))


def succeeded(tried: Try, user: User, address: str | None) -> None:
    user.address = address
    with transaction.atomic():
        keys = [tried.key, tried.place]
        rows = LoginTry.objects.select_for_update().filter(key__in=keys).order_by("key")
        for row in rows:
            if row.key == tried.place and row.count > 1:
                # It was no wrong one; those before were.
                row.count -= 1
                row.save(update_fields=["count"])
            else:
                row.delete()
        AuditEntry.objects.note(user.as_actor(), "login", ("user", user.public_id), str(user))


def failed(tried: Try, username: str, address: str | None) -> None:
    """Tell of a failure. What was typed is told only if it names an account; the lock bounds how
    many there may be."""
    user = User.objects.filter(username=username).first()
    if user is None:
        # As much work as telling of it: else the answer's time would say which names are known.
        LoginTry.objects.filter(key=tried.key).update(at=F("at"))
        if tried.is_last:
            logger.warning("sign-in locked for an unknown user name from %s", address)
        return
    nobody = Actor(name="sign-in", ref_type="", ref_id="", address=address)
    target = ("user", user.public_id)
    if not tried.is_last:
        AuditEntry.objects.note(nobody, "fail_login", target, str(user))
        return
    logger.warning("sign-in locked for %s from %s", user.public_id, address)
    minutes = LOCKED // timedelta(minutes=1)
    whose = "" if tried.most == MOST_TRIES else " for several names"
    reason = f"{user}: {tried.most} wrong passwords{whose}, locked for {minutes} minutes from there"
    AuditEntry.objects.note(nobody, "lock_login", target, reason)


def _key_of(username: str, address: str | None) -> str:
    return hashlib.sha256(f"{username}\0{_place_of(address)}".encode()).hexdigest()


def _place_of(address: str | None) -> str:
    """The address; of IPv6 the network, within which a caller has as many as they like."""
    if address is None:
        return ""
    if ip_address(address).version == 4:
        return address
    return str(ip_network(f"{address}/64", strict=False))


def _forget_old(now: datetime) -> None:
    old = LoginTry.objects.filter(at__lt=now - LOCKED).order_by("at")
    # Those that somebody is at just now are left to them.
    free = old.select_for_update(skip_locked=True).values("key")[:FORGOTTEN]
    LoginTry.objects.filter(key__in=free).delete()
