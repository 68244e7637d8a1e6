"""A confusion matrix as a PNG, for places that show pictures and no pages (MLflow)."""

from collections.abc import Sequence
from pathlib import Path

LONGEST = 24  # characters of a label


def draw(path: Path, matrix: Sequence[Sequence[int]], labels: Sequence[str], title: str) -> None:
    """matrix: counts [true class][answered class]. Each cell is shaded by its share of the row."""
    # Without pyplot: it would hold state and pick a window system.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    names = [label if len(label) <= LONGEST else label[: LONGEST - 1] + "…" for label in labels]
    shares = [[cell / max(sum(row), 1) for cell in row] for row in matrix]
    size = 2.6 + 0.7 * len(names)
    figure = Figure(figsize=(size, size), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    axes.set_xticks(range(len(names)), names, rotation=45, ha="right", parse_math=False)
    axes.set_yticks(range(len(names)), names, parse_math=False)
    axes.set(xlabel="answer", ylabel="true label")
    axes.set_title(title, fontsize=10, parse_math=False)
    for i, row in enumerate(matrix):
        for j, count in enumerate(row):
            axes.text(j, i, f"{count:,}", ha="center", va="center", color="white" if shares[i][j] > 0.5 else "black")
    figure.savefig(str(path), dpi=110, metadata={"Software": None})
