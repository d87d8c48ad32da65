"""Objects are never overwritten, never half there, and never deleted by mistake, in a bucket and
in a folder; and whatever storage does, what is said of it says what to do."""

import hashlib
import io
import os
import shutil
import subprocess
import sys
import threading
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest

from runs import objects
from runs.objects import bucket as bucket_module
from runs.objects import folder as folder_module
from runs.objects import together as together_module
from runs.objects.together import together
from tests.seaweed import (
    SECRET,
    Answer,
    CutOff,
    Delay,
    Hang,
    HangUp,
    LoseAnswer,
    Seaweed,
    Spoil,
    Swallow,
)

LARGE = 16_012_345


def in_a_folder(settings, path):
    settings.STORAGES = {
        **settings.STORAGES,
        "default": {
            "BACKEND": "django.core.files.storage.FileSystemStorage",
            "OPTIONS": {"location": str(path)},
        },
    }


@pytest.fixture(params=["folder", "bucket"])
def backend(request, settings, tmp_path):
    if request.param == "folder":
        in_a_folder(settings, tmp_path / "files")
    else:
        settings.STORAGES = request.getfixturevalue("bucket").storages()
    return request.param


@pytest.fixture
def by_between(settings, bucket, between):
    """In a bucket, and what can make trouble on the way to it."""
    settings.STORAGES = bucket.storages(between)
    return between


# For what never answers; a busy machine must not be taken for that.
IMPATIENT = {"connect_seconds": 0.5, "read_seconds": 0.5}


def put(name, data=b"x"):
    return objects.put_new(name, io.BytesIO(data), len(data))


def get(name):
    return b"".join(objects.read(name))


def dropped(prefix, before, after=""):
    return [(place, count) for place, count in objects.drop_unfinished(prefix, before, after)]


def how_many(prefix, before):
    return sum(count for _, count in dropped(prefix, before))


def listed(prefix="", after=""):
    return [name for name, _ in objects.names(prefix, after)]


# -- What both can ---------------------------------------------------------------------------


@pytest.mark.parametrize("data", [b"", b"one", os.urandom(700_000)])
def test_what_was_put_is_read(backend, data):
    assert put("archive/ab/one.zst", data)
    assert get("archive/ab/one.zst") == data
    assert objects.size("archive/ab/one.zst") == len(data)
    assert list(objects.names("archive/")) == [("archive/ab/one.zst", len(data))]


def test_nothing_is_overwritten(backend):
    assert put("archive/one", b"first")
    assert not put("archive/one", b"second")
    assert get("archive/one") == b"first"


def test_only_so_much_as_was_told_of_is_kept(backend):
    file = io.BytesIO(b"before, it, behind")
    file.seek(8)
    assert objects.put_new("one", file, 2)
    assert get("one") == b"it"
    with pytest.raises(ValueError):
        objects.put_new("two", io.BytesIO(b"short"), 6)
    assert listed() == ["one"]


@pytest.mark.parametrize("size", [2_000, LARGE])
def test_of_eight_who_put_the_same_name_one_wins(backend, size):
    barrier = threading.Barrier(8)
    texts = [bytes([number]) * size for number in range(8)]

    def go(number):
        barrier.wait()
        return put("archive/raced", texts[number])

    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(go, range(8)))
    assert won.count(True) == 1, won
    assert get("archive/raced") == texts[won.index(True)]
    assert listed() == ["archive/raced"]


def test_a_large_one_is_never_in_memory_as_a_whole(backend, tmp_path):
    data = os.urandom(LARGE)
    path = tmp_path / "large"
    path.write_bytes(data)
    # Only what is of this object: the first use of a bucket loads much.
    put("small")
    get("small")
    with path.open("rb") as file:
        tracemalloc.start()
        try:
            assert objects.put_new("large", file, LARGE)
            digest = hashlib.sha256()
            for piece in objects.read("large"):
                digest.update(piece)
            most = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert digest.digest() == hashlib.sha256(data).digest()
    assert most < LARGE / 4
    assert objects.size("large") == LARGE
    assert not put("large", data)
    assert not put("large", b"small")


def test_what_is_missing_is_told_from_storage_that_is_away(backend):
    put("archive/there")
    for name in ("archive/none", "none/none", "archive", "archive/there/below"):
        with pytest.raises(objects.Missing):
            get(name)
        with pytest.raises(objects.Missing):
            objects.size(name)


def test_many_are_deleted_at_once_and_what_is_not_there_is_as_good(backend):
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(put, (f"some/{number:05}" for number in range(1_050))))
    put("kept/one")
    names = [f"some/{number:05}" for number in range(1_060)]
    objects.delete_many([*names, "nowhere/one", "kept/one/below"])
    assert listed() == ["kept/one"]
    objects.delete_many(names)
    objects.delete_many([])


def test_the_list_has_an_order_and_begins_anywhere(backend):
    names = sorted(f"archive/{n:02x}/{m}" for n in range(12) for m in ("a", "b.zst", "c-1"))
    for name in (*names, "exports/one", "archiv"):
        put(name, b"12345")
    assert listed() == ["archiv", *names, "exports/one"]
    assert listed("archive/") == names
    assert listed("archive/0") == [name for name in names if name.startswith("archive/0")]
    assert listed("archive/05/b") == ["archive/05/b.zst"]
    assert listed("none/") == []
    for after in (*names, "archive/05/b", "archive/zz/b"):
        assert listed("archive/", after) == [name for name in names if name > after]
    assert listed("archive/05/", "archive/05/b.zst") == ["archive/05/c-1"]
    assert {size for _, size in objects.names("archive/")} == {5}


def test_a_long_list_comes_in_pages_and_may_be_left(backend):
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(put, (f"a/{number % 7}/{number:04}" for number in range(1_500))))
    expected = sorted(f"a/{number % 7}/{number:04}" for number in range(1_500))
    assert listed("a/") == expected
    found = objects.names("a/", expected[1_200])
    assert next(found)[0] == expected[1_201]
    found.close()


def test_an_order_that_cannot_be_relied_on_is_refused(settings, bucket):
    """SeaweedFS lists by folder: whoever compares with rows would take objects for lost."""
    settings.STORAGES = bucket.storages()
    put("a/b")
    put("a-b")
    with pytest.raises(objects.Misconfigured, match="lists 'a-b' behind 'a/b'"):
        listed()


def test_a_folder_lists_by_the_name_as_a_whole(settings, tmp_path):
    in_a_folder(settings, tmp_path)
    names = ["a-b", "a.c", "a/0", "a/b/c", "a/b0", "a0/x", "z"]
    for name in names:
        put(name)
    assert listed() == names
    for after in (*names, "a", "a/", "a/b", "a/b/"):
        assert listed(after=after) == [name for name in names if name > after]


@pytest.mark.parametrize(
    "name",
    ["", "/a", "a/", "a//b", "../a", "a/../b", "a/./b", "a\\b", "a\nb", "a/.draft-1", "ü" * 200,
     "/".join(["abcdefg"] * 200)],
)  # fmt: skip
def test_no_name_leads_anywhere_else(settings, tmp_path, name):
    in_a_folder(settings, tmp_path / "files")
    for act in (put, get, objects.size, lambda name: objects.delete_many([name])):
        with pytest.raises(ValueError):
            act(name)
    assert list(tmp_path.iterdir()) == []


def test_names_of_all_kinds_mean_the_same_everywhere(backend):
    names = sorted(["a b", "a+b", "a%20b", "a=b&c", "ä~(1)", "a'b", "a:b,c;d@e$!*"])
    for name in names:
        assert put(name, name.encode())
    assert listed() == names
    assert [get(name).decode() for name in names] == names
    objects.delete_many(names)
    assert listed() == []


# -- Killed in the middle --------------------------------------------------------------------

KILLED = """
import os, signal, tempfile
import django
django.setup()
from runs import objects

class Last:
    def __init__(self):
        self.file = tempfile.TemporaryFile()
        self.file.write(bytes(40_000_000))
        self.file.seek(0)
        self.tell, self.seek = self.file.tell, self.file.seek
        self.left = int(os.environ["AT"])
    def read(self, size):
        self.left -= size
        if self.left <= 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return self.file.read(size)

objects.put_new("archive/one", Last(), 40_000_000)
"""


def killed_in_the_middle(at, environment):
    done = subprocess.run(
        [sys.executable, "-c", KILLED],
        env={**os.environ, "AT": str(at), **environment},
        capture_output=True,
        check=False,
    )
    assert done.returncode == -9, done.stderr


def test_nothing_is_left_in_a_folder_by_who_was_killed(settings, tmp_path):
    in_a_folder(settings, tmp_path / "files")
    killed_in_the_middle(20_000_000, {"DATA_DIR": str(tmp_path)})
    assert (tmp_path / "files" / "archive").is_dir()
    assert [path for path in (tmp_path / "files").rglob("*") if path.is_file()] == []
    assert put("archive/one")


def test_nothing_is_left_in_a_bucket_by_who_was_killed(settings, bucket):
    settings.STORAGES = bucket.storages()
    # It is read once to be signed.
    killed_in_the_middle(60_000_000, bucket.environment())
    assert (listed(), bucket.unfinished()) == ([], 0)
    assert put("archive/one")


def test_uploads_in_parts_that_nobody_finished_are_dropped(settings, bucket):
    """As django-storages leaves them when it is killed."""
    settings.STORAGES = bucket.storages()
    for name in ("exports/one", "exports/two"):
        bucket.client().create_multipart_upload(Bucket=bucket.name, Key=name)
    now = datetime.now(UTC)
    assert how_many("exports/", now - timedelta(hours=1)) == 0
    assert how_many("archive/", now + timedelta(hours=1)) == 0
    assert bucket.unfinished() == 2
    assert dropped("exports/", now + timedelta(hours=1), "exports/one") == [("", 1)]
    assert dropped("exports/", now + timedelta(hours=1)) == [("", 1)]
    assert bucket.unfinished() == 0


def test_a_file_system_without_nameless_files_has_drafts(settings, tmp_path, monkeypatch):
    in_a_folder(settings, tmp_path)
    # As the kernel answers where it has none.
    monkeypatch.setattr(os, "O_TMPFILE", os.O_DIRECTORY)
    assert put("archive/one", b"first")
    assert not put("archive/one", b"second")
    assert get("archive/one") == b"first"
    assert [path.name for path in (tmp_path / "archive").iterdir()] == ["one"]
    draft = tmp_path / "archive" / f"{folder_module.DRAFT}1"
    draft.write_bytes(b"half")
    now = datetime.now(UTC)
    assert listed() == ["archive/one"]
    assert how_many("archive/", now - timedelta(hours=1)) == 0
    assert how_many("exports/", now + timedelta(hours=1)) == 0
    assert draft.exists()
    assert how_many("archive/", now + timedelta(hours=1)) == 1
    assert listed() == ["archive/one"]
    assert not draft.exists()


def test_drafts_are_looked_for_folder_by_folder_and_only_under_the_prefix(settings, tmp_path):
    in_a_folder(settings, tmp_path)
    days = ["", "2024/", "2024/01-b/", "2024/01/", "2024/01/02/", "2024/02/", "2025/"]
    for folder in [*(f"archive/{day}" for day in days), "", "archived/", "exports/", "other/"]:
        (tmp_path / folder).mkdir(parents=True, exist_ok=True)
        (tmp_path / folder / f"{folder_module.DRAFT}1").write_bytes(b"half")
        (tmp_path / folder / "one").write_bytes(b"whole")
    later, long_ago = datetime.now(UTC) + timedelta(hours=1), datetime(2020, 1, 1, tzinfo=UTC)
    places = [f"archive/{day}" for day in days]
    pieces = objects.drop_unfinished("archive/", later)
    assert [next(pieces), next(pieces)] == [(place, 1) for place in places[:2]]
    assert (tmp_path / places[2] / f"{folder_module.DRAFT}1").exists()
    pieces.close()
    for number, place in enumerate(places):
        rest = [each for each, _ in dropped("archive/", long_ago, place)]
        assert rest == places[number + 1 :]
    assert dropped("archive/", later, places[1]) == [(place, 1) for place in places[2:]]
    left = sorted(path.parent.name for path in tmp_path.rglob(f"{folder_module.DRAFT}*"))
    assert left == sorted([tmp_path.name, "archived", "exports", "other"])
    assert len(listed("archive/")) == 7


# -- A bucket that makes trouble -------------------------------------------------------------


def everything():
    """Each act, on what there is and what not."""
    return [
        lambda: put("new/one"),
        lambda: put("new/large", bytes(LARGE)),
        lambda: get("there"),
        lambda: get("none"),
        lambda: objects.size("there"),
        lambda: objects.size("none"),
        listed,
        lambda: objects.delete_many(["there"]),
        lambda: dropped("", datetime.now(UTC)),
    ]


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"S3_SECRET_ACCESS_KEY": "wrong"}, "S3_SECRET_ACCESS_KEY"),
        ({"S3_ACCESS_KEY_ID": "nobody"}, "S3_ACCESS_KEY_ID"),
        ({"S3_BUCKET": "no-such-bucket"}, "no bucket no-such-bucket: make it, or set S3_BUCKET"),
    ],
)
def test_wrong_settings_are_told_from_storage_that_is_away(settings, bucket, changed, said):
    settings.STORAGES = bucket.storages()
    put("there")
    settings.STORAGES = bucket.storages(**changed)
    for act in everything():
        with pytest.raises(objects.Misconfigured, match=said) as caught:
            act()
        assert SECRET not in str(caught.value)
    settings.STORAGES = bucket.storages()
    assert listed() == ["there"]


@pytest.mark.parametrize(
    ("endpoint", "said", "waiting_helps"),
    [
        ("https://127.0.0.1:{port}", "certificate", False),
        ("127.0.0.1:{port}", "S3_", False),
        ("http://127.0.0.1:1", "S3_ENDPOINT_URL", True),
        ("http://no-such-host.invalid", "S3_ENDPOINT_URL", True),
    ],
)
def test_a_wrong_endpoint(settings, bucket, seaweed, endpoint, said, waiting_helps):
    settings.STORAGES = bucket.storages(S3_ENDPOINT_URL=endpoint.format(port=seaweed.port))
    for act in everything():
        with pytest.raises(objects.StorageAway, match=said) as caught:
            act()
        assert isinstance(caught.value, objects.Misconfigured) is not waiting_helps


def test_without_credentials_it_says_so(settings, bucket, monkeypatch):
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("HOME", "/nonexistent")
    settings.STORAGES = bucket.storages(S3_ACCESS_KEY_ID="", S3_SECRET_ACCESS_KEY="")
    for act in everything():
        with pytest.raises(objects.Misconfigured, match="S3_ACCESS_KEY_ID"):
            act()


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(Answer(500), marks=pytest.mark.long),
        Answer(503, "SlowDown"),
        Hang(),
        pytest.param(HangUp(), marks=pytest.mark.long),
    ],
    ids=str,
)
def test_storage_that_fails_is_away_and_comes_back(settings, by_between, bucket, fault):
    put("there")
    by_between.meets(fault)
    settings.STORAGES = bucket.storages(by_between, **IMPATIENT)
    for act in everything():
        with pytest.raises(objects.StorageAway) as caught:
            act()
        assert not isinstance(caught.value, objects.Misconfigured), caught.value
        assert by_between.endpoint in str(caught.value)
    by_between.heal()
    settings.STORAGES = bucket.storages(by_between)
    assert bucket.keys() == ["there"]
    assert put("new/one")
    assert get("there") == b"x"


def test_nobody_waits_twice_for_storage_that_does_not_answer(settings, bucket, by_between):
    settings.STORAGES = bucket.storages(by_between, **IMPATIENT)
    by_between.meets(Hang())
    for act in (lambda: put("one"), lambda: get("one"), lambda: objects.size("one")):
        seen = by_between.count()
        with pytest.raises(objects.StorageAway, match="does not answer in time"):
            act()
        assert by_between.count() == seen + 1


def test_of_many_few_wait_for_storage_that_does_not_answer(
    settings, bucket, by_between, monkeypatch
):
    monkeypatch.setattr(together_module, "PATIENCE", 0)
    settings.STORAGES = bucket.storages(by_between, **IMPATIENT)
    by_between.meets(Hang())
    seen = by_between.count()
    came = list(together([partial(objects.size, f"a/{number}") for number in range(30)], 2))
    assert [type(each) for each in came] == [objects.StorageAway] * 30
    # Two that wait, and two that may have begun before these were told.
    assert by_between.count() - seen <= 4


def test_where_storage_fails_at_one_at_once_the_others_are_asked_for(by_between):
    for number in range(20):
        put(f"a/{number:02}", bytes(number))
    by_between.meets(Answer(500), path="a/03")
    tasks = [partial(objects.size, f"a/{number:02}") for number in range(22)]
    came = list(together(tasks, 4))
    assert isinstance(came.pop(3), objects.StorageAway)
    assert [type(each) for each in came[-2:]] == [objects.Missing] * 2
    assert came[:-2] == [number for number in range(20) if number != 3]


@pytest.mark.long
def test_frozen_or_stopped_storage_is_away(settings, seaweed, bucket):
    settings.STORAGES = bucket.storages()
    assert put("there")
    settings.STORAGES = bucket.storages(**IMPATIENT)
    for act in (seaweed.freeze, seaweed.stop):
        act()
        for one in (lambda: get("there"), lambda: put("new"), listed):
            with pytest.raises(objects.StorageAway):
                one()
        seaweed.start()
    settings.STORAGES = bucket.storages()
    assert get("there") == b"x"


@pytest.mark.long
def test_what_was_put_is_there_though_the_server_was_killed_meanwhile(settings, seaweed, bucket):
    settings.STORAGES = bucket.storages()
    texts = {f"archive/{number:03}": os.urandom(3_000) for number in range(400)}
    half = threading.Event()

    def go(name):
        if name == "archive/200":
            half.set()
        try:
            return name, put(name, texts[name])
        except objects.StorageAway:
            return name, None

    with ThreadPoolExecutor(8) as pool:
        went = pool.map(go, texts)
        half.wait()
        seaweed.kill()
        done = dict(went)
    seaweed.start()
    assert set(done.values()) == {True, None}
    # Nobody knows of the others; who puts them again either does or finds them there.
    for name, came in done.items():
        if came or not put(name, texts[name]):
            assert get(name) == texts[name]
    assert listed() == list(texts)


@pytest.mark.parametrize(
    "fault", [Answer(500), Answer(503, "SlowDown"), Answer(409, "OperationAborted"), HangUp(),
              Answer(400, "RequestTimeout")], ids=str,
)  # fmt: skip
def test_a_short_trouble_is_not_noticed(by_between, fault):
    by_between.meets(fault, times=2)
    assert put("one", b"first")
    by_between.meets(fault, times=2)
    assert get("one") == b"first"
    if fault != Answer(400, "RequestTimeout"):  # which a HEAD cannot tell
        by_between.meets(fault, times=2)
        assert objects.size("one") == 5


@pytest.mark.parametrize("size", [2_000, LARGE])
def test_who_put_it_knows_so_though_the_answer_was_lost(by_between, size):
    data = os.urandom(size)
    by_between.meets(LoseAnswer(), method="PUT", times=1)
    assert put("one", data)
    assert get("one") == data
    by_between.meets(LoseAnswer(), method="PUT", times=1)
    assert not put("one", data)


@pytest.mark.parametrize("after", [0, 10, bucket_module.CHUNK, 400_000])
def test_an_end_that_comes_too_early_is_no_end(by_between, after):
    data = os.urandom(600_000)
    put("one", data)
    by_between.meets(CutOff(after), method="GET", path="one", times=1)
    if after < bucket_module.CHUNK:
        # Nothing was given away yet, so it is tried again.
        assert get("one") == data
        return
    got = []
    with pytest.raises(objects.StorageAway, match="broke off"):
        got.extend(objects.read("one"))
    assert data.startswith(b"".join(got))
    by_between.heal()
    assert get("one") == data


def test_what_is_slow_and_what_is_left_halfway_does_no_harm(by_between):
    data = os.urandom(600_000)
    put("one", data)
    by_between.meets(Delay(0.2), times=1)
    pieces = objects.read("one")
    assert data.startswith(next(pieces))
    pieces.close()
    assert get("one") == data


def test_storage_that_loses_or_spoils_is_found_out_by_reading(by_between):
    """What objects can't know at the put, the reader finds: that is why archives are read back."""
    by_between.meets(Swallow(), method="PUT", times=1)
    assert put("lost", b"data")
    with pytest.raises(objects.Missing):
        get("lost")
    put("spoilt", b"data")
    by_between.meets(Spoil(), method="GET", path="spoilt")
    assert get("spoilt") != b"data"


def test_what_may_not_be_deleted_is_named(by_between):
    put("one")
    body = "<DeleteResult><Error><Key>one</Key><Code>AccessDenied</Code></Error></DeleteResult>"
    by_between.meets(Answer(200, body=body), method="POST")
    with pytest.raises(objects.NotDeleted, match="s3:DeleteObject") as caught:
        objects.delete_many(["one", "two"])
    assert caught.value.names == {"one"}


def test_a_child_speaks_over_connections_of_its_own(settings, bucket):
    settings.STORAGES = bucket.storages()
    put("one", b"data")
    child = os.fork()
    if not child:
        os._exit(0 if all(get("one") == b"data" for _ in range(50)) else 1)
    mine = [get("one") for _ in range(50)]
    assert os.waitpid(child, 0)[1] == 0
    assert mine == [b"data"] * 50


# -- Full disks ------------------------------------------------------------------------------


@pytest.fixture
def small_disk(tmp_path):
    """Of 8 MB."""
    path = tmp_path / "small"
    path.mkdir()
    if os.geteuid() or not shutil.which("mount"):
        pytest.skip("only root can mount a small disk")
    options = ["-t", "tmpfs", "-o", "size=8m", "tmpfs", str(path)]
    if subprocess.run(["mount", *options], capture_output=True, check=False).returncode:
        pytest.skip("no disk can be mounted here")
    yield path
    subprocess.run(["umount", "-l", str(path)], check=True)


def test_a_full_disk_of_a_folder(settings, small_disk):
    in_a_folder(settings, small_disk / "files")
    assert put("archive/one", b"kept")
    with pytest.raises(objects.StorageAway, match="is full") as caught:
        put("archive/two", bytes(10_000_000))
    assert not isinstance(caught.value, objects.Misconfigured)
    assert listed() == ["archive/one"]
    assert get("archive/one") == b"kept"
    # It left nothing: there is room again.
    assert put("archive/three", bytes(6_000_000))


def test_a_folder_that_may_not_be_written(settings, small_disk):
    in_a_folder(settings, small_disk / "files")
    put("one")
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    with pytest.raises(objects.Misconfigured, match="right to read and write"):
        put("two")
    with pytest.raises(objects.NotDeleted, match="cannot be deleted"):
        objects.delete_many(["one"])
    assert get("one") == b"x"


def test_a_folder_that_is_not_mounted_is_not_taken_for_lost_objects(settings, tmp_path):
    in_a_folder(settings, tmp_path / "files")
    put("one")
    (tmp_path / "files").rename(tmp_path / "elsewhere")
    with pytest.raises(objects.Misconfigured, match="mount it"):
        get("one")
    with pytest.raises(objects.Misconfigured, match="mount it"):
        objects.size("one")
    (tmp_path / "files").write_text("a file in its place")
    for ask in (get, objects.size):
        with pytest.raises(objects.Misconfigured, match="is a file"):
            ask("one")


def test_a_full_disk_of_seaweedfs(settings, small_disk, tmp_path):
    server = Seaweed(tmp_path / "seaweed", data=small_disk / "data")
    try:
        own = server.new_bucket()
        settings.STORAGES = own.storages()
        kept = []

        def fill():
            for number in range(20):
                put(f"archive/{number:02}", os.urandom(1_000_000))
                kept.append(f"archive/{number:02}")

        with pytest.raises(objects.StorageAway, match="disk is full") as caught:
            fill()
        assert kept
        assert not isinstance(caught.value, objects.Misconfigured)
        assert [name for name in listed() if name in kept] == kept
        assert all(len(get(name)) == 1_000_000 for name in kept)
    finally:
        server.close()
