"""The page *Models* of one line: what serves, every version, who moved the pointer, drift, and the latest runs."""

import itertools
from pathlib import Path

from components.core import paths
from components.core.states import RunState
from components.registry import model_registry, pins
from pipelines.reports import charts, cost, page_files, try_page
from pipelines.reports import drift as drift_charts

RUNS, LOOKED_AT = 15, 60  # runs shown; run folders opened to find them


def lines() -> list[str]:
    """The lines that have a registry, those with a champion first, the demo's last among equals."""

    def order(line: str) -> tuple:
        return (not (paths.registry_dir(line) / "champion.json").exists(), line.endswith("-demo"), line)

    return sorted((line for line in model_registry.lines() if _safe(line)), key=order)


def view(line: str) -> dict:
    """What the template shows of a line.

    Raises:
        ValueError: a line whose name is none.
    """
    paths.safe_name(line, "line")
    damage, pointer, history, names, best, pinned, removed = [], None, [], {}, None, {}, {}
    try:
        pointer, history, names = (
            model_registry.champion(line),
            model_registry.history(line),
            model_registry.aliases(line),
        )
        best, pinned, removed = model_registry.best_released(line), pins.pinned(line), model_registry.removed(line)
    except (model_registry.RegistryError, KeyError, TypeError, ValueError) as error:
        damage.append(str(error))
    held = set(model_registry.numbered(model_registry.held_dir(line)))
    cards = _cards(line)
    versions = []
    for card in cards:
        number = card["version"]
        badges = list(names.get(number, []))
        if best and best["version"] == number:
            badges.append("best")
        waits = number in held and not (model_registry.held_dir(line) / str(number)).is_symlink()
        if waits:
            badges.append("rejected" if card.get("rejected") else "held")
        badges += [name for name, found in (("pinned", pinned), ("removed", removed)) if number in found]
        versions.append(_version(line, card, badges, number in {event["to"] for event in history}))
    champion = next((v for v in versions if pointer and v["version"] == pointer["version"]), None)
    return {
        "line": line,
        "lines": lines(),
        "damage": damage,
        "champion": champion,
        "pointer": pointer,
        "previous": next((v for v in versions if "previous" in v["badges"]), None),
        "best": next((v for v in versions if "best" in v["badges"]), None),
        "held": [v for v in versions if "held" in v["badges"]],
        "versions": versions[::-1],
        "chart": charts.accuracy_chart(versions),
        "try_versions": try_page.others(line),
        "try_longest": try_page.answers_socket.LONGEST_TEXT_BYTES,
        "cost_chart": cost.chart(versions),
        "shown": min(len(versions), charts.SHOWN),
        "history": history[::-1],
        "drift": drift(line),
        "rescored": rescored(line),
        "comparisons": page_files.comparisons(line),
        "runs": latest_runs(line),
    }


def _cards(line: str) -> list[dict]:
    folder = paths.registry_dir(line) / "versions"
    found = (page_files.read(folder / f"{number}.json") for number in model_registry.numbered(folder))
    return [card for card in found if isinstance(card, dict) and isinstance(card.get("version"), int)]


def _version(line: str, card: dict, badges: list[str], served: bool) -> dict:
    metrics, data = card.get("metrics") or {}, card.get("data") or {}
    low, high = (metrics.get("interval") or [None, None])[:2]
    run = card.get("run")
    has = {kind: bool(run and _safe(run) and page_files.has(run, kind)) for kind in ("model", "data")}
    has |= {kind: bool(page_files.of_version(line, card["version"], kind)) for kind in page_files.VERSION_FILES}
    return {
        "version": card["version"], "badges": badges,
        "role": next((name for name in ("champion", "held") if name in badges), "served" if served else ""),
        "cost": cost.training(_cost(line, card["version"])),
        "accuracy": metrics.get("accuracy"), "low": low, "high": high, "tested": metrics.get("rows"),
        "preset": card.get("preset"), "seed": card.get("seed"), "when": str(card.get("created") or ""),
        "rows": data.get("rows"), "source": data.get("source"), "warnings": card.get("warnings") or [],
        "run": run if run and _safe(run) else None, "digest": card.get("digest"), "has": has,
    }  # fmt: skip


def _cost(line: str, version: int) -> dict:
    origin = page_files.read(model_registry.origin_path(line, version))
    found = origin.get("cost") if isinstance(origin, dict) else None
    return found if isinstance(found, dict) else {}


def latest_runs(line: str, most: int = RUNS) -> list[dict]:
    """How the newest runs of a line ended, newest first."""
    folder = paths.home() / "runs"
    found = [p for p in folder.iterdir() if _safe(p.name)] if folder.is_dir() else []
    found.sort(key=_changed, reverse=True)
    runs = []
    for path in found[:LOOKED_AT]:
        record = page_files.read(path / "run.json")
        if not isinstance(record, dict) or (record.get("config") or {}).get("line") != line:
            continue
        outcome = page_files.read(path / "outcome.json")
        outcome = outcome if isinstance(outcome, dict) else {"state": RunState.RUNNING}
        runs.append(
            {
                "run": path.name, "when": str(record.get("created") or ""), "trigger": record.get("trigger"),
                "day": record.get("last_day"), "preset": record["config"].get("preset"), "state": outcome.get("state"),
                "version": outcome.get("version"), "accuracy": (outcome.get("metrics") or {}).get("accuracy"),
                "reasons": outcome.get("reasons") or [],
            }
        )  # fmt: skip
    return sorted(runs, key=lambda run: run["when"], reverse=True)[:most]


def drift(line: str) -> dict | None:
    """The monitor's figures over time, as charts; None where nothing was monitored yet."""
    rows = page_files.read_lines(paths.monitor_dir(line) / "history.jsonl")[-drift_charts.BATCHES :]
    if not rows:
        return None
    return {
        **drift_charts.drawn(rows), "newest": rows[-1], "batches": rows[:-9:-1], "articles": _table(rows[-1].get("rows")),
        "report": bool(page_files.of_line(line, "monitor")),
    }  # fmt: skip


def rescored(line: str) -> dict | None:
    """The champion's accuracy on the newest labels, day by day, as a chart; None where it was never scored."""
    rows = page_files.read_lines(paths.monitor_dir(line) / "rescored.jsonl")[-drift_charts.BATCHES :]
    if not rows:
        return None
    ends = [[(row.get("interval") or [None, None])[end] for row in rows] for end in (0, 1)]
    labels, (accuracy, low, high) = charts.categories(
        [str(row.get("day"))[-5:] for row in rows], [[row.get("accuracy") for row in rows], *ends]
    )
    changes = [at + 0.5 for at, (one, two) in enumerate(itertools.pairwise(rows)) if one.get("version") != two.get("version")]  # fmt: skip
    series = [
        {"name": "accuracy", "kind": "b", "points": accuracy},
        {"name": "95% interval", "kind": "limit", "dashed": True, "points": low},
        {"name": "", "kind": "limit", "dashed": True, "points": high},
    ]
    title = "Accuracy of the champion on the newest labels"
    return {"chart": charts.line_chart(series, labels, title, changes, high=1.0, percent=True), "newest": rows[-1]}


def _table(value) -> dict:
    return value if isinstance(value, dict) else {}


def _changed(path: Path) -> float:
    try:
        return path.lstat().st_mtime
    except OSError:
        return 0.0


def _safe(name) -> bool:
    try:
        return bool(paths.safe_name(str(name), "name"))
    except ValueError:
        return False
