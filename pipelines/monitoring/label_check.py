"""Labels that come back are checked before they become a span: by the champion, and by the neighbours in the source.

Suspect rows are kept out of the span and go back into a queue of their own, `monitor/<line>/review/<key>.csv`, with the reason and a column
`confirm`; a batch that cannot be believed goes there as a whole. Whoever writes `yes` into `confirm`, or corrects the label, and brings
the file back is believed: `newsdesk label` takes confirmed rows as they are. `monitor/<line>/labels.jsonl` keeps what was asked and answered.
"""

import csv
import io
import sys
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import NamedTuple

import numpy as np

from components.core import csv_escape, fileio, paths
from components.data import file_reader, sources, text_cleaning
from components.data.row_format import Form, Row
from components.data_quality import label_review
from components.registry import model_registry
from components.registry.manifest import label_places
from pipelines.monitoring.queue_file import BOM, COLUMNS, ID, RANDOM

ROWS = 5_000  # of the source, the newest: neighbours for the labels
CONFIRMED = ("yes", "y", "x", "1", "true")


class Labelled(NamedTuple):
    """One labelled row. label: 0-based id; confirmed: a person looked at it a second time; sampled: drawn from its day at random."""

    label: int
    title: str
    description: str
    confirmed: bool = False
    sampled: bool = False

    @property
    def text(self) -> str:
        return text_cleaning.join(self.title, self.description)


class Review(NamedTuple):
    """What came of a check. believed: rows for the span; suspects: (row, reason); held: why the whole batch waits, empty where it does not.

    notes: what a person should know; agreed: by judge, see `components.data_quality.label_review.agreement`; sampled: the champion's
    on the texts that were drawn at random, None where it was not asked or they are too few.
    """

    believed: list[Labelled]
    suspects: list[tuple[Labelled, str]]
    held: list[str]
    notes: list[str]
    agreed: dict[str, dict]
    sampled: dict | None = None


def review(line: str, rows: Sequence[Labelled], into: Path, form: Form) -> Review:
    """Asks champion and neighbours about the rows that nobody confirmed."""
    asked = [row for row in rows if not row.confirmed]
    labels = np.array([row.label for row in asked], np.int64)
    judges = {
        **_champion(line, [row.text for row in asked], list(form.labels)),
        **_neighbours(asked, labels, into, form),
    } if asked else {}  # fmt: skip
    sampled = None
    if "champion" in judges:
        drawn = np.array([row.sampled for row in asked])
        sampled = label_review.sampled_agreement(labels, judges["champion"][0], drawn)
    held, notes = label_review.trouble(labels, form.labels, judges, sampled)
    doubtful = label_review.suspects(labels, judges)
    suspects = [(row, _reason(at, judges, form.labels)) for at, row in enumerate(asked) if doubtful[at]]
    agreed = {name: label_review.agreement(labels, probabilities) for name, (probabilities, _) in judges.items()}
    if held:
        doubts = dict(suspects)
        return Review([], [(row, doubts.get(row, "held with its batch")) for row in rows], held, notes, agreed, sampled)
    known = {row for row, _ in suspects}
    return Review([row for row in rows if row not in known], suspects, [], notes, agreed, sampled)


def _reason(at: int, judges: dict, names: Sequence[str]) -> str:
    answers = []
    for name, (probabilities, _) in judges.items():
        best = int(probabilities[at].argmax())
        answers.append(f"{name} {names[best]} {probabilities[at, best]:.2f}")
    return f"suspect: {', '.join(answers)}"


def _champion(line: str, texts: Sequence[str], names: list[str]) -> dict:
    """The champion's probabilities, and from which on it is sure: its mean confidence on its own test rows."""
    pointer = model_registry.champion(line)
    if not pointer:
        return {}
    from pipelines import client

    model = client.Client(line, pointer["version"])
    places = label_places(model.labels, names)
    if places is None:  # it cannot tell whether a label of a class that it lacks is right
        return {}
    card = model_registry.card(line, pointer["version"]) or {"metrics": {}}
    sure = card["metrics"].get("confidence") or 0.9
    return {"champion": (np.asarray(model.probabilities(list(texts)))[:, places], np.full(len(names), sure))}


def _neighbours(rows: Sequence[Labelled], labels: np.ndarray, into: Path, form: Form) -> dict:
    """Probabilities of the rows by a model of the source's newest rows and the other rows of the batch."""
    own = {text_cleaning.row_hash(row.text) for row in rows}
    texts, known = _newest(into, form, own)
    every = np.concatenate([labels, known])
    every_answer = label_review.neighbours([*(row.text for row in rows), *texts], every, len(form.labels))
    if every_answer is None:
        return {}
    return {"neighbours": (every_answer[: len(rows)], label_review.sure_from(every_answer, every))}


def _newest(into: Path, form: Form, left_out: set[str]) -> tuple[list[str], np.ndarray]:
    """Texts and label ids of at most `ROWS` train rows of a source, its newest days first; what cannot be read is passed over."""
    texts, labels = [], []
    try:
        files, _ = sources.resolve(str(into), "all", datetime.now(timezone.utc))
    except sources.SourceError:
        return [], np.zeros(0, np.int64)
    for file in sorted((f for f in files if f.split == "train"), key=lambda f: (f.span, f.path), reverse=True):
        try:
            for row in file_reader.read(Path(file.path), form):
                if not isinstance(row, Row):
                    continue
                text = text_cleaning.join(row.title, row.description)
                if text_cleaning.row_hash(text) not in left_out:
                    texts.append(text)
                    labels.append(row.label)
                if len(texts) >= ROWS:
                    return texts, np.array(labels, np.int64)
        except sources.SourceError as error:
            print(f"newsdesk label: not asked about the labels: {error}", file=sys.stderr)
    return texts, np.array(labels, np.int64)


def write_queue(line: str, key: str, checked: Review, names: Sequence[str]) -> Path:
    """Writes what a person must look at again, and returns where. key: the file's name."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow([*COLUMNS, "confirm"])
    for row, reason in checked.suspects:
        why = f"{RANDOM}, {reason}" if row.sampled else reason
        cells = {"label": names[row.label], "title": row.title, "description": row.description, "why": why}
        cells["id"] = ID + text_cleaning.row_hash(row.text)
        writer.writerow(
            [*(csv_escape.safe(cells.get(name, "")) if name != "id" else cells["id"] for name in COLUMNS), ""]
        )
    path = paths.monitor_dir(line) / "review" / f"{key}.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    fileio.write_text(path, BOM + out.getvalue())
    return path
