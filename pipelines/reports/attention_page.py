"""Attention as one self-contained HTML page: words shaded by what they received, a map a head. Everything is escaped."""

import html
from collections.abc import Mapping, Sequence

import numpy as np

LONGEST = 60  # characters of a word
_CELL = 13  # pixels of a map
_FAINT = 0.02  # of a map's darkest cell; less is not drawn

_STYLE = """
:root{color-scheme:light dark;--line:#8884;--shade:48 112 200}@media(prefers-color-scheme:dark){:root{--shade:88 160 245}}
body{font:16px/1.5 system-ui,sans-serif;max-width:64rem;margin:2rem auto;padding:0 1rem}
h1{font-size:1.6rem}h2{font-size:1.2rem;margin:2.5rem 0 .5rem}.words{font-size:1.15rem;line-height:2.1;overflow-wrap:anywhere}
.words span{padding:.15rem .25rem;border-radius:.25rem}.small{font-size:.85rem;opacity:.8}.wide{overflow-x:auto}
table{border-collapse:collapse}td,th{text-align:left;padding:.2rem 1.2rem .2rem 0;border-bottom:1px solid var(--line);overflow-wrap:anywhere}
td.n{text-align:right;font-variant-numeric:tabular-nums}details{margin:.6rem 0}summary{cursor:pointer}
svg text{font:11px system-ui,sans-serif;fill:currentColor}rect{fill:rgb(var(--shade))}
"""


def page(model: str, answers: Sequence[Mapping], labels: Sequence[str]) -> str:
    """model: what answered, for people. answers: one a text, with `label`, `probabilities` (by `labels`), `words` (pairs of
    word and share), `top` (the same), `tokens` and `attention` float[heads, from, tokens] without padding."""
    return f"""<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content="width=device-width">
<title>Where {_(model)} looks</title><style>{_STYLE}</style>
<h1>Where {_(model)} looks</h1>
<p class=small>The stronger a word's shade, the more attention it received, averaged over heads and places. That is where the model reads, not
proof of why it decided: other parts of the model, such as word pairs, may add to the answer.</p>
{"".join(_answer(answer, labels) for answer in answers)}</html>
"""


def _(value) -> str:
    return html.escape(str(value))


def _word(word: str) -> str:
    return _(word if len(word) <= LONGEST else word[: LONGEST - 1] + "…")


def _answer(answer: Mapping, labels: Sequence[str]) -> str:
    best = max(answer["probabilities"])
    told = ", ".join(f"{_(label)} {share:.3f}" for label, share in zip(labels, answer["probabilities"], strict=True))
    if not answer["words"]:
        return f"<h2>{_(answer['label'])} {best:.3f}</h2><p>{told}</p><p>The text has no words that the model could read.</p>"
    highest = max(share for _, share in answer["words"]) or 1.0
    shaded = " ".join(
        f'<span style="background:rgb(var(--shade)/{0.75 * share / highest:.2f})" title="{share:.1%}">{_word(word)}</span>'
        for word, share in answer["words"]
    )
    rows = "".join(f"<tr><td>{_word(word)}<td class=n>{share:.1%}" for word, share in answer["top"])
    return f"""<h2>{_(answer["label"])} {best:.3f}</h2><p>{told}</p><p class=words dir=auto>{shaded}</p>
<table><tr><th>word<th>attention</tr>{rows}</table>{_maps(answer["tokens"], answer["attention"])}
"""


def _maps(tokens: Sequence[str], attention: np.ndarray) -> str:
    if attention.shape[1] == 1:
        return ""
    return "".join(
        f"<details{' open' if number == 0 else ''}><summary>head {number + 1} of {len(attention)}: "
        f"each row a word, each column what it takes from</summary><div class=wide>{_map(tokens, head)}</div></details>"
        for number, head in enumerate(attention)
    )


def _map(tokens: Sequence[str], weights: np.ndarray) -> str:
    """One head as SVG; weights float[tokens, tokens]."""
    names = [_(token[:18]) for token in tokens]
    margin, side = 20 + 7 * max(len(token[:18]) for token in tokens), _CELL * len(tokens)
    highest = float(weights.max()) or 1.0
    cells = "".join(
        f'<rect x="{margin + _CELL * column}" y="{margin + _CELL * row}" width="{_CELL - 1}" height="{_CELL - 1}" '
        f'fill-opacity="{weights[row, column] / highest:.2f}"><title>{names[row]} → {names[column]} {weights[row, column]:.1%}</title></rect>'
        for row, column in zip(*np.nonzero(weights >= _FAINT * highest))
    )
    rows = "".join(
        f'<text x="{margin - 5}" y="{margin + _CELL * (place + 0.8):.0f}" text-anchor="end">{name}</text>'
        f'<text transform="translate({margin + _CELL * (place + 0.8):.0f} {margin - 5}) rotate(-90)">{name}</text>'
        for place, name in enumerate(names)
    )
    size = margin + side
    return f'<svg width="{size}" height="{size}" viewBox="0 0 {size} {size}" role=img aria-label="attention map">{rows}{cells}</svg>'
