"""``manage.py create_token anna --scopes view,retry``: an API token for an account."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from runs import tokens
from runs.actors import Actor
from runs.models import User
from runs.scopes import Scope

COMMAND = Actor(name="create_token", ref_type="command", ref_id="create_token")


class Command(BaseCommand):
    help = "Makes an API token for an account, and prints its secret this once."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("user", help="user name of its owner")
        parser.add_argument(
            "--scopes", required=True, nargs="+", help=f"some of: {', '.join(Scope.values)}"
        )
        parser.add_argument(
            "--expires-days",
            default=str(tokens.DEFAULT_DAYS),
            help=f"1 to {tokens.MOST_DAYS}, or “never” for an administrator's "
            f"(default: {tokens.DEFAULT_DAYS})",
        )
        parser.add_argument("--name", default="command line", help="what it is for")

    def handle(self, *args: Any, **options: Any) -> None:  # noqa: ARG002
        user = User.objects.filter(username=options["user"]).first()
        if user is None:
            raise CommandError(f"There is no account “{options['user']}”.")
        scopes = [scope for text in options["scopes"] for scope in text.split(",") if scope]
        try:
            token, secret = tokens.make(
                user,
                name=options["name"],
                scopes=scopes,
                days=_days(options["expires_days"]),
                by=COMMAND,
                now=timezone.now(),
            )
        except tokens.TokenRefused as refused:
            raise CommandError(str(refused)) from None
        until = f"until {token.expires_at:%Y-%m-%d}" if token.expires_at else "without an expiry"
        # Aside, so that the secret alone can be taken into a variable.
        self.stderr.write(f"{token.name}: {', '.join(token.scopes)}, {until}. Keep it safe:")
        self.stdout.write(secret)


def _days(text: str) -> int | None:
    if text == "never":
        return None
    if not text.isdecimal():
        raise CommandError("--expires-days takes a number of days, or “never”.")
    return int(text)
