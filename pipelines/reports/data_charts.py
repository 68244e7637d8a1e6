"""The verdict's pictures: lengths, class balance, drift over spans and new words, each for a light and a dark page."""

import itertools
from collections.abc import Callable
from pathlib import Path

from components.data_quality import drift
from components.data_quality.checks import span_skew
from components.data_quality.profile import EDGES

COLOURS = ("#4c78d8", "#e3a008", "#e5604d", "#2fa58b", "#9b6bd3", "#8a8f98", "#c2679f", "#7a9a3a")
_INK = {"light": "#24292f", "dark": "#d6dae0"}


def draw(folder: Path, profile: dict, champion: dict | None) -> list[tuple[str, str]]:
    """Writes the pictures that the data allow as `<name>.png` and `<name>.dark.png`; returns (name, caption) of each."""
    train, spans = profile["train"], dict(sorted(profile["spans"].items()))
    pictures: list[tuple[str, str, Callable]] = [
        ("lengths", "Words in a text", lambda axes: _lengths(axes, train, champion)),
        ("classes", "Class balance" + (" by span" if spans else ""), lambda axes: _classes(axes, train, spans)),
    ]
    skews = span_skew(spans)
    if skews:
        caption = "Distance of each span from the other spans (0 alike, 1 nothing in common)"
        pictures.append(("drift", caption, lambda axes: _skew(axes, skews)))
    words, caption = _new_words(train, spans, champion)
    if words:
        pictures.append(("words", caption, lambda axes: _words(axes, words)))
    for name, _, plot in pictures:
        for theme, ink in _INK.items():
            _picture(folder / (f"{name}.png" if theme == "light" else f"{name}.dark.png"), ink, plot)
    return [(name, caption) for name, caption, _ in pictures]


def _picture(path: Path, ink: str, plot: Callable) -> None:
    from matplotlib.figure import Figure  # 1 s of import; no pyplot, so no global state and no display

    figure = Figure(figsize=(6.4, 3.4), dpi=150, layout="constrained")
    axes = figure.add_subplot()
    plot(axes)
    axes.tick_params(colors=ink, labelsize=9)
    axes.xaxis.label.set_color(ink)
    axes.yaxis.label.set_color(ink)
    for side, spine in axes.spines.items():
        spine.set_visible(side in ("left", "bottom"))
        spine.set_color(ink)
    legend = axes.get_legend()
    for text in legend.get_texts() if legend else ():
        text.set_color(ink)
    figure.savefig(path, transparent=True, metadata={"Software": None})


def _legend(axes, columns: int) -> None:
    axes.legend(
        frameon=False, fontsize=9, ncols=columns, loc="lower left", bbox_to_anchor=(0, 1), borderaxespad=0.2
    )  # above the plot, where it covers nothing


def _lengths(axes, train: dict, champion: dict | None) -> None:
    names = [f"{low}–{high - 1}" for low, high in itertools.pairwise(EDGES)] + [f"{EDGES[-1]}+"]
    series = [("this run", train)] + ([("champion", champion)] if champion else [])
    width = 0.8 / len(series)
    for at, (name, profile) in enumerate(series):
        total = sum(profile["lengths"]) or 1
        places = [i + (at - (len(series) - 1) / 2) * width for i in range(len(names))]
        axes.bar(places, [n / total for n in profile["lengths"]], width, label=name, color=COLOURS[at])
    axes.set_xticks(range(len(names)), names, rotation=45, ha="right")
    axes.set_ylabel("share of rows")
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    _legend(axes, 2)


def _classes(axes, train: dict, spans: dict) -> None:
    shown = dict(list(spans.items())[-40:]) if spans else {"all": train}
    base = [0.0] * len(shown)
    for at, label in enumerate(train["labels"]):
        shares = [p["labels"].get(label, 0) / (p["rows"] or 1) for p in shown.values()]
        axes.bar(list(shown), shares, 0.75, bottom=base, label=_plain(label), color=COLOURS[at % len(COLOURS)])
        base = [a + b for a, b in zip(base, shares)]
    _dates(axes, list(shown))
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    axes.set_ylabel("share of rows")
    _legend(axes, 4)


def _skew(axes, skews: list[dict]) -> None:
    shown = skews[-40:]
    names = [s["span"] for s in shown]
    for at, what in enumerate(("labels", "lengths", "words")):
        axes.plot(names, [s[what] for s in shown], marker="o", markersize=4, label=what, color=COLOURS[at])
    axes.set_ylim(0, max(0.2, *(s["most"] for s in shown)) * 1.1)
    axes.set_ylabel("distance")
    _dates(axes, names)
    _legend(axes, 3)


def _words(axes, words: list[tuple[str, float, float]]) -> None:
    words = words[::-1]
    places = range(len(words))
    axes.barh([p + 0.2 for p in places], [now for _, _, now in words], 0.4, label="now", color=COLOURS[0])
    axes.barh([p - 0.2 for p in places], [was for _, was, _ in words], 0.4, label="before", color=COLOURS[5])
    axes.set_yticks(list(places), [_plain(word)[:24] for word, _, _ in words])
    axes.set_xlabel("times in 10,000 words")
    _legend(axes, 2)


def _new_words(train: dict, spans: dict, champion: dict | None) -> tuple[list, str]:
    if champion:
        return drift.new_words(champion, train), "Words that gained most since the champion's training rows"
    if len(spans) < 2:
        return [], ""
    (_, before), (newest, now) = list(spans.items())[-2:]
    return drift.new_words(before, now), f"Words that gained most in span {newest} over the span before"


def _dates(axes, names: list[str]) -> None:
    every = max(1, len(names) // 10)
    axes.set_xticks(range(0, len(names), every), names[::every], rotation=30 if len(names) > 3 else 0, ha="center")


def _plain(text: str) -> str:
    """Text that matplotlib does not take for mathematics, in letters that its font can draw."""
    return "".join(c if c.isprintable() else "?" for c in text).replace("$", r"\$")
