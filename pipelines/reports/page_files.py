"""The files that pages read and hand out: an allow-list of kinds, each found by a run's or a version's own record.

A name from an address is only ever looked up among the names listed here; it never becomes part of a path. What lies
outside `NEWSDESK_HOME`, by a link or by a wrong record, is not there.
"""

import json
import os
import re
from pathlib import Path
from typing import Any

from components.core import fileio, paths, progress

TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".png": "image/png",
    # Shown, never interpreted.
    ".csv": "text/plain; charset=utf-8",
    ".md": "text/plain; charset=utf-8",
}
# What a run's nodes publish, by kind: node, artifact, the page to open first, and its title. Great Expectations' Data Docs
# are no kind: their styles and scripts come from elsewhere, and no page here may fetch them.
ARTIFACTS = {
    "data": ("DataGate", "verdict", "verdict.html", "Data verdict"),
    "quarantine": ("Ingester", "quarantine", "rows.csv", "Quarantined rows"),
    "curves": ("Trainer", "model_run", "curves.html", "Learning curves"),
}
# One file each: in a run's folder, of a version, of a line.
RUN_FILES = {"model": ("verdict.html", "Model verdict")}
BESIDE = {"model": ("rows.csv",)}  # what such a page links to
VERSION_FILES = {"card": ("card.html", "Model card"), "lineage": ("lineage.html", "Lineage")}
LINE_FILES = {"monitor": ("report.html", "Drift report")}
_PAIR = re.compile(r"compare-([1-9]\d{0,8})-([1-9]\d{0,8})")
_DEPTH = 8  # Data Docs nest six folders


def inside(path: Path) -> Path | None:
    """The real path of something within the state folder; None where there is nothing, or it lies elsewhere."""
    try:
        found = path.resolve(strict=True)
        root = paths.home().resolve(strict=True)
    except (OSError, RuntimeError, ValueError):  # not there, a circle of links, a zero byte
        return None
    return found if found.is_relative_to(root) else None


def read(path: Path | None) -> Any:
    """A JSON file within the state folder; None where it is absent, elsewhere or damaged."""
    found = inside(path) if path else None
    try:
        return fileio.read_json(found) if found and found.is_file() else None
    except (OSError, ValueError):
        return None


def read_lines(path: Path) -> list[dict]:
    """The whole objects of a JSON-lines file within the state folder, oldest first."""
    found = inside(path)
    rows = []
    if found and found.is_file():
        for line in found.read_text(encoding="utf-8", errors="replace").splitlines():
            try:
                rows.append(json.loads(line))
            except ValueError:
                continue
    return [row for row in rows if isinstance(row, dict)]


def read_progress(run_id: str, node: str) -> list[dict]:
    """What a node has written of its progress, without what a later attempt repeats."""
    try:
        path = inside(progress.file(run_id, node))
        return [row for row in progress.read(path) if isinstance(row, dict)] if path else []
    except (OSError, ValueError, TypeError):
        return []


def artifact(events: list[dict], node: str, name: str) -> Path | None:
    """The folder of an artifact by the run's events: the newest that names it."""
    for event in reversed(events):
        place = (event.get("artifacts") or {}).get(name) if event.get("node") == node else None
        if place:
            return inside(Path(str(place)))
    return None


def events(run_id: str) -> list[dict]:
    """What a run's nodes said. Raises ValueError for a name that no run can have."""
    return read_lines(paths.run_dir(run_id) / "events.jsonl")


def of_run(run_id: str, kind: str) -> dict[str, Path]:
    """Names and real paths of the files of one kind; empty where there are none.

    Raises:
        ValueError: a run id that is no name.
    """
    if kind in RUN_FILES:
        folder = paths.run_dir(run_id)
        page, *more = RUN_FILES[kind][0], *BESIDE.get(kind, ())
        found = _only(folder / page, page)
        return (
            {**found, **{name: path for each in more for name, path in _only(folder / each, each).items()}}
            if found
            else {}
        )
    if kind not in ARTIFACTS:
        return {}
    node, name, _, _ = ARTIFACTS[kind]
    folder = artifact(events(run_id), node, name)
    return listed(folder) if folder else {}


def of_version(line: str, version: int, kind: str) -> dict[str, Path]:
    """The same for a version: its model card, and its lineage where `newsdesk lineage` has drawn it."""
    paths.safe_name(line, "line")
    places = {
        "card": paths.registry_dir(line) / "versions" / f"{int(version)}.card.html",
        "lineage": paths.home() / "lineage" / f"{line}-{int(version)}.html",
    }
    return _only(places[kind], VERSION_FILES[kind][0]) if kind in places else {}


def of_line(line: str, kind: str) -> dict[str, Path]:
    """The same for a line: what the monitor reports, or `newsdesk compare` (kind `compare-A-B`)."""
    pair = _PAIR.fullmatch(kind)
    if pair:
        folder = paths.home() / "comparisons" / paths.safe_name(line, "line") / f"{int(pair[1])}-{int(pair[2])}"
        page = _only(folder / "comparison.html", "comparison.html")
        return {**page, **_only(folder / "rows.csv", "rows.csv")} if page else {}
    return _only(paths.monitor_dir(line) / LINE_FILES[kind][0], LINE_FILES[kind][0]) if kind in LINE_FILES else {}


def comparisons(line: str) -> list[tuple[int, int]]:
    """The pairs of versions that `newsdesk compare` has compared, the newest versions first."""
    folder = inside(paths.home() / "comparisons" / paths.safe_name(line, "line"))
    names = [path.name for path in folder.iterdir()] if folder and folder.is_dir() else []
    pairs = [(int(found[1]), int(found[2])) for name in names if (found := _PAIR.fullmatch(f"compare-{name}"))]
    return sorted((pair for pair in pairs if of_line(line, "compare-{}-{}".format(*pair))), reverse=True)


def title(kind: str) -> str:
    if _PAIR.fullmatch(kind):
        return "Version {} against version {}".format(*_PAIR.fullmatch(kind).groups())
    return ARTIFACTS[kind][3] if kind in ARTIFACTS else {**RUN_FILES, **VERSION_FILES, **LINE_FILES}[kind][1]


def first(kind: str, found: dict[str, Path]) -> str | None:
    """The name of the file to open first among those found; None where it is not there."""
    wanted = ARTIFACTS[kind][2] if kind in ARTIFACTS else next(iter(found), "")
    return wanted if wanted in found else None


def has(run_id: str, kind: str) -> bool:
    """Whether a run has the page that a kind opens first."""
    return first(kind, of_run(run_id, kind)) is not None


def listed(folder: Path) -> dict[str, Path]:
    """Every file below a folder that is of a known type and no link, by its name relative to the folder."""
    found = {}
    for place, folders, names in os.walk(folder, followlinks=False):
        here = Path(place)
        if len(here.relative_to(folder).parts) >= _DEPTH:
            folders.clear()
        for name in names:
            path = here / name
            if path.suffix in TYPES and not path.is_symlink() and inside(path):
                found[path.relative_to(folder).as_posix()] = path
    return found


def _only(path: Path, name: str) -> dict[str, Path]:
    return {name: path} if not path.is_symlink() and inside(path) and path.is_file() else {}
