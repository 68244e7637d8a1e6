"""The learning curves of a training, for every page that shows them."""

from collections.abc import Mapping, Sequence

from pipelines.reports import charts, render


def curves(
    epochs: Sequence[Mapping], within: Sequence[Mapping] = (), rows: int | None = None, seconds: float | None = None
) -> dict | None:
    """`accuracy` and `loss` as charts, `epochs`, the `kept` one (none while a training is open), its `best` validation accuracy.

    epochs: one dict an epoch, as the Trainer's `history.json` has them. within: the training's own progress, `epoch` (a
    fraction), `loss` and `accuracy` each; where it is given, the curve of training is drawn through it. None without any point.
    """
    epochs = [row for row in epochs if isinstance(row, Mapping)]
    if not epochs and not within:
        return None
    ends = [row.get("epoch", at + 1) for at, row in enumerate(epochs)]
    kept = max(range(len(epochs)), key=lambda at: _rank(epochs[at])) if epochs else None

    def chart(name: str, unit: str):
        trained = within or [{"epoch": end, name: row.get(name)} for end, row in zip(ends, epochs)]
        series = [
            {"name": "training", "kind": "a", "points": [(row.get("epoch"), row.get(name)) for row in trained]},
            {"name": "validation", "kind": "b", "points": [(end, row.get(f"val_{name}")) for end, row in zip(ends, epochs)]},
        ]  # fmt: skip
        last = max([end for end in (*ends, *(row.get("epoch") for row in within)) if charts.finite(end)], default=1)
        labels = [(number, str(number)) for number in range(0 if within else 1, int(last) + 1)]
        return charts.line_chart(series, labels, f"{name} an epoch, {unit}", [] if kept is None else [ends[kept]])

    return {
        "accuracy": chart("accuracy", "share of rows"), "loss": chart("loss", "nats"), "epochs": len(epochs),
        "kept": None if kept is None else ends[kept],
        "best": None if kept is None else epochs[kept].get("final_accuracy", epochs[kept].get("val_accuracy")),
        "rows": rows, "seconds": seconds,
    }  # fmt: skip


def page(history: Mapping) -> str:
    """history: the Trainer's `history.json`."""
    found = curves(history["epochs"], rows=history.get("rows"), seconds=history.get("seconds"))
    return render.document("curves.html", curves=found)


def _rank(row: Mapping) -> tuple[float, float]:
    """As the training chooses the epoch to keep: highest validation accuracy, then lowest validation loss."""
    accuracy, loss = row.get("val_accuracy"), row.get("val_loss")
    return accuracy if charts.finite(accuracy) else -1.0, -loss if charts.finite(loss) else float("-inf")
