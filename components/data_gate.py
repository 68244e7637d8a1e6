"""DataGate: one verdict over the data of a run, before anything is trained.

Reads: Examples, TFDV's anomalies, the Ingester's account and profile, the champion's profile, the line's Great Expectations
suite. Makes: Verdict (`verdict.json`, browsable Data Docs). Raises nothing for bad data: a stop is a verdict, on which the node's
process ends the run.
"""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from tensorflow_metadata.proto.v0 import anomalies_pb2
from tfx.dsl.component.experimental.annotations import InputArtifact, OutputArtifact, Parameter
from tfx.dsl.component.experimental.decorators import component
from tfx.types.standard_artifacts import ExampleAnomalies, Examples

from components.artifacts import Quarantine, Verdict
from components.core import fileio, paths
from components.core.records import RunRecord, VersionCard
from components.core.states import DataDecision
from components.data import tfrecords as records
from components.data_quality import check_settings, checks, label_consistency
from components.data_quality.checks import check
from components.data_quality.expectations import SAMPLE, docs_page, expectation_checks, frame_of
from components.data_quality.near_duplicates import Signatures
from components.data_quality.profile import in_order, words_of
from components.registry import model_registry
from components.registry.manifest import label_places

_IGNORED = 50  # files and folders of the source that were not read, as many as the page shows


def anomaly_checks(uri: str) -> list[dict]:
    """Findings of TFDV's ExampleValidator, one a split."""
    findings = []
    for split in records.SPLITS:
        name, path = f"schema ({split})", Path(uri, f"Split-{split}", "SchemaDiff.pb")
        if not path.is_file():
            message = f"ExampleValidator must have compared split {split} with the schema. Received: no {path}"
            findings.append(check(name, False, 0, 1, message))
            continue
        anomalies = anomalies_pb2.Anomalies()
        anomalies.ParseFromString(path.read_bytes())
        listed = [f"{feature}: {info.description}" for feature, info in sorted(anomalies.anomaly_info.items())]
        if anomalies.HasField("dataset_anomaly_info"):
            listed.append(anomalies.dataset_anomaly_info.description)
        message = f"{len(listed)} anomalies against the schema in split {split}"
        findings.append(check(name, not listed, len(listed), 0, message, listed))
    return findings


def splits_of(uri: str) -> tuple[str, ...]:
    """Rows that judge first, those of the test file and fresh ones: a train row is then found like them."""
    fresh = (records.FRESH,) if Path(uri, f"Split-{records.FRESH}").is_dir() else ()
    return ("test", *fresh, "train", "eval")


class Scan:
    """One pass over the Examples: rows by split, a sample of the train rows, held-out rows, signatures of all rows (in `folder`)."""

    def __init__(self, uri: str, train_rows: int, folder: Path):
        chosen = np.random.default_rng(0).choice(train_rows, min(SAMPLE, train_rows), replace=False)
        sampled = set(chosen.tolist())
        self.written, self.texts, self.ids = {}, [], []
        self.held_out, self.signatures = label_consistency.Sample(), Signatures(folder)
        for split in splits_of(uri):
            count = 0
            for texts, ids in records.batches(uri, split):
                decoded = [text.decode("utf-8", "replace") for text in texts]
                self.signatures.add(decoded)
                if split == "train":
                    kept = [i for i in range(len(decoded)) if count + i in sampled]
                    self.texts += [decoded[i] for i in kept]
                    self.ids += [int(ids[i]) for i in kept]
                elif split == "eval":
                    for text, label in zip(decoded, ids):
                        self.held_out.add(words_of(text), int(label))
                count += len(decoded)
            self.written[split] = count

    def similar(self, uri: str) -> tuple[list[str], list[str], tuple[int, int]]:
        """Examples of near-duplicates and of train rows that nearly repeat a test row, and the numbers of both."""
        first, test = self.signatures.first_like(), self.written["test"] + self.written.get(records.FRESH, 0)
        own = np.flatnonzero((first >= test) & (np.arange(len(first)) >= test))
        leaked = np.flatnonzero((first >= 0) & (first < test) & (np.arange(len(first)) >= test))
        wanted = {int(i) for row in (*own[:3], *leaked[:3]) for i in (row, first[row])}
        texts = _texts_at(uri, wanted) if wanted else {}
        shown = [[_side_by_side(texts[int(i)], texts[int(first[i])]) for i in rows[:3]] for rows in (own, leaked)]
        return shown[0], shown[1], (len(own), len(leaked))


def row_checks(
    uri: str, scan: Scan, account: dict, profile: dict, champion: dict | None, labels: Sequence[str], limits: dict
) -> list[dict]:
    """Findings on the rows themselves. profile: the Ingester's; champion: the profile of the champion's train rows."""
    new = label_consistency.confusion(champion, scan.held_out.rows) if champion else []
    return [
        checks.written_check(account, scan.written),
        *checks.similar_checks(scan.written, *scan.similar(uri), limits),
        *checks.word_checks(profile["train"], champion, new, labels, limits),
        *checks.drift_checks(profile["train"], champion, profile["spans"], limits),
    ]


def _side_by_side(first: str, second: str) -> str:
    """Two texts from shortly before the place where they differ."""
    start = max(0, next((i for i, (a, b) in enumerate(zip(first, second)) if a != b), 0) - 30)
    return f"{first[start : start + 70]!r} ≈ {second[start : start + 70]!r}"


def _texts_at(uri: str, wanted: set[int]) -> dict[int, str]:
    found, at = {}, 0
    for split in splits_of(uri):
        for texts, _ in records.batches(uri, split):
            found |= {i: texts[i - at].decode("utf-8", "replace") for i in wanted if at <= i < at + len(texts)}
            at += len(texts)
    return found


def champion_profile(line: str, champion: dict | None) -> dict | None:
    """The profile of the champion's train rows; None where there is no champion or none was kept with it.

    Raises:
        model_registry.RegistryError: the file is not the one that was registered.
    """
    if not champion or not champion["profile"]:
        return None
    path = registry_profile(line, champion["version"])
    found = fileio.file_hash(path) if path.is_file() else "no such file"
    if found != champion["profile"]:
        raise model_registry.RegistryError(
            f"a version's profile must not change. Received: {path}, {found[:12]}, registered {champion['profile'][:12]}"
        )
    return fileio.read_json(path)


def by_labels(before: dict | None, champion: dict | None, labels: Sequence[str]) -> tuple[dict | None, list[dict]]:
    """The champion's profile with its classes in the order of `labels`, and a finding on the two lists of labels.

    before: as `champion_profile`. None where it has other classes: words of a class can then be compared with nothing.
    """
    if not before or not champion:
        return None, []
    places = label_places(champion["labels"], labels)
    finding = checks.champion_labels_check(champion["version"], champion["labels"], labels)
    return (None if places is None else in_order(before, labels, places)), [finding]


def _profile_path(line: str, card: dict | None) -> str:
    return str(registry_profile(line, card["version"])) if card and card["profile"] else ""


def registry_profile(line: str, version: int) -> Path:
    """Where the profile of a version's train rows is kept."""
    return paths.registry_dir(line) / "versions" / f"{version}.profile.json"


def origin_of(record: RunRecord) -> tuple[dict, dict | None]:
    """Where a run's rows come from, and what the champion's card says of its own rows: None where these are the same files with
    the same labels, and comparing them would tell nothing."""
    config, pointer = record.config, record.champion
    ignored = record.ignored[:_IGNORED]
    origin = {"source": config.source, "window": config.window, "ignored": ignored}
    card = model_registry.card(config.line, pointer["version"]) if pointer else None
    labels = model_registry.labels_of(config.line, card.version) if card else []
    if not card or (card.data["hash"] == record.data_hash and labels == config.labels):
        return origin, None
    origin = {**origin, "late": late_rows(record, card)}
    path = registry_profile(config.line, card.version)
    kept = {key: card.data[key] for key in ("source", "window", "rows")}
    digest = fileio.file_hash(path) if path.is_file() else ""
    return origin, {"version": card.version, **kept, "profile": digest, "labels": labels}


def late_rows(record: RunRecord, card: VersionCard) -> list[str]:
    """The train files of days that the champion was trained on, which it has not seen: `day: path`, in order.

    card: the champion's. Empty where it read another source or kept no list of its files.
    """
    made = fileio.read_json(model_registry.origin_path(record.line, card.version)) or {}
    files = [file for file in made.get("files", ()) if file["split"] == "train" and file["span"]]
    if not files or card.data["source"] != record.config.source:
        return []
    first, last = min(file["span"] for file in files), made["record"].get("last_day", "")
    seen = {(file["span"], file["sha256"]) for file in files}
    return [
        f"{file['span']}: {file['path']}"
        for file in record.files
        if file["split"] == "train" and first <= file["span"] <= last and (file["span"], file["sha256"]) not in seen
    ]


@component
def DataGate(
    line: Parameter[str],
    labels: Parameter[str],
    limits: Parameter[str],
    suite: Parameter[str],
    origin: Parameter[str],
    champion: Parameter[str],
    code: Parameter[str],
    examples: InputArtifact[Examples],
    anomalies: InputArtifact[ExampleAnomalies],
    quarantine: InputArtifact[Quarantine],
    verdict: OutputArtifact[Verdict],
):
    """labels: JSON list; limits: JSON of `DataConfig`; suite: JSON of the line's `expectations.json`; origin, champion: JSON
    of `origin_of`; code: hash, for the cache."""
    names, bounds = json.loads(labels), json.loads(limits)
    account = json.loads(Path(quarantine.uri, "report.json").read_text())
    profile = json.loads(Path(quarantine.uri, "profile.json").read_text())
    card = json.loads(champion)
    before, compared = by_labels(champion_profile(line, card), card, names)
    folder, findings = Path(verdict.uri), [*checks.account_checks(account, bounds, names), *compared]
    findings += checks.source_checks(account, json.loads(origin), card, bounds)
    train_rows = sum(account["splits"]["train"].values())
    if train_rows:
        scan = Scan(examples.uri, train_rows, folder)
        findings += row_checks(examples.uri, scan, account, profile, before, names, bounds)
        findings += anomaly_checks(anomalies.uri)
        findings += expectation_checks(frame_of(scan.texts, scan.ids, names), json.loads(suite), folder)
    findings = checks.configured(findings, bounds["checks"])
    decision = checks.decide(findings)
    result = {
        "decision": decision,
        "reasons": reasons(findings, decision),
        "findings": findings,
        "rows": account["rows"],
        "splits": account["splits"],
        "quarantine": str(Path(quarantine.uri, "rows.csv")),
        "account": account,
        "profiles": {"run": str(Path(quarantine.uri, "profile.json")), "champion": _profile_path(line, card)},
        "docs": docs_page(folder) if train_rows else "",
        "milder": check_settings.softened(bounds["checks"]),
        "reason": bounds["reason"],
        "ignored": json.loads(origin)["ignored"],
    }
    (folder / "verdict.json").write_text(json.dumps(result, indent=1, ensure_ascii=False, default=str))
    verdict.decision = decision
    verdict.set_string_custom_property(
        "headline", f"{decision}: {len(findings)} checks" + "".join(f"; {r}" for r in result["reasons"][:3])
    )


def reasons(findings: Sequence[dict], decision: str) -> list[str]:
    """One line for each finding that the decision rests on, with its first example; none for a pass."""
    lines = []
    for f in findings:
        if f["outcome"] == decision != DataDecision.PASS:
            where = f"; first: {f['examples'][0]}" if f["examples"] else ""
            lines.append(f"{f['check']}: {f['message']} (value {f['value']}, limit {f['limit']}){where}")
    return lines
