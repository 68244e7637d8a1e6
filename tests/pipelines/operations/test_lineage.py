"""From a version to data, code, settings and every node's artifacts: asked of real ML Metadata, shown as text, JSON and a page."""

import json
import sqlite3

import pytest
from ml_metadata import errors, metadata_store
from ml_metadata.proto import metadata_store_pb2 as pb

from components.core import fileio, paths
from components.registry import model_registry
from pipelines.cli import main
from pipelines.operations import lineage
from pipelines.reports import lineage_picture
from pipelines.runner import mlmd_store

LINE, RUN = "news", "run-2"
HOSTILE = "<img src=x onerror=alert(1)>"


def store():
    config = pb.ConnectionConfig()
    config.sqlite.filename_uri = str(paths.home() / "metadata.sqlite")
    return metadata_store.MetadataStore(config)


def trace(found, nodes):
    """Writes executions with contexts, artifacts and events as TFX does. nodes: (name, state, artifacts read, keys made)."""
    kinds = {
        "run": found.put_context_type(pb.ContextType(name="pipeline_run")), "node": found.put_context_type(pb.ContextType(name="node")),
        "artifact": found.put_artifact_type(pb.ArtifactType(name="Model")),
    }  # fmt: skip
    run = found.put_contexts([pb.Context(type_id=kinds["run"], name=f"{LINE}.{RUN}")])[0]
    made = {}
    for name, state, reads, makes in nodes:
        kind = found.put_execution_type(pb.ExecutionType(name=f"components.{name}"))
        known = found.get_context_by_type_and_name("node", f"{LINE}.{name}")
        node = known.id if known else found.put_contexts([pb.Context(type_id=kinds["node"], name=f"{LINE}.{name}")])[0]
        one = found.put_executions([pb.Execution(type_id=kind, last_known_state=pb.Execution.State.Value(state))])[0]
        found.put_attributions_and_associations(
            [], [pb.Association(context_id=c, execution_id=one) for c in (run, node)]
        )
        events = []
        for key in makes:
            folder = paths.artifacts_dir(LINE) / name / key / str(one)
            folder.mkdir(parents=True)
            artifact = pb.Artifact(type_id=kinds["artifact"], uri=str(folder), state=pb.Artifact.LIVE)
            artifact.custom_properties["headline"].string_value = "done"
            made[key] = found.put_artifacts([artifact])[0]
            events.append((made[key], key, pb.Event.OUTPUT))
        events += [(made[key], key, pb.Event.INPUT) for key in reads]
        for artifact_id, key, kind in events:
            path = pb.Event.Path(steps=[pb.Event.Path.Step(key=key), pb.Event.Path.Step(index=0)])
            found.put_events([pb.Event(artifact_id=artifact_id, execution_id=one, type=kind, path=path)])
    return made


@pytest.fixture
def version(newsdesk_home):
    """Version 2, which serves, with its record, origin and a small trace in MLMD."""
    folder = paths.serving_dir(LINE) / "2"
    folder.mkdir(parents=True)
    (folder / "saved_model.pb").write_text("model")
    files = model_registry.folder_hashes(folder)
    fileio.write_json(
        folder / model_registry.MANIFEST, {"digest": model_registry.content_digest(files), "files": files}
    )
    data = newsdesk_home / "train.csv"
    data.write_text("rows")
    card = {
        "version": 2, "line": LINE, "preset": "bag", "created": "2026-11-22T10:00:00+00:00", "folder": str(folder), "run": RUN,
        "digest": model_registry.content_digest(files), "seed": 3, "code": "c0de", "comparisons": {}, "warnings": [],
        "metrics": {"accuracy": 0.9, "interval": [0.88, 0.92], "rows": 400, "per_class": {}},
        "data": {"source": HOSTILE, "window": "all", "as_of": "2026-11-22", "hash": "da7a", "rows": 9, "files": 2},
    }  # fmt: skip
    fileio.write_json(paths.registry_dir(LINE) / "versions" / "2.json", card)
    origin = {
        "record": {"airflow": "manual__1", "trigger": "manual", "config": {"network": {"width": 32}, "training": {"epochs": 3}}},
        "files": [{"path": str(data), "split": "train", "sha256": "ab" * 32, "in": 9}, {"path": "/gone.csv", "sha256": "cd" * 32}],
        "vocabulary": {"fingerprint": "f00d"}, "libraries": {"tensorflow": "2.16.2"},
    }  # fmt: skip
    fileio.write_json(model_registry.origin_path(LINE, 2), origin)
    model_registry.move_champion(LINE, None, 2, "release", HOSTILE, {})
    trace(
        store(),
        [
            ("Ingester", "FAILED", [], []),  # the first attempt
            ("Ingester", "COMPLETE", [], ["examples"]),
            ("Tokenizer", "CACHED", ["examples"], ["vocabulary"]),
            ("Trainer", "COMPLETE", ["examples", "vocabulary"], ["model"]),
        ],
    )


def test_it_reaches_from_the_version_to_files_code_settings_and_every_artifact(version):
    answer = lineage.collect(LINE, 2)
    assert [(f["sha256"][:2], f["present"]) for f in answer["data"]["files"]] == [("ab", True), ("cd", False)]
    assert (answer["code"], answer["seed"], answer["vocabulary"]) == ("c0de", 3, "f00d")
    assert answer["parameters"]["network"] == {"width": 32} and answer["libraries"] == {"tensorflow": "2.16.2"}
    assert answer["run"]["airflow"] == "manual__1" and answer["run"]["mlmd"] == "news.run-2"
    assert [(n["node"], n["state"]) for n in answer["nodes"]] == [
        ("Ingester", "COMPLETE"), ("Tokenizer", "CACHED"), ("Trainer", "COMPLETE"),
    ]  # fmt: skip
    trainer = answer["nodes"][2]
    assert sorted(a["key"] for a in trainer["inputs"]) == ["examples", "vocabulary"]
    (model,) = trainer["outputs"]
    assert model["uri"] == str(paths.artifacts_dir(LINE) / "Trainer/model/4")
    assert (model["made_by"], model["state"], model["type"]) == (trainer["id"], "LIVE", "Model")
    assert [e["to"] for e in answer["promotions"]] == [2]
    assert list(answer["files"]) == ["saved_model.pb"]


def test_text_json_and_page_come_from_one_command(version, capsys):
    assert main.main(["lineage", "2"]) == 0
    shown = capsys.readouterr().out
    assert "Trainer           execution 4    complete  model #3" in shown
    assert main.main(["lineage", "2", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["page"] == str(paths.home() / "lineage" / "news-2.html")
    assert answer["nodes"][0]["node"] == "Ingester"


def test_the_page_draws_the_nodes_asks_for_nothing_and_escapes_what_came_from_outside(version):
    page = lineage.page(lineage.collect(LINE, 2)).read_text()
    assert "<svg" in page and ">Trainer</text>" in page
    assert "<img" not in page and "&lt;img src=x" in page
    assert "http" not in page.replace("https://doi", "") and "<script" not in page


def test_each_node_is_drawn_right_of_its_inputs(version):
    nodes = lineage.collect(LINE, 2)["nodes"]
    assert [[n["node"] for n in column] for column in lineage_picture.columns(nodes)] == [
        ["Ingester"],
        ["Tokenizer"],
        ["Trainer"],
    ]
    assert lineage_picture.parents(nodes[2], nodes) == ["Ingester", "Tokenizer"]


def test_a_version_that_retention_removed_still_has_its_story(version):
    (paths.serving_dir(LINE) / "2").rename(paths.home() / "gone")
    model_registry.note_removed(LINE, 2, "retention")
    answer = lineage.collect(LINE, 2)
    assert answer["folder"] is None and answer["removed"]["why"] == "retention"
    assert "no longer kept: retention" in lineage.page(answer).read_text()


def test_without_mlmd_the_rest_is_printed_and_the_reason_reported(version):
    (paths.home() / "metadata.sqlite").unlink()
    answer = lineage.collect(LINE, 2)
    assert answer["nodes"] == [] and "MLMD cannot be read here" in answer["mlmd"]
    assert answer["data"]["files"]


def test_a_version_that_is_not_registered_is_refused(version, capsys):
    assert main.main(["lineage", "9"]) == 1
    assert "Received: 9" in capsys.readouterr().err


def test_reading_mlmd_loads_neither_tfx_nor_tensorflow(version):
    import subprocess
    import sys

    code = "import sys; from pipelines.operations import lineage; lineage.collect('news', 2); print({'tfx', 'tensorflow'} & set(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=paths.REPOSITORY, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "set()"


def test_rows_that_a_full_disk_left_pointing_to_nothing_are_removed_and_the_next_execution_is_registered(version):
    # SQLite withdrew the execution, and ml_metadata wrote its event nevertheless.
    kind, artifact = store().get_execution_types()[0].id, store().get_artifacts()[0]
    last = max(execution.id for execution in store().get_executions())
    with sqlite3.connect(paths.home() / "metadata.sqlite") as database:
        orphan = "insert into Event(artifact_id, execution_id, type, milliseconds_since_epoch) values (?, ?, 3, 0)"
        database.execute(orphan, (artifact.id, last + 1))
        database.execute("insert into Association(context_id, execution_id) values (1, ?)", (last + 1,))
        database.execute("insert into EventPath(event_id, is_index_step, step_index) values (-1, 1, 0)")

    def register():
        event = pb.Event(artifact_id=artifact.id, type=pb.Event.INPUT)
        return store().put_execution(pb.Execution(type_id=kind), [(artifact, event)], [])

    with pytest.raises(errors.AlreadyExistsError):
        register()
    assert [mlmd_store.mend(), mlmd_store.mend()] == [3, 0]
    assert register()[0] == last + 1
    assert len(lineage.collect(LINE, 2)["nodes"]) == 3


def test_what_a_kill_left_running_is_found_and_closed(version):
    trace_again = store()
    kind = trace_again.get_execution_types()[0].id
    one = trace_again.put_executions([pb.Execution(type_id=kind, last_known_state=pb.Execution.RUNNING)])[0]
    run = trace_again.get_context_by_type_and_name("pipeline_run", f"{LINE}.{RUN}").id
    node = trace_again.get_context_by_type_and_name("node", f"{LINE}.Trainer").id
    trace_again.put_attributions_and_associations(
        [], [pb.Association(context_id=c, execution_id=one) for c in (run, node)]
    )
    assert mlmd_store.unfinished(mlmd_store.connect(), LINE) == [(one, RUN, "Trainer")]
    assert mlmd_store.unfinished(mlmd_store.connect(), "other") == []
    mlmd_store.close(mlmd_store.connect(), [one])
    assert mlmd_store.unfinished(mlmd_store.connect(), LINE) == []
