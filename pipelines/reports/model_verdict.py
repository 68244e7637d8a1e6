"""The model verdict as one self-contained HTML page, drawn from the two JSON files that the model gate left."""

import csv
import io
from collections.abc import Mapping, Sequence

from components.core import csv_escape
from pipelines.reports import charts, learning_curves, render

CSV = "rows.csv"  # beside the page
SHOWN = {"lost": 25, "neither": 5, "won": 10}  # rows of each kind on the page
SHOWN_OF_A_CELL = 25
DIFFERING = {
    "lost": "The champion has it right, the candidate wrong",
    "neither": "Both wrong, each in its own way",
    "won": "The candidate has it right, the champion wrong",
}


def page(
    verdict: Mapping,
    labels: Sequence[str],
    bins: Sequence[Mapping] = (),
    differing: Mapping | None = None,
    curves: Sequence[Mapping] = (),
    data: Mapping | None = None,
    mistakes: Sequence[Mapping] = (),
) -> str:
    """verdict: as `verdict.json` has it; bins: as `calibration` gives them; differing: as `disagreements` does.

    curves: one dict an epoch, as the Trainer's `history.json` has them; data: the data verdict, with the path of its `page`, which
    is named and not linked: Airflow shows the two pages at addresses that no link fits as well as the disk. mistakes: as
    `diagnostics.mistakes` gives them; the cells of the confusion matrix open their rows.
    """
    behaviour = verdict.get("behaviour")
    return render.document(
        "model_verdict.html",
        verdict=verdict,
        labels=labels,
        slices=charts.shares_chart(verdict["metrics"].get("slices") or ()),
        calibration=charts.calibration_chart(bins) if bins else "",
        gap=_gap(bins),
        coverage=charts.coverage_chart(verdict["metrics"].get("coverage") or ()),
        curves=learning_curves.curves(curves),
        fresh=verdict.get("fresh"),
        behaviour=behaviour if behaviour and behaviour["kinds"] else None,
        data=data,
        differing=differing,
        differing_titles=DIFFERING,
        mistakes=mistakes,
        at_most={**SHOWN, "cell": SHOWN_OF_A_CELL},
        saved=CSV if mistakes or differing else "",
    )


def rows_as_csv(labels: Sequence[str], mistakes: Sequence[Mapping], differing: Mapping | None) -> str:
    """Every row that the gate kept of what the candidate has wrong, and of what it has right and the champion wrong, as CSV for
    a spreadsheet. No cell is taken for a formula (`components.core.csv_escape`)."""
    rows = [
        ("wrong", labels[cell["true"]], labels[cell["said"]], f"{row['sure']:.6f}", row["champion"] or "", row["text"])
        for cell in mistakes
        for row in cell["rows"]
    ] + [
        ("won", row["true"], row["said"], f"{row['sure']:.6f}", row["champion"], row["text"])
        for row in (differing or {}).get("won", {"rows": []})["rows"]
    ]
    return as_csv(("kind", "true", "candidate", "probability", "champion", "text"), rows)


def as_csv(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """CSV of which no spreadsheet takes a cell for a formula."""
    out = io.StringIO()
    table = csv.writer(out)
    table.writerow(heads)
    table.writerows(map(csv_escape.safe, row) for row in rows)
    return out.getvalue()


def _gap(bins: Sequence[Mapping]) -> float | None:
    """Mean distance between how sure and how often right, over all rows."""
    rows = sum(b["rows"] for b in bins)
    return sum(b["rows"] * abs(b["sure"] - b["right"]) for b in bins) / rows if rows else None
