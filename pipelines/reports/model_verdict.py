"""The model verdict as one self-contained HTML page. Everything that came from data is escaped."""

import html
from collections.abc import Mapping, Sequence

from pipelines.reports.model_charts import calibration_plot, curves_plot, shares_plot
from pipelines.reports.page_blocks import place

_STYLE = """
:root{color-scheme:light dark;--line:#8884;--soft:#8881;--bar:#4a7fb5;--other:#8a8f98;--refuse:#c62828;--warn:#a86400;--pass:#2e7d32}
@media(prefers-color-scheme:dark){:root{--bar:#6ea8dc;--refuse:#ff7b72;--warn:#e3a008;--pass:#56c271}}
body{font:15px/1.5 system-ui,sans-serif;max-width:72rem;margin:2rem auto;padding:0 1rem}
h1{font-size:1.6rem}h2{font-size:1.15rem;margin:2rem 0 .5rem}.wide{overflow-x:auto}p.s{font-size:13px;margin:.3rem 0}
.refused,.refuse b,.stop b{color:var(--refuse)}.warn b{color:var(--warn)}.blessed,.pass b{color:var(--pass)}
table{border-collapse:collapse;margin:.5rem 0;font-variant-numeric:tabular-nums}
td,th{text-align:right;padding:.3rem .8rem;border-bottom:1px solid var(--line);vertical-align:top}
td.t,th.t{text-align:left}td.t{overflow-wrap:anywhere}td.l{text-align:left;white-space:nowrap}th{white-space:nowrap;font-size:13px}tr.part th,tr.part td{font-weight:400;font-size:13px;padding-top:.1rem;padding-bottom:.1rem}
tr.part th{padding-left:1.8rem}.pair{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(24rem,100%),1fr));gap:0 2rem}
svg{max-width:30rem;width:100%;height:auto}svg text{font:11px system-ui;fill:currentColor}summary{cursor:pointer}
"""


def page(
    verdict: Mapping,
    labels: Sequence[str],
    bins: Sequence[Mapping] = (),
    differing: Mapping | None = None,
    curves: Sequence[Mapping] = (),
    data: Mapping | None = None,
) -> str:
    """verdict: as `verdict.json` has it; bins: as `calibration` gives them; differing: as `disagreements` does.

    curves: one dict an epoch, as the Trainer's `history.json` has them; data: the data verdict, with the path of its `page`, which
    is named and not linked: Airflow shows the two pages at addresses that no link fits as well as the disk.
    """
    metrics = verdict["metrics"]
    low, high = metrics["interval"]
    accuracy = "no number" if metrics["accuracy"] is None else f"{metrics['accuracy']:.4f}"
    warnings = f"<h2>Warnings</h2><ul>{_items(verdict['warnings'])}</ul>" if verdict["warnings"] else ""
    plots = [
        ("Each slice of the test rows", shares_plot(metrics["slices"]) if metrics.get("slices") else ""),
        ("Calibration", calibration_plot(bins) if bins else ""),
        ("Training", curves_plot(curves) if curves else ""),
    ]
    shown = "".join(f"<section><h2>{title}</h2>{plot}</section>" for title, plot in plots if plot)
    return f"""<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content="width=device-width">
<title>Model verdict: {_(verdict["decision"])}</title><style>{_STYLE}</style>
<h1>Model verdict: <span class={_(verdict["decision"])}>{_(verdict["decision"])}</span></h1><ul>{_items(verdict["reasons"])}</ul>{warnings}
<h2>Test accuracy {accuracy} (95% interval {low:.4f} to {high:.4f})</h2>
<p class=s>{_rows_told(metrics)}</p>
{_comparisons(verdict["comparisons"])}
<div class=pair>{shown}</div>
<h2>Confusion matrix</h2><div class=wide>{_matrix(metrics["confusion"], labels)}</div>
{_behaviour(verdict.get("behaviour"))}{_rules(verdict.get("rules", ()))}{_data(data)}{_differing(differing)}
<p class=s>Run {_(verdict["run"])}, candidate {_(verdict["digest"][:12])}</p></html>
"""


def _(value) -> str:
    return html.escape(str(value))


def _items(lines: Sequence[str]) -> str:
    return "".join(f"<li>{_(line)}</li>" for line in lines)


def _rows_told(metrics: Mapping) -> str:
    out = [
        f"{count:,} left out that the {_(name)} learned from" for name, count in metrics.get("taken_out", {}).items()
    ]
    return ", ".join([f"{metrics.get('rows', 0):,} rows", *out])


def _matrix(counts: Sequence[Sequence[int]], labels: Sequence[str]) -> str:
    head = "".join(f"<th>{_(label)}" for label in labels)
    body = "".join(
        f"<tr><th class=t>{_(label)}"
        + "".join(
            f'<td style="background:color-mix(in srgb,var(--{"pass" if i == j else "refuse"}) {_shade(count, row)}%,transparent)">{count:,}'
            for j, count in enumerate(row)
        )
        + f"<td>{row[i] / max(sum(row), 1):.1%}<td>{row[i] / max(sum(other[i] for other in counts), 1):.1%}"
        for i, (label, row) in enumerate(zip(labels, counts, strict=True))
    )
    return f"<table><tr><th class=t>true \\ predicted{head}<th>recall<th>precision</tr>{body}</table>"


def _shade(count: int, row: Sequence[int]) -> int:
    """Percent of colour: by the square root of the share, so that rare mistakes are seen."""
    return round(45 * (count / max(sum(row), 1)) ** 0.5)


def _comparisons(found: Mapping[str, Mapping]) -> str:
    if not found:
        return ""
    body = "".join(
        f"<tr><th class=t>{_(name)}<td>{c['accuracy']:.4f}<td>{c['difference']:+.4f}<td>{c['low']:+.4f} to {c['high']:+.4f}"
        f"<td>{c['won']:,}<td>{c['lost']:,}<td>{c['p_worse']:.3g}<td>"
        + "".join(
            f'<tr class="part {"refuse" if part["fell"] or part["recall_fell"] else ""}"><th class=t>{_(label)}<td>{part["rows"]:,} rows'
            f"<td>{part['difference']:+.4f}<td>{part['low']:+.4f} to {part['high']:+.4f}<td>{part['won']:,}<td>{part['lost']:,}"
            f"<td>{part['p_worse']:.3g}<td class=t>{_judged(part)}"
            for label, part in c["slices"].items()
        )
        for name, c in found.items()
    )
    head = (
        "<th class=t>against<th>its accuracy<th>difference<th>95% interval<th>rows won<th>lost<th>p (worse)<th class=t>"
    )
    return (
        f"<h2>On the same rows</h2><div class=wide><table><tr>{head}</tr>{body}</table></div>"
        "<p class=s>p is the exact one-sided McNemar test, of F1 a randomisation test. A class is judged by its F1, which a model does "
        "not lose by trading recall with another class; a slice fell where its loss is over its limit and p holds after Holm over all "
        "slices.</p>"
    )


def _judged(part: Mapping) -> str:
    """What decides on a slice where that is not the row itself, and what came of it."""
    told = f"F1 {part['change']:+.4f}, p {part['p']:.3g}" if part["kind"] == "class" else ""
    word = "fell" if part["fell"] else "recall fell" if part["recall_fell"] else "traded" if part["traded"] else ""
    return " ".join(filter(None, (told, word and f"<b>{word}</b>")))


def _behaviour(found: Mapping | None) -> str:
    if not found or not found["kinds"]:
        return ""
    body = "".join(
        f'<tr class="{"refuse" if p["over"] or p["more"] else ""}"><th class=t>{_(kind)}<td>{p["rows"]:,}<td>{p["flipped"]:,}'
        f"<td>{p['share']:.1%}<td>{p['low']:.1%} to {p['high']:.1%}"
        f"<td>{'' if p['champion'] is None else format(p['champion'], '.1%')}"
        for kind, p in found["kinds"].items()
    )
    head = "<th class=t>change<th>texts<th>labels flipped<th>share<th>95% interval<th>champion"
    flips = "".join(
        f"<tr><td class=l>{_(one['kind'])}<td class=t>{_(one['texts'][0][:300])}<br>{_(one['texts'][1][:300])}"
        f"<td class=l>{'<br>'.join(map(_, one['said']))}"
        for one in found["examples"]
    )
    examples = (
        f"<details><summary>Some of the flipped ones</summary><table><tr><th class=t>change<th class=t>before and after"
        f"<th class=t>candidate says</tr>{flips}</table></details>"
        if flips
        else ""
    )
    return f"<h2>Labels that should not move</h2><div class=wide><table><tr>{head}</tr>{body}</table></div>{examples}"


_DIFFERING = {
    "lost": "The champion has it right, the candidate wrong",
    "neither": "Both wrong, each in its own way",
    "won": "The candidate has it right, the champion wrong",
}


def _differing(found: Mapping | None) -> str:
    if not found:
        return ""
    head = "<th class=t>text<th class=t>true<th class=t>candidate says<th class=t>champion says<th>sure"
    tables = ""
    for name, title in _DIFFERING.items():
        part = found[name]
        body = "".join(
            f"<tr><td class=t>{_(r['text'])}<td class=l>{_(r['true'])}<td class=l>{_(r['said'])}<td class=l>{_(r['champion'])}"
            f"<td>{r['sure']:.1%}"
            for r in part["rows"]
        )
        more = f", {len(part['rows'])} shown" if part["count"] > len(part["rows"]) else ""
        table = f"<div class=wide><table><tr>{head}</tr>{body}</table></div>" if body else ""
        tables += f"<details{' open' if name == 'lost' else ''}><summary>{title}: {part['count']:,} rows{more}</summary>{table}</details>"
    return f"<h2>Where candidate and champion disagree</h2>{tables}"


def _rules(findings: Sequence[Mapping]) -> str:
    if not findings:
        return ""
    body = "".join(
        f"<tr class={_(f['outcome'])}><td class=l><b>{_(f['outcome'])}</b><td class=l>{_(f['rule'])}<td>{_number(f['value'])}"
        f"<td>{_number(f['limit'])}<td class=t>{_(f['message'])}"
        for f in findings
    )
    head = "<th class=t><th class=t>rule<th>value<th>limit<th class=t>evidence"
    return f"<h2>Rules</h2><div class=wide><table><tr>{head}</tr>{body}</table></div>"


def _number(value) -> str:
    return "" if value is None else f"{value:,}" if isinstance(value, int) else f"{value:.4g}"


def _data(data: Mapping | None) -> str:
    if not data:
        return ""
    return (
        f"<h2>Data verdict: {_(data['decision'])}</h2><ul>{_items(data.get('reasons', ()))}</ul>"
        f"<p class=s>Its page: <code>{_(place(data['page']))}</code></p>"
    )
