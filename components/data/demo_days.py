"""The demo's newsroom day by day: what it prints on a date, the same everywhere for the same seed.

A scheduled run of the demo line asks for the day that has just ended. Most days are ordinary. One delivery a week arrives damaged
(Tuesday or Wednesday) and is delivered again, whole, with the next day; on another day (Thursday or Friday) the news drifts: other
words, other shares of the desks. Running stories come and go: each begins on some day, keeps its names, and is told for two to four days.

Makes: `FOLDER/span=YYYY-MM-DD/{train.csv,test.csv,_SUCCESS}`; one article in ten is held out.
"""

import datetime as dt
import random
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from components.data import demo_articles
from components.data import demo_corpus as corpus
from components.data.generated_days import GENERATED, is_generated

ORDINARY, DRIFTED, DAMAGED = "ordinary", "drifted", "damaged"
ARTICLES = 1_000  # a day
STORY_DAYS = (2, 4)  # how long a running story is told
STORIES_A_DAY = 2  # that begin
STORY_SHARE = 0.3  # of an ordinary day's articles
NOISE = 0.02  # share of wrong labels, as in the corpus
# What a running story keeps: whom and where it is about, by desk.
STORY_SLOTS = (("country", "surname"), ("team", "surname"), ("company", "city"), ("brand", "surname"))


def kind_of(day: dt.date, seed: int = 1) -> str:
    """ORDINARY, DRIFTED or DAMAGED."""
    rng = random.Random(f"week/{seed}/{day - dt.timedelta(day.weekday())}")
    kinds = {rng.choice((1, 2)): DAMAGED, rng.choice((3, 4)): DRIFTED}
    return kinds.get(day.weekday(), ORDINARY)


def deliver(folder: Path, day: dt.date, seed: int = 1) -> list[Path]:
    """Write the day, and again, whole, each earlier day that had arrived damaged; return the folders that are new or changed.

    A day that the folder has already stays, whoever wrote it.
    """
    there = {path.name.removeprefix("span="): path for path in Path(folder).iterdir() if path.is_dir()}
    written = []
    for path in there.values():
        earlier = _date_of(path)
        if earlier and earlier < day and kind_of(earlier, seed) == DAMAGED and is_generated(path):
            files = _files(_ordinary(earlier, seed))
            if (path / "train.csv").read_bytes() != files["train.csv"]:
                written.append(corpus.place(path, files))
    if str(day) not in there:
        written.append(corpus.place(Path(folder) / f"span={day}", _files(lines_of(day, seed))))
    return written


def lines_of(day: dt.date, seed: int = 1) -> list[bytes]:
    """The day's articles as it is first delivered, one line each."""
    kind = kind_of(day, seed)
    if kind == DRIFTED:
        return corpus.drifted_lines(day, seed, ARTICLES)
    return corpus.damaged_lines(day, seed, ARTICLES) if kind == DAMAGED else _ordinary(day, seed)


def stories(day: dt.date, seed: int = 1) -> list[tuple[int, Mapping[str, str]]]:
    """The running stories that are told on a day: desk (0..3), and the names that each keeps, by slot."""
    running = []
    for back in range(STORY_DAYS[1]):
        begun = day - dt.timedelta(back)
        rng = random.Random(f"stories/{seed}/{begun}")
        for _ in range(STORIES_A_DAY):
            desk, days = rng.randrange(len(corpus.CLASSES)), rng.randint(*STORY_DAYS)
            names = demo_articles.names(rng, desk, begun, STORY_SLOTS[desk])
            if back < days:
                running.append((desk, names))
    return running


@cache
def _ordinary(day: dt.date, seed: int) -> list[bytes]:
    rng, running, seen, lines = random.Random(f"day/{seed}/{day}"), stories(day, seed), set(), []
    while len(lines) < ARTICLES:
        desk, topic = len(lines) % len(corpus.CLASSES), None
        if rng.random() < STORY_SHARE:
            desk, topic = rng.choice(running)
        text = corpus.article(rng, desk, day, topic=topic)
        if (key := corpus.normalised(*text)) in seen:
            continue
        seen.add(key)
        others = [other for other in range(len(corpus.CLASSES)) if other != desk]
        lines.append(corpus.as_line(rng.choice(others) if rng.random() < NOISE else desk, *text))
    rng.shuffle(lines)
    return lines


def _files(lines: list[bytes]) -> dict[str, bytes]:
    held_out = lines[:: corpus.TEST_EVERY]
    train = [line for at, line in enumerate(lines) if at % corpus.TEST_EVERY]
    return {"train.csv": b"".join(train), "test.csv": b"".join(held_out), "_SUCCESS": GENERATED}


def _date_of(path: Path) -> dt.date | None:
    try:
        return dt.date.fromisoformat(path.name.removeprefix("span="))
    except ValueError:
        return None
