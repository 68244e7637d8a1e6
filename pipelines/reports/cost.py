"""What a run's nodes cost, as the card, the comparison and the page *Models* show it."""

from collections.abc import Mapping, Sequence

from markupsafe import Markup

from pipelines.reports import charts


def total(cost: Mapping[str, Mapping], name: str) -> float | None:
    """`seconds` or `cpu_seconds` of all nodes together; None where none was recorded."""
    values = [part[name] for part in cost.values() if charts.finite(part.get(name))]
    return round(sum(values), 1) if values else None


def peak(cost: Mapping[str, Mapping]) -> float | None:
    """The most memory that a node used, 10^6 bytes."""
    return max((part["peak_mb"] for part in cost.values() if charts.finite(part.get("peak_mb"))), default=None)


def training(cost: Mapping[str, Mapping]) -> float | None:
    """Processor seconds of the Trainer; None where it took an earlier result."""
    part = cost.get("Trainer") or {}
    return part.get("cpu_seconds") if part.get("state") == "done" else None


def blocks(cost: Mapping[str, Mapping]) -> list[tuple]:
    """A section of the model card; empty for a version from before this was recorded."""
    if not cost:
        return []
    rows = [
        (node, part["state"], f"{part['seconds']:.1f}", f"{part['cpu_seconds']:.1f}", f"{part['peak_mb']:,.0f}")
        for node, part in cost.items()
    ]
    whole = (
        "all before the Registrar",
        "",
        f"{total(cost, 'seconds'):.1f}",
        f"{total(cost, 'cpu_seconds'):.1f}",
        f"{peak(cost):,.0f}",
    )
    heads = ("node", "state", "seconds", "processor seconds", "peak memory, MB")
    return [("heading", "What it cost"), ("table", heads, [*rows, whole])]


def chart(versions: Sequence[Mapping]) -> Markup:
    """Test accuracy over the processor seconds of the training, dots of one colour for each preset; empty with fewer than two versions.

    versions: `version`, `accuracy`, `preset`, and `cost` (`training`), oldest first.
    """
    known = [v for v in versions if charts.finite(v["cost"]) and charts.finite(v["accuracy"])][-charts.SHOWN :]
    if len(known) < 2:
        return Markup("")
    presets = list(dict.fromkeys(v["preset"] for v in known))
    series = [
        {
            "name": preset, "joined": False, "kind": charts.KINDS[number % len(charts.KINDS)],
            "points": sorted((v["cost"], v["accuracy"]) for v in known if v["preset"] == preset),
        }
        for number, preset in enumerate(presets)
    ]  # fmt: skip
    labels = [(seconds, f"{seconds:,.0f}") for seconds in sorted({v["cost"] for v in known})]
    return charts.line_chart(series, labels, "Test accuracy over processor seconds of the training")
