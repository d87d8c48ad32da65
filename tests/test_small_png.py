"""What makes screenshots smaller changes no pixel of them."""

import struct
import zlib

import pytest

from tests.small_png import HEAD, _chunk, _chunks, _lines, smaller


def png(lines: bytes, width: int, height: int) -> bytes:
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = _chunk(b"IDAT", zlib.compress(lines, 0))
    return HEAD + _chunk(b"IHDR", head) + data + _chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("filtered", "second"),
    [
        (0, [7, 8, 9, 17, 18, 19]),
        (1, [7, 8, 9, 10, 10, 10]),
        (2, [6, 6, 6, 13, 13, 13]),
        # Halfway between left and above, rounded down.
        (3, [7, 7, 8, 12, 12, 12]),
        # Above at first; then left: 7 + 4 - 1 is nearer to 7 than to 4 and 1.
        (4, [6, 6, 6, 10, 10, 10]),
    ],
)
def test_every_filter_is_taken_back(filtered, second):
    first = bytes([1, 2, 3, 4, 5, 6])
    raw = b"\0" + first + bytes([filtered, *second])
    assert list(_lines(raw, 6, 3)) == [first, bytes([7, 8, 9, 17, 18, 19])]


def test_the_picture_stays_and_what_is_no_smaller_too():
    line = b"\1" + bytes([5, 6, 7]) + bytes(3 * 999)
    given = png(line * 40, 1000, 40)
    made = smaller(given)
    assert len(made) < len(given)
    parts = dict(_chunks(made))
    assert zlib.decompress(parts[b"IDAT"]) == (b"\0" + bytes([5, 6, 7]) * 1000) * 40
    assert smaller(made) == made
