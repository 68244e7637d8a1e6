"""Every chart of every page, as inline SVG. Colours come from the style sheet, by class, so they follow light and dark.

Plain numbers in, markup out; what is no finite number is left out. Only the standard library and markupsafe.
"""

import math
from collections.abc import Callable, Mapping, Sequence

from markupsafe import Markup

WIDE, HALF, HEIGHT = 1100, 500, 240  # units of a drawing, which scales with the page
LEFT, RIGHT, TOP, BOTTOM = 50, 14, 12, 28
SHOWN = 30  # points beside each other, the newest
KINDS = "abcdefgh"  # classes of the palette, in order


def finite(value) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def ticks(low: float, high: float, wanted: int = 4) -> list[float]:
    """Round numbers from below `low` to above `high`, about `wanted` steps of 1, 2 or 5 times a power of ten."""
    span = max(high - low, 1e-9)
    power = 10.0 ** math.floor(math.log10(span / wanted))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor * wanted >= span)
    start, end = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(number * step, 10) for number in range(start, max(end, start + 1) + 1)]


def accuracy_chart(points: Sequence[Mapping], width: int = WIDE) -> Markup:
    """Test accuracy of each version with its 95% interval.

    points: `version`, `accuracy`, `low`, `high` (0..1), `role` ("champion", "held", "served" for once, or ""), `when`.
    """
    points = [p for p in points if finite(p["accuracy"]) and finite(p["low"]) and finite(p["high"])][-SHOWN:]
    if not points:
        return Markup("")
    marks = ticks(min(p["low"] for p in points), max(p["high"] for p in points))
    place = _scale(marks)
    parts = [_grid(marks, place, width)]
    step = (width - LEFT - RIGHT) / len(points)
    labels = []
    for number, p in enumerate(points):
        x = LEFT + step * (number + 0.5)
        title = f"version {p['version']}, {p['when']}: {p['accuracy']:.4f} (95% {p['low']:.4f} to {p['high']:.4f})"
        parts.append(
            Markup(
                '<g class="point {role}"><title>{title}</title>'
                '<path d="M{x:.1f} {low:.1f}V{high:.1f}M{a:.1f} {low:.1f}H{b:.1f}M{a:.1f} {high:.1f}H{b:.1f}"/>'
                '<circle cx="{x:.1f}" cy="{y:.1f}" r="5.5"/></g>'
            ).format(
                role=p["role"], title=title, x=x, a=x - 5, b=x + 5,
                low=place(p["low"]), high=place(p["high"]), y=place(p["accuracy"]),
            )
        )  # fmt: skip
        labels.append((x, f"v{p['version']}"))
    parts.append(_axis(labels, 12))
    return _figure(parts, "Test accuracy of each version with its 95% interval", width)


def line_chart(
    series: Sequence[Mapping],
    labels: Sequence[tuple[float, str]],
    title: str,
    marked: Sequence[float] = (),
    low: float | None = None,
    high: float | None = None,
    percent: bool = False,
    width: int = HALF,
) -> Markup:
    """Lines over numbers.

    series: `points` (x, y), `name` (for the legend; "" for none), `kind` (a letter of `KINDS`), and `dashed` for a limit, which
    has no dots; `joined` is False for dots without a line. labels: (x, text) below the axis. marked: x values with a dotted line. low, high: what the y axis
    shows at least.
    """
    drawn = [{**s, "points": [(x, y) for x, y in s["points"] if finite(x) and finite(y)]} for s in series]
    drawn = [s for s in drawn if s["points"]]
    if not drawn:
        return Markup("")
    xs = [x for s in drawn for x, _ in s["points"]] + [x for x, _ in labels]
    ys = [y for s in drawn for _, y in s["points"]] + [end for end in (low, high) if finite(end)]
    marks = ticks(min(ys), max(ys))
    place, across = _scale(marks), _across(min(xs), max(xs), width)
    parts = [_grid(marks, place, width, percent)]
    for x in marked:
        parts.append(_mark('<path class="kept" d="M{x:.1f} {a}V{b}"/>', x=across(x), a=TOP, b=HEIGHT - BOTTOM))
    for s in drawn:
        points = [(across(x), place(y), y) for x, y in s["points"]]
        kind = f"{s['kind']} dashed" if s.get("dashed") else s["kind"]
        ends = [(LEFT, points[0][1]), (width - RIGHT, points[0][1])]  # a limit at one point only: all across
        path = "L".join(f"{x:.1f} {y:.1f}" for x, y, *_ in (ends if s.get("dashed") and len(points) == 1 else points))
        if s.get("joined", True):
            parts.append(_mark('<path class="line {kind}" d="M{path}"/>', kind=kind, path=path))
        for x, y, value in points if not s.get("dashed") and len(points) <= 60 else ():
            parts.append(
                _mark(
                    '<circle class="{k}" cx="{x:.1f}" cy="{y:.1f}" r="3"><title>{t}</title></circle>',
                    k=s["kind"], x=x, y=y, t=f"{s['name']}: {value:.4f}",
                )
            )  # fmt: skip
    parts.append(_axis([(across(x), text) for x, text in labels], 8))
    return _figure(parts, title, width, [(s["name"], s["kind"]) for s in drawn if s.get("name")])


def bar_chart(
    series: Sequence[Mapping], labels: Sequence[str], title: str, stacked: bool = False, width: int = HALF
) -> Markup:
    """Shares (0..1) as bars, beside each other or stacked. series: `name`, `values` (one a label). labels: below the axis."""
    values = [s["values"] for s in series]
    highest = max([sum(of) for of in zip(*values)] if stacked else [max(of) for of in zip(*values)], default=0.0)
    if not labels or not highest:
        return Markup("")
    marks = [0.0, 0.25, 0.5, 0.75, 1.0] if stacked else ticks(0, highest)
    place, step = _scale(marks), (width - LEFT - RIGHT) / len(labels)
    thick = step * 0.72 / (1 if stacked else len(series))
    parts, base = [_grid(marks, place, width, percent=True)], [0.0] * len(labels)
    for number, s in enumerate(series):
        for at, value in enumerate(s["values"]):
            left = LEFT + step * (at + 0.14) + (0 if stacked else thick * number)
            parts.append(
                _mark(
                    '<rect class="{k}" x="{x:.1f}" y="{y:.1f}" width="{w:.1f}" height="{h:.1f}"><title>{t}</title></rect>',
                    k=KINDS[number % len(KINDS)], x=left, y=place(base[at] + value), w=thick,
                    h=place(base[at]) - place(base[at] + value), t=f"{labels[at]}, {s['name']}: {value:.1%}",
                )
            )  # fmt: skip
            base[at] += value if stacked else 0
    parts.append(_axis([(LEFT + step * (at + 0.5), text) for at, text in enumerate(labels)], 11))
    return _figure(parts, title, width, [(s["name"], KINDS[n % len(KINDS)]) for n, s in enumerate(series)])


def words_chart(words: Sequence[tuple[str, float, float]], title: str) -> Markup:
    """Words with two rates each, as bars to the right. words: (word, before, now), each in 10,000 words."""
    if not words:
        return Markup("")
    most, parts = max(max(before, now) for _, before, now in words), []
    for row, (word, before, now) in enumerate(words):
        y = 22 * row
        parts.append(_text(138, y + 15, word if len(word) <= 20 else word[:19] + "…", "end"))
        for kind, value, top in (("a", now, 3), ("f", before, 11)):
            parts.append(
                _mark(
                    '<rect class="{k}" x="146" y="{y}" width="{w:.1f}" height="7"><title>{t:.2f} in 10,000 words</title></rect>',
                    k=kind, y=y + top, w=290 * value / most, t=value,
                )
            )  # fmt: skip
        parts.append(_text(152 + 290 * max(before, now) / most, y + 15, f"{now:.1f}", "faint"))
    return _figure(parts, title, HALF, [("now", "a"), ("before", "f")], 22 * len(words) + 4)


def shares_chart(parts: Sequence[Mapping]) -> Markup:
    """The share right of each slice with its 95% interval. parts: `name`, `rows`, `share`, `low`, `high`."""
    if not parts:
        return Markup("")
    least = min(0.9, *(int(part["low"] * 10) / 10 for part in parts))

    def at(share: float) -> float:
        return 140 + 220 * (share - least) / (1 - least)

    foot, drawn = 24 * len(parts) + 6, []
    for row, part in enumerate(parts):
        y = 24 * row + 14
        drawn.append(_text(130, y + 4, part["name"], "end"))
        drawn.append(
            _mark('<path class="line b" d="M{a:.1f} {y}H{b:.1f}"/>', a=at(part["low"]), b=at(part["high"]), y=y)
        )
        drawn.append(_mark('<circle class="b" cx="{x:.1f}" cy="{y}" r="4"/>', x=at(part["share"]), y=y))
        drawn.append(_text(370, y + 4, f"{part['share']:.1%} of {part['rows']:,}", "start"))
    drawn.append(_mark('<path class="grid" d="M140 {y}H360"/>', y=foot))
    drawn += [_text(140, foot + 16, f"{least:.0%}", "middle faint"), _text(360, foot + 16, "100%", "middle faint")]
    return _figure(drawn, "Share right by slice", HALF, (), foot + 20)


def coverage_chart(points: Sequence[Mapping]) -> Markup:
    """Accuracy over the share of rows that a least confidence leaves. points: `min_confidence`, `coverage`, `accuracy` (0..1)."""
    points = [p for p in points if finite(p["accuracy"])]
    line = {"points": [(p["coverage"], p["accuracy"]) for p in points], "name": "accuracy", "kind": "b"}
    labels = [(p["coverage"], f"{p['coverage']:.0%}") for p in points]
    return line_chart([line], labels, "Accuracy over the share of rows labelled", high=1.0, percent=True)


def calibration_chart(bins: Sequence[Mapping]) -> Markup:
    """How often right over how sure. bins: `sure`, `right` (0..1) and `rows`."""
    place, across = _scale([0.0, 1.0]), _across(0.0, 1.0, HALF)
    drawn = [
        _grid([0.0, 0.25, 0.5, 0.75, 1.0], place, HALF, percent=True),
        _mark(
            '<path class="kept" d="M{a:.1f} {b:.1f}L{c:.1f} {d:.1f}"/>',
            a=across(0),
            b=place(0),
            c=across(1),
            d=place(1),
        ),
    ]
    for b in bins:
        title = f"{b['rows']:,} rows: sure {b['sure']:.1%}, right {b['right']:.1%}"
        size = 3 + min(6, b["rows"] ** 0.5 / 8)
        drawn.append(
            _mark(
                '<circle class="b" cx="{x:.1f}" cy="{y:.1f}" r="{r:.1f}"><title>{t}</title></circle>',
                x=across(b["sure"]), y=place(b["right"]), r=size, t=title,
            )
        )  # fmt: skip
    drawn.append(_axis([(across(x), f"{x:.0%}") for x in (0, 0.25, 0.5, 0.75, 1)], 5))
    return _figure(drawn, "Share right over stated probability", HALF)


def heat_map(rows: Sequence[str], columns: Sequence[str], weights: Sequence[Sequence[float]], title: str) -> Markup:
    """A cell for each pair of names, the darker the larger its weight; cells under 2% of the darkest are left out."""
    cell, longest = 13, 18
    names = [[name[:longest] for name in of] for of in (rows, columns)]
    margin = 20 + 7 * max(len(name) for of in names for name in of)
    highest = max(max(of) for of in weights) or 1.0
    drawn = [_text(margin - 5, margin + cell * (at + 0.8), name, "end") for at, name in enumerate(names[0])]
    drawn += [
        _mark(
            '<text transform="translate({x:.0f} {y}) rotate(-90)">{name}</text>',
            x=margin + cell * (at + 0.8), y=margin - 5, name=name,
        )
        for at, name in enumerate(names[1])
    ]  # fmt: skip
    for row, of in enumerate(weights):
        for column, weight in enumerate(of):
            if weight >= 0.02 * highest:
                drawn.append(
                    _mark(
                        '<rect class="b" x="{x}" y="{y}" width="{s}" height="{s}" fill-opacity="{o:.2f}"><title>{t}</title></rect>',
                        x=margin + cell * column, y=margin + cell * row, s=cell - 1, o=weight / highest,
                        t=f"{names[0][row]} → {names[1][column]} {weight:.1%}",
                    )
                )  # fmt: skip
    wide, high = margin + cell * len(columns), margin + cell * len(rows)
    return Markup(
        '<svg class="map" width="{w}" height="{h}" viewBox="0 0 {w} {h}" role="img" aria-label="{t}">{parts}</svg>'
    ).format(w=wide, h=high, t=title, parts=Markup("").join(drawn))


def share_bar(value, low: float = 0.0) -> Markup:
    """A bar for a share in 0..1, drawn from `low` so that differences near the top can be seen."""
    if not finite(value):
        return Markup("")
    width = 120 * max(0.0, min(1.0, (value - low) / (1 - low)))
    return _mark('<svg class="bar" viewBox="0 0 120 10" aria-hidden="true"><rect class="back" width="120" height="10" rx="3"/>'
                 '<rect class="front" width="{w:.1f}" height="10" rx="3"/></svg>', w=width)  # fmt: skip


def categories(names: Sequence, values: Sequence[Sequence]) -> tuple[list[tuple[float, str]], list[list[tuple]]]:
    """Labels and points of lines over names that stand evenly beside each other. values: one list a line."""
    return [(at, str(name)) for at, name in enumerate(names)], [list(enumerate(of)) for of in values]


def _scale(marks: Sequence[float]) -> Callable[[float], float]:
    low, high = marks[0], marks[-1]
    return lambda value: TOP + (HEIGHT - TOP - BOTTOM) * (1 - (value - low) / (high - low))


def _across(low: float, high: float, width: int) -> Callable[[float], float]:
    if low == high:
        return lambda value: (LEFT + width - RIGHT) / 2
    return lambda value: LEFT + 8 + (width - LEFT - RIGHT - 16) * (value - low) / (high - low)


def _grid(marks: Sequence[float], place: Callable[[float], float], width: int, percent: bool = False) -> Markup:
    decimals = max(0, min(6, -math.floor(math.log10(marks[1] - marks[0]) + 1e-9)))
    lines = (
        _mark('<path class="grid" d="M{a} {y:.1f}H{b}"/>', a=LEFT, b=width - RIGHT, y=place(mark))
        + _text(LEFT - 7, place(mark) + 4, f"{mark:.0%}" if percent else f"{mark:.{decimals}f}", "end")
        for mark in marks
    )
    return Markup("").join(lines)


def _axis(labels: Sequence[tuple[float, str]], most: int) -> Markup:
    """labels: (place, text); every second, third … where there are more than `most`."""
    every = max(1, math.ceil(len(labels) / most))
    return Markup("").join(_text(x, HEIGHT - 10, text, "middle") for x, text in labels[::every])


def _text(x: float, y: float, text: str, kind: str) -> Markup:
    return _mark('<text x="{x:.1f}" y="{y:.1f}" class="{kind}">{text}</text>', x=x, y=y, text=text, kind=kind)


def _mark(template: str, **values) -> Markup:
    """template: a literal of this file; values are escaped."""
    return Markup(template).format(**values)  # noqa: S704, the values are escaped


def _figure(
    parts: Sequence[Markup], title: str, width: int, legend: Sequence[tuple[str, str]] = (), height: int = HEIGHT
) -> Markup:
    """A drawing with its legend below, which wraps on narrow screens. legend: (name, kind)."""
    key = Markup("").join(_mark('<span><i class="{k}"></i>{n}</span>', k=kind, n=name) for name, kind in legend)
    return Markup(
        '<figure class="{size}"><svg class="chart" viewBox="0 0 {w} {h}" role="img" aria-label="{title}">{parts}</svg>{key}</figure>'
    ).format(
        size="full" if width > HALF else "half", w=width, h=height, title=title, parts=Markup("").join(parts),
        key=_mark("<figcaption>{key}</figcaption>", key=key) if key else "",
    )  # fmt: skip
