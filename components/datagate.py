"""DataGate: one verdict over the data of a run, before anything is trained.

Reads: Examples, TFDV's anomalies, the Ingester's account of rows, the line's Great Expectations suite.
Makes: Verdict (`verdict.json`, `verdict.html`, browsable Data Docs). Refuses: nothing; a stop is a verdict, which the door
turns into the run's end.
"""

import html
import json
from collections.abc import Sequence
from pathlib import Path

from tensorflow_metadata.proto.v0 import anomalies_pb2
from tfx.dsl.component.experimental.annotations import InputArtifact, OutputArtifact, Parameter
from tfx.dsl.component.experimental.decorators import component
from tfx.types.standard_artifacts import ExampleAnomalies, Examples

from components import examples as records
from components.artifacts import Quarantine, Verdict
from pipelines.home import REPOSITORY

ORDER = ("pass", "warn", "stop")


def check(name: str, ok: bool, value, limit, message: str, examples: Sequence[str] = (), otherwise: str = "stop") -> dict:
    """One finding. `otherwise` is the outcome where the check does not hold: "stop" or "warn"."""
    return {
        "check": name, "outcome": "pass" if ok else otherwise, "value": value, "limit": limit,
        "message": message, "examples": list(examples),
    }  # fmt: skip


def account_checks(account: dict, limits: dict, labels: Sequence[str]) -> list[dict]:
    """Findings on the Ingester's account of rows. limits: `DataConfig` as a dict."""
    rows, train = account["rows"], account["splits"]["train"]
    total = sum(train.values())
    bad = rows["quarantined"] / max(rows["in"], 1)
    foreign = sum(account["foreign"].values())
    leaked_limit = limits["max_leaked"] * sum(account["splits"]["test"].values())
    absent = [label for label in labels if not train.get(label)]
    share = {label: train.get(label, 0) / max(total, 1) for label in labels}
    largest, smallest = max(share, key=share.get), min(share, key=share.get)
    seen = ", ".join(f"{value!r} {count}x" for value, count in list(account["foreign"].items())[:5])
    hint = " The labels look 0-based; files count classes from 1." if "0" in account["foreign"] and absent else ""
    return [
        check("quarantine", bad <= limits["max_quarantined"], round(bad, 4), limits["max_quarantined"],
              f"{rows['quarantined']:,} of {rows['in']:,} rows are unusable", account["first_quarantined"]),
        check("foreign labels", foreign <= limits["max_foreign_labels"], foreign, limits["max_foreign_labels"],
              f"{foreign:,} rows carry a label outside 1 to {len(labels)}" + (f" ({seen}).{hint}" if foreign else ""),
              account["first_foreign"]),
        check("rows", total >= limits["min_rows"], total, limits["min_rows"], f"{total:,} rows to train on"),
        check("test rows", bool(account["splits"]["test"]), sum(account["splits"]["test"].values()), 1, "held-out rows to judge with"),
        check("classes present", not absent, len(labels) - len(absent), len(labels),
              f"no train row of class {', '.join(absent)}" if absent else "every class has train rows"),
        check("largest class", share[largest] <= limits["max_class_share"], round(share[largest], 4), limits["max_class_share"],
              f"class {largest} has {share[largest]:.1%} of the train rows"),
        check("smallest class", share[smallest] >= limits["min_class_share"], round(share[smallest], 4), limits["min_class_share"],
              f"class {smallest} has {share[smallest]:.1%} of the train rows"),
        check("leakage", not account["leaked"], account["leaked"], int(leaked_limit),
              f"{account['leaked']:,} train rows are also test rows (case, entities and punctuation aside); they were left out",
              otherwise="warn" if account["leaked"] <= leaked_limit else "stop"),
        check("conflicting labels", account["conflicts"] <= 0.01 * max(total, 1), account["conflicts"], int(0.01 * total),
              f"{account['conflicts']:,} train rows repeat a text with another label", otherwise="warn"),
    ]  # fmt: skip


def anomaly_checks(uri: str) -> list[dict]:
    """Findings of TFDV's ExampleValidator, one a split."""
    findings = []
    for path in sorted(Path(uri).glob("Split-*/SchemaDiff.pb")):
        anomalies = anomalies_pb2.Anomalies()
        anomalies.ParseFromString(path.read_bytes())
        split = path.parent.name.removeprefix("Split-")
        told = [f"{name}: {info.description}" for name, info in sorted(anomalies.anomaly_info.items())]
        if anomalies.HasField("dataset_anomaly_info"):
            told.append(anomalies.dataset_anomaly_info.description)
        message = f"{len(told)} anomalies against the schema in split {split}"
        findings.append(check(f"schema ({split})", not told, len(told), 0, message, told))
    return findings


def expectation_checks(frame, suite: list[dict], folder: Path) -> list[dict]:
    """Findings of the Great Expectations suite on the train rows; its Data Docs are built under `folder`.

    frame: pandas DataFrame with text, label (class name), characters, words. suite: `{"type", "kwargs"}` an expectation.
    """
    import great_expectations as gx  # 6 s of import that only this node pays for
    from great_expectations.checkpoint import UpdateDataDocsAction
    from great_expectations.data_context.types.base import ProgressBarsConfig
    from great_expectations.expectations.registry import get_expectation_impl

    context = gx.get_context(mode="file", project_root_dir=str(folder))
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    expectations = [get_expectation_impl(e["type"])(**e["kwargs"]) for e in suite]
    asset = context.data_sources.add_pandas("rows").add_dataframe_asset("train")
    validation = context.validation_definitions.add(
        gx.ValidationDefinition(
            name="gate",
            data=asset.add_batch_definition_whole_dataframe("all"),
            suite=context.suites.add(gx.ExpectationSuite(name="news", expectations=expectations)),
        )
    )
    checkpoint = gx.Checkpoint(
        name="gate", validation_definitions=[validation], actions=[UpdateDataDocsAction(name="data_docs")],
        result_format={"result_format": "SUMMARY", "partial_unexpected_count": 3},
    )  # fmt: skip
    outcome = context.checkpoints.add(checkpoint).run(batch_parameters={"dataframe": frame})
    (result,) = outcome.run_results.values()
    return [_expectation(each) for each in result.results]


def _expectation(result) -> dict:
    expectation, kwargs = result.expectation_config, dict(result.expectation_config.kwargs)
    column = kwargs.pop("column", "table")
    kwargs.pop("batch_id", None)
    if result.exception_info and any(info.get("raised_exception") for info in _infos(result.exception_info)):
        told, value = "could not be computed", str(next(iter(_infos(result.exception_info))).get("exception_message"))[:200]
    else:
        told, value = "holds" if result.success else "does not hold", result.result.get("observed_value")
        if value is None:
            value = f"{result.result.get('unexpected_percent') or 0:.2f}% unexpected"
    examples = [str(item)[:120] for item in result.result.get("partial_unexpected_list", [])[:3]]
    name = expectation.type.removeprefix("expect_")
    return check(f"{name} ({column})", bool(result.success), value, kwargs, f"expectation {told}", examples)


def _infos(info: dict) -> list[dict]:
    return [info] if "raised_exception" in info else list(info.values())


def decide(findings: Sequence[dict]) -> str:
    """The worst outcome among the findings."""
    return max((finding["outcome"] for finding in findings), key=ORDER.index, default="stop")


def page(decision: str, findings: Sequence[dict], account: dict) -> str:
    """The verdict as a self-contained HTML page; everything that came from data is escaped."""
    rows = "".join(
        f"<tr class={f['outcome']}><td>{f['outcome']}</td><td>{html.escape(f['check'])}</td><td>{html.escape(str(f['value']))}</td>"
        f"<td>{html.escape(str(f['limit']))}</td><td>{html.escape(f['message'])}"
        + "".join(f"<br><code>{html.escape(example)}</code>" for example in f["examples"])
        + "</td></tr>"
        for f in sorted(findings, key=lambda f: -ORDER.index(f["outcome"]))
    )
    files = "".join(
        f"<tr><td>{html.escape(f['path'])}</td><td>{f['split']}</td><td>{html.escape(f['span'])}</td>"
        f"<td>{f.get('in', 0):,}</td><td>{f.get('out', 0):,}</td><td>{f.get('quarantined', 0):,}</td><td>{f.get('duplicates', 0):,}</td></tr>"
        for f in account["files"]
    )
    return f"""<!doctype html><meta charset=utf-8><title>Data verdict: {decision}</title>
<style>:root{{color-scheme:light dark}}body{{font:15px/1.5 system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem}}
table{{border-collapse:collapse;width:100%;margin:1rem 0}}td,th{{text-align:left;padding:.35rem .6rem;border-bottom:1px solid #8884;
vertical-align:top;overflow-wrap:anywhere}}
tr.stop td:first-child{{color:#c22;font-weight:700}}tr.warn td:first-child{{color:#b70;font-weight:700}}tr.pass td:first-child{{color:#283}}
code{{font-size:12px}}</style>
<h1>Data verdict: {decision}</h1>
<p>{account["rows"]["in"]:,} rows in = {account["rows"]["out"]:,} out + {account["rows"]["quarantined"]:,} quarantined
+ {account["rows"]["duplicates"]:,} duplicates. <a href="gx/uncommitted/data_docs/local_site/index.html">Data Docs</a></p>
<table><tr><th>outcome<th>check<th>value<th>limit<th>finding</tr>{rows}</table>
<h2>Files</h2><table><tr><th>file<th>split<th>span<th>in<th>out<th>quarantined<th>duplicates</tr>{files}</table>
"""


def frame_of(uri: str, labels: Sequence[str]):
    """The train rows as the DataFrame that the expectations speak about."""
    import pandas as pd

    texts, ids = records.load(uri, "train")
    text = pd.Series([t.decode("utf-8", "replace") for t in texts], dtype="object")
    names = [labels[i] if 0 <= i < len(labels) else str(i) for i in ids]
    return pd.DataFrame({"text": text, "label": names, "characters": text.str.len(), "words": text.str.count(r"\S+")})


@component
def DataGate(
    line: Parameter[str],
    labels: Parameter[str],
    limits: Parameter[str],
    code: Parameter[str],
    examples: InputArtifact[Examples],
    anomalies: InputArtifact[ExampleAnomalies],
    quarantine: InputArtifact[Quarantine],
    verdict: OutputArtifact[Verdict],
):
    """labels: JSON list; limits: JSON of `DataConfig`; code: hash of code and libraries, for the cache."""
    names = json.loads(labels)
    account = json.loads(Path(quarantine.uri, "report.json").read_text())
    suite = json.loads((REPOSITORY / "data_schemas" / line / "expectations.json").read_text())
    findings = account_checks(account, json.loads(limits), names)
    if account["splits"]["train"]:
        findings += anomaly_checks(anomalies.uri)
        findings += expectation_checks(frame_of(examples.uri, names), suite, Path(verdict.uri))
    decision = decide(findings)
    bad = [f"{f['check']}: {f['message']} (value {f['value']}, limit {f['limit']})" for f in findings if f["outcome"] == decision != "pass"]
    told = {"decision": decision, "reasons": bad, "findings": findings, "rows": account["rows"], "splits": account["splits"]}
    Path(verdict.uri, "verdict.json").write_text(json.dumps(told, indent=1, ensure_ascii=False, default=str))
    Path(verdict.uri, "verdict.html").write_text(page(decision, findings, account))
    verdict.decision = decision
    verdict.set_string_custom_property("headline", f"{decision}: {len(findings)} checks" + "".join(f"; {b}" for b in bad[:3]))
