"""Who gets which stream, from where on, and what the first bytes are."""

import http.client
import time
import uuid

import pytest
from django.contrib.auth.models import Permission
from django.utils import timezone

from runs import ids, recorder
from runs.models import User
from tests.runs.conftest import changed
from tests.runs.streams.client import differences
from tests.runs.streams.conftest import log, session_of, stored

pytestmark = pytest.mark.django_db(transaction=True)
# No run has this id.
NOBODY = uuid.UUID("0193a5b2-7c4d-7e1f-8a9b-0c1d2e3f4a5b")


def problem_of(answer):
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["cache-control"] == "no-store"
    problem = answer.body()
    assert problem["status"] == answer.status
    return problem


@pytest.fixture
def path(anna, make_run):
    return f"/api/sse-logs/{ids.encode('run', make_run())}"


@pytest.mark.parametrize("session", [None, "", "nosuchsession", "ä", r'"\000nosuchsession"'])
def test_nobody_gets_a_stream_without_a_session(web, path, session):
    for stream in (path, "/api/sse-runs", "/api/sse-logs/run_unknown"):
        assert problem_of(web.open(stream, session))["status"] == 401


def test_a_stream_is_opened_under_the_portals_own_name_only(web, anna, path):
    """A page of another site whose name leads here would be let in else."""
    for stream in (path, "/api/sse-runs"):
        connection = http.client.HTTPConnection("127.0.0.1", web.port, timeout=10)
        connection.request("GET", stream, headers={"Host": "elsewhere.example"})
        assert connection.getresponse().status == 400
        connection.close()


@pytest.mark.parametrize("path", ["/api/sse-runs", f"/api/sse-logs/{ids.encode('run', NOBODY)}"])
def test_who_may_not_view_runs_gets_no_stream(web, anna, path):
    no_permission = User.objects.create_user("ben", is_staff=True)
    no_staff = User.objects.create_user("cem")
    no_staff.user_permissions.add(Permission.objects.get(codename="view_run"))
    for user in (no_permission, no_staff):
        assert problem_of(web.open(path, session_of(user)))["status"] == 403


@pytest.mark.parametrize(
    "name",
    [
        "",
        "run_",
        "x",
        "1",
        ids.encode("run", NOBODY),
        ids.encode("job", NOBODY),
        "run_/x",
    ],
)
def test_an_unknown_run_is_not_found(web, session, name):
    assert problem_of(web.open(f"/api/sse-logs/{name}", session))["status"] == 404


@pytest.mark.parametrize("given", ["x", "-1", "1.5", "0x1", "٣", "1,2"])
def test_an_id_that_is_no_number_is_refused(web, session, path, given):
    answer = web.open(path, session, headers={"Last-Event-ID": given})
    assert problem_of(answer)["status"] == 400
    if given.isascii():
        assert problem_of(web.open(f"{path}?lastEventId={given}", session))["status"] == 400


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
def test_streams_are_for_reading(web, session, path, method):
    answer = web.open(path, session, method=method)
    assert problem_of(answer)["status"] == 405
    assert answer.headers["allow"] == "GET, HEAD"


def test_head_says_what_get_would(web, session, path):
    answer = web.open(path, session, method="HEAD")
    assert answer.status == 200
    assert answer.headers["content-type"] == "text/event-stream"


def test_the_first_bytes_come_at_once(web, session, path):
    for stream in (web.open(path, session), web.open("/api/sse-runs", session)):
        assert stream.status == 200
        assert stream.headers["content-type"] == "text/event-stream"
        assert stream.headers["cache-control"] == "no-cache, no-transform"
        assert stream.headers["x-accel-buffering"] == "no"
        assert stream.headers["x-content-type-options"] == "nosniff"
        assert "content-encoding" not in stream.headers
        assert list(stream.events(0.2)) == []
        assert (stream.retry, stream.comments[0]) == (2000, "open")
        stream.close()


def test_an_idle_stream_is_kept_alive(listen, listen_to_list, make_run):
    run = make_run()
    for open_stream in (lambda: listen(run), listen_to_list):
        stream = open_stream()
        # One each half a second; on a busy machine one may be late.
        list(stream.events(3))
        assert 2 <= stream.comments.count("keep-alive") <= 6


def test_a_stream_begins_with_what_is_recorded_from_now_on(listen, make_run):
    run = make_run()
    log(run, "before")
    stream = listen(run)
    log(run, "after")
    [event] = stream.take(1)
    assert (event.id, event.name, event.data["data"]) == (3, "log", {"message": "after"})


def test_an_event_is_shown_as_the_apis_show_it(listen, make_run):
    run = make_run()
    log(run, "line one\r\nline two\u2028\N{GRINNING FACE}")
    [created, line] = listen(run, after=0).take(2)
    assert created.name == "status"
    assert list(line.data) == ["seq", "kind", "node", "attempt", "actor", "at", "data"]
    assert line.data["at"].endswith("Z")
    assert differences([created, line], stored(run)) == []


@pytest.mark.parametrize("how", ["header", "lastEventId", "last_event_id", "from"])
def test_a_client_resumes_where_it_stopped(web, session, make_run, how):
    run = make_run()
    last = log(run, *map(str, range(9)))
    path = f"/api/sse-logs/{ids.encode('run', run)}"
    for after in range(last):
        if how == "header":
            stream = web.open(path, session, headers={"Last-Event-ID": str(after)})
        else:
            stream = web.open(f"{path}?{how}={after}", session)
        with stream:
            assert differences(stream.until(last), stored(run)[after:]) == []


def test_the_header_of_a_reconnect_is_newer_than_the_address(web, session, path, make_run):
    run = make_run()
    log(run, *map(str, range(9)))
    path = f"/api/sse-logs/{ids.encode('run', run)}?lastEventId=2"
    with web.open(path, session, headers={"Last-Event-ID": "8"}) as stream:
        assert stream.take(1)[0].id == 9


@pytest.mark.parametrize("given", ["11", "1" * 4_000])
def test_an_id_beyond_the_end_starts_at_the_end(listen, make_run, given):
    run = make_run()
    last = log(run, *map(str, range(9)))
    stream = listen(run, after=given)
    log(run, "next")
    assert stream.take(1)[0].id == last + 1


def test_every_missed_event_comes_first_however_many(listen, make_run):
    run = make_run()
    for batch in range(15):
        last = log(run, *(f"{batch}.{i} " + "x" * 200 for i in range(1_000)))
    stream = listen(run, after=0)
    log(run, "meanwhile")
    assert differences(stream.until(last + 1), stored(run)) == []


def test_a_commit_of_more_than_a_page_comes_at_once(listen, make_run):
    run = make_run()
    stream = listen(run)
    stream.until(log(run, "first"))
    last = log(run, *map(str, range(3_000)))
    begun = time.monotonic()
    assert differences(stream.until(last), stored(run)[2:]) == []
    assert time.monotonic() - begun < 1.5


def test_large_events_come_whole(listen, make_run):
    run = make_run()
    early = listen(run, after=0)
    for size in (700_000, 10, 900_000, 900_000):
        last = log(run, "ä" * (size // 2))
    for stream in (early, listen(run, after=0)):
        assert differences(stream.until(last), stored(run)) == []


def test_a_final_run_stays_open_for_what_comes_late(listen, make_run):
    run = make_run()
    both = [changed("created", "active"), changed("active", "completed")]
    recorder.record({run: both}, now=timezone.now())
    stream = listen(run, after=0)
    stream.take(3)
    list(stream.events(0.7))
    assert "keep-alive" in stream.comments
    log(run, "late")
    assert stream.take(1)[0].data["data"] == {"message": "late"}
