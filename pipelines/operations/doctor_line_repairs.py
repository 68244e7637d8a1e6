"""What `newsdesk doctor --repair` repairs of one line: lock, pointer, history, folders, cards, MLMD, MLflow."""

import os
import subprocess
import sys
from collections.abc import Iterator

from components.core import clock, locks, paths
from components.registry import lost_champion, lost_moves, model_registry, version_card
from pipelines.operations import doctor_line, doctor_store, version_restore
from pipelines.operations.doctor_line import listed
from pipelines.operations.doctor_state import Mended
from pipelines.reports import model_card
from pipelines.runner import runs


def free_lock(line: str, asked: bool = False) -> Iterator[Mended]:
    """Closes the run of a lock that is dead, or silent while its scheduler is down, and frees the line.

    asked: whether the user wants the line freed from a silent run even if its scheduler runs. A living run keeps its line.
    """
    held = locks.holder(line)
    if not held:
        if asked:
            yield True, f"line {line} was not locked"
        return
    quiet = f", silent for over {locks.LEASE // 60} minutes"
    if not held["lives"]:
        why = ""
    elif held["silent"] and asked:
        why = f"{quiet}, as you asked"
    elif held["silent"] and doctor_line.scheduler_is_gone(held):
        why = f"{quiet}, and Airflow's scheduler is not running"
    else:
        if asked:
            yield False, f"line {line} is locked by run {held['run']}, which is alive; stop that run first"
        return
    if held["run"] == locks.UNREADABLE:
        locks.free_line(line, held["run"])
        yield True, f"removed the unreadable lock of line {line}"
        return
    runs.close_run(held["run"])
    locks.free_line(line, held["run"])
    yield True, f"freed line {line} from {held['run']}{why}"


def repair_pointer(line: str) -> Iterator[Mended]:
    try:
        model_registry.champion(line)
    except model_registry.RegistryError:
        restored = model_registry.restore_champion(line)
        if restored is None:
            raise
        yield True, f"restored the champion pointer of {line} from the history: version {restored}"


def repair_files(line: str) -> Iterator[Mended]:
    """History, served folders and TensorFlow Serving's file."""
    model_registry.champion(line)  # raises if the pointer is damaged: then it is unknown what is unregistered
    with locks.line_lock(line):
        if model_registry.repair_history(line):
            yield True, f"added the last promotion to the history of {line}"
        for number in doctor_line.unregistered(line):
            aside = model_registry.held_dir(line) / str(number)
            if aside.exists():
                aside = aside.with_name(f"{number}.{clock.now()}")
            aside.parent.mkdir(parents=True, exist_ok=True)
            os.rename(model_registry.served_folder(line, number), aside)
            yield True, f"moved version {number} of {line} to {aside}: it was never registered"
        for number in doctor_line.vanished(line):
            model_registry.note_removed(line, number, "its folder was found gone")
            yield True, f"recorded that the folder of version {number} of {line} is gone"
        if model_registry.write_serving_config(line):
            yield True, f"updated TensorFlow Serving's models.config of {line}"


def restore_versions(line: str) -> Iterator[Mended]:
    """Makes the folders of champion and previous version again where they are damaged or gone."""
    for number in doctor_line.needed(line):
        if not lost_champion.is_whole(line, number):
            source = version_restore.restore(line, number)
            yield True, f"restored version {number} of {line} from {source}"


def repair_history(line: str) -> Iterator[Mended]:
    """Restores the missing moves that the records of runs and versions prove, and marks the others as unknown."""
    restored = lost_moves.refill(line)
    if restored:
        yield True, f"restored move {listed(restored)} in the history of {line}, from the records of runs and versions"
    noted = lost_moves.unknown(line)
    left = [number for number in lost_moves.missing(line) if number not in noted]
    if left:
        lost_moves.note(line, left)
        yield True, f"marked move {listed(left)} of {line} as unknown: no record of a run or version has it"


def repair_records(line: str) -> Iterator[Mended]:
    for number in version_card.damaged(line):
        version_card.repair(line, number)
        yield True, f"wrote the record of {line} version {number} again, from its origin"


def repair_cards(line: str) -> Iterator[Mended]:
    for number in doctor_line.without_card(line):
        model_card.write(line, number)
        yield True, f"wrote the model card of {line} version {number}"


def repair_metadata(line: str) -> Iterator[Mended]:
    for message, mend in doctor_line.mlmd_differs(line):
        mend()
        yield True, f"corrected ML Metadata of {line}: {message}"


def repair_mlflow(line: str) -> Iterator[Mended]:
    if not doctor_line.behind(line):
        return
    code = "import sys; from components.registry import mlflow_sync as catalogue; from components.registry import model_registry as registry\n"
    code += (
        "for card in registry.versions(sys.argv[1]): catalogue.follow(sys.argv[1], card, registry.aliases(sys.argv[1]))"
    )
    command = [sys.executable, "-c", code, line]
    done = subprocess.run(command, cwd=paths.REPOSITORY, capture_output=True, text=True, timeout=300, check=False)
    if done.returncode:
        yield False, f"MLflow: {(done.stderr.strip().splitlines() or ['no reason given'])[-1]}"
    else:
        yield True, f"brought MLflow up to date with {line}"


REPAIRS = (
    repair_pointer,
    repair_records,
    repair_history,
    repair_files,
    repair_cards,
    repair_metadata,
    repair_mlflow,
    restore_versions,
    doctor_store.repair,  # last: the others do not wait for a store that is away
)
