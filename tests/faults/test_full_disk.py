"""A disk that fills up while anything is written: said so, nothing published by halves, and once there is room the run goes on."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from components.core import paths

MOUNT = 'mkdir "$0" && mount -t tmpfs -o size=400m none "$0" && exec "$@"'
CALL = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c"]


pytestmark = [pytest.mark.faults, pytest.mark.slow]


@pytest.fixture(scope="module")
def run(small_demo, tmp_path_factory):
    """What the run said: its attempts, and how it ended."""
    if (
        not shutil.which("unshare")
        or subprocess.run([*CALL, "mount -t tmpfs none /mnt"], capture_output=True).returncode
    ):
        pytest.skip("this machine lets no user mount a small disk (unshare, mount)")
    disk = tmp_path_factory.mktemp("full") / "disk"
    script = Path(__file__).with_name("full_disk.py")
    call = [*CALL, MOUNT, str(disk), sys.executable, str(script), str(disk), str(small_demo)]
    done = subprocess.run(call, cwd=paths.REPOSITORY, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    *attempts, end = [json.loads(line) for line in done.stdout.splitlines()]
    return attempts, end


def test_every_attempt_without_room_says_that_the_disk_is_full(run):
    failed = [told for told in run[0] if told["code"] not in (0, 99)]
    assert {told["node"] for told in failed} >= {"Ingester", "Tokenizer", "Trainer", "ModelGate", "Pusher", "Registrar"}
    assert {told["code"] for told in failed} == {1}
    assert [told for told in failed if not told["reasons"][0].startswith("the disk is full: ")] == []


def test_nothing_is_published_before_there_was_room_for_all_of_it(run):
    pushed = next(at for at, told in enumerate(run[0]) if told["node"] == "Pusher" and told["code"] == 0)
    assert [told["versions"] for told in run[0]] == [[]] * pushed + [[1]] * (len(run[0]) - pushed)


def test_once_there_is_room_the_same_run_ends_released_and_all_books_agree(run):
    assert (run[1]["outcome"]["state"], run[1]["outcome"]["version"]) == ("released", 1)
    assert set(run[1]["wrong"]) <= {"Airflow environment"}  # which this test does without
