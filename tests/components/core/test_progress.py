"""Progress is told beside the work and never changes it."""

import os

import pytest

from components.core import paths, progress


def written(run="r", node="Trainer"):
    return progress.read(progress.file(run, node))


def test_what_is_reported_goes_to_the_file_that_is_named_and_nowhere_else():
    progress.write(epoch=0.1, epochs=2)
    with progress.to(progress.file("r", "Trainer")):
        progress.write(epoch=0.5, epochs=2, loss=1.0)
    progress.write(epoch=0.9, epochs=2)
    assert [row["epoch"] for row in written()] == [0.5]
    assert progress.VARIABLE not in os.environ


def test_a_line_that_cannot_be_written_ends_nothing(tmp_path):
    (tmp_path / "a file").write_text("")
    with progress.to(tmp_path / "a file" / "progress.jsonl"):
        progress.write(epoch=0.5, epochs=2)


def test_a_training_that_began_again_replaces_what_it_repeats():
    with progress.to(progress.file("r", "Trainer")):
        progress.write(stage="features", done=5, total=10)
        for epoch in (0.5, 1.0, 1.5, 1.0, 1.5, 2.0):
            progress.write(epoch=epoch, epochs=2)
    assert [row.get("epoch") for row in written()] == [None, 0.5, 1.0, 1.5, 2.0]


def test_a_half_written_line_is_no_line():
    with progress.to(progress.file("r", "Trainer")):
        progress.write(epoch=0.5, epochs=2)
    with open(progress.file("r", "Trainer"), "a") as file:
        file.write('{"epoch": 0.')
    assert len(written()) == 1


def test_a_node_s_name_cannot_leave_the_run_s_folder():
    with pytest.raises(ValueError, match="node must be"):
        progress.file("r", "../x")
    assert progress.file("r", "Trainer").parent == paths.run_dir("r")


def test_time_left_follows_the_pace_since_the_first_report(monkeypatch):
    now = iter([100.0, 110.0, 120.0])
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(now))
    clock = progress.Clock()
    assert clock.seconds_left(0.5, 2) is None
    assert clock.seconds_left(1.0, 2) == 20.0
    assert clock.seconds_left(1.5, 2) == 10.0


@pytest.mark.parametrize(
    ("row", "share", "text"),
    [
        (
            {"epoch": 1.5, "epochs": 2, "step": 5, "steps": 10, "loss": 0.25, "accuracy": 0.9, "rows_per_second": 1200.4, "seconds_left": 125},
            0.75,
            "epoch 1.5 of 2 (2 min 05 s left), loss 0.2500, accuracy 0.9000, 1,200 rows/s, step 5 of 10",
        ),
        ({"epoch": 1.0, "epochs": 2, "val_accuracy": 0.5}, 0.5, "epoch 1.0 of 2, validation accuracy 0.5000"),
        ({"stage": "features", "done": 1000, "total": 4000}, 0.25, "features: 1,000 of 4,000 rows"),
        ({"stage": "x"}, None, "x: 0 of 0 rows"),
    ],
)  # fmt: skip
def test_a_report_as_a_share_and_as_a_line_for_people(row, share, text):
    assert (progress.share(row), progress.text(row)) == (share, text)
