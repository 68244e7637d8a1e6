"""The page *Where it errs*: the rows that a run's candidate has wrong, and those on which candidate and champion differ; sorted and filtered."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from components.core import paths
from components.data import text_cleaning
from pipelines.reports import model_verdict, page_files

KINDS = {"wrong": "Wrong answers", **model_verdict.DIFFERING}
SORTS = {
    "surest": "surest first",
    "unsure": "least sure first",
    "text": "by text",
    "true": "by true label",
    "answer": "by answer",
}
SHOWN = 200  # rows on the page; the CSV file has all that the gate kept
_OLD_LENGTH = 300  # at which rows of earlier runs were cut, without saying so


@dataclass(frozen=True)
class Query:
    """What a reader asks for; empty texts and 0 to 1 leave everything in."""

    kind: str = "wrong"
    text: str = ""
    true: str = ""
    answer: str = ""
    low: float = 0.0
    high: float = 1.0
    sort: str = "surest"

    @classmethod
    def read(cls, values: Mapping[str, str]) -> "Query":
        """From an address: what cannot be read counts as not given."""
        names = {name: str(values.get(name) or "")[:200] for name in ("text", "true", "answer")}
        kind, sort = values.get("kind"), values.get("sort")
        return cls(
            kind if kind in KINDS else cls.kind, sort=sort if sort in SORTS else cls.sort,
            low=_share(values.get("low"), 0.0), high=_share(values.get("high"), 1.0), **names,
        )  # fmt: skip


@dataclass(frozen=True)
class Row:
    """id: the hash of its text. cut: the text is longer than what was kept."""

    id: str
    text: str
    true: str
    answer: str
    sure: float
    champion: str
    cut: bool


def rows(shown: Mapping, kind: str) -> list[Row]:
    """The rows of a kind, from the gate's `verdict_page.json`."""
    if kind == "wrong":
        labels = shown.get("labels") or []
        return [
            _row(row, labels[cell["true"]], labels[cell["said"]])
            for cell in shown.get("mistakes") or []
            for row in cell["rows"]
        ]
    part = (shown.get("differing") or {}).get(kind) or {"rows": []}
    return [_row(row, row["true"], row["said"]) for row in part["rows"]]


def _row(row: Mapping, true: str, answer: str) -> Row:
    text = row["text"]
    cut = bool(row.get("cut", len(text) >= _OLD_LENGTH))
    return Row(text_cleaning.row_hash(text), text, true, answer, row["sure"], row.get("champion") or "", cut)


def selected(found: Sequence[Row], query: Query) -> list[Row]:
    """The rows that fit, in the order asked for."""
    wanted = query.text.casefold()
    kept = [
        row for row in found
        if wanted in row.text.casefold() and query.true in ("", row.true) and query.answer in ("", row.answer)
        and query.low <= row.sure <= query.high
    ]  # fmt: skip
    keys = {
        "surest": lambda row: -row.sure, "unsure": lambda row: row.sure, "text": lambda row: row.text.casefold(),
        "true": lambda row: (row.true, -row.sure), "answer": lambda row: (row.answer, -row.sure),
    }  # fmt: skip
    return sorted(kept, key=keys[query.sort])


def view(run_id: str, query: Query) -> dict | None:
    """What the template shows; None for a run without such rows.

    Raises:
        ValueError: a run id that no run can have.
    """
    folder = paths.run_dir(run_id)
    shown, record = page_files.read(folder / "verdict_page.json"), page_files.read(folder / "run.json")
    if not isinstance(shown, dict) or not isinstance(record, dict):
        return None
    found = rows(shown, query.kind)
    fitting = selected(found, query)
    return {
        "run": run_id, "line": (record.get("config") or {}).get("line"), "labels": shown.get("labels") or [],
        "query": asdict(query), "kinds": {kind: (title, len(rows(shown, kind))) for kind, title in KINDS.items()},
        "sorts": SORTS, "rows": fitting[:SHOWN], "fitting": len(fitting), "of": len(found), "champion": bool(shown.get("differing")),
        "saved": f"/runs/{run_id}/model/{model_verdict.CSV}" if model_verdict.CSV in page_files.of_run(run_id, "model") else "",
    }  # fmt: skip


def find(run_id: str, row: str) -> Row | None:
    """A row of any kind by its id; None where the run has none."""
    shown = page_files.read(paths.run_dir(run_id) / "verdict_page.json") or {}
    return next((each for kind in KINDS for each in rows(shown, kind) if each.id == row), None)


def _share(value, otherwise: float) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        return otherwise
    return number if 0 <= number <= 1 else otherwise
