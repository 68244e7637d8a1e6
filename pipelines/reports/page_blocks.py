"""A page as plain blocks, written once and shown twice: as Markdown and as one self-contained HTML file.

Blocks are tuples: ("heading", text), ("text", text), ("code", text), ("list", [text]), ("table", [heads], [[cell]]),
("folded", title, blocks) and ("drawing", svg). Every text is data: it is escaped here, in both forms; only a drawing is taken as
it is, and Markdown leaves it out. Standard library only.
"""

import html
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from components.core import paths

_STYLE = """
:root{color-scheme:light dark;--line:#8884;--soft:#8881;--mark:#4a7fb5}
@media(prefers-color-scheme:dark){:root{--mark:#6ea8dc}}
body{font:15px/1.5 system-ui,sans-serif;max-width:64rem;margin:2rem auto;padding:0 1rem}
h1{font-size:1.6rem;margin:0 0 .5rem}h2{font-size:1.15rem;margin:2rem 0 .5rem;border-left:4px solid var(--mark);padding-left:.6rem}
p{margin:.4rem 0;overflow-wrap:anywhere}ul{padding-left:1.2rem;margin:.4rem 0}.wide{overflow-x:auto}
table{border-collapse:collapse;margin:.5rem 0;width:100%}
td,th{text-align:left;padding:.35rem .8rem .35rem 0;border-bottom:1px solid var(--line);vertical-align:top;overflow-wrap:anywhere}
th{font-weight:600;font-size:13px;white-space:nowrap}td.n,td.k{white-space:nowrap;font-variant-numeric:tabular-nums}
td.n,th.n{text-align:right}pre{font-size:13px;background:var(--soft);padding:.6rem .8rem;border-radius:4px;overflow-x:auto;margin:.5rem 0}
details{margin:.5rem 0}summary{cursor:pointer}
"""
_NUMBER = re.compile(r"[+-]?[\d,]+(\.\d+)?( ?(ms|s|MB|%))?|[+-]?[\d.]+ to [+-]?[\d.]+")
_SHORT = 24  # characters; a column of such is not broken
_MARKDOWN = re.compile(r"([\\`*_{}\[\]<>#|~!&$])")


def place(path: str | Path) -> str:
    """A file as any reader of a page can find it: from the state folder on. Of a file elsewhere the name alone."""
    found, home = Path(path), paths.home()
    return f"NEWSDESK_HOME/{found.relative_to(home).as_posix()}" if found.is_relative_to(home) else found.name


def as_html(title: str, blocks: Iterable[Sequence]) -> str:
    return (
        '<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content="width=device-width">\n'
        f"<title>{_(title)}</title><style>{_STYLE}</style>\n<h1>{_(title)}</h1>\n{''.join(map(_html, blocks))}</html>\n"
    )


def as_markdown(title: str, blocks: Iterable[Sequence]) -> str:
    return f"# {_md(title)}\n\n" + "".join(map(_markdown, blocks))


def _html(block: Sequence) -> str:
    match tuple(block):
        case ("heading", text):
            return f"<h2>{_(text)}</h2>\n"
        case ("text", text):
            return f"<p>{_(text)}</p>\n"
        case ("code", text):
            return f"<pre>{_(text)}</pre>\n"
        case ("list", items):
            return "<ul>" + "".join(f"<li>{_(item)}</li>" for item in items) + "</ul>\n"
        case ("folded", title, blocks):
            return f"<details><summary>{_(title)}</summary>\n{''.join(map(_html, blocks))}</details>\n"
        case ("drawing", svg):
            return svg
        case ("table", heads, rows):
            numeric = [bool(rows) and all(_NUMBER.fullmatch(str(row[i])) for row in rows) for i in range(len(heads))]
            short = [all(len(str(row[i])) <= _SHORT for row in rows) for i in range(len(heads))]
            kinds = [
                " class=n" if number else " class=k" if s else "" for number, s in zip(numeric, short, strict=True)
            ]
            head = "".join(f"<th{kind}>{_(text)}" for kind, text in zip(kinds, heads, strict=True))
            body = "".join(
                "<tr>" + "".join(f"<td{k}>{_(c)}" for k, c in zip(kinds, row, strict=True)) + "\n" for row in rows
            )
            return f"<div class=wide><table>{f'<tr>{head}' if any(heads) else ''}\n{body}</table></div>\n"
    raise ValueError(f"a block must be one of the module's. Received: {str(block)[:80]!r}")


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


def _(value) -> str:
    return html.escape(str(value))


def _md(value) -> str:
    """Text without meaning for Markdown, on one line."""
    return _MARKDOWN.sub(r"\\\1", " ".join(str(value).split()))
