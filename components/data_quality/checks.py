"""The data checks: pure functions from accounts and profiles to findings."""

from collections.abc import Mapping, Sequence

from components.core.states import DataDecision
from components.data_quality import drift, label_consistency

ORDER = tuple(DataDecision)  # mildest first
WARN, STOP = DataDecision.WARN, DataDecision.STOP
_SMALL_SPAN = 100  # rows below which a span is not compared with the others


# What to do, appended to the message of a check that fails.
REMEDIES = {
    "expect": "look at the examples; where the rows are right, change expectations.json of the line",
    "records": "run again: the Ingester writes the records again",
    "quarantine": "correct the rows that the quarantine file lists",
    "foreign-labels": "correct these labels, or remove the rows",
    "rows": "choose a longer window or a larger source",
    "test-rows": "add a test file, or more rows",
    "classes-present": "find the files of the missing class",
    "leakage": "remove the test rows from the train files",
    "conflicting-labels": "choose one label for each text",
    "near-duplicates": "check whether one story is delivered several times",
    "near-leakage": "check whether test rows were reprinted in the train files",
    "label-noise": "read some rows: who set the labels, and with which list of classes?",
    "swapped-labels": "compare the order of classes with data_schemas/<line>/line.toml",
    "champion-labels": "correct the labels in line.toml, or give the new classes a line of their own; the model gate refuses a candidate "
    "that it cannot compare with the champion, unless release=hold lets a person decide",
    "shrinking": "check that the delivery is complete",
    "repeated": "check that the newest delivery is new",
    "late-rows": "nothing, if these days were completed or corrected; else check what writes into finished days",
    "upper-case": "check the source's title field",
}


def check(
    name: str,
    ok: bool,
    value,
    limit,
    message: str,
    examples: Sequence[str] = (),
    otherwise: DataDecision = DataDecision.STOP,
) -> dict:
    """One finding. otherwise: the outcome where the check fails, STOP or WARN."""
    outcome = DataDecision.PASS if ok else otherwise
    finding = {"check": name, "outcome": outcome, "value": value, "limit": limit, "message": message}
    return {**finding, "examples": list(examples)}


def key_of(name: str) -> str:
    """The name of a check in the configuration: `schema (train)` is `schema`, `foreign labels` is `foreign-labels`."""
    return name.split(" (")[0].replace(" ", "-")


def configured(findings: Sequence[dict], outcomes: Mapping[str, str]) -> list[dict]:
    """The findings with the outcomes of the configuration, and remedies; checks that are off are left out."""
    kept = []
    for finding in findings:
        key = key_of(finding["check"])
        outcome = outcomes.get(key, "")
        if finding["outcome"] != DataDecision.PASS:
            remedy = f". To do: {REMEDIES[key]}" if key in REMEDIES else ""
            finding = {**finding, "outcome": outcome or finding["outcome"], "message": finding["message"] + remedy}
        if outcome != "off":
            kept.append(finding)
    return kept


def decide(findings: Sequence[dict]) -> DataDecision:
    """The most severe outcome among the findings; STOP where there is none."""
    outcomes = (DataDecision(finding["outcome"]) for finding in findings)
    return max(outcomes, key=ORDER.index, default=DataDecision.STOP)


def account_checks(account: dict, limits: dict, labels: Sequence[str]) -> list[dict]:
    """Findings on the Ingester's account of rows. limits: `DataConfig` as a dict."""
    rows, train = account["rows"], account["splits"]["train"]
    total, first = sum(train.values()), account["first_label"]
    bad = rows["quarantined"] / max(rows["in"], 1)
    foreign, leaked = account["foreign_rows"], account["leaked"]
    leaked_limit = limits["max_leaked"] * sum(account["splits"]["test"].values())
    absent = [label for label in labels if not train.get(label)]
    share = {label: train.get(label, 0) / max(total, 1) for label in labels}
    largest, smallest = max(share, key=share.get), min(share, key=share.get)
    seen = ", ".join(f"{value!r} {count}x" for value, count in list(account["foreign"].items())[:5])
    shifted = [f["path"] for f in account["files"] if f["off_by_one"]]
    span = f"{first} to {first + len(labels) - 1}"
    numbers = f"{len(shifted)} file(s) count classes from {1 - first}, not from {first}"
    conflicts_limit = int(0.01 * total)
    return [
        check("quarantine", bad <= limits["max_quarantined"], round(bad, 4), limits["max_quarantined"],
              f"{rows['quarantined']:,} of {rows['in']:,} rows are unusable", account["first_quarantined"]),
        check("foreign labels", foreign <= limits["max_foreign_labels"], foreign, limits["max_foreign_labels"],
              f"{foreign:,} rows carry a label outside {span}" + (f" ({seen})" if foreign else ""), account["first_foreign"]),
        check("label numbers", not shifted, len(shifted), 0,
              f"{numbers}: all their labels would be shifted by one. Set data.first_label={1 - first} if all files do so."
              if shifted else f"files count classes from {first}", shifted[:5]),
        check("rows", total >= limits["min_rows"], total, limits["min_rows"], f"{total:,} rows to train on"),
        check("test rows", bool(account["splits"]["test"]), sum(account["splits"]["test"].values()), 1,
              "held-out rows to judge with"),
        check("classes present", not absent, len(labels) - len(absent), len(labels),
              f"no train row of class {', '.join(absent)}" if absent else "every class has train rows"),
        check("largest class", share[largest] <= limits["max_class_share"], round(share[largest], 4), limits["max_class_share"],
              f"class {largest} has {share[largest]:.1%} of the train rows"),
        check("smallest class", share[smallest] >= limits["min_class_share"], round(share[smallest], 4),
              limits["min_class_share"], f"class {smallest} has {share[smallest]:.1%} of the train rows"),
        check("leakage", not leaked, leaked, int(leaked_limit),
              f"{leaked:,} train rows are also test rows (case, entities and punctuation aside); they were left out",
              otherwise=WARN if leaked <= leaked_limit else STOP),
        check("conflicting labels", account["conflicts"] <= conflicts_limit, account["conflicts"], conflicts_limit,
              f"{account['conflicts']:,} train rows repeat a text with another label", otherwise=WARN),
    ]  # fmt: skip


def written_check(account: dict, written: Mapping[str, int]) -> dict:
    """Checks that the Examples hold as many rows as the account. written: rows by split."""
    wrong = {}
    for split, per_class in account["splits"].items():
        if written[split] != sum(per_class.values()):
            wrong[split] = f"{split}: {written[split]:,} of {sum(per_class.values()):,}"
    message = f"record files hold other rows than were written ({', '.join(wrong.values())})"
    return check(
        "records", not wrong, sum(written.values()), account["rows"]["out"], message if wrong else "all rows are there"
    )


def similar_checks(
    written: Mapping[str, int], own: Sequence[str], test: Sequence[str], counts: tuple[int, int], limits: dict
) -> list[dict]:
    """Findings on near-duplicates. written: rows by split; own, test: example pairs; counts: train rows like a train row, and like a test row."""
    limit, test_limit = limits["max_near_duplicates"], int(0.05 * written["test"])
    share = counts[0] / max(written["train"] + written["eval"], 1)
    return [
        check("near duplicates", share <= limit, round(share, 4), limit,
              f"{counts[0]:,} train rows nearly repeat another (four fifths of the word pairs)", own, WARN),
        check("near leakage", counts[1] <= test_limit, counts[1], test_limit,
              f"{counts[1]:,} train rows nearly repeat a test row", test, WARN),
    ]  # fmt: skip


def word_checks(profile: dict, champion: dict | None, new: Sequence, labels: Sequence[str], limits: dict) -> list[dict]:
    """Findings on titles in capitals, label noise and swapped labels.

    profile: of this run's train rows; champion: of the champion's, or None; new: confusion of this run's held-out train
    rows by the champion's words.
    """
    upper = profile["upper"] / max(profile["rows"], 1)
    own, test = profile["agreement"]["eval"], profile["agreement"]["test"]
    drops = {"the test rows": label_consistency.drop(own, test)}
    turned = {"the test rows, by this run's words": label_consistency.swapped(test)}
    if champion:
        drops["the champion's rows"] = label_consistency.drop(own, champion["agreement"]["eval"])
        drops["the champion's rows, by its words"] = label_consistency.drop(new, champion["agreement"]["eval"])
        turned["these rows, by the champion's words"] = label_consistency.swapped(new)
    against, worst = max(drops.items(), key=lambda item: item[1])
    swapped = [f"{labels[a]} and {labels[b]} ({where})" for where, pairs in turned.items() for a, b in pairs]
    message = f"words tell the label of {label_consistency.share(own)[0]:.1%} of held-out train rows"
    limit = limits["max_noise"]
    return [
        check("upper case", upper <= limits["max_upper"], round(upper, 4), limits["max_upper"],
              f"{upper:.1%} of the titles are all capitals"),
        check("label noise", worst <= limit, round(worst, 4), limit,
              message + (f", less than of {against}: labels look wrong" if worst > limit else ""),
              otherwise=STOP if worst > 2 * limit else WARN),
        check("swapped labels", not swapped, len(swapped), 0, "labels look swapped" if swapped else "no two labels look swapped", swapped),
    ]  # fmt: skip


def champion_labels_check(version: int, own: Sequence[str], labels: Sequence[str]) -> dict:
    """A finding on a champion of other classes. own: the champion's labels; labels: of this run."""
    shared = set(own) & set(labels)
    same = set(own) == set(labels)
    message = (
        f"version {version} has other classes, {', '.join(own) or 'unknown ones'}, and this run has {', '.join(labels)}: label "
        "noise, swapped labels and drift were not compared with its rows"
    )
    return check(
        "champion labels", same, len(shared), len({*own, *labels}), f"version {version} has the same classes" if same else message,
        otherwise=WARN,
    )  # fmt: skip


def source_checks(account: dict, origin: dict, champion: dict | None, limits: dict) -> list[dict]:
    """Findings on a source that shrank, or that repeats files.

    origin: source and window of this run; champion: `data` of the champion's card with its `version`, or None.
    """
    files = [f for f in account["files"] if f["split"] == "train"]
    spans = sorted({f["span"] for f in files})
    seen, again = {}, []
    for f in files:
        if f["sha256"] in seen:
            again.append((f["span"], f"{f['path']} is {seen[f['sha256']]} again"))
        seen.setdefault(f["sha256"], f["path"])
    newest = any(span == spans[-1] for span, _ in again)
    findings = [
        check("repeated", not again, len(again), 0,
              f"{len(again)} file(s) hold what an earlier file holds" if again else "no file comes twice",
              [message for _, message in again][:5], STOP if newest else WARN),
    ]  # fmt: skip
    if champion and (champion["source"], champion["window"]) == (origin["source"], origin["window"]):
        rows, before = sum(f["in"] for f in files), champion["rows"]
        kept, least = rows / max(before, 1), limits["min_rows_kept"]
        message = f"{rows:,} train rows read, {before:,} for version {champion['version']}"
        findings.append(check("shrinking", kept >= least, round(kept, 4), least, message))
    if champion and "late" in origin:
        late, days = origin["late"], len({each.partition(":")[0] for each in origin["late"]})
        summary = (
            f"{len(late)} file(s) of {days} day(s) came after version {champion['version']} was trained on these days"
        )
        message = summary if late else "no day got rows after it was trained on"
        findings.append(check("late rows", not late, len(late), 0, message, late[:5], WARN))
    return findings


def drift_checks(profile: dict, champion: dict | None, spans: Mapping[str, dict], limits: dict) -> list[dict]:
    """Findings on the distance of the rows from the champion's, and of the spans from each other."""
    limit, findings = limits["max_drift"], []
    if champion:
        gained = [
            f"{word}: {was:.1f} → {now:.1f} in 10,000 words" for word, was, now in drift.new_words(champion, profile, 5)
        ]
        for name, measure in (("labels", drift.labels), ("lengths", drift.lengths), ("words", drift.words)):
            value = measure(champion, profile)
            message = f"distance of {name} from the champion's training rows (0 alike, 1 nothing in common)"
            findings.append(
                check(f"drift {name}", value <= limit, value, limit, message, gained if name == "words" else [], WARN)
            )
    skews = span_skew(spans)
    if skews:
        worst = max(skews, key=lambda s: s["most"])
        message = f"span {worst['span']} lies furthest from the other spans, by its {worst['what']}"
        listed = [f"{s['span']}: {s['what']} {s['most']}" for s in skews if s["most"] > 2 * limit]
        findings.append(
            check("span skew", worst["most"] <= 2 * limit, worst["most"], 2 * limit, message, listed[-5:], WARN)
        )
    return findings


def span_skew(spans: Mapping[str, dict]) -> list[dict]:
    """The distances of each large enough span from all other spans together, oldest span first."""
    large = {span: profile for span, profile in sorted(spans.items()) if profile["rows"] >= _SMALL_SPAN}
    distances = []
    for span, profile in large.items():
        rest = [other for name, other in large.items() if name != span]
        if rest:
            merged = _merged(rest)
            values = {"labels": drift.labels(merged, profile), "lengths": drift.lengths(merged, profile)}
            values["words"] = drift.words(merged, profile)
            what = max(values, key=values.get)
            distances.append({"span": span, **values, "what": what, "most": values[what]})
    return distances


def _merged(profiles: Sequence[dict]) -> dict:
    words: dict[str, list[int]] = {}
    for profile in profiles:
        for word, counts in profile["words"].items():
            words[word] = [a + b for a, b in zip(words.get(word, [0] * len(counts)), counts)]
    ordered = sorted(words.items(), key=lambda item: -sum(item[1]))
    return {
        "labels": {name: sum(p["labels"][name] for p in profiles) for name in profiles[0]["labels"]},
        "lengths": [sum(each) for each in zip(*(p["lengths"] for p in profiles))],
        "tokens": [sum(each) for each in zip(*(p["tokens"] for p in profiles))],
        "words": dict(ordered),
    }
