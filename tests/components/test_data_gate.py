"""Each check is shown to stop, to warn and to pass; the verdict is their worst, with place, number and limit."""

import json
import re

import pytest
import record_kit
import tensorflow as tf
import tensorflow_data_validation as tfdv
from data_kit import LABELS, Ingested, Judged, articles, as_csv, judge, source, span
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2

from components import data_gate
from components.core import fileio, paths
from components.core.records import RunRecord
from components.data_quality import check_settings, checks
from components.data_quality.checks import check, configured, decide
from components.registry import model_registry
from pipelines.config import run_config
from pipelines.reports import data_verdict

LIMITS = run_config.DataConfig().model_dump()


def account(**changed):
    even = dict.fromkeys(LABELS, 250)
    base = {
        "files": [{"path": "/s/train.csv", "split": "train", "span": "", "sha256": "a", "in": 1000, "off_by_one": False}],
        "rows": {"in": 1100, "out": 1100, "quarantined": 0, "duplicates": 0},
        "splits": {"train": even, "eval": {}, "test": {"World": 1000}}, "first_label": 1, "foreign": {}, "foreign_rows": 0,
        "conflicts": 0, "leaked": 0, "first_foreign": [], "first_quarantined": ["/s/train.csv, line 7"],
    }  # fmt: skip
    return {**base, **changed}


def outcome(name, **changed):
    found = checks.account_checks(account(**changed), LIMITS, LABELS)
    return next(f["outcome"] for f in found if f["check"] == name)


def rows(quarantined):
    return {"in": 1100, "out": 1100 - quarantined, "quarantined": quarantined, "duplicates": 0}


def train(**classes):
    return {"train": {**dict.fromkeys(LABELS, 250), **classes}, "eval": {}, "test": {"World": 1000}}


@pytest.mark.parametrize(
    "name, changed, wanted",
    [
        ("quarantine", {"rows": rows(11)}, "pass"),
        ("quarantine", {"rows": rows(12)}, "stop"),
        ("foreign labels", {"foreign_rows": 1, "foreign": {"5": 1}}, "stop"),
        ("label numbers", {"files": [{"path": "a", "off_by_one": True}]}, "stop"),
        ("rows", {"splits": {"train": dict.fromkeys(LABELS, 49), "eval": {}, "test": {}}}, "stop"),
        ("test rows", {"splits": {"train": {}, "eval": {}, "test": {}}}, "stop"),
        ("classes present", {"splits": train(World=0)}, "stop"),
        ("largest class", {"splits": train(World=2900)}, "pass"),
        ("largest class", {"splits": train(World=3100)}, "stop"),
        ("smallest class", {"splits": train(World=15)}, "stop"),
        ("leakage", {"leaked": 2}, "warn"),
        ("leakage", {"leaked": 3}, "stop"),
        ("conflicting labels", {"conflicts": 10}, "pass"),
        ("conflicting labels", {"conflicts": 11}, "warn"),
    ],
)
def test_the_account_of_rows_is_held_to_its_limits(name, changed, wanted):
    assert outcome(name, **changed) == wanted


def test_a_good_account_passes_every_check():
    assert {f["outcome"] for f in checks.account_checks(account(), LIMITS, LABELS)} == {"pass"}


def test_a_finding_names_place_number_and_limit():
    found = checks.account_checks(account(rows=rows(110)), LIMITS, LABELS)[0]
    assert (found["value"], found["limit"], found["examples"]) == (0.1, 0.01, ["/s/train.csv, line 7"])
    assert found["message"] == "110 of 1,100 rows are unusable"
    (line,) = data_gate.reasons([found], "stop")
    assert line == "quarantine: 110 of 1,100 rows are unusable (value 0.1, limit 0.01); first: /s/train.csv, line 7"


def test_the_decision_is_the_worst_outcome_and_nothing_checked_is_a_stop():
    good, mild, bad = (
        check("c", ok, 0, 0, "", otherwise=o) for ok, o in ((True, ""), (False, "warn"), (False, "stop"))
    )
    assert [decide(some) for some in ([good], [good, mild], [mild, bad, good], [])] == ["pass", "warn", "stop", "stop"]


def test_configuration_turns_a_stop_into_a_warning_a_warning_into_a_stop_and_a_check_off():
    findings = [check("rows", False, 1, 2, ""), check("drift words", False, 1, 2, "", otherwise="warn"),
                check("schema (train)", False, 1, 2, ""), check("leakage", True, 0, 0, "")]  # fmt: skip
    said = {"rows": "warn", "drift-words": "stop", "schema": "off", "leakage": "stop"}
    assert [(f["check"], f["outcome"]) for f in configured(findings, said)] == [
        ("rows", "warn"), ("drift words", "stop"), ("leakage", "pass")]  # fmt: skip


def test_a_milder_check_needs_a_reason_and_a_stricter_one_does_not():
    run_config.DataConfig(checks={"drift-words": "stop"})
    run_config.DataConfig(checks={"leakage": "warn"}, reason="the test rows are reprints, asked for by the desk")
    with pytest.raises(run_config.ConfigError, match="must say why a check is made milder"):
        run_config.DataConfig(checks={"leakage": "off"})
    with pytest.raises(run_config.ConfigError, match="must name checks among"):
        run_config.DataConfig(checks={"leak": "off"}, reason="x")
    with pytest.raises(run_config.ConfigError, match="must be one of off, warn, stop"):
        run_config.DataConfig(checks={"leakage": "ignore"}, reason="x")


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    folder = tmp_path_factory.mktemp("good")
    for at, day in enumerate(("2026-11-20", "2026-11-21", "2026-11-22")):
        span(folder / "s", day, articles(1_200)[at * 400 : at * 400 + 400])
    (folder / "s" / "test.csv").write_bytes(as_csv(articles(100, 2)))
    return Ingested(folder / "s", folder)


@pytest.fixture(scope="module")
def judged(good, tmp_path_factory):
    return Judged(good, tmp_path_factory.mktemp("judged"))


def test_good_rows_pass_with_a_page_pictures_and_data_docs(judged):
    assert judged.told["decision"] == "pass" and judged.artifact.decision == "pass" and judged.told["reasons"] == []
    assert {checks.key_of(name) for name in judged.outcomes} >= {
        "records",
        "near-duplicates",
        "span-skew",
        "expect",
    }
    page = (judged.folder / "verdict.html").read_text()
    for caption in ("Words in a text", "Class balance by span", "Distance of each span", "Words that gained most"):
        assert re.search(rf"<h3>{caption}[^<]*</h3><figure[^>]*><svg", page)
    assert "1 not read" in page and "2026-11-23/: still being written" in page
    (docs,) = re.findall(r"<code>(gx/[^<]+)</code>", page)
    assert 'href="gx/' not in page
    assert "words" in (judged.folder / docs).read_text(), "the page that holds the results, not the index of such pages"


def test_every_check_can_be_configured_by_its_name(judged):
    assert {checks.key_of(name) for name in judged.outcomes} <= set(check_settings.DEFAULTS)


def test_the_page_escapes_what_came_from_data(good):
    finding = check("rows", False, "<script>", {"<b>": 1}, "<img src=x>", ["</code><script>alert(1)</script>"])
    told = {
        "decision": "stop",
        "findings": [finding],
        "milder": ["rows"],
        "reason": "<i>",
        "quarantine": "<q>",
        "ignored": ["<u>"],
    }
    page = data_verdict.page(told, good.account, [])
    assert not re.search(r"<(script|img|b|i|q|u)>", page) and "&lt;script&gt;alert(1)" in page


def test_the_page_names_files_without_the_folders_of_the_machine_and_links_nothing_that_airflow_cannot_show(good):
    home = paths.home()
    told = {
        "decision": "pass", "findings": [], "milder": [], "reason": "", "ignored": [],
        "quarantine": str(home / "artifacts/news/Ingester/quarantine/3/rows.csv"),
    }  # fmt: skip
    page = data_verdict.page(told, good.account, [], "gx/index.html")
    assert "NEWSDESK_HOME/artifacts/news/Ingester/quarantine/3/rows.csv" in page
    assert str(home) not in page and str(home.parent) not in page and good.account["files"][0]["path"] not in page
    assert "href=" not in page and "<code>gx/index.html</code>" in page


def test_a_lost_or_cut_record_file_is_found(good, tmp_path):
    with record_kit.Writer(tmp_path / "e") as writer:
        writer.write("train", "only one", 1)
    scan = data_gate.Scan(str(tmp_path / "e"), 1, tmp_path)
    found = checks.written_check(good.account, scan.written)
    assert found["outcome"] == "stop" and re.search(
        r"train: 1 of 1,\d\d\d, eval: 0 of \d+, test: 0 of 100", found["message"]
    )


def schema_diff(folder, schema_text):
    """TFDV's own verdict on three rows, as ExampleValidator writes it."""
    feature = tf.train.Feature(int64_list=tf.train.Int64List(value=[7]))
    with tf.io.TFRecordWriter(str(folder / "rows")) as writer:
        for _ in range(3):
            writer.write(tf.train.Example(features=tf.train.Features(feature={"label": feature})).SerializeToString())
    statistics = tfdv.generate_statistics_from_tfrecord(str(folder / "rows"))
    found = tfdv.validate_statistics(statistics, text_format.Parse(schema_text, schema_pb2.Schema()))
    (folder / "Split-train").mkdir()
    (folder / "Split-train" / "SchemaDiff.pb").write_bytes(found.SerializeToString())


@pytest.mark.filterwarnings("ignore")  # Beam's own
def test_anomalies_against_the_reviewed_schema_stop_with_tfdvs_words(tmp_path):
    schema_diff(tmp_path, (paths.REPOSITORY / "data_schemas" / "news" / "schema.pbtxt").read_text())
    found, *missing = data_gate.anomaly_checks(str(tmp_path))
    assert (found["check"], found["outcome"], found["value"]) == ("schema (train)", "stop", 2)
    assert any(e.startswith("label: ") and "7" in e for e in found["examples"]) and any(
        "text: " in e for e in found["examples"]
    )
    assert [(one["check"], one["outcome"]) for one in missing] == [("schema (eval)", "stop"), ("schema (test)", "stop")]
    assert f"no {tmp_path / 'Split-eval' / 'SchemaDiff.pb'}" in missing[0]["message"]


def test_a_schema_check_that_left_nothing_stops(good, tmp_path):
    (tmp_path / "empty").mkdir()
    judged = Judged(good, tmp_path, anomalies=tmp_path / "empty")
    assert judged.told["decision"] == "stop" and judged["schema (train)"]["outcome"] == "stop"
    assert "must have compared split train with the schema" in judged.told["reasons"][0]


def test_expectations_that_do_not_hold_stop_with_example_rows(tmp_path):
    judged = judge(
        source(tmp_path / "s", [(n, "", "ab") if i % 3 else (n, t, d) for i, (n, t, d) in enumerate(articles(600))]),
        tmp_path,
    )
    found = judged["expect (words: values_to_be_between)"]
    assert judged.told["decision"] == "stop" and found["outcome"] == "stop" and found["examples"]


def test_no_train_row_at_all_is_a_stop_and_not_an_error(tmp_path):
    judged = judge(source(tmp_path / "s", [(7, "a", "b")]), tmp_path)
    assert judged.told["decision"] == "stop" and judged["rows"]["value"] == 0
    assert "Data Docs" not in (judged.folder / "verdict.html").read_text()


def test_a_recorded_override_shows_in_verdict_and_page(tmp_path):
    folder = source(tmp_path / "s", articles(120))
    judged = judge(folder, tmp_path, checks={"rows": "warn"}, reason="a <small> trial")
    assert judged.told["decision"] == "warn" and judged["rows"]["outcome"] == "warn"
    assert (judged.told["milder"], judged.told["reason"]) == (["rows"], "a <small> trial")
    assert "a &lt;small&gt; trial" in (judged.folder / "verdict.html").read_text()


# --- against the champion ----------------------------------------------------------------------------------------------


def champion_of(ingested, line="news", **changed):
    """Registers what was ingested as version 1's data; returns DataGate's `champion` parameter."""
    path = data_gate.registry_profile(line, 1)
    fileio.write_json(path, ingested.profile["train"])
    data = {"source": "s", "window": "all", "rows": 1_200, **changed}
    return {"version": 1, **data, "profile": fileio.file_hash(path), "labels": ingested.labels}


def test_the_champions_own_rows_have_no_drift(good, tmp_path):
    judged = Judged(good, tmp_path, champion=champion_of(good))
    assert judged.told["decision"] == "pass"
    assert [judged[f"drift {what}"]["value"] for what in ("labels", "lengths", "words")] == [0, 0, 0]


def test_other_words_labels_and_lengths_are_told_with_the_words_that_came(good, tmp_path):
    rows = [(n if i % 2 else 1, "", d.split(". ")[0]) for i, (n, _, d) in enumerate(articles(1_200, 5, drifted=True))]
    judged = Judged(Ingested(source(tmp_path / "s", rows), tmp_path), tmp_path, champion=champion_of(good))
    assert [judged[f"drift {what}"]["outcome"] for what in ("labels", "lengths", "words")] == ["warn"] * 3
    assert re.match(r"\w+: 0\.0 → \d+\.\d in 10,000 words", judged["drift words"]["examples"][0])


SWAPPED = ("World", "Business", "Sports", "Sci/Tech")


def named(rows, labels):
    """Rows that carry the names of their classes. labels: the list that their numbers count."""
    return [(labels[number - 1], title, description) for number, title, description in rows]


def test_the_champions_words_are_compared_by_the_names_of_the_classes(good, tmp_path):
    """The champion's profile has its classes in another order than the run."""
    rows = named(articles(1_200), LABELS)
    folder = source(tmp_path / "s", rows, named(articles(100, 2), LABELS))
    judged = Judged(Ingested(folder, tmp_path, labels=SWAPPED), tmp_path, champion=champion_of(good))
    assert judged.told["decision"] == "pass" and judged["champion labels"]["outcome"] == "pass"
    assert [judged[f"drift {what}"]["value"] for what in ("labels", "lengths", "words")] == [0, 0, 0]


@pytest.mark.parametrize("labels", [(*LABELS, "Weather"), LABELS[:3]], ids=["added", "removed"])
def test_a_champion_of_other_classes_is_passed_over_with_a_finding_that_says_so(good, tmp_path, labels):
    rows = [(n, t, d) for n, t, d in articles(1_200) if n <= len(labels)]
    rows += [(5, f"Rain in {t}", d) for _, t, d in articles(200, 9) if len(labels) > 4]
    test = [row for row in articles(100, 2) if row[0] <= len(labels)]
    folder = source(tmp_path / "s", rows, test)
    judged = Judged(Ingested(folder, tmp_path, labels=labels), tmp_path, champion=champion_of(good))
    found = judged["champion labels"]
    assert found["outcome"] == "warn" and "drift words" not in judged.outcomes
    assert f"other classes, {', '.join(LABELS)}, and this run has {', '.join(labels)}: " in found["message"]
    assert "release=hold" in found["message"] and judged["swapped labels"]["outcome"] == "pass"


@pytest.mark.parametrize(
    "rows, window, wanted", [(1_700, "all", "pass"), (1_800, "all", "stop"), (9_999, "last 3d", None)]
)
def test_a_source_that_shrank_stops_where_source_and_window_are_the_same(good, rows, window, wanted):
    before = {"version": 1, "source": "s", "window": "all", "rows": rows}
    found = checks.source_checks(good.account, {"source": "s", "window": window}, before, LIMITS)
    assert next((f["outcome"] for f in found if f["check"] == "shrinking"), None) == wanted


@pytest.mark.parametrize("spans, wanted", [("aab", "warn"), ("aba", "stop"), ("abc", "pass")])
def test_yesterdays_file_again_stops_and_an_older_repeat_warns(spans, wanted):
    files = [
        {"path": f"/s/{i}", "split": "train", "span": f"2026-11-2{i}", "sha256": s, "in": 1}
        for i, s in enumerate(spans)
    ]
    (found,) = checks.source_checks(account(files=files), {"source": "s", "window": "all"}, None, LIMITS)
    assert found["outcome"] == wanted


def test_a_profile_that_changed_after_registration_is_an_error(good, newsdesk_home):
    champion = champion_of(good)
    data_gate.registry_profile("news", 1).write_text("{}")
    with pytest.raises(
        model_registry.RegistryError, match=r"a version's profile must not change. Received: .*1.profile.json"
    ):
        data_gate.champion_profile("news", champion)
    assert data_gate.champion_profile("news", None) is None


def test_what_the_gate_knows_of_the_champion_comes_from_its_card(newsdesk_home):
    record = {
        "run": "r",
        "config": {"line": "news", "source": "s", "window": "all"},
        "data_hash": "h",
        "champion": None,
    }
    assert data_gate.origin_of(RunRecord.from_json(record)) == ({"source": "s", "window": "all", "ignored": []}, None)
    card = {"version": 3, "data": {"source": "s", "window": "all", "rows": 5, "hash": "g", "files": 2}}
    fileio.write_json(paths.registry_dir("news") / "versions" / "3.json", card)
    record["champion"] = {"version": 3}
    known = {"version": 3, "source": "s", "window": "all", "rows": 5, "labels": ["a", "b"]}
    fileio.write_json(model_registry.origin_path("news", 3), {"record": {"config": {"labels": ["a", "b"]}}})
    record["config"]["labels"] = ["a", "b"]
    assert data_gate.origin_of(RunRecord.from_json(record))[1] == {**known, "profile": ""}
    path = data_gate.registry_profile("news", 3)
    path.write_text(json.dumps({}))
    assert data_gate.origin_of(RunRecord.from_json(record))[1] == {**known, "profile": fileio.file_hash(path)}
    assert [c["version"] for c in model_registry.versions("news")] == [3], "a profile is not taken for a card"
    record["data_hash"] = "g"
    assert data_gate.origin_of(RunRecord.from_json(record))[1] is None, (
        "the champion's own files are compared with themselves"
    )
    record["config"]["labels"] = ["b", "a"]
    assert data_gate.origin_of(RunRecord.from_json(record))[1] is not None, "its files mean something else now"
