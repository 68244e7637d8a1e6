"""The learning curves of a training as a picture."""

from collections.abc import Mapping, Sequence
from pathlib import Path


def learning_curves(history: Sequence[Mapping[str, float]], path: str | Path) -> None:
    """A PNG with loss and accuracy an epoch, training and validation, and the epoch whose weights were kept."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    # Without pyplot: it would hold state and pick a window system.
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    FigureCanvasAgg(figure)
    epochs = [row["epoch"] for row in history]
    for axes, name, unit in zip(figure.subplots(1, 2), ("loss", "accuracy"), ("nats", "share of rows"), strict=True):
        axes.plot(epochs, [row[name] for row in history], marker="o", label="training (dropout, smoothed labels)")
        axes.plot(epochs, [row[f"val_{name}"] for row in history], marker="o", label="validation")
        if history:
            axes.axvline(best(history)["epoch"], color="grey", linestyle=":", label="kept")
        axes.set(xlabel="epoch", ylabel=f"{name} ({unit})")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.legend()
    figure.savefig(str(path), dpi=120)
