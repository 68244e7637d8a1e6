"""The model verdict as one self-contained HTML page, drawn from the two JSON files that the model gate left."""

from collections.abc import Mapping, Sequence

from pipelines.reports import charts, learning_curves, render

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
) -> str:
    """verdict: as `verdict.json` has it; bins: as `calibration` gives them; differing: as `disagreements` does.

    curves: one dict an epoch, as the Trainer's `history.json` has them; data: the data verdict, with the path of its `page`, which
    is named and not linked: Airflow shows the two pages at addresses that no link fits as well as the disk.
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
        behaviour=behaviour if behaviour and behaviour["kinds"] else None,
        data=data,
        differing=differing,
        differing_titles=DIFFERING,
    )


def _gap(bins: Sequence[Mapping]) -> float | None:
    """Mean distance between how sure and how often right, over all rows."""
    rows = sum(b["rows"] for b in bins)
    return sum(b["rows"] * abs(b["sure"] - b["right"]) for b in bins) / rows if rows else None
