"""Two versions of a line side by side: metrics with paired intervals, settings and data that differ, rows won and lost, cost."""

from collections.abc import Mapping
from pathlib import Path

from components.core import fileio, paths, run_record
from components.core.intervals import wilson
from components.registry import model_registry
from components.registry.manifest import label_places
from pipelines.config.settings import GateConfig
from pipelines.reports import cost


class NotComparable(Exception):
    """Two versions that cannot be compared: the message gives the reason."""


def place(line: str, first: int, second: int) -> Path:
    """The folder of a comparison: `comparison.json`, `comparison.html` and `rows.csv`."""
    return paths.home() / "comparisons" / paths.safe_name(line, "line") / f"{int(first)}-{int(second)}"


def collect(line: str, first: int, second: int) -> dict:
    """The comparison as plain values: `first` is held against `second`, so a positive difference is the first one's gain.

    Raises:
        NotComparable: a version that is not registered or no longer kept, other labels, or test rows that no longer exist.
    """
    cards = {number: _card(line, number) for number in (first, second)}
    origins = {number: fileio.read_json(model_registry.origin_path(line, number)) or {} for number in cards}
    labels = {number: _manifest(card)["labels"] for number, card in cards.items()}
    if label_places(labels[second], labels[first]) is None:
        raise NotComparable(f"versions {first} and {second} have other labels: {labels[first]} and {labels[second]}")
    settings = {number: _settings(cards[number], origins[number]) for number in cards}
    data = {number: _data(cards[number]) for number in cards}
    return {
        "line": line,
        "first": first,
        "second": second,
        "labels": labels[first],
        "versions": [_version(cards[number], origins[number]) for number in (first, second)],
        "settings": differing(settings[first], settings[second]),
        "data": differing(data[first], data[second]),
        **_on_the_same_rows(cards[first], cards[second], labels),
    }


def differing(one: Mapping, other: Mapping) -> list[tuple]:
    """(name, value of the one, value of the other) of what is not the same in both; None stands for no such name."""
    names = dict.fromkeys([*one, *other])
    return [(name, one.get(name), other.get(name)) for name in names if one.get(name) != other.get(name)]


def _card(line: str, version: int) -> dict:
    card = model_registry.card(line, version)
    if card is None:
        raise NotComparable(
            f"version {version} of line {line} does not exist; `newsdesk models --line {line}` lists them"
        )
    if not Path(card["folder"]).is_dir():
        raise NotComparable(f"version {version} of line {line} is no longer kept: {card['folder']} is gone")
    return card


def _manifest(card: Mapping) -> dict:
    return model_registry.verify(Path(card["folder"]))


def _version(card: Mapping, origin: Mapping) -> dict:
    """What a page shows of each version beside the comparison; a cost that an old version did not record is None."""
    training, canary = origin.get("training") or {}, origin.get("canary") or {}
    spent = origin.get("cost") or {}
    return {
        "version": card["version"],
        "preset": card["preset"],
        "created": card["created"],
        "run": card["run"],
        "cost": {
            "training, s": training.get("seconds"),
            "epochs": training.get("epochs"),
            "training, processor s": cost.training(spent),
            "all nodes, s": cost.total(spent, "seconds"),
            "all nodes, processor s": cost.total(spent, "cpu_seconds"),
            "peak memory, MB": cost.peak(spent),
            "size on disk, MB": round(origin["bytes"] / 1e6, 1) if origin.get("bytes") else None,
            "one text, p50, ms": canary.get("p50_ms"),
            "one text, p99, ms": canary.get("p99_ms"),
        },
    }


def _settings(card: Mapping, origin: Mapping) -> dict:
    config = (origin.get("record") or {}).get("config") or {}
    parts = {
        f"{part}.{name}": value
        for part in ("network", "training", "gates")
        for name, value in (config.get(part) or {}).items()
    }
    return {
        "preset": card["preset"],
        "family": config.get("family"),
        "seed": card["seed"],
        **parts,
        "code and libraries": card["code"][:12],
    }


def _data(card: Mapping) -> dict:
    return {name: card["data"].get(name) for name in ("source", "window", "as_of", "rows", "files", "hash")}


def _test_rows(cards: list[dict]) -> tuple:
    """(`Rows`, card) of the test split of the first run that still has it. Its label ids are places among that version's labels."""
    from components.data import rows

    for card in cards:
        uri = ((run_record.last_event(card["run"], "Ingester") or {}).get("artifacts") or {}).get("examples")
        if uri and Path(uri).is_dir():
            return rows.from_split(uri, "test"), card
    raise NotComparable("the test rows of both runs are gone: retention has removed their examples")


def _on_the_same_rows(first: Mapping, second: Mapping, labels_of: Mapping[int, list[str]]) -> dict:
    """Both on the test rows of the newer run, without those that either learned from. labels_of: by version."""
    from components.evaluation import diagnostics, paired_tests
    from components.evaluation.predictions import ScoredModel
    from components.evaluation.seen_rows import fair, keys_of
    from components.evaluation.slices import slices, words_in

    newer = sorted((first, second), key=lambda card: card["created"], reverse=True)
    test, source = _test_rows(newer)
    run, labels = source["run"], labels_of[source["version"]]
    kept, taken, _ = fair(keys_of(test), {str(card["version"]): card for card in (first, second)})
    rows, truth = test.where(kept), test.labels[kept]
    if not len(truth):
        raise NotComparable(f"every test row of run {run} was trained on by one of the two")
    places = (label_places(labels_of[card["version"]], labels) for card in (first, second))
    ours, theirs = (
        ScoredModel(Path(card["folder"]), card["digest"], own).answers(rows)
        for card, own in zip((first, second), places)
    )
    labelled = [answers.argmax(axis=1) for answers in (ours, theirs)]
    shares = [float((one == truth).mean()) for one in labelled]
    compared = paired_tests.compare(truth, *labelled, GateConfig().model_dump(), slices(truth, words_in(rows), labels))
    return {
        "run": run,
        "rows": len(truth),
        "taken_out": taken,
        "accuracy": [{"accuracy": share, "interval": wilson(share, len(truth))} for share in shares],
        "comparison": compared,
        "differing": diagnostics.disagreements(rows, truth, ours, theirs, labels),
    }
