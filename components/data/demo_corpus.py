"""The demo source: the newsroom's articles (`demo_articles`), dated, as many as requested, in AG News's form.

A small share of labels is wrong (`noise`).
Equal arguments give equal bytes in every process: all chance comes from `random.Random` seeded with a string.

Makes: `FOLDER/span=YYYY-MM-DD/{train.csv,_SUCCESS}`, `FOLDER/test.csv` and, last, `FOLDER/_SUCCESS` (JSON: parameters,
sha256 of each file).
Refuses: arguments out of range, and a folder that holds something it did not write.
"""

import csv
import datetime as dt
import hashlib
import io
import json
import os
import random
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from components.data import demo_articles, demo_plain, demo_templates, generated_days
from components.data.demo_articles import CLASSES, article, normalised, others

AS_OF = dt.date(2026, 1, 31)  # the last span's date; fixed, so that the demo never depends on the clock
TEST_EVERY = 10  # one row in ten is held out
DRIFTED_PRIOR = (0.10, 0.15, 0.50, 0.25)
DAMAGE = {"wrong label": 0.10, "label out of range": 0.03, "missing column": 0.03, "bad bytes": 0.02, "duplicate": 0.08}


class Row(NamedTuple):
    """One dated article; `label` 0..3, `split` "train" or "test"."""

    day: dt.date
    split: str
    label: int
    title: str
    description: str


def _labels(rng: random.Random, count: int) -> list[int]:
    labels = [at % len(CLASSES) for at in range(count)]
    rng.shuffle(labels)
    return labels


def corpus(seed: int = 1, articles: int = 10_000, as_of: dt.date = AS_OF, spans: int = 5, noise=0.02) -> Iterator[Row]:
    """Rows in order of day, labels balanced before noise, one in ten of each day for the test split.

    No text comes twice (compared with `normalised`). `noise` is the share of labels that are then made wrong, in both
    splits alike. Raises ValueError for arguments out of range.
    """
    _check(articles, spans, noise)
    seen = set()
    for back in reversed(range(spans)):
        day = as_of - dt.timedelta(back)
        rng = random.Random(f"corpus/{seed}/{day}")
        count = articles // spans + (back < articles % spans)
        for at, label in enumerate(_labels(rng, count)):
            title, description = article(rng, label, day)
            while (key := normalised(title, description)) in seen:
                title, description = article(rng, label, day)
            seen.add(key)
            printed = rng.choice(others(label)) if rng.random() < noise else label
            yield Row(day, "test" if at % TEST_EVERY == TEST_EVERY - 1 else "train", printed, title, description)


def _check(articles: int, spans: int, noise: float) -> None:
    if not 1 <= spans <= 366:
        raise ValueError(f"spans must be 1 to 366. Received: spans={spans!r}")
    if not spans * TEST_EVERY <= articles <= 200_000:
        raise ValueError(f"articles must be {TEST_EVERY} a span to 200000 in all. Received: articles={articles!r}")
    if not 0 <= noise < 1:
        raise ValueError(f"noise must be a share from 0 to below 1. Received: noise={noise!r}")


def as_line(label: int, title: str, description: str) -> bytes:
    """One article as a line of AG News's form, its label counted from 1."""
    out = io.StringIO()
    csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator="\n").writerow([label + 1, title, description])
    return out.getvalue().encode()


def write(folder, seed: int = 1, articles: int = 10_000, as_of: dt.date = AS_OF, spans: int = 5, noise=0.02) -> Path:
    """Write the corpus as dated spans and one test file, and return the folder.

    A folder that already holds exactly this is returned untouched; another corpus of the demo's is replaced, and days that
    were added to it stay. Raises FileExistsError when the folder holds something else, ValueError as `corpus`.
    """
    folder = Path(folder)
    parameters = {"seed": seed, "articles": articles, "as_of": str(as_of), "spans": spans, "noise": noise}
    parameters["code"] = _code()
    if _holds(folder, parameters):
        return folder
    if folder.exists() and any(folder.iterdir()) and _marker(folder) is None:
        raise FileExistsError(f"the demo writes into a folder of its own. Received: folder={str(folder)!r}")
    lines = {}
    for row in corpus(seed, articles, as_of, spans, noise):
        name = "test.csv" if row.split == "test" else f"span={row.day}/train.csv"
        lines.setdefault(name, []).append(as_line(row.label, row.title, row.description))
    files = {name: b"".join(rows) for name, rows in lines.items()}
    files.update(
        {name.replace("train.csv", "_SUCCESS"): generated_days.GENERATED for name in lines if name != "test.csv"}
    )
    digests = {name: _sha256(content) for name, content in files.items()}
    marker = json.dumps({"demo": parameters, "files": digests}, indent=1).encode()
    return place(folder, {**files, "_SUCCESS": marker}, _added(folder))


def write_drifted_span(folder, date: dt.date, seed: int = 1, articles: int = 2_000) -> Path:
    """Write `folder/span=DATE` whose words and names are new and whose desks are shared out by `DRIFTED_PRIOR`."""
    lines = drifted_lines(date, seed, articles)
    return place(Path(folder) / f"span={date}", {"train.csv": b"".join(lines), "_SUCCESS": b""})


def drifted_lines(date: dt.date, seed: int, articles: int) -> list[bytes]:
    """The lines of a drifted day's file."""
    rng = random.Random(f"drifted/{seed}/{date}")
    labels = rng.choices(range(len(CLASSES)), DRIFTED_PRIOR, k=articles)
    return [as_line(label, *article(rng, label, date, drifted=True)) for label in labels]


def write_damaged_span(folder, date: dt.date, seed: int = 1, articles: int = 2_000) -> Path:
    """Write `folder/span=DATE` with a mixture of damage: one desk is missing, and of the rows the `DAMAGE` shares have
    another desk's label, a label out of 1..4, a missing column, bytes that are not UTF-8, or come twice.
    """
    lines = damaged_lines(date, seed, articles)
    return place(Path(folder) / f"span={date}", {"train.csv": b"".join(lines), "_SUCCESS": b""})


def damaged_lines(date: dt.date, seed: int, articles: int) -> list[bytes]:
    """The lines of a damaged day's file."""
    rng = random.Random(f"damaged/{seed}/{date}")
    desks = others(rng.randrange(len(CLASSES)))
    lines = []
    for at in range(articles):
        label = desks[at % len(desks)]
        damage = rng.choices([*DAMAGE, ""], [*DAMAGE.values(), 1 - sum(DAMAGE.values())])[0]
        if damage == "duplicate" and lines:
            lines.append(rng.choice(lines))
            continue
        printed = rng.choice([desk for desk in desks if desk != label]) if damage == "wrong label" else label
        line = as_line(printed, *article(rng, label, date))
        if damage == "label out of range":
            line = rng.choice([b'"0"', b'"7"', b'"sport"', b'""']) + line[3:]
        elif damage == "missing column":
            line = line[: line.rindex(b',"')] + b"\n"
        elif damage == "bad bytes":
            line = line[:-3] + b"\xff\xfe\xc3(" + line[-3:]
        lines.append(line)
    return lines


def _code() -> str:
    """Digest of the newsroom's source code: another newsroom is another corpus."""
    return _sha256(
        b"".join(
            Path(path).read_bytes()
            for path in (__file__, demo_articles.__file__, demo_templates.__file__, demo_plain.__file__)
        )
    )[:16]


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _marker(folder: Path) -> dict | None:
    try:
        marker = json.loads((folder / "_SUCCESS").read_bytes())
        return marker if {"demo", "files"} <= set(marker) else None
    except (OSError, ValueError, TypeError):
        return None


def _holds(folder: Path, parameters: dict) -> bool:
    marker = _marker(folder)
    if marker is None or marker["demo"] != parameters:
        return False
    held = {name: folder / name for name in marker["files"]}
    return all(p.is_file() and _sha256(p.read_bytes()) == marker["files"][name] for name, p in held.items())


def _added(folder: Path) -> list[Path]:
    """The dated folders that a corpus holds besides its own: labelled rows, later days."""
    own = {name.partition("/")[0] for name in (_marker(folder) or {"files": ()})["files"]}
    return [path for path in folder.glob("*") if path.is_dir() and path.name[0] != "." and path.name not in own]


def place(folder: Path, files: dict[str, bytes], kept: Sequence[Path] = ()) -> Path:
    """Write the files, in their order, beside `folder`, then rename: the folder is there in full or not at all.

    kept: folders in it that stay.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        for name, content in files.items():
            path = staging / "new" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            with open(path, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
        for path in kept:
            shutil.copytree(path, staging / "new" / path.name, dirs_exist_ok=True)
        for attempt in range(9):
            try:
                if folder.exists():
                    folder.rename(staging / f"old{attempt}")
                (staging / "new").rename(folder)
                break
            except OSError:  # another process moved or put its own there in between
                if attempt == 8:
                    raise
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return folder
