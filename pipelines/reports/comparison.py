"""Two versions side by side: a self-contained page, the rows as CSV, and lines for a terminal."""

from collections.abc import Mapping

from pipelines.reports import model_verdict, render

SHOWN = 25  # rows of each kind on the page


def page(found: Mapping) -> str:
    """found: as `pipelines.operations.compare.collect` gives it."""
    first, second = found["first"], found["second"]
    titles = {
        "won": f"Version {first} has it right, version {second} wrong",
        "lost": f"Version {second} has it right, version {first} wrong",
        "neither": "Both wrong, each in its own way",
    }
    costs = found["versions"][0]["cost"]
    return render.document(
        "comparison.html",
        found=found,
        titles=titles,
        most=SHOWN,
        costs=[(name, *(version["cost"].get(name) for version in found["versions"])) for name in costs],
        saved=model_verdict.CSV,
    )


def rows_as_csv(found: Mapping) -> str:
    """Every kept row on which the two disagree, safe for a spreadsheet."""
    rows = [(kind, row) for kind, part in found["differing"].items() for row in part["rows"]]
    heads = ("kind", "true", f"version {found['first']}", "probability", f"version {found['second']}", "text")
    return model_verdict.as_csv(
        heads,
        [(kind, r["true"], r["said"], f"{r['sure']:.6f}", r["champion"], r["text"]) for kind, r in rows],
    )


def text(found: Mapping) -> list[str]:
    """The same for a terminal, one line each."""
    c, (ours, theirs) = found["comparison"], found["accuracy"]
    lines = [
        f"{found['line']} version {found['first']} against version {found['second']} on {found['rows']:,} test rows that neither learned from",
        f"  accuracy  {ours['accuracy']:.4f} against {theirs['accuracy']:.4f}, difference {c['difference']:+.4f} (95% {c['low']:+.4f} to {c['high']:+.4f})",
        f"  rows      {c['won']:,} won, {c['lost']:,} lost, p (worse) = {c['p_worse']:.3g}",
    ]
    lines += [
        f"    {name:<16}{part['difference']:+.4f} (95% {part['low']:+.4f} to {part['high']:+.4f}), {part['won']:,} won, {part['lost']:,} lost"
        for name, part in c["slices"].items()
    ]
    for title in ("settings", "data"):
        lines.append(f"  {title} that differ" if found[title] else f"  the same {title}")
        lines += [
            f"    {name:<28}{render.count(one)}  against  {render.count(other)}" for name, one, other in found[title]
        ]
    lines.append("  cost")
    for name in found["versions"][0]["cost"]:
        one, other = (version["cost"].get(name) for version in found["versions"])
        lines.append(f"    {name:<28}{render.count(one)}  against  {render.count(other)}")
    return lines
