"""One batch of recent articles: read, described in figures, judged by rule. Nothing is written here.

A batch may be larger than memory: its files are read as often as its articles are needed, and a few bytes an article are held."""

from array import array
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.stats import binom

from components.data import file_reader, sources, text_cleaning
from components.data.row_format import BadRow, Form
from components.data_quality import drift
from pipelines.config.settings import MonitorSettings

RARE = 0.01  # chance from which on an accuracy is too low for chance
UNSURE = 0.2  # margin between the two likeliest classes below which an answer counts as unsure


@dataclass(frozen=True, slots=True)
class Article:
    """One text. file, line: where it stands; given: the label it came with, 0-based, -1 without one; key: `text_cleaning.row_hash`."""

    file: str
    line: int
    title: str
    description: str
    given: int
    key: str

    @property
    def text(self) -> str:
        return text_cleaning.join(self.title, self.description)


@dataclass(frozen=True)
class Batch:
    """Articles of some files, each once. paths, form: what is read. first: bool[readable rows], which rows are articles.

    keys: uint64[articles], `text_cleaning.row_key`. given: int32[articles], as `Article.given`. rows: in = out + quarantined + duplicates.
    bad: file and row of the first that cannot be read.
    """

    paths: Sequence[str]
    form: Form
    first: np.ndarray
    keys: np.ndarray
    given: np.ndarray
    rows: dict[str, int]
    bad: tuple[str, BadRow] | None

    def __len__(self) -> int:
        return len(self.keys)

    def articles(self) -> Iterator[Article]:
        """All articles in order; the files are read anew.

        Raises:
            SourceError: a file cannot be read as a whole, or has changed since `read`.
        """
        row_number = at = 0
        for path in self.paths:
            for row in file_reader.read(Path(path), self.form):
                if isinstance(row, BadRow):
                    continue
                if row_number < len(self.first) and self.first[row_number]:
                    yield Article(path, row.line, row.title, row.description, row.label, f"{int(self.keys[at]):016x}")
                    at += 1
                row_number += 1
        if row_number != len(self.first):
            raise sources.SourceError(
                f"files must not change while they are read. Received: {row_number:,} rows, {len(self.first):,} before, in {self.paths[0]} and those after it"
            )

    def at(self, places: Collection[int]) -> dict[int, Article]:
        """The articles that stand at some places, counted from 0, by their place."""
        wanted = set(places)
        return {at: article for at, article in enumerate(self.articles()) if at in wanted} if wanted else {}


def read(paths: Sequence[str], form: Form, bad: Callable[[str, BadRow], None]) -> Batch:
    """The articles of some files; the same article is kept once, where it comes first. bad: takes each row that cannot be read.

    Raises:
        SourceError: a file cannot be read as a whole.
    """
    keys, labels, quarantined, first_bad = array("Q"), array("i"), 0, None
    for path in paths:
        for row in file_reader.read(Path(path), form):
            if isinstance(row, BadRow):
                quarantined, first_bad = quarantined + 1, first_bad or (path, row)
                bad(path, row)
                continue
            keys.append(text_cleaning.row_key(text_cleaning.join(row.title, row.description)))
            labels.append(row.label)
    every, given = np.array(keys, np.uint64), np.array(labels, np.int32)
    first = np.zeros(len(every), bool)
    first[np.unique(every, return_index=True)[1]] = True
    out, count = int(first.sum()), len(every) + quarantined
    rows = {"in": count, "out": out, "quarantined": quarantined, "duplicates": len(every) - out}
    return Batch(paths, form, first, every[first], given[first], rows, first_bad)


def margins(probabilities: np.ndarray) -> np.ndarray:
    """float[rows]: how far the likeliest class lies before the second, 0 (could be either) to 1 (sure)."""
    ordered = np.sort(probabilities, axis=1)
    return ordered[:, -1] - (ordered[:, -2] if ordered.shape[1] > 1 else 0.0)


def unknown_words(texts: Sequence[Sequence[str]], profile: dict | None) -> tuple[np.ndarray, np.ndarray]:
    """Share of each text's words that are none of the frequent ones of `profile`, and how surprising that is. texts: `words_of` each.

    Returns two float[rows], the second in standard deviations of a binomial with the profile's own share: three unknown words of
    four say less than thirty of forty. Zeros without a profile.
    """
    if not profile or not sum(profile["tokens"]):
        return np.zeros(len(texts)), np.zeros(len(texts))
    known = set(profile["words"])
    share = 1 - sum(map(sum, profile["words"].values())) / sum(profile["tokens"])
    share = min(max(share, 0.01), 0.99)  # a small profile knows all its words, and no text that follows does
    pairs = [(len(words), sum(word not in known for word in words)) for words in texts]
    counts, unknown = np.array(pairs, float).reshape(-1, 2).T
    surprise = (unknown - counts * share) / np.sqrt(np.maximum(counts, 1) * share * (1 - share))
    return unknown / np.maximum(counts, 1), surprise


def given_among(given: np.ndarray, names: Sequence[str], labels: Sequence[str]) -> np.ndarray:
    """The labels that articles came with as places among a champion's `labels`, -1 for one that it does not have.

    given: as `Batch.given`, places among `names`, the line's labels: files that number their classes mean these.
    """
    return np.array([labels.index(name) if name in labels else -1 for name in names] + [-1], np.int32)[given]


def figures(now: dict, given: np.ndarray, probabilities: np.ndarray, unknown: np.ndarray, profile: dict | None) -> dict:
    """A batch in numbers. now: its profile by predicted label (`Profile.to_json`). given: as `given_among`; unknown: the share of
    `unknown_words`. profile: that of the champion's train rows, None where none was kept; distances are then None.

    `drift` (words, lengths, classes: distance 0..1), `classes` (rows by predicted label), `confidence` (mean probability of the
    answer), `unsure` (share of rows with a margin under `UNSURE`), `unknown_words` (mean share), `new_words` (those that gained
    most), `labelled` (rows that came with a label, and the accuracy on them).
    """
    answers = probabilities.argmax(axis=1)
    distances: dict = {"words": None, "lengths": None, "classes": None}
    if profile:
        distances = {"words": drift.words(profile, now), "lengths": drift.lengths(profile, now)}
        distances["classes"] = drift.labels(profile, now)
    known = given >= 0
    hits = float((answers[known] == given[known]).mean()) if known.any() else None
    return {
        "drift": distances,
        "classes": now["labels"],
        "expected_classes": {label: profile["labels"].get(label, 0) / profile["rows"] for label in now["labels"]}
        if profile
        else None,
        "confidence": round(float(probabilities.max(axis=1).mean()), 4),
        "unsure": round(float((margins(probabilities) < UNSURE).mean()), 4),
        "unknown_words": round(float(unknown.mean()), 4) if profile else None,
        "new_words": [word for word, _, _ in drift.new_words(profile, now, 10)] if profile else [],
        "labelled": {"rows": int(known.sum()), "accuracy": None if hits is None else round(hits, 4)},
    }


def warnings(figures: dict, rows: dict, expected: float | None, settings: MonitorSettings) -> list[dict]:
    """What is over its limit: `rule`, `value`, `limit`, `message`.

    figures: as `figures` gives them, with `expected_accuracy`, the one on the champion's card, where it is known.
    expected: the champion's mean confidence on its own test rows; None where it was not kept, and then it is not judged.
    """
    exceeded = []

    def warn(rule: str, value: float, limit: float, message: str) -> None:
        exceeded.append({"rule": rule, "value": round(value, 4), "limit": round(limit, 4), "message": message})

    bad = rows["quarantined"] / max(rows["in"], 1)
    if bad > settings.max_quarantined:
        warn(
            "quarantine",
            bad,
            settings.max_quarantined,
            f"{rows['quarantined']:,} of {rows['in']:,} rows cannot be read ({bad:.1%}, limit {settings.max_quarantined:.1%})",
        )
    labelled, card = figures["labelled"], figures.get("expected_accuracy")
    if card is not None and labelled["rows"] >= settings.min_labelled:
        right, least = round(labelled["accuracy"] * labelled["rows"]), card - settings.max_accuracy_drop
        chance = float(binom.cdf(right, labelled["rows"], card))
        if labelled["accuracy"] < least and chance < RARE:
            warn(
                "accuracy",
                labelled["accuracy"],
                least,
                f"accuracy on {labelled['rows']:,} articles that came with a label is {labelled['accuracy']:.3f}, limit {least:.3f} "
                f"({card:.3f} on the champion's card, less {settings.max_accuracy_drop:.2f}); by chance: p = {chance:.2g}",
            )
    if rows["out"] < settings.min_rows:
        return exceeded
    distance, gaining = figures["drift"], figures["new_words"][:6]
    news = f"; gaining: {', '.join(gaining)}" if gaining else ""
    if distance["words"] is not None and distance["words"] > settings.max_words:
        warn(
            "words",
            distance["words"],
            settings.max_words,
            f"vocabulary drift: distance {distance['words']:.2f}, limit {settings.max_words:.2f}{news}",
        )
    if distance["lengths"] is not None and distance["lengths"] > settings.max_lengths:
        warn(
            "lengths",
            distance["lengths"],
            settings.max_lengths,
            f"text length drift: distance {distance['lengths']:.2f}, limit {settings.max_lengths:.2f}",
        )
    if distance["classes"] is not None and distance["classes"] > settings.max_classes:
        shares = {label: count / rows["out"] for label, count in figures["classes"].items()}
        moved = max(shares, key=lambda label: abs(shares[label] - figures["expected_classes"].get(label, 0)))
        warn(
            "classes",
            distance["classes"],
            settings.max_classes,
            f"predicted class distribution differs from training: distance {distance['classes']:.2f}, limit "
            f"{settings.max_classes:.2f}; {moved} {shares[moved]:.0%}, in training {figures['expected_classes'].get(moved, 0):.0%}",
        )
    least = -1.0 if expected is None else expected - settings.max_confidence_drop
    if figures["confidence"] < least:
        warn(
            "confidence",
            figures["confidence"],
            least,
            f"the model is less sure than on its test rows: mean confidence {figures['confidence']:.3f}, limit {least:.3f} "
            f"({expected:.3f} there, less {settings.max_confidence_drop:.2f})",
        )
    return exceeded
