"""Attention as a PNG: a heat map a head where every token looks at every token, a bar a token where one answer does."""

import math
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np

LONGEST = 18  # characters of a token beside the picture
_INCHES = 0.19  # a token beside its row
_WIDEST = 7.0  # inches of one map among several


def draw(path: str | Path, tokens: Sequence[str], attention: np.ndarray, title: str) -> None:
    """tokens: of one text, without padding; attention: float[heads, from, tokens], from = tokens or 1."""
    # Without pyplot: it would hold state and pick a window system.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    names = [token if len(token) <= LONGEST else token[: LONGEST - 1] + "…" for token in tokens]
    figure = Figure(layout="constrained")
    FigureCanvasAgg(figure)
    if not tokens:
        figure.set_size_inches(7, 1.2)
    elif attention.shape[1] == 1:
        _bars(figure, names, attention[0, 0])
    else:
        _maps(figure, names, attention)
    figure.suptitle(title, parse_math=False)
    with warnings.catch_warnings():
        # The font lacks some scripts; the page beside the picture shows them.
        warnings.filterwarnings("ignore", message=r"Glyph \d+ ", category=UserWarning)
        warnings.filterwarnings("ignore", message="Matplotlib currently does not support", category=UserWarning)
        figure.savefig(str(path), dpi=110, metadata={"Software": None})


def _bars(figure, names: Sequence[str], weights: np.ndarray) -> None:
    figure.set_size_inches(7, 1.4 + _INCHES * len(names))
    axes = figure.add_subplot()
    axes.barh(range(len(names)), weights, color="#4c78d8")
    axes.set_yticks(range(len(names)), names, fontsize=9, parse_math=False)
    axes.set(xlabel="share of attention", ylim=(len(names) - 0.5, -0.5))
    axes.spines[["top", "right"]].set_visible(False)


def _maps(figure, names: Sequence[str], attention: np.ndarray) -> None:
    heads = len(attention)
    columns = math.ceil(math.sqrt(heads))
    rows = math.ceil(heads / columns)
    side = 2.2 + _INCHES * len(names)
    side = side if heads <= 2 else min(side, _WIDEST)
    figure.set_size_inches(columns * (side + 0.6), rows * side + 0.6)
    size = max(3.0, min(9.0, 72 * (side - 1.6) / len(names) * 0.85))
    grid = figure.subplots(rows, columns, squeeze=False)
    for number, axes in enumerate(grid.flat):
        if number >= heads:
            axes.set_axis_off()
            continue
        shown = axes.imshow(attention[number], cmap="Blues", vmin=0, interpolation="nearest")
        axes.set_title(f"head {number + 1}", fontsize=10)
        axes.set_xticks(range(len(names)), names, rotation=90, fontsize=size, parse_math=False)
        axes.set_yticks(range(len(names)), names, fontsize=size, parse_math=False)
        figure.colorbar(shown, ax=axes, shrink=0.7)
    figure.supylabel("this word …", fontsize=10)
    figure.supxlabel("… takes from this one", fontsize=10)
