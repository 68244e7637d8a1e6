"""A line's drift over time as one self-contained HTML page, light and dark. Everything that came from data is escaped."""

import base64
import html
import io
import itertools
from collections.abc import Sequence

COLOURS = ("#4c78d8", "#e3a008", "#e5604d", "#2fa58b", "#9b6bd3", "#8a8f98", "#c2679f", "#7a9a3a")
_INK = {"light": "#24292f", "dark": "#d6dae0"}
_BATCHES = 60  # newest ones that are drawn
_STYLE = """
:root{color-scheme:light dark;--line:#8883;--warn:#a86400;--pass:#2e7d32}
@media(prefers-color-scheme:dark){:root{--warn:#e3a008;--pass:#56c271}}
body{font:15px/1.5 system-ui,sans-serif;max-width:72rem;margin:2rem auto;padding:0 1rem}
h1{font-size:1.6rem;margin:0 0 .5rem}h2{font-size:1.15rem;margin:2rem 0 .5rem}
.wide{overflow-x:auto}table{border-collapse:collapse;width:100%}
td,th{text-align:left;padding:.4rem .8rem .4rem 0;border-bottom:1px solid var(--line);vertical-align:top}
th{font-weight:600;font-size:13px;white-space:nowrap}.n{text-align:right;white-space:nowrap;font-variant-numeric:tabular-nums}
td.c{white-space:nowrap}.over{color:var(--warn);font-weight:600}.well{color:var(--pass)}
ul{margin:0;padding-left:1.1rem}img{width:100%;height:auto;max-width:60rem}
"""


def pictures(history: Sequence[dict]) -> dict[str, bytes]:
    """PNG by theme, "light" and "dark": distances, confidence and answers by class over the newest batches."""
    return {theme: _picture(history[-_BATCHES:], ink) for theme, ink in _INK.items()}


def _picture(history: Sequence[dict], ink: str) -> bytes:
    from matplotlib.figure import Figure  # no pyplot, so no global state and no display

    figure = Figure(figsize=(9, 7.2), dpi=130, layout="constrained")
    distance, confidence, classes = figure.subplots(3, 1, sharex=True)
    places = range(len(history))
    for at, name in enumerate(("words", "lengths", "classes")):
        values = [entry["drift"][name] for entry in history]
        distance.plot(
            places,
            [float("nan") if v is None else v for v in values],
            marker="o",
            markersize=4,
            label=name,
            color=COLOURS[at],
        )
        limits = [entry["limits"][f"max_{name}"] for entry in history]
        distance.plot(places, limits, linestyle=":", linewidth=1, color=COLOURS[at])
    distance.set_ylim(bottom=0)
    distance.set_ylabel("distance (dotted: limit)")
    confidence.plot(
        places, [e["confidence"] for e in history], marker="o", markersize=4, label="mean confidence", color=COLOURS[0]
    )
    least = [
        float("nan")
        if e["expected_confidence"] is None
        else e["expected_confidence"] - e["limits"]["max_confidence_drop"]
        for e in history
    ]
    confidence.plot(places, least, linestyle=":", linewidth=1, color=COLOURS[0], label="limit")
    confidence.plot(
        places,
        [e["unsure"] for e in history],
        marker="s",
        markersize=3,
        label="share of unsure answers",
        color=COLOURS[2],
    )
    confidence.set_ylim(0, 1.02)
    base = [0.0] * len(history)
    for at, label in enumerate(dict.fromkeys(label for entry in history for label in entry["classes"])):
        shares = [entry["classes"].get(label, 0) / max(entry["rows"]["out"], 1) for entry in history]
        classes.bar(places, shares, 0.6, bottom=base, label=_plain(label), color=COLOURS[at % len(COLOURS)])
        base = [a + b for a, b in zip(base, shares)]
    classes.set_ylabel("answers by class")
    classes.set_xlim(-0.6, max(len(history) - 0.4, 0.6))
    every = max(1, len(history) // 12)
    names = [f"{entry['day']}\nversion {entry['version']}" for entry in history]
    classes.set_xticks(list(places)[::every], names[::every])
    for axes in (confidence, classes):
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    for axes in (distance, confidence, classes):
        for at, (before, now) in enumerate(itertools.pairwise(history)):
            if before["version"] != now["version"]:
                axes.axvline(at + 0.5, color=ink, linewidth=0.8, alpha=0.5)
        _ink(axes, ink)
    out = io.BytesIO()
    figure.savefig(out, format="png", transparent=True, metadata={"Software": None})
    return out.getvalue()


def _ink(axes, ink: str) -> None:
    axes.legend(
        frameon=False, fontsize=9, ncols=4, loc="lower left", bbox_to_anchor=(0, 1), borderaxespad=0.2, labelcolor=ink
    )
    axes.tick_params(colors=ink, labelsize=9)
    axes.yaxis.label.set_color(ink)
    for side, spine in axes.spines.items():
        spine.set_visible(side in ("left", "bottom"))
        spine.set_color(ink)


def page(line: str, history: Sequence[dict], pictures: dict[str, bytes]) -> str:
    """history: lines of `history.jsonl`, oldest first; pictures: as `pictures` gives them."""
    light, dark = (f"data:image/png;base64,{base64.b64encode(pictures[theme]).decode()}" for theme in ("light", "dark"))
    rows = "".join(map(_row, reversed(history)))
    newest = history[-1]["warnings"] if history else []
    state = f"<span class=over>{len(newest)} warnings</span>" if newest else "<span class=well>no warning</span>"
    alt = "Distances from the champion's train rows, confidence and answers by class, batch by batch"
    return f"""<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content="width=device-width">
<title>Drift on {_(line)}</title><style>{_STYLE}</style>
<h1>Drift on {_(line)}: {state}</h1>
<p>Recent articles, batch by batch, against the rows that the champion of the time was trained on. A distance is 0 where both are
alike and 1 where they have nothing in common; what chance alone gives is taken off.</p>
<picture><source srcset="{dark}" media="(prefers-color-scheme: dark)"><img src="{light}" alt="{alt}"></picture>
<h2>Batches, newest first</h2><div class=wide><table>
<tr><th>day<th class=n>version<th class=n>articles<th class=n>unreadable<th class=n>words<th class=n>lengths<th class=n>classes
<th class=n>confidence<th class=n>unsure<th class=n>to label<th>warnings</tr>{rows}</table></div></html>
"""


def _row(entry: dict) -> str:
    over = {warning["rule"] for warning in entry["warnings"]}
    cells = "".join(
        f"<td class='n{' over' if rule in over else ''}'>{value}"
        for rule, value in (
            ("quarantine", f"{entry['rows']['quarantined']:,}"),
            *((name, _number(entry["drift"][name])) for name in ("words", "lengths", "classes")),
            ("confidence", _number(entry["confidence"])),
        )
    )
    said = "".join(f"<li>{_(warning['message'])}" for warning in entry["warnings"])
    return (
        f"<tr><td class=c>{_(entry['day'])}<td class=n>{entry['version']}<td class=n>{entry['rows']['out']:,}{cells}"
        f"<td class=n>{entry['unsure']:.1%}<td class=n>{entry['queue']:,}<td>{f'<ul>{said}</ul>' if said else 'none'}</tr>"
    )


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _(value) -> str:
    return html.escape(str(value))


def _plain(text: str) -> str:
    """Text that matplotlib does not take for mathematics, in letters that its font can draw."""
    return "".join(c if c.isprintable() else "?" for c in text).replace("$", r"\$")
