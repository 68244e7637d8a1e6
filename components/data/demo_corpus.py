"""The demo source: a seeded newsroom that writes as many articles as asked, dated, in AG News's form.

The newsroom has four desks (World, Sports, Business, Sci/Tech; label 0..3, written 1..4) and prints four kinds:

- *plain*: a headline and a lead of the desk. Sometimes a guest sentence of another desk follows, and words such as
  strike, court, race, record and launch belong to several desks. A bag of words reads these well.
- *thin*: any desk could have printed the headline and the lead; only the party ("the bank", "the league") tells.
- *contest*: parties of two desks quarrel. **The article belongs to the desk of the party that acts**, and both parties
  stand between the same two words: "The bank has taken … to court, and the league has until Friday to answer." Swap
  them and the desk changes while every word and every pair of neighbours stays (`twins` makes such a pair). A bag of
  unigrams and bigrams can only guess between two desks here; a model that sees positions can tell. Some contests are
  told from the other end ("The league has until Friday …, and the bank has already gone to court"), so that "the first
  one wins" is not the whole rule.
- *vague*: nothing tells; editors would argue, and so would models.

A small share of labels is wrong (`noise`). Names come and go: each day brings new ones, which stay for some days.
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
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

from components.data import demo_plain, generated_days
from components.data import demo_templates as words

CLASSES = ("World", "Sports", "Business", "Sci/Tech")
AS_OF = dt.date(2026, 1, 31)  # the last span's date; fixed, so that the demo never depends on the clock
SHARES = {"contest": 0.15, "thin": 0.10, "vague": 0.02}  # of the articles; the rest is plain
INVERTED_SHARE, GUEST_SHARE = 0.1, 0.3  # of the contests; of the plain and thin articles
NEW_NAMES_A_DAY, NAME_LIFE_DAYS, NEW_NAME_SHARE = 3, 7, 0.25
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


@cache
def _names(kind: str, count: int, key: str, drifted: bool = False) -> tuple[str, ...]:
    """`count` invented names of a kind, the same for the same key."""
    heads = words.DRIFTED_HEADS if drifted else words.NAME_HEADS
    rng = random.Random(f"names/{kind}/{key}")
    made = {}
    while len(made) < count:
        made[rng.choice(heads) + rng.choice(words.NAME_TAILS[kind])] = None
    return tuple(made)


@cache
def _fresh_names(kind: str, day: dt.date, drifted: bool) -> tuple[str, ...]:
    """The names that this day and the days just before it brought."""
    days = (day - dt.timedelta(back) for back in range(NAME_LIFE_DAYS))
    return tuple(name for each in days for name in _names(kind, NEW_NAMES_A_DAY, str(each), drifted))


class _Story(dict):
    """One article's slots, drawn when first used and kept, so that headline and text speak of the same people."""

    def __init__(self, rng: random.Random, label: int, day: dt.date, drifted: bool = False):
        self.rng, self.label, self.day, self.drifted = rng, label, day, drifted

    def __missing__(self, key: str) -> str:
        kind = key.rstrip("2")
        self[key] = value = self._draw(kind)
        while kind != key and value == self.get(kind):
            self[key] = value = self._draw(kind)
        return value

    def _draw(self, kind: str) -> str:
        if kind == "team":
            return f"{self._draw('city')} {self._draw('mascot')}"
        if kind == "company":
            return f"{self._draw('brand')} {self._draw('trade')}"
        return self.rng.choice(self._list(kind))

    def _list(self, kind: str):
        if kind in words.NAME_TAILS:
            fresh = self.drifted or self.rng.random() < NEW_NAME_SHARE
            return _fresh_names(kind, self.day, self.drifted) if fresh else _names(kind, 40, "old")
        if kind in words.SHARED:
            return words.SHARED[kind]
        if self.drifted and kind in words.DRIFTED_WORDS[self.label]:
            return words.DRIFTED_WORDS[self.label][kind]
        return words.PARTIES[self.label] if kind == "party" else words.DESK_WORDS[self.label][kind]

    def tell(self, templates) -> str:
        return self.rng.choice(templates).format_map(self)

    def tell_one(self, stories, ends) -> tuple[str, str]:
        titles, leads = self.rng.choice(stories)
        return self.tell(titles), f"{self.tell(leads)} {self.tell(ends)}".strip()


def _contest(story: _Story, actor: int, other: int) -> list[tuple[str, str]]:
    """[(title, text)] of a contest in which `actor` acts, and of its twin, in which the parties have changed places."""
    rng = story.rng
    story["topic"] = rng.choice(words.TOPICS[min(actor, other), max(actor, other)])
    title = story.tell(words.CONTEST_TITLES)
    frame = rng.choice(words.INVERTED if rng.random() < INVERTED_SHARE else words.CONTESTS)
    closer = story.tell(words.CLOSERS)
    parties = [_Story(rng, desk, story.day, story.drifted)["party"] for desk in (actor, other)]
    pair = []
    for a, b in (parties, parties[::-1]):
        story.update(a=a, b=b)
        pair.append((title, f"{frame.format_map(story)} {closer}".strip()))
    return pair


def _others(label: int) -> list[int]:
    return [desk for desk in range(len(CLASSES)) if desk != label]


def twins(rng: random.Random, day: dt.date) -> tuple[tuple[int, str, str], tuple[int, str, str]]:
    """Two (label, title, description) of different desks with the same words and the same pairs of neighbours."""
    actor, other = rng.sample(range(len(CLASSES)), 2)
    (title, text), (_, twin) = _contest(_Story(rng, actor, day), actor, other)
    return (actor, title, text), (other, title, twin)


def article(
    rng: random.Random, label: int, day: dt.date, drifted: bool = False, topic: Mapping[str, str] | None = None
) -> tuple[str, str]:
    """(title, description) of one article of desk `label` (0..3) printed on `day`; `drifted` takes other words.

    topic: names that a running story has given to some of its slots (`company`, `surname`).
    """
    story = _Story(rng, label, day, drifted)
    story.update(topic or {})
    kind = rng.random()
    if kind < SHARES["contest"]:
        return _contest(story, label, rng.choice(_others(label)))[0]
    kind -= SHARES["contest"]
    if kind < SHARES["vague"]:
        return story.tell_one(words.VAGUE, words.CLOSERS)
    stories = words.THIN if kind < SHARES["vague"] + SHARES["thin"] else words.STORIES[label]
    if rng.random() < GUEST_SHARE:
        guest = _Story(rng, rng.choice(_others(label)), day, drifted)
        return story.tell_one(stories, [guest.tell(words.BACKGROUND[guest.label])])
    return story.tell_one(stories, words.BACKGROUND[label] if rng.random() < 0.4 else words.CLOSERS)


def names(rng: random.Random, label: int, day: dt.date, slots: Sequence[str]) -> dict[str, str]:
    """What a story of desk `label` that begins on `day` puts into these slots."""
    story = _Story(rng, label, day)
    return {slot: story[slot] for slot in slots}


def normalised(title: str, description: str) -> str:
    """The text without case and punctuation: what counts as the same article."""
    return " ".join(re.findall(r"[a-z0-9]+", f"{title} {description}".lower()))


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
            printed = rng.choice(_others(label)) if rng.random() < noise else label
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
    desks = _others(rng.randrange(len(CLASSES)))
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
    """Digest of the newsroom's own source: another newsroom is another corpus."""
    return _sha256(b"".join(Path(path).read_bytes() for path in (__file__, words.__file__, demo_plain.__file__)))[:16]


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
