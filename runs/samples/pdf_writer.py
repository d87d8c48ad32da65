"""Writes plain PDF files: text in the standard fonts and rules, the same bytes on every machine."""

from collections.abc import Iterable, Iterator
from typing import Literal

Font = Literal["F1", "F2", "F3"]
REGULAR: Font = "F1"
BOLD: Font = "F2"
TYPEWRITER: Font = "F3"
_FONT_NAMES = {REGULAR: "Helvetica", BOLD: "Helvetica-Bold", TYPEWRITER: "Courier"}

# Helvetica's widths in thousandths of the size; what is not listed is as wide as a digit.
_WIDTHS = {
    character: width
    for width, characters in (
        (191, "'"),
        (222, "ijl"),
        (278, " !,./:;I[\\]ft"),
        (333, "()-`r"),
        (500, "Jckszvxy"),
        (584, "+<=>×"),
        (611, "FTZ"),
        (667, "&ABEKPSVXYÄ"),
        (722, "CDHNRUwÜ"),
        (778, "GOQÖ"),
        (833, "Mm"),
        (889, "%"),
        (944, "W"),
    )
    for character in characters
}

A4 = (595, 842)


def text_width(text: str, size: float, font: Font = REGULAR) -> float:
    if font == TYPEWRITER:
        return len(text) * 0.6 * size
    # The bold face is about a tenth wider.
    wider = 1.1 if font == BOLD else 1.0
    return sum(_WIDTHS.get(character, 556) for character in text) * wider * size / 1000


class Page:
    """One page under the pen. Coordinates are points from the lower left corner."""

    def __init__(self) -> None:
        self._marks: list[str] = []

    def text(self, x: float, y: float, text: str, size: float = 9, font: Font = REGULAR) -> None:
        """Every word is placed by itself, as typesetting programs do."""
        for word in text.split(" "):
            if word:
                escaped = word.replace("\\", r"\\").replace("(", r"\(").replace(")", r"\)")
                self._marks.append(
                    f"BT /{font} {size:g} Tf 1 0 0 1 {x:.2f} {y:.2f} Tm ({escaped}) Tj ET"
                )
            x += text_width(word + " ", size, font)

    def right(self, x: float, y: float, text: str, size: float = 9, font: Font = REGULAR) -> None:
        """The text ends at `x`."""
        self.text(x - text_width(text, size, font), y, text, size, font)

    def rule(self, x: float, y: float, width: float) -> None:
        self._marks.append(f"0.5 w {x:g} {y:g} m {x + width:g} {y:g} l S")

    def content(self) -> bytes:
        return "\n".join(self._marks).encode("cp1252")


def write_pdf(pages: Iterable[Page]) -> bytes:
    contents = [_lzw(page.content()) for page in pages]
    first_font, first_page = 3, 3 + len(_FONT_NAMES)
    page_numbers = [first_page + 2 * index for index in range(len(contents))]
    fonts = " ".join(f"/{key} {first_font + i} 0 R" for i, key in enumerate(_FONT_NAMES))
    kids = " ".join(f"{number} 0 R" for number in page_numbers)
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Count {len(contents)} /Kids [{kids}] >>".encode(),
        *(
            f"<< /Type /Font /Subtype /Type1 /BaseFont /{name} "
            "/Encoding /WinAnsiEncoding >>".encode()
            for name in _FONT_NAMES.values()
        ),
    ]
    for number, content in zip(page_numbers, contents, strict=True):
        objects.append(
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 {A4[0]} {A4[1]}] "
            f"/Resources << /Font << {fonts} >> >> /Contents {number + 1} 0 R >>".encode()
        )
        head = f"<< /Length {len(content)} /Filter /LZWDecode >>\nstream\n".encode()
        objects.append(head + content + b"\nendstream")
    return _file(objects)


def _file(objects: list[bytes]) -> bytes:
    body = bytearray(b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n")
    table = ["0000000000 65535 f "]
    for number, content in enumerate(objects, start=1):
        table.append(f"{len(body):010d} 00000 n ")
        body += f"{number} 0 obj\n".encode() + content + b"\nendobj\n"
    start = len(body)
    body += f"xref\n0 {len(table)}\n".encode() + "\n".join(table).encode() + b"\n"
    body += f"trailer\n<< /Size {len(table)} /Root 1 0 R >>\nstartxref\n{start}\n%%EOF\n".encode()
    return bytes(body)


def _lzw(data: bytes) -> bytes:
    """The data in PDF's LZW, whose bytes, unlike deflate's, don't depend on a zlib's version."""
    packed = bytearray()
    bits = filled = 0
    for code, width in _lzw_codes(data):
        bits, filled = bits << width | code, filled + width
        while filled >= 8:
            filled -= 8
            packed.append(bits >> filled)
            bits &= (1 << filled) - 1
    if filled:
        packed.append(bits << (8 - filled))
    return bytes(packed)


def _lzw_codes(data: bytes) -> Iterator[tuple[int, int]]:
    """The codes and how many bits each takes."""
    clear, end, first = 256, 257, 258
    single = {bytes([value]): value for value in range(256)}
    codes, following, width = single.copy(), first, 9
    yield clear, width
    word = b""
    for value in data:
        longer = word + bytes([value])
        if longer in codes:
            word = longer
            continue
        yield codes[word], width
        codes[longer], following = following, following + 1
        # The reader's table is one entry behind: PDF widens the codes one entry early.
        width = max(9, following.bit_length())
        if following == 4094:
            yield clear, width
            codes, following, width = single.copy(), first, 9
        word = bytes([value])
    if word:
        yield codes[word], width
        width = max(9, (following + 1).bit_length())
    yield end, width
