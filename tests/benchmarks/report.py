"""From measurements to figures, ratios, a budget and Markdown. Pure functions over plain values; standard library only.

Measurements are a list of repeats; a repeat is a dict of subjects ("fresh", "notebook", …), a subject a dict of figures
("wall", "cpu", …) or `{"failed": reason}`. A ratio is taken within one repeat, so that both sides met the same machine, and
the median of these ratios is quoted.
"""

import re
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

Repeats = Sequence[Mapping[str, Mapping]]
_TASK = re.compile(r"^(\S+) .*\[DAG TEST\] (starting|end task) task_id=(\S+) ")


@dataclass(frozen=True)
class Ratio:
    """One row: figure `over` divided by figure `under`, each "subject.figure". wanted: "< 1", "≥ 5" or "" where nothing is."""

    title: str
    over: str
    under: str
    wanted: str = ""


@dataclass(frozen=True)
class Spread:
    """The median of some values, the least and the greatest of them."""

    median: float
    low: float
    high: float
    count: int

    def __str__(self) -> str:
        digits = 0 if abs(self.median) >= 1000 else 1 if abs(self.median) >= 10 else 2 if abs(self.median) >= 1 else 3
        text = f"{self.median:,.{digits}f}"
        return text if self.count == 1 else f"{text} ({self.low:,.{digits}f}–{self.high:,.{digits}f})"


def spread(values: Iterable[float | None]) -> Spread | None:
    """Median, least and greatest of the values there are; None of none."""
    known = [value for value in values if value is not None]
    return Spread(statistics.median(known), min(known), max(known), len(known)) if known else None


def figures(repeats: Repeats, name: str) -> list[float | None]:
    """One figure, "subject.figure", in each repeat; None where it is missing."""
    subject, _, figure = name.partition(".")
    return [repeat.get(subject, {}).get(figure) for repeat in repeats]


def ratio(repeats: Repeats, over: str, under: str) -> Spread | None:
    """The spread of over ÷ under, taken within each repeat that has both."""
    pairs = zip(figures(repeats, over), figures(repeats, under), strict=True)
    return spread(a / b for a, b in pairs if a is not None and b)


def met(value: float, wanted: str) -> bool:
    """Whether a value is as wanted: "< 1", "≤ 1", "≥ 5"."""
    sign, _, limit = wanted.partition(" ")
    tests = {"<": value < float(limit), "≤": value <= float(limit), "≥": value >= float(limit)}
    return tests[sign]


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)])


def ratio_table(repeats: Repeats, rows: Sequence[Ratio]) -> str:
    """One line a ratio that can be taken: in wall time (or what the row names), in processor time, wanted, met."""
    lines = []
    for row in rows:
        found = ratio(repeats, row.over, row.under)
        if found is None:
            continue
        used = [name.replace("wall", "cpu") for name in (row.over, row.under)]
        cpu = ratio(repeats, *used) if used != [row.over, row.under] else None
        verdict = ("yes" if met(found.median, row.wanted) else "**no**") if row.wanted else ""
        lines.append((row.title, str(found), str(cpu or ""), row.wanted, verdict))
    return table(("A ÷ B", "ratio", "in processor time", "wanted", "met"), lines)


def subject_table(repeats: Repeats, subjects: Mapping[str, tuple[str, str]]) -> str:
    """One line a subject that was measured. subjects: by name, what it is and the command that runs it."""
    lines = []
    for name, (title, call) in subjects.items():
        found = [repeat[name] for repeat in repeats if name in repeat]
        if not found:
            continue
        wall, cpu, others = (spread(figures(repeats, f"{name}.{figure}")) or "" for figure in ("wall", "cpu", "others"))
        lines.append((title, str(wall), str(cpu), str(others), "; ".join(told(found)), f"`{call}`"))
    return table(("what", "wall, s", "processor, s", "others', s", "", "command"), lines)


SHOWN = {
    "state": "{}",
    "accuracy": "test accuracy {}",
    "rows_per_second": "{} rows/s in training",
    "node_rows_per_second": "{} rows/s with encoding, validation and export",
    "parameters": "{} parameters",
    "cell_wall": "the cell {} s",
    "epoch_wall": "its `fit` {} s",
    "file_rows_per_second": "{} rows/s after start",
    "start_wall": "start and one text {} s",
    "ours_p50_ms": "ours p50 {} ms",
    "notebook_p50_ms": "the notebook's {} ms",
    "ours_p99_ms": "ours p99 {} ms",
    "notebook_p99_ms": "the notebook's {} ms",
}


def told(found: Sequence[Mapping]) -> list[str]:
    """What a subject said of itself besides its time, over its repeats; failures first."""
    lines = [f"**failed:** {one['failed']}" for one in found if "failed" in one][:1]
    for name, form in SHOWN.items():
        values = [one[name] for one in found if one.get(name) is not None]
        if values and name == "accuracy":
            lines.append(form.format(" / ".join(dict.fromkeys(f"{value:.4f}" for value in values))))
        elif values and isinstance(values[0], str):
            lines.append(form.format(" / ".join(dict.fromkeys(values))))
        elif values:
            lines.append(form.format(spread(values)))
    return lines


def timeline(log: str) -> list[tuple[str, float, float]]:
    """(node, start, end) of each task from the log of `airflow dags test`, in seconds since the first task's start."""
    started, tasks = {}, []
    for line in log.splitlines():
        found = _TASK.match(line)
        if not found:
            continue
        at = datetime.fromisoformat(found[1].replace("Z", "+00:00")).timestamp()
        if found[2] == "starting":
            started[found[3]] = at
        elif found[3] in started:
            tasks.append((found[3], started.pop(found[3]), at))
    zero = min((start for _, start, _ in tasks), default=0.0)
    return [(node, start - zero, end - zero) for node, start, end in tasks]


def budget(tasks: Sequence[tuple[str, float, float]], work: Mapping[str, float], wall: float) -> list[dict]:
    """Where a run's wall time went, one dict a node and one for what lies around them; `total` sums to `wall`.

    tasks: as `timeline` gives them, one after the other. work: seconds that each node took by its own count.
    What a task takes beyond its work is the door's: process, socket, Airflow's own steps. `waiting` is the median of that over all
    tasks, and the gap since the task before; what the first task took beyond it is `import`, the wait for the warm server.
    """
    doors = {node: max(0.0, end - start - work.get(node, 0.0)) for node, start, end in tasks}
    usual = statistics.median(doors.values()) if doors else 0.0
    rows, before = [], 0.0
    for number, (node, _, end) in enumerate(tasks):
        imports = max(0.0, doors[node] - usual) if number == 0 else 0.0
        total = end - before
        done = min(work.get(node, 0.0), total)
        rows.append({"node": node, "import": imports, "work": done, "waiting": total - imports - done, "total": total})
        before = end
    around = wall - before
    rows.append({"node": "around the nodes", "import": 0.0, "work": 0.0, "waiting": around, "total": around})
    return rows


def budget_table(rows: Sequence[Mapping], cold: Mapping[str, float]) -> str:
    """A budget as Markdown. cold: seconds of the same nodes where each is a cold process, import and all; may be empty."""
    parts = ("import", "work", "waiting", "total")
    everything = {"node": "**together**", **{part: sum(row[part] for row in rows) for part in parts}}
    wall, lines = everything["total"], []
    for row in [*rows, everything]:
        apart = sum(cold.values()) if row is everything else cold.get(row["node"])
        extra = [f"{apart:.1f}" if apart is not None else ""] if cold else []
        share = f"{row['total'] / wall:.0%}" if wall else ""
        lines.append(
            [row["node"], *(f"{row[part]:.1f}" if row[part] >= 0.05 else "–" for part in parts), share, *extra]
        )
    head = ["node", "import, s", "work, s", "waiting, s", "total, s", "share"]
    return table([*head, "as a cold process, s"] if cold else head, lines)


def page(results: Mapping, subjects: Mapping[str, tuple[str, str]], rows: Sequence[Ratio]) -> str:
    """RESULTS.md. results: as `bench.py` writes them; subjects: see `subject_table`; rows: the ratios to take."""
    machine, repeats, source = results["machine"], results["repeats"], results["source"]
    load = " ".join(f"{value:.2f}" for value in machine["load_before"])
    parts = [
        "# Newsdesk beside what one would do otherwise",
        f"    {results['command']}",
        f"{results['made']}, repeats: {len(repeats)}, the subjects in turn; {machine['processor']}, {machine['cores']} cores, "
        f"{machine['memory_gib']:.0f} GiB, {machine['system']}, Python {machine['python']}, {machine['versions']}; load before: {load}.",
        f"Source: {source['name']}, {source['train']:,} train rows, {source['test']:,} test rows. A figure is the median of the repeats "
        "with the least and the greatest; a ratio is taken within each repeat first.",
        "## Ratios",
        ratio_table(repeats, rows),
        "## What was measured",
        subject_table(repeats, subjects),
        "Wall and processor seconds are the whole command's, everything it starts included. *Others'* is what the rest of the machine "
        "used meanwhile; where that is more than a few percent, read the ratios in processor time.",
    ]
    whole = [repeat for repeat in repeats if "tasks" in repeat.get("fresh", {})]
    if whole:
        repeat = sorted(whole, key=lambda repeat: repeat["fresh"]["wall"])[(len(whole) - 1) // 2]
        fresh = repeat["fresh"]
        cold = {node: end - start for node, start, end in repeat.get("cold", {}).get("tasks", ())}
        parts += [
            "## Where a fresh run's time goes",
            budget_table(budget(fresh["tasks"], fresh["work"], fresh["wall"]), cold),
            "One run, the median one. *Import* is the wait for the warm node server, which imports TensorFlow and TFX once; *work* is what "
            "a node says it took; *waiting* is Airflow and the door. *Around the nodes* are `make`, Airflow's start and its database.",
        ]
    return "\n\n".join(parts) + "\n"
