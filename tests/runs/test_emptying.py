"""The tests' own broom: nothing that a test commits is there for the next one."""

import pytest
from django.contrib.auth.models import Permission
from django.core.management import call_command
from django.db import connection

from runs.models import Event, User
from tests import emptying


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("lines", [1, 5_000])
def test_nothing_that_was_committed_is_left(make_run, lines):
    make_run()
    User.objects.create_user("anna").user_permissions.set(Permission.objects.all()[:3])
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO outbox (run_id, first_seq, last_seq, recorded_at)"
            " SELECT gen_random_uuid(), 1, 1, now() FROM generate_series(1, %s)",
            [lines],
        )
    assert Event.objects.exists()
    there = Permission.objects.count()
    call_command("flush", interactive=False, verbosity=0)
    with connection.cursor() as cursor:
        for table in emptying._tables():
            cursor.execute(f'SELECT count(*) FROM "{table}"')
            assert cursor.fetchone() == (0,), table
    assert Permission.objects.count() == there
