"""The data verdict's charts: lengths, class balance, drift over spans and new words."""

import itertools

from markupsafe import Markup

from components.data_quality import drift
from components.data_quality.checks import span_skew
from components.data_quality.profile import EDGES
from pipelines.reports import charts

SPANS = 40  # newest ones that are drawn


def pictures(profile: dict, champion: dict | None) -> list[tuple[str, Markup]]:
    """(caption, chart) of what the data allow. profile: of this run's rows; champion: of the rows that the champion learned from."""
    train, spans = profile["train"], dict(sorted(profile["spans"].items()))
    balance = "Class balance" + (" by span" if spans else "")
    found = [("Words in a text", _lengths(train, champion)), (balance, _classes(train, spans, balance))]
    skews = span_skew(spans)[-SPANS:]
    if skews:
        found.append(("Distance of each span from the other spans (0 alike, 1 nothing in common)", _skew(skews)))
    words, caption = _new_words(train, spans, champion)
    if words:
        found.append((caption, charts.words_chart(words, caption)))
    return found


def _lengths(train: dict, champion: dict | None) -> Markup:
    labels = [f"{low}–{high - 1}" for low, high in itertools.pairwise(EDGES)] + [f"{EDGES[-1]}+"]
    series = [("this run", train)] + ([("champion", champion)] if champion else [])
    shares = [{"name": name, "values": [n / (sum(of["lengths"]) or 1) for n in of["lengths"]]} for name, of in series]
    return charts.bar_chart(shares, labels, "Words in a text, share of rows")


def _classes(train: dict, spans: dict, title: str) -> Markup:
    shown = dict(list(spans.items())[-SPANS:]) if spans else {"all": train}
    series = [
        {"name": label, "values": [p["labels"].get(label, 0) / (p["rows"] or 1) for p in shown.values()]}
        for label in train["labels"]
    ]
    return charts.bar_chart(series, [short_day(name) for name in shown], title, stacked=True)


def _skew(skews: list[dict]) -> Markup:
    names = ("labels", "lengths", "words")
    labels, points = charts.categories(
        [short_day(s["span"]) for s in skews], [[s[name] for s in skews] for name in names]
    )
    series = [{"name": name, "kind": kind, "points": of} for name, kind, of in zip(names, "abc", points)]
    return charts.line_chart(series, labels, "Distance of each span from the other spans", low=0.0, high=0.2)


def _new_words(train: dict, spans: dict, champion: dict | None) -> tuple[list, str]:
    if champion:
        return drift.new_words(champion, train), "Words that gained most since the champion's training rows"
    if len(spans) < 2:
        return [], ""
    (_, before), (newest, now) = list(spans.items())[-2:]
    return drift.new_words(before, now), f"Words that gained most in span {newest} over the span before"


def short_day(name: str) -> str:
    """A date without its year, where a chart has no room for more; any other name as it is."""
    return name[5:] if len(name) == 10 and name[4] == name[7] == "-" else name
