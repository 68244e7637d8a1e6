"""A version's model card, for people: what it is, what it was trained on, how good it is, what it is not for, how to load it.

    registry/<line>/versions/<N>.card.md    and .card.html, written when a version is registered and when the pointer moves to or
    from it, from `<N>.json` (the version's record) and `<N>.origin.json` (how it was made)

Sections after Mitchell et al. 2019, doi:10.1145/3287560.3287596.
"""

from collections.abc import Mapping
from pathlib import Path

from components.core import fileio, paths
from components.core.intervals import wilson
from components.registry import mlflow_db, model_registry
from pipelines.reports import cost, page_blocks

LIMITS = (
    "English news articles of the kind it was trained on: a title and a short description. Other languages, other genres and "
    "long texts were not measured.",
    "It always names one of its classes, also for a text that belongs to none of them. A low probability suggests such a text but does not prove it.",
    "Articles of its training years: names and events that came later are unknown to it. The line's monitor watches for drift.",
    "For sorting and searching news. Not for decisions about people, and not for judging whether an article is true.",
)
LICENCES = {
    "demo": "Trained on invented articles that the project makes itself; code and model under Apache-2.0.",
    "other": "The code is under Apache-2.0. A model inherits what its training data allows: AG News is for research and other "
    "non-commercial use; for another source, ask who owns it.",
}


def card_files(line: str, version: int) -> dict[str, Path]:
    """Where the two forms lie."""
    folder = paths.registry_dir(line) / "versions"
    return {kind: folder / f"{int(version)}.card.{kind}" for kind in ("md", "html")}


def write(line: str, version: int) -> dict[str, Path]:
    """Writes both forms anew; empty where the version is not registered."""
    card = model_registry.card(line, version)
    if card is None:
        return {}
    origin = fileio.read_json(model_registry.origin_path(line, version)) or {}
    events = [e for e in model_registry.history(line) if version in (e["from"], e["to"])]
    title, blocks = (
        f"{line} {version}",
        list(content(card, origin, events, model_registry.aliases(line).get(version, []))),
    )
    found = card_files(line, version)
    fileio.write_text(found["md"], page_blocks.as_markdown(f"Model card: {title}", blocks))
    fileio.write_text(found["html"], page_blocks.as_html(f"Model card: {title}", blocks))
    return found


def content(card: Mapping, origin: Mapping, events: list[dict], aliases: list[str]):
    """The card's blocks (`pipelines.reports.page_blocks`). card: as `model_registry.card` gives it; origin: as the Registrar wrote it, or empty."""
    record, metrics, line, version = origin.get("record", {}), card["metrics"], card["line"], card["version"]
    config = record.get("config", {})
    low, high = metrics["interval"]
    yield (
        "text",
        (
            f"A classifier of news articles into {', '.join(config.get('labels') or metrics['per_class'])}. Version {version} of the line "
            f"{line}, made {card['created']}. Test accuracy {metrics['accuracy']:.4f} (95% interval {low:.4f} to {high:.4f}) on "
            f"{metrics['rows']:,} held-out rows."
        ),
    )
    yield "text", _state(aliases, events)

    yield "heading", "Model"
    yield "table", ("", ""), [
        ("preset", card["preset"]), ("family", config.get("family", "not recorded")), ("seed", card["seed"]),
        ("size on disk", _mb(origin.get("bytes"))), ("content digest", card["digest"]),
        *_vocabulary(origin.get("vocabulary")), *_training(origin.get("training")),
    ]  # fmt: skip
    settings = [
        (f"{section}.{name}", value)
        for section in ("network", "training")
        for name, value in config.get(section, {}).items()
    ]
    if settings:
        yield from _tuning(origin.get("tuning"))
        yield "folded", f"{len(settings)} settings", [("table", ("setting", "value"), settings)]

    yield "heading", "Training data"
    yield from _data(card["data"], origin)

    yield "heading", "How good it is"
    yield from _quality(card, origin)

    yield from cost.blocks(origin.get("cost") or {})

    yield "heading", "Intended use and limits"
    yield "list", [*LIMITS, *(f"The gate warned: {warning}" for warning in card["warnings"])]

    yield "heading", "How to load it"
    yield "text", "The champion of the line, checked against its manifest, reloaded when the pointer moves:"
    yield "code", f'from pipelines.client import Client\n\nClient("{line}").classify(["Striker signs for United"])'
    yield "text", "This version as a SavedModel, with the signature classify (text: string[batch]):"
    yield (
        "code",
        (
            f'import tensorflow as tf\n\nmodel = tf.saved_model.load("{card["folder"]}")\n'
            'model.signatures["classify"](text=tf.constant(["Striker signs for United"]))'
        ),
    )
    yield (
        "text",
        "From MLflow, as a pandas frame; the version's number there may differ, its tag newsdesk.version does not:",
    )
    yield (
        "code",
        (
            f'import mlflow\nimport pandas as pd\n\nmlflow.set_tracking_uri("{mlflow_db.shown()}")\n'
            f'model = mlflow.pyfunc.load_model("models:/{line}@champion")\n'
            'model.predict(pd.DataFrame({"text": ["Striker signs for United"]}))'
        ),
    )

    yield "heading", "Where it comes from"
    yield "table", ("", ""), [
        ("run", card["run"]), ("Airflow run", record.get("airflow") or f"none; started by {record.get('trigger', 'hand')}"),
        ("MLMD run context", f"{line}.{card['run']}"), ("code and libraries", card["code"]),
        ("data list", card["data"]["hash"]), ("vocabulary", (origin.get("vocabulary") or {}).get("fingerprint", "not recorded")),
    ]  # fmt: skip
    yield "text", f"newsdesk lineage {version} --line {line} shows every node with its artifacts."

    yield "heading", "Licence"
    yield "text", LICENCES["demo" if card["data"]["source"] == "demo" else "other"]


def _state(aliases: list[str], events: list[dict]) -> str:
    state = (
        f"It is the line's {' and '.join(aliases)} as this is written."
        if aliases
        else "It does not serve as this is written."
    )
    if not events:
        return state + " It waits for a person: nothing has promoted it."
    last = events[-1]
    return f"{state} Last move: {last['kind']} of {last['to']} by {last['who']}, {last['time']}: {last['reason']}"


def _vocabulary(found: Mapping | None) -> list[tuple]:
    if not found:
        return []
    unknown = found.get("eval", {}).get("unknown_share")
    outside = "" if unknown is None else f", {unknown:.1%} of unseen text outside them"
    return [("vocabulary", f"{found.get('tokens', 0):,} tokens{outside}")]


def _training(found: Mapping | None) -> list[tuple]:
    if not found:
        return []
    summary = f"{found['epochs']} epochs, {found['seconds']:.0f} s, validation accuracy {found['accuracy']:.4f}"
    return [("training", summary)]


def _tuning(found: Mapping | None):
    if found:
        yield (
            "text",
            f"Chosen by {found['trials']} trials on {found['rows']:,} train rows, judged on eval (accuracy {found['accuracy']:.4f}):",
        )
        yield "table", ("setting", "value"), list(found["set"].items())


def _data(data: Mapping, origin: Mapping):
    yield "table", ("", ""), [
        ("source", data["source"]), ("window", data["window"]), ("as of", data["as_of"]), ("train rows", f"{data['rows']:,}"),
        ("files", f"{data['files']:,}"), ("hash of the list", data["hash"]),
    ]  # fmt: skip
    if data.get("milder"):
        yield "text", f"Checks made milder: {', '.join(data['milder'])}. Reason given: {data.get('reason', '')}"
    files = origin.get("files", [])
    if files:
        rows = [(Path(f["path"]).name if "path" in f else "", f.get("span", ""), f.get("split", ""), f"{f.get('in', 0):,}",
                 f"{f.get('quarantined', 0):,}", f.get("sha256", "")[:16]) for f in files]  # fmt: skip
        heads = ("file", "span", "split", "rows", "quarantined", "sha256")
        yield "folded", f"{len(files)} files", [("table", heads, rows)]


def _quality(card: Mapping, origin: Mapping):
    metrics, counts = card["metrics"], origin.get("confusion")
    rows = [
        ("all", f"{metrics['rows']:,}", f"{metrics['accuracy']:.4f}", "{:.4f} to {:.4f}".format(*metrics["interval"]))
    ]
    labels = origin.get("record", {}).get("config", {}).get("labels", list(metrics["per_class"]))
    for number, label in enumerate(labels):
        recall = metrics["per_class"].get(label)
        of = sum(counts[number]) if counts else 0
        between = "{:.4f} to {:.4f}".format(*wilson(recall, of)) if of and recall is not None else "not recorded"
        rows.append((label, f"{of:,}" if of else "", "" if recall is None else f"{recall:.4f}", between))
    yield "table", ("share right", "test rows", "share", "95% interval"), rows
    for name, found in card["comparisons"].items():
        low, high = found.get("low"), found.get("high")
        between = "" if low is None else f", 95% interval {low:+.4f} to {high:+.4f}"
        yield (
            "text",
            (
                f"Against the {name} of that day ({found['accuracy']:.4f}) on the same rows: {found['won']:,} rows won, "
                f"{found['lost']:,} lost{between}, p (worse) = {found['p_worse']:.3g}."
            ),
        )
    if "champion" not in card["comparisons"]:
        yield (
            "text",
            "It was compared with no champion: no other version served when it was made, or one of other classes did.",
        )
    days = (card.get("fresh") or {}).get("days") or []
    if days:
        yield "text", "On fresh news, rows of labelled spans that no version learns from, by day:"
        heads = ("day", "rows", "share right", "95% interval", "the champion of that day")
        rows = [(day["span"], f"{day['rows']:,}", f"{day['accuracy']:.4f}", "{:.4f} to {:.4f}".format(*day["interval"]),
                 f"{day['champion']:.4f}" if "champion" in day else "") for day in days[-30:]]  # fmt: skip
        yield "table", heads, rows
    yield from _confidence(metrics)
    behaviour = origin.get("behaviour") or {}
    kinds = behaviour.get("kinds", behaviour)
    cases = [(kind, f"{p['rows']:,}", f"{p['share']:.1%}", "" if p.get("champion") is None else f"{p['champion']:.1%}")
            for kind, p in kinds.items() if isinstance(p, Mapping) and "share" in p]  # fmt: skip
    if cases:
        yield "text", "Labels that change, or are wrong, where a text changes in what must not matter:"
        yield "table", ("behaviour", "cases", "flipped", "the champion's"), cases
    canary = origin.get("canary") or {}
    if "p50_ms" in canary:
        yield (
            "text",
            f"Latency of one text: p50 {canary['p50_ms']:.1f} ms, p99 {canary['p99_ms']:.1f} ms.",
        )


def _confidence(metrics: Mapping):
    """How far probabilities can be relied on; nothing of a card from before this was measured."""
    if metrics.get("calibration_error") is not None:
        yield "text", f"Expected calibration error {metrics['calibration_error']:.3f}."
    if metrics.get("coverage"):
        yield "text", "With min_confidence the client leaves an answer below it without a label:"
        yield "table", ("least confidence", "rows labelled", "share right of these"), [
            (p["min_confidence"], f"{p['coverage']:.1%}", "" if p["accuracy"] is None else f"{p['accuracy']:.4f}")
            for p in metrics["coverage"]
        ]  # fmt: skip


def _mb(amount: int | None) -> str:
    return f"{amount / 2**20:.1f} MB" if amount else "not recorded"
