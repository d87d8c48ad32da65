"""What an archived log looks like as an object in storage: packed, unpacked, checked. Pure.

An object is two zstd frames, one after the other. The first holds one line, the manifest; the
second holds the events, a line each in the order of their numbers. All lines are JSON and end with
a newline. The manifest says how many lines follow, how many bytes these are, and their SHA-256, so
that whoever has the object alone can tell whether it is whole. See docs/archive.md.
"""

from __future__ import annotations

import hashlib
import json
import re
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, BinaryIO, cast

import zstandard

FORMAT = "runs-archive"
VERSION = 1
LEVEL = 3
# What is larger is packed on disk.
IN_MEMORY = 4_000_000
# Bytes that are unpacked at a time.
PIECE = 256 * 1024
# A manifest is some hundred bytes; an event's line is a little more than its payload.
MANIFEST_BYTES = 64 * 1024
LINE_BYTES = 64 * 1024 * 1024
# How each line begins, whoever wrote the JSON.
_SEQ = re.compile(rb'\{\s*"seq"\s*:\s*(\d+)')


class Damaged(Exception):  # noqa: N818
    """An object is not what it says, or says what we do not understand."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """`about` is the whole line: beside the figures it tells of the run."""

    events: int
    first_seq: int
    last_seq: int
    unpacked: int
    sha256: str
    about: dict[str, Any]

    def must_be(self, sha256: str, last_seq: int) -> None:
        """Raises Damaged where it is not of the log that was archived: what somebody put in its
        place may be whole too."""
        if (self.sha256, self.last_seq) != (sha256, last_seq):
            raise Damaged("it is another one than was put there")


@dataclass(frozen=True, slots=True)
class Packed:
    """An object before it is stored. `file` stands at its beginning and is gone with the block."""

    file: BinaryIO
    size: int
    manifest: Manifest


class Digest:
    """What a manifest says of the lines, taken while they pass."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        self.events = 0
        self.unpacked = 0

    def add(self, lines: bytes, events: int) -> None:
        """Whole lines, each with its newline."""
        self._hash.update(lines)
        self.events += events
        self.unpacked += len(lines)

    def sha256(self) -> str:
        return self._hash.hexdigest()


def _numbered(lines: Iterable[bytes], after: int) -> None:
    """Raises Damaged unless these are the events that follow one another behind `after`: another
    event in the place of one passes for a whole log by count and checksum."""
    for expected, line in enumerate(lines, after + 1):
        found = _SEQ.match(line)
        if not found or int(found[1]) != expected:
            told = found[1].decode() if found else "a line without a number"
            raise Damaged(f"event {expected} is missing: {told} stands in its place")


@contextmanager
def pack(about: dict[str, Any], last_seq: int, pages: Iterable[list[str]]) -> Iterator[Packed]:
    """Pack events 1 to `last_seq`; `pages` are their lines, without newlines.

    Raises Damaged where there are not so many lines, or not these.
    """
    digest = Digest()
    with (
        tempfile.SpooledTemporaryFile(IN_MEMORY) as body,
        tempfile.SpooledTemporaryFile(IN_MEMORY) as whole,
    ):
        compressor = zstandard.ZstdCompressor(level=LEVEL, write_checksum=True)
        with compressor.stream_writer(body, closefd=False) as frame:
            for page in pages:
                lines = [line.encode() for line in page]
                _numbered(lines, digest.events)
                written = b"\n".join([*lines, b""])
                digest.add(written, len(lines))
                frame.write(written)
        if digest.events != last_seq:
            raise Damaged(f"it should have {last_seq} events, and has {digest.events}")
        told = {
            "format": FORMAT,
            "version": VERSION,
            **about,
            "events": digest.events,
            "first_seq": 1,
            "last_seq": last_seq,
            "unpacked_bytes": digest.unpacked,
            "sha256": digest.sha256(),
        }
        head = f"{json.dumps(told, ensure_ascii=False, separators=(',', ':'))}\n".encode()
        whole.write(zstandard.ZstdCompressor(level=LEVEL, write_checksum=True).compress(head))
        body.seek(0)
        while piece := body.read(PIECE):
            whole.write(piece)
        size = whole.tell()
        whole.seek(0)
        yield Packed(cast(BinaryIO, whole), size, _manifest(head))


def unpack(chunks: Iterable[bytes]) -> tuple[Manifest, Iterator[list[bytes]]]:
    """The manifest, and the events' lines by pages, without newlines.

    The pages raise Damaged at the end where they were not what the manifest says: until then, do
    nothing with them that cannot be undone.
    """
    lines = _lines(_unpacked(chunks))
    first = next(lines, None)
    if not first:
        raise Damaged("it is empty")
    manifest = _manifest(first[0])
    return manifest, _judged(manifest, first[1:], lines)


def check(chunks: Iterable[bytes]) -> Manifest:
    """The manifest of an object that is whole. Raises Damaged."""
    manifest, pages = unpack(chunks)
    for _ in pages:
        pass
    return manifest


def _judged(
    manifest: Manifest, first: list[bytes], pages: Iterator[list[bytes]]
) -> Iterator[list[bytes]]:
    digest = Digest()
    page: list[bytes] | None = first
    while page is not None:
        if page:
            _numbered(page, digest.events)
            digest.add(b"\n".join([*page, b""]), len(page))
            if digest.events > manifest.events:
                raise Damaged(f"it says {manifest.events} events, and has more")
            yield page
        page = next(pages, None)
    if digest.events != manifest.events:
        raise Damaged(f"it says {manifest.events} events, and has {digest.events}")
    if digest.sha256() != manifest.sha256:
        raise Damaged("its events are not those that were archived: their SHA-256 differs")


def _unpacked(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The bytes of all frames, in bounded pieces."""
    try:
        reader = zstandard.ZstdDecompressor().stream_reader(
            _Source(chunks),  # type: ignore[arg-type]  # it reads, and nothing else
            read_size=PIECE,
            read_across_frames=True,
        )
        while piece := reader.read(PIECE):
            yield piece
    except zstandard.ZstdError as error:
        raise Damaged(f"it cannot be unpacked: {error}") from error


class _Source:
    """Chunks, as the file that zstandard reads from."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = iter(chunks)
        self._left = b""

    def read(self, size: int) -> bytes:
        while not self._left:
            chunk = next(self._chunks, None)
            if chunk is None:
                return b""
            self._left = chunk
        given, self._left = self._left[:size], self._left[size:]
        return given


def _lines(pieces: Iterator[bytes]) -> Iterator[list[bytes]]:
    """The lines that end in each piece. What stands behind the last newline is damage."""
    parts: list[bytes] = []
    held = 0
    for piece in pieces:
        begin = piece.rfind(b"\n") + 1
        if not begin:
            parts.append(piece)
            held += len(piece)
            if held > LINE_BYTES:
                raise Damaged("one of its lines is too long")
            continue
        lines = b"".join([*parts, piece[: begin - 1]]).split(b"\n")
        parts, held = [piece[begin:]], len(piece) - begin
        yield lines
    if held:
        raise Damaged("it ends in the middle of a line")


def _manifest(line: bytes) -> Manifest:
    try:
        told = json.loads(line[:MANIFEST_BYTES])
        if told["format"] != FORMAT or told["version"] != VERSION:
            raise Damaged(
                f"it is of format {told['format']} {told['version']}; this portal reads"
                f" {FORMAT} {VERSION}"
            )
        return Manifest(
            events=int(told["events"]),
            first_seq=int(told["first_seq"]),
            last_seq=int(told["last_seq"]),
            unpacked=int(told["unpacked_bytes"]),
            sha256=str(told["sha256"]),
            about=told,
        )
    except (ValueError, KeyError, TypeError) as error:
        raise Damaged("it has no manifest that can be read") from error
