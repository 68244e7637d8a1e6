"""A page as plain blocks, written once and shown twice: as Markdown and as one self-contained HTML file.

Blocks are tuples: ("heading", text), ("text", text), ("code", text), ("list", [text]), ("table", [heads], [[cell]]),
("folded", title, blocks) and ("drawing", svg). Every text is data: it is escaped, in both forms; a drawing is markup, and Markdown leaves it
out.
"""

import re
from collections.abc import Iterable, Sequence

from pipelines.reports import render

_NUMBER = re.compile(r"[+-]?[\d,]+(\.\d+)?( ?(ms|s|MB|%))?|[+-]?[\d.]+ to [+-]?[\d.]+")
_SHORT = 24  # characters; a column of such is not broken
_MARKDOWN = re.compile(r"([\\`*_{}\[\]<>#|~!&$])")


def as_html(title: str, blocks: Iterable[Sequence]) -> str:
    """One self-contained page; each heading begins a section."""
    sections: list[list[dict]] = [[]]
    for block in map(_shown, blocks):
        if block["kind"] == "heading" and sections[-1]:
            sections.append([])
        sections[-1].append(block)
    return render.document("blocks.html", title=title, sections=[part for part in sections if part])


def as_markdown(title: str, blocks: Iterable[Sequence]) -> str:
    return f"# {_md(title)}\n\n" + "".join(map(_markdown, blocks))


def _shown(block: Sequence) -> dict:
    """A block as the template takes it."""
    match tuple(block):
        case ("heading" | "text" | "code" | "list" | "drawing" as kind, text):
            return {"kind": kind, "text": text}
        case ("folded", title, blocks):
            return {"kind": "folded", "text": title, "blocks": [_shown(inner) for inner in blocks]}
        case ("table", heads, rows):
            rows = [[str(cell) for cell in row] for row in rows]
            return {
                "kind": "table",
                "heads": heads,
                "rows": rows,
                "kinds": [_kind([row[i] for row in rows]) for i in range(len(heads))],
            }
    raise ValueError(f"a block must be one of the module's. Received: {str(block)[:80]!r}")


def _kind(cells: Sequence[str]) -> str:
    """The class of a column: of numbers, of short texts, which are not broken, or of any."""
    if cells and all(_NUMBER.fullmatch(cell) for cell in cells):
        return "n"
    return "k" if all(len(cell) <= _SHORT for cell in cells) else "t"


def _markdown(block: Sequence) -> str:
    match tuple(block):
        case ("heading", text):
            return f"## {_md(text)}\n\n"
        case ("text", text):
            return f"{_md(text)}\n\n"
        case ("code", text):
            return "".join(f"    {line}\n" for line in str(text).splitlines()) + "\n"
        case ("list", items):
            return "".join(f"- {_md(item)}\n" for item in items) + "\n"
        case ("folded", title, blocks):
            return f"### {_md(title)}\n\n" + "".join(map(_markdown, blocks))
        case ("drawing", _svg):
            return ""
        case ("table", heads, rows):
            lines = [heads, ["---"] * len(heads), *rows]
            cells = [[text if text == "---" and i == 1 else _md(text) for text in row] for i, row in enumerate(lines)]
            return "".join(f"| {' | '.join(row)} |\n" for row in cells) + "\n"
    raise ValueError(f"a block must be one of the module's. Received: {str(block)[:80]!r}")


def _md(value) -> str:
    """Text without meaning for Markdown, on one line."""
    return _MARKDOWN.sub(r"\\\1", " ".join(str(value).split()))
