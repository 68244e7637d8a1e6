"""What retention keeps and removes: decided as plain values, carried out under the line's lock, readable afterwards."""

import json
import os
import shutil
from datetime import datetime, timedelta, timezone
from pathlib import Path

import published_files
import pytest
from ml_metadata import metadata_store
from ml_metadata.proto import metadata_store_pb2 as pb

from components.core import fileio, locks, paths
from components.core.records import RunRecord, Verdict
from components.registry import mlflow_db, mlflow_sync, model_registry, pins, tf_serving_config
from pipelines.cli import main
from pipelines.config import run_config
from pipelines.operations import retention
from pipelines.runner import mlmd_store

LINE = "news"
NONE = retention.RetentionSettings(keep=0, runs=0)
LATER = datetime.now(timezone.utc) + timedelta(days=1)


def state(versions=range(1, 8), **more):
    """A line on which versions 1 to 7 lie, all registered, none protected."""
    given = {n: Path(f"/serving/{n}") for n in versions}
    fields = {
        "versions": given, "held": {}, "names": {}, "pinned": frozenset(), "left": {}, "registered": frozenset(given),
        "runs": {}, "made_by": {}, "working": frozenset(), **more,
    }  # fmt: skip
    return retention.State(**fields)


def make(number, accuracy=0.9, held=False):
    """A version of 4 kB with a card, and its run."""
    folder = published_files.make(number, f"model {number}".ljust(4096), held)
    manifest = fileio.read_json(folder / model_registry.MANIFEST)
    card = {
        "version": number, "digest": manifest["digest"], "folder": str(folder), "run": f"run-{number}",
        "metrics": {"accuracy": accuracy},
    }  # fmt: skip
    fileio.write_json(paths.registry_dir(LINE) / "versions" / f"{number}.json", card)
    record = {"run": f"run-{number}", "created": f"2026-11-{number:02}", "config": {"line": LINE}}
    fileio.write_json(paths.run_dir(f"run-{number}") / "run.json", record)
    return folder


def release(number, kind="release", **more):
    make(number, **more)
    model_registry.move_champion(LINE, model_registry.champion(LINE), number, kind, "because", {})


def names(plan, kind):
    return [item.name for item in plan.remove if item.kind == kind]


# --- deciding ---


def test_besides_the_protected_the_newest_are_kept_as_many_as_the_policy_says():
    given = state(names={"champion": 7, "previous": 6, "best": 2}, pinned=frozenset({1}))
    plan = retention.plan(given, retention.RetentionSettings(keep=2))
    assert plan.kept == {
        1: ("pinned",), 2: ("best",), 4: ("one of the 2 newest",), 5: ("one of the 2 newest",), 6: ("previous",), 7: ("champion",),
    }  # fmt: skip
    assert names(plan, "version") == ["3"]


def test_the_configuration_pins_as_the_command_does():
    assert names(retention.plan(state(), retention.RetentionSettings(keep=0, pinned=(3, 5))), "version") == list(
        "12467"
    )


def test_what_waits_for_a_person_stays_and_what_was_only_set_aside_does_not():
    given = state(
        [1], held={8: Path("/held/8"), 9: Path("/held/9")}, names={"champion": 1}, registered=frozenset({1, 8})
    )
    plan = retention.plan(given, NONE)
    assert plan.kept == {1: ("champion",), 8: ("held",)}
    assert names(plan, "held") == ["9"]


def held_version():
    """Version 2 is held, version 1 serves."""
    release(1)
    make(2, held=True)
    fileio.write_json(paths.run_dir("run-2") / "verdict.json", {"decision": "blessed", "reasons": ["good"]})
    fileio.write_json(paths.run_dir("run-2") / "release.json", {"state": "held", "version": 2, "folder": "f"})


def test_a_rejected_version_is_removed_like_any_other_and_a_rejection_is_kept_on_its_card(capsys):
    held_version()
    assert retention.plan(retention.look(LINE, LATER), NONE).kept[2] == ("held",)
    words = ["reject", "2", "--line", LINE, "--reason", "loses sports"]
    assert [main.main(words), main.main(words)] == [0, 0]
    assert capsys.readouterr().out.splitlines() == [
        "news: version 2 is rejected", "news: version 2 is already rejected",
    ]  # fmt: skip
    assert names(retention.plan(retention.look(LINE, LATER), NONE), "held") == ["2"]
    assert fileio.read_json(paths.run_dir("run-2") / "outcome.json")["reasons"] == ["rejected: loses sports"]


@pytest.mark.parametrize("files", [1, 2])
def test_a_rejection_that_was_interrupted_is_completed_by_the_next_call(files, monkeypatch, capsys):
    held_version()
    write, written = fileio.write_json, []

    def interrupted(path, value):
        if len(written) == files:
            raise KeyboardInterrupt
        written.append(path)
        write(path, value)

    words = ["reject", "2", "--line", LINE, "--reason"]
    with monkeypatch.context() as patch:
        patch.setattr(fileio, "write_json", interrupted)
        main.main([*words, "loses sports"])
    assert not (paths.run_dir("run-2") / "outcome.json").exists()
    assert [main.main([*words, "again"]), main.main([*words, "again"])] == [0, 0]
    assert capsys.readouterr().out.splitlines() == [
        "news: version 2 is rejected", "news: version 2 is already rejected",
    ]  # fmt: skip
    ended = [fileio.read_json(paths.run_dir("run-2") / name) for name in ("release.json", "outcome.json")]
    assert [(each["state"], each["reasons"]) for each in ended] == [("refused", ["rejected: loses sports"])] * 2


@pytest.mark.parametrize(("number", "words"), [(1, "newsdesk rollback"), (9, "must exist to be rejected")])
def test_what_has_served_or_does_not_exist_cannot_be_rejected(number, words, capsys):
    release(1)
    assert main.main(["reject", str(number), "--line", LINE, "--reason", "no"]) == 1
    assert words in capsys.readouterr().err


def test_what_served_a_moment_ago_stays_for_the_reader_that_may_be_loading_it():
    given = state(names={"champion": 7}, left={3: retention.GRACE + 1, 4: retention.GRACE - 1, 5: -86_400})
    assert sorted(retention.plan(given, NONE).kept) == [4, 5, 7]


def test_a_version_without_a_card_is_left_to_doctor():
    assert sorted(retention.plan(state(registered=frozenset({1, 2})), NONE).kept) == [3, 4, 5, 6, 7]


def test_runs_of_kept_versions_the_newest_and_the_one_at_work_stay():
    runs = {name: Path(f"/runs/{name}") for name in ("newest", "working", "old", "of-2", "of-7")}
    given = state(
        [2, 7], names={"champion": 7}, made_by={2: "of-2", 7: "of-7"}, runs=runs, working=frozenset({"working"})
    )
    assert names(retention.plan(given, retention.RetentionSettings(keep=0, runs=1)), "run") == ["old", "of-2"]


def test_an_artifact_goes_when_no_kept_run_refers_to_it_wherever_it_was_made():
    items = tuple(retention.Item("artifact", f"Trainer/model/{n}", Path(f"/a/Trainer/model/{n}")) for n in (1, 2, 3))
    uses = {"run-1": {"/a/Trainer/model/1"}, "run-2": {"/a/Trainer/model/2"}, "run-7": {"/a/Trainer/model/1", "#3"}}
    given = state([7], names={"champion": 7}, made_by={7: "run-7"}, artifacts=items, uses=uses)
    plan = retention.plan(given, NONE)
    assert names(plan, "artifact") == ["Trainer/model/2"]
    assert plan.blind == ""


def test_without_mlmd_no_artifact_goes_and_the_plan_says_so():
    items = (retention.Item("artifact", "Trainer/model/1", Path("/a/Trainer/model/1")),)
    plan = retention.plan(state(names={"champion": 7}, artifacts=items), NONE)
    assert names(plan, "artifact") == []
    assert "MLMD" in plan.blind


@pytest.mark.parametrize(
    "bad",
    [
        {"keep": -1},
        {"keep": "5"},
        {"keep": True},
        {"runs": 1.5},
        {"pinned": ["x"]},
        {"pinned": 3},
        {"pinned": [-1]},
        {"cache_days": None},
    ],
)
def test_a_policy_that_is_none_is_refused_by_name(bad):
    with pytest.raises(run_config.ConfigError, match=rf"retention.{next(iter(bad))} must.*Received: "):
        run_config.section({LINE: {"retention": bad}}, LINE, "retention")


def test_the_policy_comes_from_the_line_s_section(newsdesk_home):
    fileio.write_text(newsdesk_home / "newsdesk.toml", "[news.retention]\nkeep = 2\npinned = [3]\n")
    assert run_config.section(run_config.settings(), "news", "retention") == retention.RetentionSettings(
        keep=2, pinned=(3,)
    )
    assert run_config.section(run_config.settings(), "news-demo", "retention") == retention.RetentionSettings()


# --- carrying out ---


def test_champion_previous_best_and_pinned_stay_and_the_rest_leaves_with_its_run_and_a_note():
    for number in range(1, 7):
        release(number, accuracy=0.99 if number == 2 else 0.9)
    pins.change(LINE, "pin", 3, "the auditor asked")
    assert retention.apply(LINE, NONE, LATER).kept.keys() == {2, 3, 5, 6}
    assert model_registry.numbered(paths.serving_dir(LINE)) == [2, 3, 5, 6]
    assert sorted(path.name for path in (paths.home() / "runs").iterdir()) == ["run-2", "run-3", "run-5", "run-6"]
    assert {n: event["why"] for n, event in model_registry.removed(LINE).items()} == {1: "retention", 4: "retention"}
    assert model_registry.card(LINE, 1)["run"] == "run-1"
    assert list(paths.staging_dir().iterdir()) == []
    assert locks.holder(LINE) is None
    model_registry.move_champion(
        LINE, model_registry.champion(LINE), model_registry.rollback_target(LINE), "rollback", "it must work", {}
    )


def test_what_is_removed_leaves_the_object_store_too(store):
    for number in (1, 2, 3, 4):
        release(number)
    gone = {int(item.name) for item in retention.apply(LINE, NONE, LATER).remove if item.kind == "version"}
    assert gone
    left = {key.split("/")[2] for key in store.keys(f"serving/{LINE}")} - {"models.config"}
    assert {int(number) for number in left} == {1, 2, 3, 4} - gone


def test_a_second_time_there_is_nothing_left_to_do():
    for number in range(1, 4):
        release(number)
    retention.apply(LINE, NONE, LATER)
    assert retention.apply(LINE, NONE, LATER).remove == ()


def test_after_a_rollback_the_one_before_is_the_newest_that_is_still_kept():
    for number in range(1, 5):
        release(number)
    retention.apply(LINE, retention.RetentionSettings(keep=0), LATER)
    assert model_registry.numbered(paths.serving_dir(LINE)) == [3, 4]
    model_registry.move_champion(LINE, model_registry.champion(LINE), 3, "rollback", "bad", {})
    assert model_registry.rollback_target(LINE) is None
    assert model_registry.aliases(LINE) == {3: ["champion"]}


def test_a_promoted_held_version_takes_its_first_address_with_it():
    release(1)
    make(2, held=True)
    model_registry.move_champion(LINE, model_registry.champion(LINE), 2, "promote", "looks good", {})
    for number in (3, 4):
        release(number)
    retention.apply(LINE, NONE, LATER)
    assert not os.path.lexists(model_registry.held_dir(LINE) / "2")


def test_while_a_run_works_on_the_line_nothing_is_removed():
    for number in range(1, 5):
        release(number)
    locks.take_line(LINE, "nightly", os.getpid())
    with pytest.raises(locks.Locked, match="nightly"):
        retention.apply(LINE, NONE, LATER)
    assert model_registry.numbered(paths.serving_dir(LINE)) == [1, 2, 3, 4]


def test_a_damaged_pointer_stops_it_before_anything_is_removed():
    for number in range(1, 5):
        release(number)
    (paths.registry_dir(LINE) / "champion.json").write_text("{")
    with pytest.raises(model_registry.RegistryError, match="pointer must be complete"):
        retention.apply(LINE, NONE, LATER)
    assert model_registry.numbered(paths.serving_dir(LINE)) == [1, 2, 3, 4]
    assert locks.holder(LINE) is None


def test_tensorflow_serving_s_file_never_names_what_has_gone():
    for number in range(1, 5):
        release(number)
    fileio.write_text(tf_serving_config.path(LINE), tf_serving_config.text(LINE, paths.serving_dir(LINE), 1, None))
    retention.apply(LINE, NONE, LATER)
    assert "versions: 4" in tf_serving_config.read(LINE) and "versions: 1\n" not in tf_serving_config.read(LINE)


def test_killed_between_the_renames_the_next_clean_finishes_and_collects_what_was_set_aside(monkeypatch):
    for number in range(1, 6):
        release(number)
    child = os.fork()
    if not child:
        monkeypatch.setattr(model_registry, "note_removed", lambda *_: os._exit(9))
        try:
            retention.apply(LINE, NONE, LATER)
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    assert model_registry.numbered(paths.serving_dir(LINE)) == [2, 3, 4, 5]
    retention.apply(LINE, NONE, LATER)
    assert model_registry.numbered(paths.serving_dir(LINE)) == [4, 5]
    assert len(model_registry.leftovers()) == 1
    model_registry.clear(model_registry.leftovers())


# --- artifacts ---


@pytest.fixture
def traced():
    """Three versions; each run trained a model, and all took the same examples from the cache."""
    for number in (1, 2, 3):
        release(number)
    connection = pb.ConnectionConfig()
    connection.sqlite.filename_uri = str(paths.home() / "metadata.sqlite")
    store = metadata_store.MetadataStore(connection)
    kind = store.put_artifact_type(pb.ArtifactType(name="Model"))
    trains = store.put_execution_type(pb.ExecutionType(name="Trainer"))
    types = [store.put_context_type(pb.ContextType(name=name)) for name in ("pipeline_run", "node")]

    def artifact(place):
        folder = paths.artifacts_dir(LINE) / place
        folder.mkdir(parents=True)
        (folder / "data").write_text("x" * 4096)
        given = pb.Artifact(type_id=kind, uri=str(folder), state=pb.Artifact.LIVE)
        return store.put_artifacts([given])[0]

    def event(artifact_id, execution_id, kind, key):
        path = pb.Event.Path(steps=[pb.Event.Path.Step(key=key), pb.Event.Path.Step(index=0)])
        return pb.Event(artifact_id=artifact_id, execution_id=execution_id, type=kind, path=path)

    examples = artifact("Ingester/examples/1")
    node = store.put_contexts([pb.Context(type_id=types[1], name=f"{LINE}.Trainer")])[0]
    for number in (1, 2, 3):
        run = store.put_contexts([pb.Context(type_id=types[0], name=f"{LINE}.run-{number}")])[0]
        execution = store.put_executions([pb.Execution(type_id=trains, last_known_state=pb.Execution.COMPLETE)])[0]
        store.put_attributions_and_associations(
            [], [pb.Association(context_id=context, execution_id=execution) for context in (run, node)]
        )
        model = artifact(f"Trainer/model/{execution}")
        (paths.artifacts_dir(LINE) / f"Trainer/.system/executor_execution/{execution}").mkdir(parents=True)
        events = [
            event(examples, execution, pb.Event.INPUT, "examples"),
            event(model, execution, pb.Event.OUTPUT, "model"),
        ]
        store.put_events(events)
    return store


def left():
    root = paths.artifacts_dir(LINE)
    return sorted(str(path.relative_to(root)) for path in root.glob("*/*/*") if path.name.isdigit())


def test_the_lineage_of_kept_versions_stays_and_what_goes_is_marked_as_deleted_in_mlmd(traced):
    retention.apply(LINE, NONE, LATER)
    assert left() == ["Ingester/examples/1", "Trainer/model/2", "Trainer/model/3"]
    assert not (paths.artifacts_dir(LINE) / "Trainer/.system/executor_execution/1").exists()
    states = {Path(a.uri).name + a.uri.split("/")[-3]: pb.Artifact.State.Name(a.state) for a in traced.get_artifacts()}
    assert states == {"1Ingester": "LIVE", "1Trainer": "DELETED", "2Trainer": "LIVE", "3Trainer": "LIVE"}


def test_tfx_s_cache_offers_no_deleted_result(traced):
    """By TFX's own question to its cache."""
    from tfx.orchestration import metadata
    from tfx.orchestration.portable import cache_utils

    types = [traced.put_context_type(pb.ContextType(name="execution_cache"))]
    (execution,) = [e for e in traced.get_executions() if e.id == 1]
    cache = traced.put_contexts([pb.Context(type_id=types[0], name="key")])[0]
    traced.put_attributions_and_associations([], [pb.Association(context_id=cache, execution_id=execution.id)])
    (context,) = traced.get_contexts_by_id([cache])
    with metadata.Metadata(metadata.sqlite_metadata_connection_config(str(paths.home() / "metadata.sqlite"))) as handle:
        assert cache_utils.get_cached_outputs(handle, context) is not None
        mlmd_store.forget(mlmd_store.connect(), [str(paths.artifacts_dir(LINE) / "Trainer/model/1")])
        assert cache_utils.get_cached_outputs(handle, context) is None


# --- what MLflow shows ---


def mirror(number, aside):
    """Mirrors a version's run as a candidate, with a file."""
    config = {"line": LINE, "preset": "bag", "family": "bag", "seed": 7, "source": "/data/news", "window": "all"}
    record = {"run": f"run-{number}", "created": "2026-03-02T09:00:00+00:00", "as_of": "2026-03-02", "config": config}
    judged = {"decision": "refused", "reasons": ["worse"], "metrics": {"accuracy": 0.8}}
    fileio.write_text(aside / "verdict.html", "verdict")
    mlflow_sync.candidate(
        RunRecord.from_json(record, aside), Verdict.from_json(judged, aside), [], {"verdict.html": aside / "verdict.html"}, "refused"
    )  # fmt: skip


def test_what_mlflow_shows_of_a_run_that_goes_loses_its_files_and_keeps_its_metrics(tmp_path):
    for number in (1, 2, 3):
        release(number)
        mirror(number, tmp_path)
    before = dict(mlflow_db.artifact_folders(LINE))
    assert sorted(before) == ["run-1", "run-2", "run-3"]
    decided = retention.apply(LINE, NONE, LATER)
    assert [item.path for item in decided.remove if item.kind == "mlflow"] == [before["run-1"]]
    assert sorted(path for path in before.values() if path.exists()) == sorted([before["run-2"], before["run-3"]])
    client = mlflow_sync._client()
    assert client.get_run(before["run-1"].name).data.metrics["accuracy"] == 0.8
    assert not client.list_artifacts(before["run-1"].name) and client.list_artifacts(before["run-2"].name)


def test_a_damaged_database_of_mlflow_keeps_nothing_else_from_going(capsys):
    for number in (1, 2, 3):
        release(number)
    fileio.write_text(mlflow_db.path(), "no database")
    retention.apply(LINE, NONE, LATER)
    assert model_registry.numbered(paths.serving_dir(LINE)) == [2, 3]
    assert "what MLflow shows of its runs stays" in capsys.readouterr().err


# --- what belongs to no line ---


def test_caches_go_by_age_and_staging_by_owner(newsdesk_home):
    locks.take_line(LINE, "nightly", os.getpid())
    for name in ("cache/old", "cache/new", "features/old", "encoders/old", "staging/nightly.1", "staging/dead.1"):
        (newsdesk_home / name).mkdir(parents=True)
    for name in ("cache/old", "features/old", "encoders/old", "staging/nightly.1", "staging/dead.1"):
        os.utime(newsdesk_home / name, (0, 0))
    given = {item.name for item in retention.shared(retention.RetentionSettings())}
    assert given == {"cache/old", "features/old", "dead.1"}


def test_what_vanishes_while_it_is_looked_at_is_left_out(newsdesk_home, monkeypatch):
    for name in ("cache/old/kept", "cache/old/fleeting", "features/fleeting/part", "staging/fleeting.1/part"):
        fileio.write_text(newsdesk_home / name, "x" * 5000)
    for path in [*newsdesk_home.rglob("*")]:
        os.utime(path, (0, 0))
    fleeting = {newsdesk_home / name for name in ("cache/old/fleeting", "features/fleeting", "staging/fleeting.1")}
    lstat = os.lstat

    def vanishing(path, **more):
        if Path(path) in fleeting:
            fleeting.remove(Path(path))
            shutil.rmtree(path) if os.path.isdir(path) else os.unlink(path)
        return lstat(path, **more)

    monkeypatch.setattr(os, "lstat", vanishing)
    monkeypatch.setattr(Path, "lstat", vanishing)
    given = retention.measured(retention.shared(retention.RetentionSettings()))
    assert [item.name for item in given] == ["cache/old"] and given[0].bytes >= 5000 and not fleeting
    fleeting.add(newsdesk_home / "cache/old/kept")  # gone after the plan was made
    assert [item.bytes for item in retention.measured(given)] == [0]


def test_a_look_at_a_cache_is_no_use_of_it(newsdesk_home):
    fileio.write_text(newsdesk_home / "cache/old/part", "x")
    for path in [newsdesk_home / "cache/old/part", newsdesk_home / "cache/old"]:
        os.utime(path, (0, 0))
    for _ in range(2):
        assert [item.name for item in retention.shared(retention.RetentionSettings())] == ["cache/old"]


def test_scored_articles_go_by_age_and_the_figures_and_questions_of_a_batch_stay(newsdesk_home):
    release(1)
    now = datetime.now(timezone.utc).timestamp()
    for batch, days in (("2026-01-01.aa", 91), ("2026-03-01.bb", 89)):
        for name in ("predictions.parquet", "report.json", "queue.csv", "quarantine.csv"):
            fileio.write_text(paths.monitor_dir(LINE) / batch / name, "rows")
        predictions = paths.monitor_dir(LINE) / batch / "predictions.parquet"
        os.utime(predictions, (now, now - days * 86_400))
    retention.apply(LINE, retention.RetentionSettings())
    left = {path.name: sorted(f.name for f in path.iterdir()) for path in paths.monitor_dir(LINE).iterdir()}
    figures = ["quarantine.csv", "queue.csv", "report.json"]
    assert left == {"2026-01-01.aa": figures, "2026-03-01.bb": ["predictions.parquet", *figures]}

    (paths.scored_dir() / "old").mkdir(parents=True)
    (paths.scored_dir() / "new").mkdir()
    os.utime(paths.scored_dir() / "old", (now - 91 * 86_400, now - 91 * 86_400))
    assert [item.name for item in retention.shared(retention.RetentionSettings())] == ["old"]
    patient = retention.most_patient(
        [retention.RetentionSettings(scored_days=92, cache_days=1), retention.RetentionSettings()]
    )
    assert (patient.scored_days, patient.cache_days) == (92, 30)
    assert retention.shared(patient) == []
    fileio.write_text(newsdesk_home / "newsdesk.toml", "[news.retention]\nscored_days = 92\n")
    assert main.main(["clean", "--apply"]) == 0 and (paths.scored_dir() / "old").exists()


# --- the command ---


def test_clean_prints_a_plan_and_removes_nothing_without_apply(capsys, monkeypatch):
    for number in range(1, 5):
        release(number)
    fileio.write_text(paths.home() / "newsdesk.toml", "[news.retention]\nkeep = 0\nruns = 0\n")
    monkeypatch.setattr(retention, "GRACE", 0)
    monkeypatch.setattr("pipelines.cli.clean._update_mlflow", lambda line, gone: "")
    assert main.main(["clean"]) == 0
    shown = capsys.readouterr().out
    assert "remove  version 1" in shown and "keep    version 4     champion" in shown
    assert "MB would be freed; `newsdesk clean --apply` does it" in shown
    assert model_registry.numbered(paths.serving_dir(LINE)) == [1, 2, 3, 4]
    assert main.main(["clean", "--apply", "--json"]) == 0
    fields = json.loads(capsys.readouterr().out)
    assert fields["applied"] and fields["bytes"] > 8000
    assert [item["name"] for item in fields["lines"][0]["remove"] if item["kind"] == "version"] == ["1", "2"]
    assert model_registry.numbered(paths.serving_dir(LINE)) == [3, 4]


def test_a_line_at_work_is_left_alone_and_the_exit_code_says_so(capsys):
    release(1)
    locks.take_line(LINE, "nightly", os.getpid())
    assert main.main(["clean", "--apply"]) == 4
    assert "left alone" in capsys.readouterr().out


def test_pins_are_kept_with_who_and_why(capsys):
    release(1)
    release(2)
    assert main.main(["pin", "1", "--reason", "the auditor asked"]) == 0
    assert main.main(["pin", "1", "--reason", "again"]) == 0
    assert (
        capsys.readouterr().out.splitlines()[1] == "news: version 1 is already pinned: it is kept until it is unpinned"
    )
    assert {n: e["reason"] for n, e in pins.pinned(LINE).items()} == {1: "the auditor asked"}
    assert main.main(["unpin", "1", "--reason", "the audit is over"]) == 0
    assert pins.pinned(LINE) == {}
    events = fileio.read_json_lines(paths.registry_dir(LINE) / "pins.jsonl")
    assert [(e["kind"], e["reason"]) for e in events] == [("pin", "the auditor asked"), ("unpin", "the audit is over")]
    assert all(e["who"] for e in events)


@pytest.mark.parametrize(
    ("arguments", "code"), [(["pin", "9", "--reason", "r"], 1), (["pin", "1", "--reason", " "], 2)]
)
def test_a_pin_without_a_version_or_a_reason_is_refused(arguments, code, capsys):
    release(1)
    assert main.main(arguments) == code
    assert "Received: " in capsys.readouterr().err
    assert pins.pinned(LINE) == {}
