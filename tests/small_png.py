"""Makes a browser's PNG smaller without losing anything: the lines of a page, many of them alike,
compress best as they are, without the filters that suit photographs."""

import struct
import zlib
from collections.abc import Iterator

HEAD = b"\x89PNG\r\n\x1a\n"
# Bytes of a pixel, by the colour type: with 8 bits each of red, green and blue, and alpha.
PIXEL = {2: 3, 6: 4}


def smaller(png: bytes) -> bytes:
    """The same picture, or the same bytes where it is of another kind or would be no smaller."""
    parts = dict[bytes, bytes]()
    for kind, data in _chunks(png):
        parts[kind] = parts.get(kind, b"") + data
    width, _, depth, colour, _, _, interlaced = struct.unpack(">IIBBBBB", parts[b"IHDR"])
    if depth != 8 or colour not in PIXEL or interlaced:
        return png
    lines = _lines(zlib.decompress(parts[b"IDAT"]), width * PIXEL[colour], PIXEL[colour])
    data = zlib.compress(b"".join(b"\0" + line for line in lines), 9)
    made = HEAD + _chunk(b"IHDR", parts[b"IHDR"]) + _chunk(b"IDAT", data) + _chunk(b"IEND", b"")
    return min(made, png, key=len)


def _chunks(png: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = len(HEAD)
    while at < len(png):
        (length,) = struct.unpack_from(">I", png, at)
        yield png[at + 4 : at + 8], png[at + 8 : at + 8 + length]
        at += length + 12


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _lines(raw: bytes, length: int, pixel: int) -> Iterator[bytes]:
    """The lines without their filters."""
    # A pixel of nothing stands before each line.
    above = bytearray(pixel + length)
    for start in range(0, len(raw), length + 1):
        line = bytearray(pixel) + raw[start + 1 : start + 1 + length]
        filtered = raw[start]
        for at in range(pixel, len(line)) if filtered else ():
            left, up, corner = line[at - pixel], above[at], above[at - pixel]
            line[at] = (line[at] + _guess(filtered, left, up, corner)) & 255
        above = line
        yield bytes(line[pixel:])


def _guess(filtered: int, left: int, up: int, corner: int) -> int:
    if filtered == 1:
        return left
    if filtered == 2:
        return up
    if filtered == 3:
        return (left + up) // 2
    # Paeth: which of them is nearest to what the three lead to.
    aim = left + up - corner
    return min((left, up, corner), key=lambda value: abs(aim - value))
