"""A training tells how far it is: each report to the run's file, an epoch's end to the log."""

from components.core import progress
from components.training import run_fn


def test_every_report_goes_to_the_run_s_file_and_each_epoch_s_end_alone_to_the_log(capsys):
    report = run_fn._Report(100, {"batch_size": 10})
    with progress.to(progress.file("r", "Trainer")):
        report(0.5, 2, {"loss": 1.0, "accuracy": 0.25, "learning_rate": 0.1}, 1234.56)
        report(1, 2, {"loss": 0.5, "accuracy": 0.5, "val_loss": 0.4, "val_accuracy": 0.6}, 1000.0)
    first, last = progress.read(progress.file("r", "Trainer"))
    assert {**first, "time": ""} == {
        "time": "", "epoch": 0.5, "epochs": 2, "rows_per_second": 1234.6, "seconds_left": None, "loss": 1.0, "accuracy": 0.25,
        "step": 5, "steps": 10,
    }  # fmt: skip
    assert (last["step"], last["val_accuracy"]) == (10, 0.6) and last["seconds_left"] is not None
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("epoch 1.0 of 2") and "val loss" not in line and "validation accuracy 0.6000" in line
