"""The model verdict's plots as SVG inside the page: they take its colours, light or dark. Numbers in, text out."""

import html
from collections.abc import Callable, Mapping, Sequence


def calibration_plot(bins: Sequence[Mapping]) -> str:
    """How often right over how sure. bins: `sure`, `right` (0..1) and `rows`."""
    points = "".join(
        f'<circle cx="{30 + 200 * b["sure"]:.1f}" cy="{210 - 200 * b["right"]:.1f}" r="{2 + min(6, b["rows"] ** 0.5 / 8):.1f}" '
        f'fill="var(--bar)"><title>{b["rows"]:,} rows: sure {b["sure"]:.1%}, right {b["right"]:.1%}</title></circle>'
        for b in bins
    )
    rows = sum(b["rows"] for b in bins)
    error = sum(b["rows"] * abs(b["sure"] - b["right"]) for b in bins) / rows
    return f"""<p class=s>On average {error:.1%} between how sure the model is and how often it is right.</p>
<svg viewBox="0 0 410 240" role=img aria-label="share right over stated probability">
<path d="M30 10V210H230" fill=none stroke="var(--line)"/><path d="M30 210L230 10" stroke="var(--line)" stroke-dasharray=4 />
{points}<text x=30 y=228>0</text><text x=85 y=228>stated probability</text><text x=224 y=228>1</text>
<text x=14 y=213>0</text><text x=14 y=18>1</text></svg>"""


def shares_plot(parts: Sequence[Mapping]) -> str:
    """The share right of each slice with its 95% interval. parts: `name`, `rows`, `share`, `low`, `high`."""
    least = min(0.9, *(int(part["low"] * 10) / 10 for part in parts))

    def at(share: float) -> float:
        return 120 + 190 * (share - least) / (1 - least)

    lines = "".join(
        f'<text x=112 y="{24 * i + 24}" text-anchor=end>{html.escape(part["name"])}</text>'
        f'<path d="M{at(part["low"]):.1f} {24 * i + 20}H{at(part["high"]):.1f}" stroke="var(--bar)" stroke-width=2 />'
        f'<circle cx="{at(part["share"]):.1f}" cy="{24 * i + 20}" r=4 fill="var(--bar)"/>'
        f'<text x=318 y="{24 * i + 24}">{part["share"]:.1%} of {part["rows"]:,}</text>'
        for i, part in enumerate(parts)
    )
    foot = 24 * len(parts) + 24
    return f"""<p class=s>Share right, with its 95% interval: recall of a class, accuracy of a length.</p>
<svg viewBox="0 0 410 {foot}" role=img aria-label="share right by slice">{lines}
<path d="M120 {foot - 14}H310" stroke="var(--line)"/><text x=112 y={foot - 2}>{least:.0%}</text><text x=296 y={foot - 2}>100%</text></svg>"""


def curves_plot(epochs: Sequence[Mapping]) -> str:
    """Loss and accuracy an epoch, of training (grey) and validation. epochs: `loss`, `accuracy`, `val_loss`, `val_accuracy`."""
    kept = max(epochs, key=lambda row: (row["val_accuracy"], -row["val_loss"])) if epochs else {}
    panels = _curve(epochs, "loss", 0, "{:.2f}".format) + _curve(epochs, "accuracy", 205, "{:.3f}".format)
    return f"""<p class=s>Validation in colour, training in grey (with dropout and smoothed labels).
Kept: epoch {epochs.index(kept) + 1} of {len(epochs)}, validation accuracy {kept.get("final_accuracy", kept["val_accuracy"]):.4f}.</p>
<svg viewBox="0 0 410 170" role=img aria-label="loss and accuracy by epoch">{panels}</svg>"""


def _curve(epochs: Sequence[Mapping], name: str, left: int, shown: Callable[[float], str]) -> str:
    values = [float(row[key]) for row in epochs for key in (name, f"val_{name}")]
    low, high = min(values), max(values)

    def line(key: str, colour: str) -> str:
        points = [
            (
                left + 45 + 140 * (i / max(len(epochs) - 1, 1)),
                130 - 100 * (float(row[key]) - low) / ((high - low) or 1.0),
            )
            for i, row in enumerate(epochs)
        ]
        dots = "".join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r=3 fill="{colour}"/>' for x, y in points)
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        return f'<polyline points="{path}" fill=none stroke="{colour}" stroke-width=1.5 />{dots}'

    return (
        f'<text x={left + 45} y=16>{name}</text><path d="M{left + 40} 22V135H{left + 190}" fill=none stroke="var(--line)"/>'
        f"<text x={left + 36} y=34 text-anchor=end>{shown(high)}</text><text x={left + 36} y=133 text-anchor=end>{shown(low)}</text>"
        f"<text x={left + 45} y=150>1</text><text x={left + 185} y=150 text-anchor=end>epoch {len(epochs)}</text>"
        + line(name, "var(--other)")
        + line(f"val_{name}", "var(--bar)")
    )
