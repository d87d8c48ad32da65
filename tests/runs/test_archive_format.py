"""The archive's format as docs/archive.md tells it, read by a program that knows no portal."""

import json
import random
import re
import subprocess
import sys
from pathlib import Path

import pytest

from runs import coldstore
from runs.coldstore import Damaged

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "docs/examples/read_archive.py"
ABOUT = {"run_id": "run_1", "job_id": "job_1", "workflow": "invoices", "workflow_version": 3,
         "state": "failed", "created_at": "2026-03-02T13:54:07.112Z", "started_at": None,
         "completed_at": "2026-03-02T13:54:09.112Z"}  # fmt: skip


def line(seq, **data):
    return json.dumps(
        {"seq": seq, "kind": "log", "node": "ocr", "attempt": None, "actor": "",
         "at": "2026-03-02T13:54:08+00:00", "recorded_at": "2026-03-02T13:54:08+00:00",
         "id": seq, "source": None, "sender_id": None, "data": {"message": "ä\n", **data}},
        ensure_ascii=False,
    )  # fmt: skip


def packed(lines):
    with coldstore.pack(ABOUT, len(lines), [lines[:2], lines[2:]]) as made:
        return made.file.read()


@pytest.fixture
def whole():
    return packed([line(seq) for seq in range(1, 6)])


def read(tmp_path, content):
    path = tmp_path / "run_1.5.zst"
    path.write_bytes(content)
    # -I: nothing of this project can be imported.
    command = [sys.executable, "-I", str(SCRIPT), str(path)]
    return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)


def test_a_short_script_that_knows_no_portal_reads_it(tmp_path, whole):
    code = SCRIPT.read_text()
    assert not re.search(r"django|runs\b|retention", code.split('"""')[2])
    told = read(tmp_path, whole)
    assert told.returncode == 0, told.stderr
    assert [row.split()[0] for row in told.stdout.splitlines()] == list("12345")


def test_the_script_tells_of_damage(tmp_path, whole):
    lines = [line(seq) for seq in range(1, 6)]
    changed = packed([*lines[:4], line(5, amount=1)])
    # The manifest of one with the events of the other.
    frames = [content.split(b"\x28\xb5\x2f\xfd") for content in (whole, changed)]
    mixed = b"\x28\xb5\x2f\xfd".join([b"", frames[0][1], frames[1][2]])
    told = read(tmp_path, mixed)
    assert told.returncode == 1
    assert "not the log" in told.stderr


def test_the_script_says_so_wherever_a_bit_is_wrong(tmp_path, whole):
    for place in range(0, len(whole), 40):
        spoilt = bytearray(whole)
        spoilt[place] ^= 4
        told = read(tmp_path, bytes(spoilt))
        assert "Traceback" not in told.stderr, place
        is_same = told.returncode == 0 and len(told.stdout.splitlines()) == 5
        assert is_same or (told.returncode == 1 and "not" in told.stderr), place


def test_the_script_prints_what_there_is_before_the_damage(tmp_path):
    """Of a log that is longer than what is unpacked at a time."""
    noise = random.Random(1)
    whole = packed([line(seq, noise=noise.randbytes(300_000).hex()) for seq in range(1, 6)])
    spoilt = bytearray(whole)
    spoilt[-1000] ^= 4
    for damaged in (bytes(spoilt), whole[:-1000]):
        told = read(tmp_path, damaged)
        assert told.returncode == 1
        assert "not whole; it breaks off at event" in told.stderr
        assert told.stdout.startswith("1 2026-03-02")


@pytest.mark.parametrize(("seqs", "instead"), [([1, 2, 2, 3], (2, 3)), ([1, 2, 4, 5], (4, 3))])
def test_the_script_tells_of_a_line_that_is_doubled_or_lacks(tmp_path, monkeypatch, seqs, instead):
    with monkeypatch.context() as patch:
        patch.setattr(coldstore, "_numbered", lambda *_: None)
        wrong = packed([line(seq) for seq in seqs])
    told = read(tmp_path, wrong)
    assert told.returncode == 1
    assert "there is event {} instead of {}".format(*instead) in told.stderr
    assert [row.split()[0] for row in told.stdout.splitlines()] == ["1", "2"]


def test_the_document_names_every_member(whole):
    document = (ROOT / "docs/archive.md").read_text()
    manifest, pages = coldstore.unpack([whole])
    members = {*manifest.about, *json.loads(next(pages)[0])}
    assert {name for name in members if f"`{name}`" not in document} == set()


def test_it_is_read_in_pieces_of_any_size(whole):
    expected = coldstore.check([whole])
    for size in (1, 7, 100):
        pieces = [whole[begin : begin + size] for begin in range(0, len(whole), size)]
        assert coldstore.check(pieces) == expected


def test_an_object_that_is_cut_anywhere_is_damaged(whole):
    for end in range(len(whole) - 12):
        with pytest.raises(Damaged):
            coldstore.check([whole[:end]])


def test_an_object_with_a_wrong_bit_is_damaged_or_the_same(whole):
    expected = coldstore.check([whole])
    for place in range(len(whole)):
        spoilt = bytearray(whole)
        spoilt[place] ^= 4
        try:
            assert coldstore.check([bytes(spoilt)]).sha256 == expected.sha256
        except Damaged:
            continue


def test_what_follows_behind_the_events_is_damage(whole):
    with pytest.raises(Damaged):
        coldstore.check([whole, whole])


def test_another_format_is_refused():
    told = json.dumps({"format": "runs-archive", "version": 2}).encode() + b"\n"
    import zstandard

    with pytest.raises(Damaged, match="runs-archive 2"):
        coldstore.check([zstandard.compress(told)])


def test_it_must_have_as_many_events_as_it_says():
    with pytest.raises(Damaged, match="should have 3"), coldstore.pack(ABOUT, 3, [[line(1)]]):
        pass


@pytest.mark.parametrize("seqs", [[1, 1], [1, 3], [2, 3], [1, None]])
def test_its_events_must_be_those_that_follow_one_another(seqs, monkeypatch):
    """As many as it says are not enough, nor a checksum of the wrong ones."""
    lines = [line(seq) for seq in seqs]
    with pytest.raises(Damaged, match="is missing"):
        packed(lines)
    with monkeypatch.context() as patch:
        patch.setattr(coldstore, "_numbered", lambda *_: None)
        wrong = packed(lines)
    with pytest.raises(Damaged, match="is missing"):
        coldstore.check([wrong])
