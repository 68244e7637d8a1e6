"""What MLflow shows of a run: refused candidates too, with curves, data set, verdict and pictures; a released one is its version's run."""

import published
import pytest

from components.core import fileio, paths, run_record
from components.registry import mlflow_sync, model_registry
from pipelines.runner import mlflow_mirror

LINE, RUN = published.LINE, "run-1"
EPOCHS = [
    {"epoch": n, "loss": 1 / n, "accuracy": 0.7, "val_loss": 2 / n, "val_accuracy": 0.7 + n / 100, "seconds": 2.0}
    for n in (1, 2, 3)
]
METRICS = {
    "accuracy": 0.8, "interval": [0.78, 0.82], "rows": 1000, "calibration_error": 0.02, "confidence": None,
    "per_class": {"Sci/Tech": 0.7, "Arts & Life": 0.9}, "confusion": [[480, 20], [180, 320]],
}  # fmt: skip


@pytest.fixture(autouse=True)
def ended_run(newsdesk_home):
    """A run whose candidate the gate has refused."""
    paths.ensure()
    folder, trained = paths.run_dir(RUN), newsdesk_home / "artifacts" / "trained"
    config = {
        "line": LINE, "preset": "bag", "family": "bag", "seed": 7, "source": "/data/news", "window": "last 30d",
        "labels": ["Sci/Tech", "Arts & Life"], "network": {"width": 4}, "training": {"epochs": 3},
    }  # fmt: skip
    record = {
        "run": RUN,
        "created": "2026-03-02T09:00:00+00:00",
        "as_of": "2026-03-02",
        "config": config,
        "data_hash": "a" * 64,
        "files": [{}],
    }
    fileio.write_json(folder / "run.json", record)
    judge("refused")
    for name in ("verdict.html", "rows.csv"):
        fileio.write_text(folder / name, name)
    fileio.write_json(trained / "history.json", {"epochs": EPOCHS})
    fileio.write_text(trained / "curves.html", "curves")
    run_record.add_event(RUN, "Trainer", "done", artifacts={"model_run": str(trained)})


def judge(decision):
    verdict = {"decision": decision, "reasons": [f"{decision} for a reason"], "metrics": METRICS}
    fileio.write_json(paths.run_dir(RUN) / "verdict.json", verdict)


def shown():
    """The runs that MLflow has of the line, and a client."""
    client = mlflow_sync._client()
    experiment = client.get_experiment_by_name(LINE)
    return client, experiment, client.search_runs([experiment.experiment_id])


def test_a_refused_candidate_is_there_with_curves_data_set_verdict_and_pictures():
    mlflow_mirror.after("ModelGate", RUN)
    client, experiment, (run,) = shown()
    assert run.info.status == "FINISHED" and run.info.run_name == RUN
    assert run.data.tags["newsdesk.decision"] == "refused" and "for a reason" in run.data.tags["newsdesk.reasons"]
    assert (
        run.data.params.items() >= {"preset": "bag", "seed": "7", "network.width": "4", "training.epochs": "3"}.items()
    )
    curve = client.get_metric_history(run.info.run_id, "training.val_accuracy")
    assert [(point.step, point.value) for point in curve] == [(1, 0.71), (2, 0.72), (3, 0.73)]
    assert run.data.metrics.items() >= {"accuracy": 0.8, "recall.Sci_Tech": 0.7, "recall.Arts _ Life": 0.9}.items()
    (data,) = run.inputs.dataset_inputs
    assert data.dataset.digest == "a" * 36 and "/data/news" in data.dataset.source
    names = {
        file.path for folder in ("", "verdict", "training") for file in client.list_artifacts(run.info.run_id, folder)
    }
    assert names >= {"confusion_matrix.png", "verdict/verdict.html", "verdict/rows.csv", "training/curves.html"}
    assert experiment.tags["mlflow.experimentKind"] == "custom_model_development"


def test_mirroring_again_changes_what_was_decided_and_adds_nothing():
    judge("blessed")
    mlflow_mirror.after("ModelGate", RUN)
    mlflow_mirror.after("Canary", RUN)  # it let the model through: nothing to say
    judge("refused")
    mlflow_mirror.after("Canary", RUN)
    client, _, (run,) = shown()
    assert run.data.tags["newsdesk.decision"] == "refused"
    assert len(client.get_metric_history(run.info.run_id, "training.loss")) == 3
    assert len(client.get_metric_history(run.info.run_id, "accuracy")) == 1
    assert len(run.inputs.dataset_inputs) == 1


def test_a_released_candidate_and_its_version_are_one_run_with_the_card():
    judge("blessed")
    mlflow_mirror.after("ModelGate", RUN)
    version = published.release(RUN)
    card = fileio.read_json(model_registry.card_path(LINE, version))
    mlflow_sync.follow(LINE, card, model_registry.aliases(LINE))
    fileio.write_json(paths.run_dir(RUN) / "release.json", {"state": "released", "version": version})
    mlflow_mirror.after("Registrar", RUN)
    client, _, (run,) = shown()
    assert client.get_model_version(LINE, version).run_id == run.info.run_id
    assert run.info.run_name == f"{LINE} {version}" and run.data.tags["newsdesk.state"] == "released"
    assert run.data.tags["newsdesk.version"] == str(version)
    assert f"card/{version}.json" in {file.path for file in client.list_artifacts(run.info.run_id, "card")}


def test_while_mlflow_is_down_the_verdict_stands_and_the_log_says_so(monkeypatch, capsys):
    monkeypatch.setattr(mlflow_sync, "_client", lambda: (_ for _ in ()).throw(OSError("database is gone")))
    mlflow_mirror.after("ModelGate", RUN)
    assert "MLflow could not be updated: database is gone" in capsys.readouterr().err


def test_other_nodes_and_a_run_without_a_verdict_leave_mlflow_alone(newsdesk_home):
    mlflow_mirror.after("Trainer", RUN)
    (paths.run_dir(RUN) / "verdict.json").unlink()
    mlflow_mirror.after("ModelGate", RUN)
    assert not (newsdesk_home / "mlflow.db").exists()


def test_mlflow_tells_nobody_what_it_does():
    import mlflow.telemetry.utils as telemetry

    mlflow_sync._client()
    assert telemetry.MLFLOW_DISABLE_TELEMETRY.get() is True
