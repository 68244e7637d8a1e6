"""A line's drift over time: its charts, and the report as one self-contained HTML page."""

import itertools
from collections.abc import Mapping, Sequence

from pipelines.reports import charts, render

BATCHES = 60  # newest ones that are drawn
DISTANCES = {"words": "a", "lengths": "b", "classes": "c"}


def drawn(history: Sequence[Mapping]) -> dict:
    """`distances`, `trust` and `classes` as charts over the newest batches. history: lines of `history.jsonl`, oldest first."""
    rows = history[-BATCHES:]
    labels = [(at, str(row.get("day"))[-5:]) for at, row in enumerate(rows)]
    changes = [
        at + 0.5 for at, (one, two) in enumerate(itertools.pairwise(rows)) if one.get("version") != two.get("version")
    ]
    distances = [
        {"name": name, "kind": kind, "points": [(at, _of(row, "drift").get(name)) for at, row in enumerate(rows)]}
        for name, kind in DISTANCES.items()
    ] + [
        {"name": "", "kind": kind, "dashed": True, "points": [(at, _of(row, "limits").get(f"max_{name}")) for at, row in enumerate(rows)]}
        for name, kind in DISTANCES.items()
    ]  # fmt: skip
    trust = [
        {"name": name, "kind": kind, "points": [(at, row.get(key)) for at, row in enumerate(rows)]}
        for name, kind, key in (
            ("mean confidence", "b", "confidence"), ("on its test rows", "c", "expected_confidence"), ("share unsure", "a", "unsure"),
        )
    ]  # fmt: skip
    trust.append({"name": "limit of confidence", "kind": "limit", "dashed": True, "points": [(at, _least(row)) for at, row in enumerate(rows)]})  # fmt: skip
    names = list(dict.fromkeys(label for row in rows for label in _of(row, "classes")))
    shares = [
        {"name": name, "values": [_of(row, "classes").get(name, 0) / max(_of(row, "rows").get("out") or 1, 1) for row in rows]}
        for name in names
    ]  # fmt: skip
    return {
        "distances": charts.line_chart(distances, labels, "Distance from the champion's train rows", changes, low=0.0),
        "trust": charts.line_chart(
            trust, labels, "Confidence of the champion", changes, low=0.0, high=1.0, percent=True
        ),
        "classes": charts.bar_chart(shares, [text for _, text in labels], "Answers by class", stacked=True),
    }


def page(line: str, history: Sequence[Mapping]) -> str:
    """history: lines of `history.jsonl`, oldest first."""
    newest = history[-1]["warnings"] if history else []
    return render.document(
        "drift_report.html", line=line, newest=newest, found=drawn(history), history=list(reversed(history))
    )


def _least(row: Mapping) -> float | None:
    """The least confidence that raises no warning."""
    expected, drop = row.get("expected_confidence"), _of(row, "limits").get("max_confidence_drop")
    return expected - drop if charts.finite(expected) and charts.finite(drop) else None


def _of(row: Mapping, name: str) -> Mapping:
    return row.get(name) if isinstance(row.get(name), Mapping) else {}
