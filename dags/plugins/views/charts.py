"""Small charts as inline SVG, drawn on the server. Colours come from the style sheet, by class."""

import math
from collections.abc import Callable, Mapping, Sequence

from markupsafe import Markup

WIDE, HALF, HEIGHT = 1100, 540, 250  # units of the drawing; it scales with the page, or half of it
LEFT, RIGHT, TOP, BOTTOM = 56, 16, 14, 44
SHOWN = 30  # points beside each other, the newest


def ticks(low: float, high: float, wanted: int = 4) -> list[float]:
    """Round numbers from below `low` to above `high`, about `wanted` steps of 1, 2 or 5 times a power of ten."""
    span = max(high - low, 1e-9)
    power = 10.0 ** math.floor(math.log10(span / wanted))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor * wanted >= span)
    start, end = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(number * step, 10) for number in range(start, max(end, start + 1) + 1)]


def accuracy_chart(points: Sequence[Mapping], width: int = WIDE) -> Markup:
    """Test accuracy of each version with its 95% interval.

    points: `version`, `accuracy`, `low`, `high` (0..1), `role` ("champion", "held", "served" for once, or ""), `when`. Points
    without a finite accuracy are left out.
    """
    points = [p for p in points if finite(p["accuracy"]) and finite(p["low"]) and finite(p["high"])][-SHOWN:]
    if not points:
        return Markup("")
    marks = ticks(min(p["low"] for p in points), max(p["high"] for p in points))
    place = _scale(marks)
    parts = [_grid(marks, place, width)]
    step = (width - LEFT - RIGHT) / len(points)
    every = math.ceil(len(points) / 8)
    for number, p in enumerate(points):
        x = LEFT + step * (number + 0.5)
        told = f"version {p['version']}, {p['when']}: {p['accuracy']:.4f} (95% {p['low']:.4f} to {p['high']:.4f})"
        parts.append(
            Markup(
                '<g class="point {role}"><title>{told}</title>'
                '<path d="M{x:.1f} {low:.1f}V{high:.1f}M{a:.1f} {low:.1f}H{b:.1f}M{a:.1f} {high:.1f}H{b:.1f}"/>'
                '<circle cx="{x:.1f}" cy="{y:.1f}" r="5.5"/></g>'
            ).format(
                role=p["role"], told=told, x=x, a=x - 5, b=x + 5,
                low=place(p["low"]), high=place(p["high"]), y=place(p["accuracy"]),
            )
        )  # fmt: skip
        if number % every == 0:
            parts.append(_label(x, HEIGHT - 26, f"v{p['version']}", "middle"))
            parts.append(_label(x, HEIGHT - 10, str(p["when"])[:10], "middle faint"))
    return _svg(parts, "Test accuracy of each version with its 95% interval", width)


def line_chart(
    series: Sequence[Mapping], xs: Sequence, title: str, kept: int | None = None, limit=None, width: int = HALF
) -> Markup:
    """Lines over common x values, evenly spaced.

    series: `name`, `kind` (a class: "a", "b", …), `values` (one each x; what is no finite number is a gap). kept: the
    index of an x to mark. limit: a value to draw a dashed line at.
    """
    values = [v for s in series for v in s["values"] if finite(v)] + ([limit] if finite(limit) else [])
    if not xs or not values:
        return Markup("")
    marks = ticks(min(values), max(values))
    place = _scale(marks)
    step = (width - LEFT - RIGHT) / max(len(xs) - 1, 1)
    at = [LEFT + step * i if len(xs) > 1 else (LEFT + width - RIGHT) / 2 for i in range(len(xs))]
    parts = [_grid(marks, place, width)]
    if kept is not None:
        parts.append(Markup('<path class="kept" d="M{x:.1f} {a}V{b}"/>').format(x=at[kept], a=TOP, b=HEIGHT - BOTTOM))
    if finite(limit):
        parts.append(
            Markup('<path class="limit" d="M{a} {y:.1f}H{b}"/>').format(a=LEFT, b=width - RIGHT, y=place(limit))
        )
    for s in series:
        shown = [(x, place(v), v, label) for x, v, label in zip(at, s["values"], xs) if finite(v)]
        path = "L".join(f"{x:.1f} {y:.1f}" for x, y, _, _ in shown)
        parts.append(Markup('<path class="line {kind}" d="M{path}"/>').format(kind=s["kind"], path=path))
        for x, y, value, label in shown:
            parts.append(
                Markup('<circle class="dot {k}" cx="{x:.1f}" cy="{y:.1f}" r="3.2"><title>{t}</title></circle>').format(
                    k=s["kind"], x=x, y=y, t=f"{s['name']}, {label}: {value:.4f}"
                )
            )
    every = math.ceil(len(xs) / 8)
    for i, label in enumerate(xs):
        if i % every == 0:
            parts.append(_label(at[i], HEIGHT - 24, str(label), "middle"))
    x = LEFT
    for s in series:
        parts.append(
            Markup('<circle class="dot {k}" cx="{x}" cy="{y}" r="4"/>').format(k=s["kind"], x=x + 4, y=HEIGHT - 9)
        )
        parts.append(_label(x + 13, HEIGHT - 5, s["name"], "start"))
        x += 30 + 6.4 * len(s["name"])
    return _svg(parts, title, width)


def share_bar(value, low: float = 0.0) -> Markup:
    """A bar for a share in 0..1, drawn from `low` so that differences near the top can be seen."""
    if not finite(value):
        return Markup("")
    width = 120 * max(0.0, min(1.0, (value - low) / (1 - low)))
    return Markup('<svg class="bar" viewBox="0 0 120 10" aria-hidden="true"><rect class="back" width="120" height="10" rx="3"/>'
                  '<rect class="front" width="{:.1f}" height="10" rx="3"/></svg>').format(width)  # fmt: skip


def finite(value) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _scale(marks: Sequence[float]) -> Callable[[float], float]:
    low, high = marks[0], marks[-1]
    return lambda value: TOP + (HEIGHT - TOP - BOTTOM) * (1 - (value - low) / (high - low))


def _grid(marks: Sequence[float], place: Callable[[float], float], width: int) -> Markup:
    decimals = max(0, min(6, -math.floor(math.log10(marks[1] - marks[0]) + 1e-9)))
    lines = (
        Markup('<path class="grid" d="M{a} {y:.1f}H{b}"/>').format(a=LEFT, b=width - RIGHT, y=place(mark))
        + _label(LEFT - 8, place(mark) + 4, f"{mark:.{decimals}f}", "end")
        for mark in marks
    )
    return Markup("").join(lines)


def _label(x: float, y: float, text: str, kind: str) -> Markup:
    return Markup('<text x="{:.1f}" y="{:.1f}" class="{}">{}</text>').format(x, y, kind, text)


def _svg(parts: Sequence[Markup], title: str, width: int) -> Markup:
    return Markup('<svg class="chart" viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>').format(
        width, HEIGHT, title, Markup("").join(parts)
    )
