"""What can be called is described by this: with what, by whom, and what is done."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, cast

from rest_framework.request import Request
from rest_framework.serializers import Serializer

from runs.actors import Actor
from runs.api.serializers import RunSerializer
from runs.api.trpc.shapes import Input
from runs.models import Run, User
from runs.scopes import Scope


@dataclass(frozen=True, slots=True)
class Asking:
    """Who asks, and when."""

    request: Request
    now: datetime

    @property
    def person(self) -> User:
        return cast(User, self.request.user)

    @property
    def actor(self) -> Actor:
        return self.person.as_actor()

    @property
    def context(self) -> dict[str, Any]:
        """What serializers want."""
        return {"request": self.request, "now": self.now}

    def shown(self, run: Run) -> dict[str, Any]:
        return dict(RunSerializer(run, context=self.context).data)


@dataclass(frozen=True, slots=True)
class Procedure:
    """`gives` describes the result: of a list one entry, of a subscription one event's data."""

    path: str
    kind: str
    # The permission classes of the REST API read it here; None: all staff may, for themselves.
    permission: str | None
    takes: type[Input]
    gives: type[Serializer]
    # A subscription is answered elsewhere.
    answer: Callable[[Asking, dict[str, Any]], Any] | None = None
    gives_many: bool = False
    # Each event of a subscription has an id, from which the client goes on.
    is_tracked: bool = False
    # Where the permission's name does not tell which scope a token needs.
    scope: Scope | None = None
    # Where the input decides which permission it takes: gives that, or None for the usual one.
    permission_for: Callable[[Any], str | None] | None = None
    says: str = ""

    @property
    def scopes(self) -> dict[None, Scope]:
        """As a view has it, for its only act."""
        return {None: self.scope} if self.scope else {}

    def judged(self, given: Any) -> Procedure:
        """As it is to be permitted, with this input that is not checked yet."""
        needed = self.permission_for(given) if self.permission_for else None
        return replace(self, permission=needed) if needed else self

    def checked(self, given: Any) -> dict[str, Any]:
        """The call's input; none is as good as an empty one."""
        serializer = self.takes(data={} if given is None else given)
        serializer.is_valid(raise_exception=True)
        return dict(serializer.validated_data)
