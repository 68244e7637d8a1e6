"""What a person reads before a held version is released: Markdown, made from what the model gate wrote about its run."""

from collections.abc import Iterable, Mapping

from components.core import fileio, paths
from components.core.records import RunRecord
from pipelines.reports import page_blocks
from pipelines.reports.model_verdict import DIFFERING

ROWS = {"lost": 10, "neither": 3, "won": 5}  # on which champion and candidate differ; the run report has more
_TEXT = 240  # characters of one of them
_HEADS = ["against", "its accuracy", "difference", "95% interval", "rows won", "lost"]


def question(record: RunRecord, version: int, asked_by: str, report: str) -> tuple[str, str]:
    """Subject and body. asked_by: who started the run; empty for nobody. report: address of the run's report."""
    folder = paths.run_dir(record.run)
    verdict, page = (
        fileio.read_json(folder / "verdict.json") or {},
        fileio.read_json(folder / "verdict_page.json") or {},
    )
    metrics, pointer = verdict.get("metrics") or {}, record.champion
    serves = f"Version {pointer['version']} serves now." if pointer else "Nothing serves now."
    config = record.config
    accuracy, rows = metrics.get("accuracy"), metrics.get("rows")
    shown = f"Test accuracy {accuracy:.4f} on {rows or 0:,} rows. " if accuracy is not None else ""
    blocks = [
        ("text", f"{serves} {shown}Preset {config.preset}, source {config.source}, seed {config.seed}."),
        ("text", f"Run {record.run}, asked for by {asked_by or 'the schedule'}."),
        ("list", [*verdict.get("reasons", []), *(f"warning: {text}" for text in verdict.get("warnings") or ())]),
        *_compared("On the same test rows", verdict.get("comparisons") or {}),
        *_fresh(verdict.get("fresh")),
        *_flips((verdict.get("behaviour") or {}).get("kinds") or {}),
        *_differing(page.get("differing") or {}),
        *_replay(fileio.read_json(folder / "replay.json"), pointer),
    ]
    link = f"[Report of the run]({report})\n" if report else ""
    subject = f"Release version {version} of {config.line}?"
    return subject, page_blocks.as_markdown(subject, blocks) + link


def _compared(title: str, comparisons: Mapping[str, Mapping]) -> Iterable[tuple]:
    """A row for each other model, and under the champion's one for each slice."""
    rows = []
    for name, found in comparisons.items():
        rows.append([name, f"{found['accuracy']:.4f}", *_difference(found)])
        for part, each in (found.get("slices") or {}).items() if name == "champion" else ():
            fell = " (fell)" if each.get("fell") or each.get("recall_fell") else ""
            rows.append([f"– {part}{fell}", f"{each['rows']:,} rows", *_difference(each)])
    return [("heading", title), ("table", _HEADS, rows)] if rows else []


def _difference(found: Mapping) -> list[str]:
    interval = f"{found['low']:+.4f} to {found['high']:+.4f}"
    return [f"{found['difference']:+.4f}", interval, f"{found['won']:,}", f"{found['lost']:,}"]


def _fresh(fresh: Mapping | None) -> Iterable[tuple]:
    if not fresh:
        return []
    newest = fresh["newest"]
    text = f"Accuracy {newest['accuracy']:.4f} on {newest['rows']:,} rows of the newest labelled days."
    return [("heading", "Fresh rows"), ("text", text), *_compared("", fresh.get("comparisons") or {})[1:]]


def _flips(kinds: Mapping[str, Mapping]) -> Iterable[tuple]:
    rows = [
        [kind, f"{found['rows']:,}", f"{found['flipped']:,}", f"{found['share']:.1%}",
         "" if found.get("champion") is None else f"{found['champion']:.1%}"]
        for kind, found in kinds.items()
    ]  # fmt: skip
    heads = ["change", "texts", "labels flipped", "share", "champion"]
    return [("heading", "Labels that should not move"), ("table", heads, rows)] if rows else []


def _replay(replay: Mapping | None, pointer: Mapping | None) -> Iterable[tuple]:
    """Agreement on logged requests with the champion that serves; nothing where no replay, or one with another, was made."""
    if not replay or not pointer or replay["champion"] != pointer["version"]:
        return []
    ours, theirs = replay["latency"]["version"], replay["latency"]["champion"]
    text = (
        f"The same label for {replay['agreement']:.2%} of {replay['texts']:,} texts; {replay['differing']:,} differ. One text: p50 "
        f"{ours['p50_ms']} ms, p99 {ours['p99_ms']} ms; the champion {theirs['p50_ms']} ms and {theirs['p99_ms']} ms."
    )
    rows = [[row["text"][:_TEXT], row["said"], row["champion"]] for row in replay["rows"][: ROWS["lost"]]]
    table = [("table", ["text", "candidate", "champion"], rows)] if rows else []
    return [("heading", f"Requests of {replay['day']}"), ("text", text), *table]


def _differing(differing: Mapping[str, Mapping]) -> Iterable[tuple]:
    """The first rows to which candidate and champion give different labels, by who has them right."""
    blocks: list[tuple] = []
    for kind, most in ROWS.items():
        part = differing.get(kind) or {}
        rows = [[row["text"][:_TEXT], row["true"], row["said"], row["champion"]] for row in part.get("rows", [])[:most]]
        if rows:
            title = f"{DIFFERING[kind]}: {part['count']:,} rows" + (
                f", {len(rows)} shown" if part["count"] > len(rows) else ""
            )
            blocks += [("heading", title), ("table", ["text", "true", "candidate", "champion"], rows)]
    return blocks
