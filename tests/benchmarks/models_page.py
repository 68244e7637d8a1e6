"""The page of `make bench-models`: kept measurements in, Markdown out. Standard library only."""

import re
import statistics
from collections.abc import Mapping, Sequence

HEAD = (
    "| model | runs | test as delivered | test, clean | eval | recall by class | calibration error | s | one text, ms | MB | on |\n"
    "|---|---|---|---|---|---|---|---|---|---|---|"
)
COST_HEAD = "| preset | precision | CPU s a step | rows a step | steps a seed | processor hours a seed |\n|---|---|---:|---:|---:|---:|"


def line(name: str, runs: Sequence[Mapping], seedless: bool = False) -> str:
    """One row of the table.

    runs: measurements of one model, one a seed: `seed`, `test`, `clean`, `eval`, `ece` (shares, None where there is none),
    `recall` (a share a class), `seconds`, `p50` (ms), `size` (MB), `date`. A model with seeds that ran once has no spread: the row then
    says so and shows no accuracy.
    """
    if not seedless and len(runs) < 2:
        return f"| {name} | {len(runs)}: no figure, a spread takes two | " + " | ".join("–" * 9) + " |"
    seeds = [run["seed"] for run in runs]
    about = "1 (no seed)" if seedless else f"{len(seeds)} (seeds {', '.join(map(str, seeds))})"
    by_class = zip(*(run["recall"] for run in runs))
    cells = [
        name, about, _share(runs, "test"), _share(runs, "clean"), _share(runs, "eval"),
        " ".join(_range(values) for values in by_class), _mean(runs, "ece", "{:.3f}"), _seconds(runs),
        f"{statistics.median(run['p50'] for run in runs):.1f}", f"{runs[0]['size']:.0f}",
        max(run["date"] for run in runs),
    ]  # fmt: skip
    return f"| {' | '.join(cells)} |"


def lines_of(page: str) -> dict[str, str]:
    """The rows of a page's first table, by the model's name as it stands there."""
    rows = page.partition(HEAD)[2].partition("\n\n")[0].strip().splitlines()
    return {row.split("|")[1].strip(): row for row in rows}


def cost_line(name: str, cost: Mapping) -> str:
    """One row of the costs: `precision`, `seconds` of a step, `batch` rows in it, `steps` of a whole training."""
    hours = cost["seconds"] * cost["steps"] / 3600
    return (
        f"| {name} | {cost['precision']} | {cost['seconds']:.2f} | {cost['batch']} | {cost['steps']:,} | {hours:.1f} |"
    )


def costs(lines: Sequence[str], processor: str) -> str:
    """The part on presets that are too dear to measure here. processor: what the steps ran on."""
    if not lines:
        return ""
    return f"""
What a whole training costs of presets that have no figure, from the processor seconds of single steps on {processor}:

{COST_HEAD}
{chr(10).join(lines)}
"""


def recipe(encoder_page: str) -> str:
    """What was measured of `nightly`'s recipe with PyTorch, read from `tests/benchmarks/ENCODER.md`.

    Raises ValueError where that page has no such row.
    """
    row = re.search(r"^\| `nightly`[^|]*\|[^|]*\| *([^|]*?) *\|", encoder_page, re.MULTILINE)
    if row is None:
        raise ValueError("tests/benchmarks/ENCODER.md must have a row of `nightly` in its table of test rows")
    return (
        f"The recipe of `nightly` was measured with PyTorch on a GPU: {row[1]}\n"
        "([tests/benchmarks/ENCODER.md](../../tests/benchmarks/ENCODER.md)).\n"
    )


def _share(runs: Sequence[Mapping], key: str) -> str:
    values = [run[key] for run in runs if run[key] is not None]
    if not values:
        return "–"
    return f"{statistics.mean(values):.4f}" + (f" ± {statistics.stdev(values):.4f}" if len(values) > 1 else "")


def _range(values: Sequence[float]) -> str:
    low, high = f"{min(values):.3f}", f"{max(values):.3f}"
    return low if low == high else f"{low}–{high}"


def _mean(runs: Sequence[Mapping], key: str, form: str) -> str:
    values = [run[key] for run in runs if run[key] is not None]
    return form.format(statistics.mean(values)) if values else "–"


def _seconds(runs: Sequence[Mapping]) -> str:
    """The mean; where the first seed computed what the others took from a cache, the first and the others' mean."""
    taken = [run["seconds"] for run in runs]
    if len(taken) > 1 and max(taken) > 3 * statistics.median(taken):
        rest = sorted(taken)[:-1]
        return f"{max(taken):.0f}, then {statistics.mean(rest):.0f}"
    return f"{statistics.mean(taken):.0f}"


def page(lines: Sequence[str], command: str, about: Mapping) -> str:
    """The page down to the table. about: `rows` (split to count), `machine`, `labels`."""
    counts = ", ".join(f"{split} {count:,}" for split, count in about["rows"].items())
    return f"""# Presets, measured

By `{command}`, {about["machine"]}. Rows: {counts}.
± is the standard deviation over seeds; a model that has seeds and ran with one of them has no figure. "Clean" is the same test rows
without the source's markup, as a person types them. "Eval" is the rows of the train files that were kept out of the fit: they
choose the epoch and calibrate, the test rows choose nothing. Recall is the range over seeds, in the order {", ".join(about["labels"])}.
Seconds are processor time (user and system) of vocabulary and training; "first, then": later seeds took the frozen encoder's
answers from the cache. One text is asked through the exported model (p50, other work on the machine); MB is the exported model.

{HEAD}
{chr(10).join(lines)}
"""
