"""The data verdict as one self-contained HTML page, drawn from the JSON that the data gate left."""

from collections.abc import Mapping, Sequence

from markupsafe import Markup

from components.data_quality.checks import ORDER
from pipelines.reports import render


def page(verdict: Mapping, account: Mapping, pictures: Sequence[tuple[str, Markup]], docs: str = "") -> str:
    """verdict: as `verdict.json` has it; account: the Ingester's; pictures: (caption, chart); docs: Great Expectations' own page,
    relative to this one. It is named and not linked: its styles and scripts come from elsewhere, which Airflow's policy for pages
    forbids, so that only a file opened from the disk looks as it should.
    """
    ordered = sorted(verdict["findings"], key=lambda f: -ORDER.index(f["outcome"]))
    return render.document(
        "data_verdict.html",
        verdict=verdict,
        account=account,
        rows=account["rows"],
        wrong=[f for f in ordered if f["outcome"] != "pass"],
        right=[f for f in ordered if f["outcome"] == "pass"],
        pictures=pictures,
        docs=docs,
    )
