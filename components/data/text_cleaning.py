"""The text of a news row: joining, cleaning and hashing it. Standard library only; `text_ops` is the same inside a graph.

AG News was scraped twice: entities lost their ampersand (`Liberia #39;s`, ` quot;bullish quot;`, `AT amp;T`), HTML is left as
`&lt;A HREF="…"&gt;` or `&lt;b&gt;...&lt;/b&gt;`, and a backslash replaces a line break (`\\announced`, `\\$900`). `SCARS` repairs
that. One table serves two engines, Python's `re` and TensorFlow's RE2, so that a row is hashed, shown and tokenised as one text.
"""

import hashlib
import re
import unicodedata

TAGS = (
    "a|abbr|acronym|b|big|blockquote|br|center|cite|code|div|em|font|h[1-6]|hr|i|img|li|nobr|ol|p|pre|script|small|span|"
    "strike|strong|style|sub|sup|table|tbody|td|th|tr|tt|u|ul"
)

# (pattern, replacement), applied in this order. Both engines must read a pattern alike, so: no lookaround (RE2 has none), no
# \s \d \w \b (Unicode in Python, ASCII in RE2), \1 for a group, and no backslash to be written.
SCARS = (
    # An entity that was escaped twice (`&amp;lt;`) becomes one that was escaped once.
    (r"&amp;(#[0-9]{2,5};|[a-z]{2,6};)", r"&\1"),
    # A named one gets its ampersand back, unless it ends a word: `result;` holds no `<`, `camp;` no `&`.
    (r"(^|[^A-Za-z&])((?:quot|amp|lt|gt|nbsp|apos|[lr]squo|[lr]dquo|[mn]dash|hellip);)", r"\1&\2"),
    # `Liberia #39;s`, `don #39;t`, `Apple #146;s`: the apostrophe of a word returns to its word.
    (r" ?(?:&?#0?(?:39|146|8217);|&apos;|&rsquo;)(s|t|d|m|re|ve|ll|S|T)([^A-Za-z]|$)", r"'\1\2"),
    (r"&?#0?(?:39|145|146|8216|8217);|&apos;|&[lr]squo;", "'"),
    (r"&?#0?(?:34|147|148|8220|8221);|&quot;|&[lr]dquo;", '"'),
    # `AT amp;T`, `R amp;D`.
    (r" ?(?:&amp;|&?#0?38;)([A-Z])", r"&\1"),
    (r"&amp;|&?#0?38;", "&"),
    (r"&?#0?36;", "$"),
    (r"&?#0?37;", "%"),
    (r"&?#0?(?:150|151|8211|8212);|&[mn]dash;", " - "),
    (r"&?#0?(?:133|8230);|&hellip;", "..."),
    (r"&lt;|&?#0?60;", "<"),
    (r"&gt;|&?#0?62;", ">"),
    # The remaining numbered entities are rare letters and signs.
    (r"&nbsp;|&?#[0-9]{2,5};", " "),
    (r"<!--[^>]*>|</?(?i:" + TAGS + r")(?:[ /\t\r\n][^<>]*)?>", " "),
    (r"[\\\x00-\x20\x7f" + "\u00a0]+", " "),
    (r"^ | $", ""),
)

# Every pattern with a semicolon repairs entities, which all end in one: most texts have none and skip them.
_COMPILED = tuple((re.compile(pattern), replacement, ";" in pattern) for pattern, replacement in SCARS)
_NOT_LETTERS = re.compile(r"[\W_]+")
_LOWER = bytes(range(256)).lower()
_MARKS = bytes(code for code in range(128) if not chr(code).isalnum())


def join(title: str, description: str) -> str:
    """One row's model input: title and description with a space between; either may be empty."""
    return f"{title} {description}".strip()


def clean(text: str) -> str:
    """`text` without the corpus's damage, on one line. Keeps case and punctuation. Equals `text_ops.clean_tensor`."""
    for pattern, replacement, entity in _COMPILED:
        if not entity or ";" in text:
            text = pattern.sub(replacement, text)
    return text


def normalise(text: str) -> str:
    """The letters and digits of a text, case folded (Unicode NFKC), without anything between them: equal for reprints of an article.

    For hashing, deduplication and leakage only, never for a model. A text without any letter or digit is kept as it is, so that
    such texts stay different.
    """
    # In ASCII case folding is lower-casing, and only entities and tags hold letters that do not count.
    cleaned = clean(text) if ";" in text or "<" in text or not text.isascii() else text
    if cleaned.isascii() and (letters := cleaned.encode().translate(_LOWER, _MARKS).decode()):
        return letters
    cleaned = clean(text)
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", cleaned).casefold())
    return _NOT_LETTERS.sub("", folded) or folded


def row_key(text: str) -> int:
    """The first 64 bits of the SHA-256 of the normalised text: two rows share it when they are one article.

    With 64 bits, the chance of any collision among ten million rows is 3 in a million.
    """
    # A lone surrogate is not UTF-8, but a row with one needs a hash too.
    return int.from_bytes(hashlib.sha256(normalise(text).encode("utf-8", "surrogatepass")).digest()[:8], "big")


def row_hash(text: str) -> str:
    """`row_key` as 16 hex digits."""
    return f"{row_key(text):016x}"
