"""The admin: records are only shown, accounts are kept, and nothing counts a large table."""

import uuid

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from runs import ids, lifecycle, recorder
from runs.actors import Actor
from runs.admin.read_only import REACHABLE
from runs.models import AuditEntry, Event, LLMCall, Run, User, WorkflowVersion
from runs.rows import NewEvent
from runs.states import Kind
from tests.runs.visitors import account, visitor

pytestmark = pytest.mark.django_db
ANNA = Actor(name="anna", ref_type="user", ref_id="user_anna")


@pytest.fixture
def boss():
    return visitor(name="boss", is_superuser=True)


@pytest.fixture
def run(version):
    return lifecycle.start(version, {"secret": "input"}, trigger="manual", by=ANNA)


@pytest.fixture
def llm_call(run):
    started = NewEvent(
        Kind.NODE_STARTED, node="first", attempt=1, data={"worker": "w", "timeout_seconds": 9}
    )
    called = NewEvent(
        Kind.LLM_CALL,
        node="first",
        attempt=1,
        data={
            "model": "m", "input_tokens": 1, "output_tokens": 1, "cached_tokens": 0, "cost": "0.5",
        },
    )  # fmt: skip
    recorder.record({run.pk: [started, called]}, now=timezone.now())
    return LLMCall.objects.get()


RECORDS = [Run, Event, LLMCall, AuditEntry, WorkflowVersion]


def row_of(model):
    return model.objects.first()


@pytest.mark.parametrize("model", RECORDS)
def test_records_have_no_form_and_no_action_even_for_a_superuser(model, boss, rf, llm_call):
    request = rf.get("/")
    request.user = User.objects.get(username="boss")
    registered = admin.site._registry[model]
    row = row_of(model)
    assert not registered.has_add_permission(request)
    assert not registered.has_change_permission(request, row)
    assert not registered.has_delete_permission(request, row)
    assert registered.get_actions(request) == {}


@pytest.mark.parametrize("model", RECORDS)
@pytest.mark.parametrize("act", ["add", "change", "delete"])
def test_raw_posts_to_records_are_refused_and_change_nothing(model, act, boss, llm_call):
    before = [list(kind.objects.order_by("pk").values()) for kind in RECORDS]
    base = f"/admin/runs/{model._meta.model_name}/"
    path = {"add": "add/", "change": f"{row_of(model).pk}/change/"}
    path["delete"] = f"{row_of(model).pk}/delete/"
    data = {"state": "completed", "kind": "log", "data": "{}", "post": "yes", "_save": "Save"}
    answer = boss.post(base + path[act], data)
    assert answer.status_code in (400, 403, 404, 405)
    assert [list(kind.objects.order_by("pk").values()) for kind in RECORDS] == before


@pytest.mark.parametrize("model", [Event, LLMCall, AuditEntry, WorkflowVersion])
def test_the_bulk_delete_of_the_admin_does_not_exist_for_records(model, boss, llm_call):
    data = {"action": "delete_selected", "_selected_action": [row_of(model).pk], "post": "yes"}
    boss.post(f"/admin/runs/{model._meta.model_name}/", data)
    assert model.objects.exists()


@pytest.mark.parametrize("query", ["", "?_facets=True"])
@pytest.mark.parametrize("model", [Event, LLMCall, AuditEntry, WorkflowVersion])
def test_lists_of_records_never_count(model, query, boss, llm_call, django_assert_max_num_queries):
    # The audit also asks which of the runs that it names are still there.
    with django_assert_max_num_queries(8 if model is AuditEntry else 7) as caught:
        answer = boss.get(f"/admin/runs/{model._meta.model_name}/{query}")
    assert answer.status_code == 200
    about = [q["sql"] for q in caught.captured_queries if model._meta.db_table in q["sql"]]
    assert about
    assert not any("COUNT(" in sql for sql in about)


@pytest.mark.parametrize(
    ("model", "column"), [(Event, '"data"'), (WorkflowVersion, '"workflow_versions"."definition"')]
)
def test_lists_read_no_payloads(model, column, boss, run, django_assert_max_num_queries):
    with django_assert_max_num_queries(7) as caught:
        boss.get(f"/admin/runs/{model._meta.model_name}/")
    reading = [q["sql"] for q in caught.captured_queries if model._meta.db_table in q["sql"]]
    assert reading
    assert not any(column in sql for sql in reading)


def test_events_are_reached_by_their_run(boss, version, run):
    other = lifecycle.start(version, {}, trigger="manual", by=ANNA)
    page = boss.get(f"/admin/runs/event/?run={run.public_id}").content.decode()
    assert run.public_id in page
    assert other.public_id not in page
    record = boss.get(f"/admin/runs/run/{run.pk}/change/").content.decode()
    assert f"/admin/runs/event/?run={run.public_id}" in record


@pytest.mark.parametrize("text", ["run_nonsense", "x", ids.encode("run", uuid.UUID(int=7))])
def test_events_of_a_run_that_is_not_there_are_none(boss, run, text):
    assert run.public_id not in boss.get(f"/admin/runs/event/?run={text}").content.decode()


@pytest.mark.parametrize("target", ["run", "workflow", "run:run_x", "\0", "run:\0", "x:y:z"])
def test_the_audit_is_filtered_by_what_was_acted_on(boss, run, target):
    page = boss.get("/admin/runs/auditentry/", {"target": target})
    assert page.status_code == 200
    assert (run.public_id in page.content.decode()) == (target in ("run", "\0", "run:\0"))


AUDIT = "/admin/runs/auditentry/"
BY_BOSS = Actor(name="boss", ref_type="user", ref_id="user_boss")


def audit(by=ANNA, action="retry", target=("run", "run_x")):
    return AuditEntry.objects.note(by, action, target)


def shown(client, **query):
    page = client.get(AUDIT, query)
    assert page.status_code == 200
    return [entry.pk for entry in page.context["cl"].result_list]


def test_the_audit_is_filtered_by_action_and_actor_together(boss):
    first = audit()
    second = audit(by=BY_BOSS)
    third = audit(by=BY_BOSS, action="terminate")
    assert shown(boss) == [third.pk, second.pk, first.pk]
    assert shown(boss, action="retry") == [second.pk, first.pk]
    assert shown(boss, q="boss") == [third.pk, second.pk]
    assert shown(boss, q=" boss ", action="retry") == [second.pk]
    assert shown(boss, q="bos") == []
    assert shown(boss, q="\0", action="\0") == [third.pk, second.pk, first.pk]
    assert shown(boss, action="no such") == []


def test_the_audit_is_searched_by_what_a_text_names(boss):
    far = Actor(name="anna", ref_type="token", ref_id="user_anna", address="2001:db8::7",
                via="runs_abc123")  # fmt: skip
    run_id = ids.encode("run", uuid.UUID(int=7))
    near = audit(target=("run", run_id))
    by_token = audit(by=far, action="start")
    told = AuditEntry.objects.note(BY_BOSS, "lock_login", ("user", "user_x"), "The Mail Server")
    for text, wanted in [
        ("2001:0db8:0::7", [by_token]),
        ("runs_abc123", [by_token]),
        ("runs_abc123_and-the-secret", [by_token]),
        (run_id, [near]),
        ("anna", [by_token, near]),
        ("lock login", [told]),
        ("start", [by_token]),
        ("mail serv", [told]),
        ("ma", []),
        ("192.0.2.1", []),
        ("1.2.3.4.5", []),
        ("100%", []),
    ]:
        assert shown(boss, q=text) == [entry.pk for entry in wanted], text


def test_words_of_a_reason_are_found_by_an_index(boss):
    with connection.cursor() as cursor:
        cursor.execute("""
            INSERT INTO audit (at, actor, ref_type, ref_id, action, target_type, target_id,
                reason, count)
            SELECT now(), 'anna', '', '', 'retry', 'run', 'run_' || n,
                CASE WHEN n % 10000 = 5 THEN 'Customs paper lost' ELSE 'mended ' || n END, 1
            FROM generate_series(1, 20000) n
            """)
        cursor.execute("ANALYZE audit")
    rows = boss.get(AUDIT, {"q": "customs PAPER"}).context["cl"].queryset[:51]
    assert len(rows) == 2
    assert " audit_reason" in rows.explain()


def test_the_audit_shows_which_runs_a_filter_meant(boss):
    entry = AuditEntry.by(
        ANNA, action="export", target_type="run", filter={"state": "failed", "ref": "a&b"}
    )
    entry.save()
    link = 'href="/admin/runs/run/?ref=a%26b&amp;state=failed"'
    for path in (AUDIT, f"{AUDIT}{entry.pk}/change/"):
        assert link in boss.get(path).content.decode()


@pytest.mark.parametrize(
    "sql",
    ["UPDATE audit SET reason = 'x'", "DELETE FROM audit", "TRUNCATE audit"],
)
def test_the_database_lets_the_audit_only_grow(db, sql):
    audit()
    with (
        pytest.raises(IntegrityError, match="only grows"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(sql)
    assert AuditEntry.objects.count() == 1


def test_no_superuser_changes_the_audit_by_its_pages(boss):
    entry = audit()
    page = f"{AUDIT}{entry.pk}/change/"
    assert boss.post(page, {"actor": "somebody", "reason": "x"}).status_code == 403
    assert boss.post(f"{AUDIT}{entry.pk}/delete/", {"post": "yes"}).status_code == 403
    assert boss.post(f"{AUDIT}add/", {"actor": "x"}).status_code == 403
    assert AuditEntry.objects.get().actor == "anna"


def test_the_audit_is_filtered_by_days_of_the_readers_zone():
    reader = visitor("runs.view_auditentry", name="reader", time_zone="Asia/Kolkata")
    AuditEntry.objects.bulk_create(
        AuditEntry(actor="anna", action="retry", target_type="run", at=at, reason=at)
        for at in ("2026-03-01T18:29:59Z", "2026-03-01T18:30:00Z", "2026-03-02T18:29:59Z")
    )
    before, first, last = AuditEntry.objects.order_by("id").values_list("pk", flat=True)
    assert shown(reader, **{"from": "2026-03-02", "to": "2026-03-02"}) == [last, first]
    assert shown(reader, to="2026-03-01") == [before]
    assert shown(reader, **{"from": "2026-03-03"}) == []


@pytest.mark.parametrize("day", ["", "x", "2026-02-31", "0001-01-01", "9999-12-31", "\0", "²"])
def test_what_is_no_day_filters_nothing(boss, day):
    entry = audit()
    assert shown(boss, **{"from": day, "to": day}) == [entry.pk]


def test_a_day_is_asked_for_beside_the_other_filters(boss):
    page = boss.get(AUDIT, {"action": "retry", "q": "boss", "to": "2026-03-02"}).content.decode()
    assert '<input type="hidden" name="action" value="retry">' in page
    assert '<input type="hidden" name="q" value="boss">' in page
    assert 'name="to" value="2026-03-02"' in page


def targets(run, version):
    olga = account(name="olga")
    group = Group.objects.create(name="Night")
    return {
        ("run", run.public_id): f"/admin/runs/run/{run.public_id}/",
        ("workflow", f"{version}"): f"/admin/runs/workflow/{version.workflow.slug}/versions/1/",
        ("user", olga.public_id): f"/admin/runs/user/{olga.pk}/change/",
        ("group", str(group.pk)): f"/admin/auth/group/{group.pk}/change/",
    }


def test_what_was_acted_on_is_a_link(boss, run, version):
    for target, url in targets(run, version).items():
        entry = audit(target=target)
        for path in (AUDIT, f"{AUDIT}{entry.pk}/change/"):
            assert f'<a class="text-link" href="{url}">' in boss.get(path).content.decode(), path


def test_what_the_reader_may_not_see_is_no_link(run, version):
    reader = visitor("runs.view_auditentry", name="reader")
    for target, url in targets(run, version).items():
        audit(target=target)
        page = reader.get(AUDIT).content.decode()
        assert target[1] in page
        assert f'href="{url}"' not in page


@pytest.mark.parametrize(
    "target",
    [
        ("run", ids.encode("run", uuid.UUID(int=7))), ("run", ""), ("run", "nonsense"),
        ("user", ids.encode("user", uuid.UUID(int=7))), ("group", "999999999"),
        ("group", "9" * 30), ("group", "²"), ("workflow", "gone v1"), ("workflow", ""),
        ("other", "7"),
    ],
)  # fmt: skip
def test_what_is_gone_is_no_link(boss, target):
    entry = audit(target=target)
    for path in (AUDIT, f"{AUDIT}{entry.pk}/change/"):
        assert 'class="text-link"' not in boss.get(path).content.decode()


def test_links_of_the_audit_are_a_query_for_each_kind(
    boss, run, version, django_assert_num_queries
):
    for target in targets(run, version):
        for _ in range(5):
            audit(target=target)
    with CaptureQueriesContext(connection) as few:
        boss.get(AUDIT)
    for target in list(AuditEntry.objects.values_list("target_type", "target_id")):
        audit(target=target)
    with django_assert_num_queries(len(few)):
        boss.get(AUDIT)


@pytest.mark.parametrize(
    ("query", "index"),
    [
        ({}, "audit_at"),
        ({"action": "create"}, "audit_action"),
        ({"q": "192.0.2.7"}, "audit_address"),
        ({"q": "runs_abc123"}, "audit_token"),
        ({"target": "user"}, "audit_kind"),
        ({"target": "run:run_7"}, "audit_target"),
        ({"q": "rare"}, "audit_actor"),
        ({"q": "anna", "action": "export"}, "audit_actor_action"),
        ({"from": "2026-01-02", "to": "2026-01-03"}, "audit_at"),
        ({"q": "rare", "from": "2026-01-02", "to": "2026-01-03"}, "audit_actor"),
        ({"action": "create", "from": "2026-01-02", "to": "2026-01-03"}, "audit_action"),
    ],
)
def test_every_filter_of_the_audit_follows_an_index(boss, query, index):
    with connection.cursor() as cursor:
        cursor.execute("""
            INSERT INTO audit
                (at, actor, ref_type, ref_id, action, target_type, target_id, reason, count,
                address, via)
            SELECT timestamptz '2026-01-01' + n * interval '1 minute',
                CASE WHEN n % 10 < 3 THEN 'bot' WHEN n % 100 = 5 THEN 'rare' ELSE 'anna' END,
                '', '',
                CASE WHEN n % 10 < 3 OR n % 100 = 4 THEN 'export' WHEN n % 100 = 6 THEN 'create'
                    ELSE 'retry' END,
                CASE WHEN n % 100 = 6 THEN 'user' ELSE 'run' END, 'run_' || n, '', 1,
                CASE WHEN n % 100 = 7 THEN inet '192.0.2.7' ELSE '192.0.2.8' END,
                CASE WHEN n % 100 = 8 THEN 'runs_abc123' ELSE '' END
            FROM generate_series(1, 20000) n
            """)
        cursor.execute("ANALYZE audit")
    plan = boss.get(AUDIT, query).context["cl"].queryset[:51].explain(analyze=True)
    assert f" {index}" in plan, plan
    # No row is read to be dropped, and none beyond those shown to be sorted.
    assert "Seq Scan" not in plan, plan
    assert "Rows Removed" not in plan, plan
    assert "Sort  (" not in plan.replace("Incremental Sort", ""), plan


@pytest.mark.parametrize(
    "query", ["data__icontains=secret", "run__state=created", "kind=log", "at__gte=2020-01-01"]
)
def test_no_address_makes_the_admin_search_the_log(boss, run, query):
    answer = boss.get(f"/admin/runs/event/?{query}")
    assert answer.status_code in (302, 400)


def test_no_address_makes_the_admin_sort_the_log(boss, run, django_assert_max_num_queries):
    with django_assert_max_num_queries(7) as caught:
        boss.get("/admin/runs/event/?o=-6.3")
    reading = next(q["sql"] for q in caught.captured_queries if "event_tracking" in q["sql"])
    assert 'ORDER BY "event_tracking"."id" DESC' in reading


def test_no_address_makes_the_admin_skip_over_the_log(boss, run):
    assert boss.get("/admin/runs/event/?p=1").status_code == 200
    assert boss.get(f"/admin/runs/event/?p={REACHABLE}").status_code == 302
    assert boss.get("/admin/runs/event/?all=").status_code == 200


def test_an_events_page_shows_its_data_bounded(boss, version):
    run = lifecycle.start(version, {"text": "<b>" + "x" * 300_000}, trigger="manual", by=ANNA)
    event = Event.objects.get(run=run, seq=1)
    page = boss.get(f"/admin/runs/event/{event.pk}/change/")
    assert page.status_code == 200
    assert len(page.content) < 250_000
    assert b"more characters" in page.content
    assert b"<b>xxx" not in page.content


def test_the_plain_record_of_a_run_names_runs_that_are_gone(boss, run):
    lifecycle.terminate(Run.objects.filter(pk=run.pk), by=ANNA, reason="x")
    page = boss.get(f"/admin/runs/run/{run.pk}/change/")
    assert page.status_code == 200
    assert reverse("admin:runs_run_page", args=[run.public_id]) in page.content.decode()
    assert boss.get(f"/admin/runs/run/{ids.new_id()}/change/").status_code in (302, 404)


@pytest.mark.parametrize("model", ["event", "llmcall", "auditentry", "workflowversion"])
def test_records_need_a_permission(model, run, client):
    path = f"/admin/runs/{model}/"
    assert visitor(f"runs.view_{model}", name="may").get(path).status_code == 200
    assert visitor("runs.view_run", name="may_not").get(path).status_code == 403
    assert "/login/" in client.get(path).headers["Location"]


def test_the_schedules_of_the_portal_itself_are_not_in_the_admin(boss):
    names = {model._meta.app_label for model in admin.site._registry}
    assert names == {"auth", "runs"}


# -- Accounts --------------------------------------------------------------------------------


def test_an_account_is_made_and_given_a_zone_and_groups(boss):
    made = boss.post(
        "/admin/runs/user/add/",
        {
            "username": "nora", "usable_password": "true",
            "password1": "a long password", "password2": "a long password",
        },
    )  # fmt: skip
    nora = User.objects.get(username="nora")
    assert made.headers["Location"] == f"/admin/runs/user/{nora.pk}/change/"
    saved = boss.post(
        f"/admin/runs/user/{nora.pk}/change/",
        {
            "username": "nora", "time_zone": "Europe/Berlin", "is_active": "on", "is_staff": "on",
            "date_joined_0": "2026-01-01", "date_joined_1": "00:00:00",
        },
    )  # fmt: skip
    assert saved.status_code == 302
    nora.refresh_from_db()
    assert (nora.time_zone, nora.is_staff) == ("Europe/Berlin", True)


def test_a_zone_that_does_not_exist_is_refused(boss):
    olga = account(name="olga")
    data = {"username": "olga", "time_zone": "Mars/Base", "is_active": "on"}
    answer = boss.post(f"/admin/runs/user/{olga.pk}/change/", data)
    assert answer.status_code == 200
    assert User.objects.get(pk=olga.pk).time_zone == "UTC"


def test_pages_of_accounts_and_groups_answer(boss):
    olga = account(name="olga")
    for path in (
        "user/", "user/add/", f"user/{olga.pk}/change/", f"user/{olga.pk}/password/",
        f"user/{olga.pk}/history/", f"user/{olga.pk}/delete/",
    ):  # fmt: skip
        assert boss.get(f"/admin/runs/{path}").status_code == 200, path
    for path in ("", "add/"):
        assert boss.get(f"/admin/auth/group/{path}").status_code == 200, path


MANAGER = ("runs.view_user", "runs.change_user", "runs.delete_user")


def test_who_manages_accounts_cannot_make_superusers():
    manager = visitor(*MANAGER, name="manager")
    own = User.objects.get(username="manager")
    data = {
        "username": "manager", "time_zone": "UTC", "is_active": "on", "is_staff": "on",
        "is_superuser": "on", "user_permissions": ["1"],
    }  # fmt: skip
    assert manager.post(f"/admin/runs/user/{own.pk}/change/", data).status_code == 302
    own.refresh_from_db()
    assert not own.is_superuser
    assert own.user_permissions.count() == len(MANAGER)


def test_who_manages_accounts_cannot_touch_a_superuser(boss):
    manager = visitor(*MANAGER, name="manager")
    chief = User.objects.get(username="boss")
    kept = chief.password
    data = {"password1": "another password", "password2": "another password"}
    assert manager.post(f"/admin/runs/user/{chief.pk}/password/", data).status_code == 403
    assert manager.post(f"/admin/runs/user/{chief.pk}/delete/", {"post": "yes"}).status_code == 403
    manager.post(
        "/admin/runs/user/",
        {"action": "delete_selected", "_selected_action": [chief.pk], "post": "yes"},
    )
    chief.refresh_from_db()
    assert chief.password == kept


# -- My settings -----------------------------------------------------------------------------


def test_everybody_chooses_their_own_zone():
    olga = visitor()
    page = olga.get("/admin/me/")
    assert b"Europe/Berlin" in page.content
    assert olga.post("/admin/me/", {"time_zone": "Asia/Kolkata"}).status_code == 302
    assert User.objects.get(username="olga").time_zone == "Asia/Kolkata"


def test_my_settings_change_nothing_else_and_nobody_else():
    other = account(name="other")
    olga = visitor()
    olga.post(
        "/admin/me/",
        {"time_zone": "Asia/Kolkata", "is_superuser": "on", "id": str(other.pk), "username": "x"},
    )
    me = User.objects.get(username="olga")
    assert (me.is_superuser, me.time_zone) == (False, "Asia/Kolkata")
    assert User.objects.get(pk=other.pk).time_zone == "UTC"


@pytest.mark.parametrize("zone", ["", "Mars/Base", "../../etc/passwd", "Europe/Berlin\n"])
def test_my_settings_refuse_what_is_no_zone(zone):
    olga = visitor()
    assert olga.post("/admin/me/", {"time_zone": zone}).status_code in (302, 422)
    assert User.objects.get(username="olga").time_zone in ("UTC", "Europe/Berlin")


def test_a_zone_that_is_not_offered_is_kept():
    account(name="old", time_zone="Etc/GMT+3")
    olga = visitor(name="olga", time_zone="Etc/GMT+3")
    page = olga.get("/admin/me/").content.decode()
    assert '<option value="Etc/GMT+3" selected>' in page
    assert olga.post("/admin/me/", {"time_zone": "Etc/GMT+3"}).status_code == 302


def test_my_settings_are_for_staff(client):
    assert "/login/" in client.get("/admin/me/").headers["Location"]
    guest = visitor(name="guest", is_staff=False)
    assert "/login/" in guest.get("/admin/me/").headers["Location"]
