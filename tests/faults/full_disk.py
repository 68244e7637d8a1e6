"""A retraining on a disk that is full again and again: `python full_disk.py DISK SOURCE`, in a process of its own.

Before each node the disk is filled up to a few bytes; then there is a little more room each time, until the node goes through.
Prints a JSON line for each attempt, and at last one with the outcome and what the doctor finds.
"""

import contextlib
import io
import json
import os
import sys
from pathlib import Path

from components.core import paths
from components.registry import model_registry
from pipelines import run_node
from pipelines.flow import FLOW
from pipelines.operations import doctor

RUN = "full"
ROOM = (0, 1 << 12, 1 << 14, 1 << 16, 1 << 18, 1 << 20, 1 << 22, 1 << 24, 1 << 28)  # bytes left
CONFIG = {
    "preset": "bag",
    "set": {
        "gates.floor": 0.5, "gates.min_rows": 100, "gates.max_flips": 0.49, "gates.flip_margin": 0.49, "training.epochs": 8,
        "gates.alpha": 1e-9,  # so small a bag is far behind the linear baseline, which is not what is shown here
        "data.min_rows": 100,
    },
}  # fmt: skip


@contextlib.contextmanager
def left(disk: Path, room: int):
    """Only so many bytes are free within the block."""
    filler, free = disk / "filler", os.statvfs(disk)
    with open(filler, "wb") as file:
        os.posix_fallocate(file.fileno(), 0, max(1, free.f_bavail * free.f_frsize - room))
    try:
        yield
    finally:
        filler.unlink()


def attempt(name: str, source: str, number: int) -> tuple[int, dict]:
    words = ["--node", name, "--run-id", RUN, "--config", json.dumps({**CONFIG, "source": source})]
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        code = run_node.execute(run_node.parse([*words, "--attempt", f"0.{number}"]))
    return code, json.loads(out.getvalue().splitlines()[-1])


def main(disk: Path, source: str) -> None:
    os.environ["NEWSDESK_HOME"] = str(disk / "home")
    os.environ["NEWSDESK_SOCKETS"] = str(disk / "sockets")
    paths.ensure()
    for node in FLOW:
        for number, room in enumerate(ROOM):
            with left(disk, room):
                code, result = attempt(node.name, source, number)
            told = {"node": node.name, "room": room, "code": code, "reasons": result["reasons"]}
            print(json.dumps({**told, "versions": model_registry.numbered(paths.serving_dir("news"))}), flush=True)
            if code in (0, 99):
                break
    _, result = attempt("close", source, 0)
    wrong = {what: says for what, well, says in doctor.findings() if not well}
    print(json.dumps({"outcome": result["outcome"], "wrong": wrong}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
