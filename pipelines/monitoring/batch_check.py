"""One batch of recent articles: read, described in figures, judged by rule. Pure functions; nothing is written here."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.stats import binom

from components.data import file_reader, text_cleaning
from components.data.row_format import BadRow, Form
from components.data_quality import drift
from components.data_quality.profile import Profile, words_of
from pipelines.config.settings import MonitorSettings

RARE = 0.01  # chance from which on an accuracy is too low for chance
UNSURE = 0.2  # margin between the two likeliest classes below which an answer counts as unsure


@dataclass(frozen=True, slots=True)
class Article:
    """One text. file, line: where it stands; given: the label it came with, 0-based, -1 without one; key: `text.row_hash`."""

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
    """articles: each once. bad: (file, row) of what cannot be read. rows: in = out + quarantined + duplicates."""

    articles: list[Article]
    bad: list[tuple[str, BadRow]]
    rows: dict[str, int]


def read(paths: Sequence[str], form: Form) -> Batch:
    """The articles of some files; the same article is kept once, where it comes first.

    Raises:
        SourceError: a file cannot be read as a whole.
    """
    articles, bad, seen, count = [], [], set(), 0
    for path in paths:
        for row in file_reader.read(Path(path), form):
            count += 1
            if isinstance(row, BadRow):
                bad.append((path, row))
                continue
            key = text_cleaning.row_hash(text_cleaning.join(row.title, row.description))
            if key not in seen:
                seen.add(key)
                articles.append(Article(path, row.line, row.title, row.description, row.label, key))
    rows = {"in": count, "out": len(articles), "quarantined": len(bad)}
    return Batch(articles, bad, {**rows, "duplicates": count - len(articles) - len(bad)})


def margins(probabilities: np.ndarray) -> np.ndarray:
    """float[rows]: how far the likeliest class lies before the second, 0 (could be either) to 1 (sure)."""
    ordered = np.sort(probabilities, axis=1)
    return ordered[:, -1] - (ordered[:, -2] if ordered.shape[1] > 1 else 0.0)


def unknown_words(articles: Sequence[Article], profile: dict | None) -> tuple[np.ndarray, np.ndarray]:
    """Share of each text's words that are none of the frequent ones of `profile`, and how surprising that is.

    Returns two float[rows], the second in standard deviations of a binomial with the profile's own share: three unknown words of
    four say less than thirty of forty. Zeros without a profile.
    """
    if not profile or not sum(profile["tokens"]):
        return np.zeros(len(articles)), np.zeros(len(articles))
    known = set(profile["words"])
    share = 1 - sum(map(sum, profile["words"].values())) / sum(profile["tokens"])
    share = min(max(share, 0.01), 0.99)  # a small profile knows all its words, and no text that follows does
    pairs = [_counted(words_of(article.text), known) for article in articles]
    counts, unknown = np.array(pairs, float).reshape(-1, 2).T
    surprise = (unknown - counts * share) / np.sqrt(np.maximum(counts, 1) * share * (1 - share))
    return unknown / np.maximum(counts, 1), surprise


def _counted(words: list[str], known: set[str]) -> tuple[int, int]:
    return len(words), sum(word not in known for word in words)


def figures(
    articles: Sequence[Article], probabilities: np.ndarray, labels: Sequence[str], profile: dict | None
) -> dict:
    """A batch in numbers. profile: that of the champion's train rows, None where none was kept; distances are then None.

    `drift` (words, lengths, classes: distance 0..1), `classes` (rows by predicted label), `confidence` (mean probability of the
    answer), `unsure` (share of rows with a margin under `UNSURE`), `unknown_words` (mean share), `new_words` (those that gained
    most), `labelled` (rows that came with a label, and the accuracy on them).
    """
    answers, own = probabilities.argmax(axis=1), Profile(labels)
    for article, answer in zip(articles, answers):
        own.add(article.title, article.text, words_of(article.text), int(answer))
    now = own.to_json()
    distances: dict = {"words": None, "lengths": None, "classes": None}
    if profile:
        distances = {"words": drift.words(profile, now), "lengths": drift.lengths(profile, now)}
        distances["classes"] = drift.labels(profile, now)
    given = np.array([article.given for article in articles])
    known = given >= 0
    hits = float((answers[known] == given[known]).mean()) if known.any() else None
    return {
        "drift": distances,
        "classes": now["labels"],
        "expected_classes": {label: profile["labels"].get(label, 0) / profile["rows"] for label in labels}
        if profile
        else None,
        "confidence": round(float(probabilities.max(axis=1).mean()), 4),
        "unsure": round(float((margins(probabilities) < UNSURE).mean()), 4),
        "unknown_words": round(float(unknown_words(articles, profile)[0].mean()), 4) if profile else None,
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
