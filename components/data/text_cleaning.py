"""The text of a news row: joining, cleaning and hashing it. Standard library only; `text_ops` is the same inside a graph.

AG News was scraped twice: entities lost their ampersand (`Liberia #39;s`, ` quot;bullish quot;`, `AT amp;T`), HTML is left as
`&lt;A HREF="…"&gt;` or `&lt;b&gt;...&lt;/b&gt;`, and a backslash replaces a line break (`\\announced`, `\\$900`). `SCARS` repairs
that. One table serves two engines, Python's `re` and TensorFlow's RE2, so that a row is hashed, shown and tokenised as one text.
"""

import hashlib
import re
import unicodedata
from collections.abc import Iterable, Sequence

TAGS = (
    "a|abbr|acronym|b|big|blockquote|br|center|cite|code|div|em|font|h[1-6]|hr|i|img|li|nobr|ol|p|pre|script|small|span|"
    "strike|strong|style|sub|sup|table|tbody|td|th|tr|tt|u|ul"
)

# (pattern, replacement, what every match holds one of), applied in this order. Both engines must read a pattern alike, so: no lookaround
# (RE2 has none), no \s \d \w \b (Unicode in Python, ASCII in RE2), \1 for a group, and no backslash to be written. Finding a fixed
# string costs a fiftieth of searching for a pattern, and most texts hold few of them.
SCARS = (
    # An entity that was escaped twice (`&amp;lt;`) becomes one that was escaped once.
    (r"&amp;(#[0-9]{2,5};|[a-z]{2,6};)", r"&\1", ("&amp;",)),
    # A named one gets its ampersand back, unless it ends a word: `result;` holds no `<`, `camp;` no `&`.
    (
        r"(^|[^A-Za-z&])((?:quot|amp|lt|gt|nbsp|apos|[lr]squo|[lr]dquo|[mn]dash|hellip);)",
        r"\1&\2",
        ("quot;", "amp;", "lt;", "gt;", "nbsp;", "apos;", "squo;", "dquo;", "dash;", "hellip;"),
    ),
    # `Liberia #39;s`, `don #39;t`, `Apple #146;s`: the apostrophe of a word returns to its word.
    (
        r" ?(?:&?#0?(?:39|146|8217);|&apos;|&rsquo;)(s|t|d|m|re|ve|ll|S|T)([^A-Za-z]|$)",
        r"'\1\2",
        ("39;", "146;", "8217;", "&apos;", "&rsquo;"),
    ),
    (
        r"&?#0?(?:39|145|146|8216|8217);|&apos;|&[lr]squo;",
        "'",
        ("39;", "145;", "146;", "8216;", "8217;", "&apos;", "squo;"),
    ),
    (
        r"&?#0?(?:34|147|148|8220|8221);|&quot;|&[lr]dquo;",
        '"',
        ("34;", "147;", "148;", "8220;", "8221;", "&quot;", "dquo;"),
    ),
    # `AT amp;T`, `R amp;D`.
    (r" ?(?:&amp;|&?#0?38;)([A-Z])", r"&\1", ("&amp;", "38;")),
    (r"&amp;|&?#0?38;", "&", ("&amp;", "38;")),
    (r"&?#0?36;", "$", ("36;",)),
    (r"&?#0?37;", "%", ("37;",)),
    (r"&?#0?(?:150|151|8211|8212);|&[mn]dash;", " - ", ("150;", "151;", "8211;", "8212;", "dash;")),
    (r"&?#0?(?:133|8230);|&hellip;", "...", ("133;", "8230;", "&hellip;")),
    (r"&lt;|&?#0?60;", "<", ("&lt;", "60;")),
    (r"&gt;|&?#0?62;", ">", ("&gt;", "62;")),
    # The remaining numbered entities are rare letters and signs.
    (r"&nbsp;|&?#[0-9]{2,5};", " ", ("&nbsp;", "#")),
    (r"<!--[^>]*>|</?(?i:" + TAGS + r")(?:[ /\t\r\n][^<>]*)?>", " ", ("<",)),
    (r"[\\\x00-\x20\x7f" + "\u00a0]+", " ", ("",)),
    (r"^ | $", "", (" ",)),
)

_COMPILED = tuple((re.compile(pattern).sub, replacement, held) for pattern, replacement, held in SCARS)
_LETTERLESS = 2  # the last so many of them neither add nor take letters or digits
_NOT_LETTERS = re.compile(r"[\W_]+")
_LOWER = bytes(range(256)).lower()
_MARKS = bytes(code for code in range(128) if not chr(code).isalnum())


def join(title: str, description: str) -> str:
    """One row's model input: title and description with a space between; either may be empty."""
    return f"{title} {description}".strip()


def clean(text: str) -> str:
    """`text` without the corpus's damage, on one line. Keeps case and punctuation. Equals `text_ops.clean_tensor`."""
    return _repaired(text, _COMPILED)


def _repaired(text: str, scars: Iterable) -> str:
    for repair, replacement, held in scars:
        for part in held:
            if part in text:
                text = repair(replacement, text)
                break
    return text


def normalise(text: str) -> str:
    """The letters and digits of a text, case folded (Unicode NFKC), without anything between them: equal for reprints of an article.

    For hashing, deduplication and leakage only, never for a model. A text without any letter or digit is kept as it is, so that
    such texts stay different.
    """
    # In ASCII case folding is lower-casing, and only entities and tags hold letters that do not count.
    repaired = _repaired(text, _COMPILED[:-_LETTERLESS])
    if repaired.isascii() and (letters := repaired.encode().translate(_LOWER, _MARKS).decode()):
        return letters
    cleaned = clean(text)
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", cleaned).casefold())
    return _NOT_LETTERS.sub("", folded) or folded


def row_keys(texts: Sequence[str]) -> bytes:
    """The first 64 bits of the SHA-256 of each normalised text, one after the other: two rows share them when they are one article.

    With 64 bits, the chance of any collision among ten million rows is 3 in a million.
    """
    # Most texts hold neither entities nor tags; these are normalised in one call, with NUL between two of them.
    plain = [text if text.isascii() and not (";" in text or "<" in text or "\0" in text) else "" for text in texts]
    found = "\0".join(plain).encode().translate(_LOWER, _MARKS.replace(b"\0", b"")).split(b"\0")
    # A lone surrogate is not UTF-8, but a row with one needs a hash too.
    return b"".join(
        hashlib.sha256(letters or normalise(text).encode("utf-8", "surrogatepass")).digest()[:8]
        for letters, text in zip(found, texts)
    )


def row_key(text: str) -> int:
    """`row_keys` of one text as a number."""
    return int.from_bytes(row_keys([text]), "big")


def row_hash(text: str) -> str:
    """`row_key` as 16 hex digits."""
    return f"{row_key(text):016x}"
