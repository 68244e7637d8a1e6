"""The model verdict as one self-contained HTML page. Everything that came from data is escaped."""

import html
from collections.abc import Mapping, Sequence

import numpy as np

BINS = 10  # of the calibration plot, equally wide
SHOWN = 25  # rows on which two models disagree

_STYLE = """
:root{color-scheme:light dark;--line:#8884;--bar:#4a7fb5;--gap:#c62828}
@media(prefers-color-scheme:dark){:root{--bar:#6ea8dc;--gap:#ff7b72}}
body{font:15px/1.5 system-ui,sans-serif;max-width:64rem;margin:2rem auto;padding:0 1rem}
h1{font-size:1.6rem}h2{font-size:1.15rem;margin:2rem 0 .5rem}.wide{overflow-x:auto}
table{border-collapse:collapse;margin:.5rem 0}td,th{text-align:right;padding:.35rem .8rem;border-bottom:1px solid var(--line)}
td.t,th.t{text-align:left}td.t{overflow-wrap:anywhere}th{white-space:nowrap}svg{max-width:26rem;width:100%;height:auto}svg text{font:11px system-ui;fill:currentColor}
"""


def page(verdict: Mapping, labels: Sequence[str], bins: Sequence[Mapping] = (), rows: Sequence[Mapping] = ()) -> str:
    """verdict: as `verdict.json` has it; bins: as `calibration` gives them; rows: as `disagreements` does."""
    metrics = verdict["metrics"]
    low, high = metrics["interval"]
    accuracy = "no number" if metrics["accuracy"] is None else f"{metrics['accuracy']:.4f}"
    return f"""<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content="width=device-width">
<title>Model verdict: {verdict["decision"]}</title><style>{_STYLE}</style>
<h1>Model verdict: {verdict["decision"]}</h1><ul>{_items(verdict["reasons"])}</ul>
{f"<h2>Warnings</h2><ul>{_items(verdict['warnings'])}</ul>" if verdict["warnings"] else ""}
<h2>Test accuracy {accuracy} (95% interval {low:.4f} to {high:.4f})</h2>
<div class=wide>{_matrix(metrics["confusion"], labels)}</div>
{_comparisons(verdict["comparisons"])}{_calibration(bins)}{_rows(rows)}
<p>Run {_(verdict["run"])}, candidate {_(verdict["digest"][:12])}</p></html>
"""


def calibration(truth: np.ndarray, probabilities: np.ndarray) -> list[dict]:
    """How sure the model is and how often right, in bins of its highest probability: `sure`, `right` (0..1) and `rows`."""
    sure, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == truth
    number = np.clip((sure * BINS).astype(int), 0, BINS - 1)
    found = [(number == i) for i in range(BINS)]
    return [
        {"sure": float(sure[of].mean()), "right": float(right[of].mean()), "rows": int(of.sum())}
        for of in found
        if of.any()
    ]


def disagreements(
    texts: Sequence[bytes], truth: np.ndarray, ours: np.ndarray, theirs: np.ndarray, labels: Sequence[str]
) -> list[dict]:
    """Rows that the other model (probabilities `theirs`) has right and the candidate (`ours`) wrong, the surest first."""
    lost = np.flatnonzero((ours.argmax(axis=1) != truth) & (theirs.argmax(axis=1) == truth))
    worst = lost[np.argsort(-ours[lost].max(axis=1), kind="stable")][:SHOWN]
    return [
        {
            "text": texts[i].decode("utf-8", "replace")[:300], "true": labels[truth[i]],
            "said": labels[int(ours[i].argmax())], "sure": float(ours[i].max()),
        } for i in worst
    ]  # fmt: skip


def _(value) -> str:
    return html.escape(str(value))


def _items(lines: Sequence[str]) -> str:
    return "".join(f"<li>{_(line)}</li>" for line in lines)


def _matrix(counts: Sequence[Sequence[int]], labels: Sequence[str]) -> str:
    head = "".join(f"<th>{_(label)}" for label in labels)
    body = "".join(
        f"<tr><th class=t>{_(label)}"
        + "".join(f"<td>{count:,}" for count in row)
        + f"<td>{row[i] / max(sum(row), 1):.1%}"
        for i, (label, row) in enumerate(zip(labels, counts, strict=True))
    )
    return f"<table><tr><th class=t>true \\ predicted{head}<th>recall</tr>{body}</table>"


def _comparisons(found: Mapping[str, Mapping]) -> str:
    if not found:
        return ""
    body = "".join(
        f"<tr><th class=t>{_(name)}<td>{c['accuracy']:.4f}<td>{c['difference']:+.4f}<td>{c['low']:+.4f} to {c['high']:+.4f}"
        f"<td>{c['won']:,}<td>{c['lost']:,}<td>{c['p_worse']:.3g}"
        + "".join(
            f"<tr><td class=t>&nbsp;&nbsp;{_(label)}<td><td>{part['difference']:+.4f}<td><td><td><td>{part['p_worse']:.3g}"
            for label, part in c["classes"].items()
        )
        for name, c in found.items()
    )
    head = "<th class=t>against<th>its accuracy<th>difference<th>95% interval<th>rows won<th>lost<th>p (worse)"
    return f"<h2>On the same rows</h2><div class=wide><table><tr>{head}</tr>{body}</table></div>"


def _calibration(bins: Sequence[Mapping]) -> str:
    if not bins:
        return ""
    points = "".join(
        f'<circle cx="{30 + 200 * b["sure"]:.1f}" cy="{210 - 200 * b["right"]:.1f}" r="{2 + min(6, b["rows"] ** 0.5 / 8):.1f}" '
        f'fill="var(--bar)"><title>{b["rows"]:,} rows: sure {b["sure"]:.1%}, right {b["right"]:.1%}</title></circle>'
        for b in bins
    )
    rows = sum(b["rows"] for b in bins)
    error = sum(b["rows"] * abs(b["sure"] - b["right"]) for b in bins) / rows
    return f"""<h2>Calibration</h2><p>On average {error:.1%} between how sure the model is and how often it is right.</p>
<svg viewBox="0 0 260 240" role=img aria-label="share right over stated probability">
<path d="M30 10V210H230" fill=none stroke="var(--line)"/><path d="M30 210L230 10" stroke="var(--line)" stroke-dasharray=4 />
{points}<text x=30 y=232>0</text><text x=95 y=232>stated probability</text><text x=224 y=232>1</text>
<text x=14 y=213>0</text><text x=14 y=18>1</text></svg>"""


def _rows(rows: Sequence[Mapping]) -> str:
    if not rows:
        return ""
    body = "".join(
        f"<tr><td class=t>{_(r['text'])}<td class=t>{_(r['true'])}<td class=t>{_(r['said'])}<td>{r['sure']:.1%}"
        for r in rows
    )
    head = "<th class=t>text<th class=t>true<th class=t>candidate says<th>sure"
    return f"<h2>What the champion has right and the candidate wrong</h2><div class=wide><table><tr>{head}</tr>{body}</table></div>"
