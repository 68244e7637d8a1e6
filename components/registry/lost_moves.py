"""Recovers moves of the champion pointer that `promotions.jsonl` lost.

    registry/<line>/lost_moves.jsonl   moves that cannot be recovered, noted by `newsdesk doctor --repair`

The moves of a line are numbered from 1 without a gap, so a missing number is a lost move. Each run's record, and the origin of each
version, holds the champion at the run's start together with the move that made it: a copy of that entry of the history. A run that
released a version made the next move. Standard library only.
"""

import json
from collections.abc import Iterator, Mapping

from components.core import clock, errors, fileio, locks, paths
from components.core.states import Move, NodeState, Release, RunState
from components.registry import model_registry

UNKNOWN = "unknown"


def missing(line: str) -> list[int]:
    """The numbers of the moves that the history lacks, lowest first."""
    numbers = {event["sequence"] for event in model_registry.history(line)}
    return sorted(set(range(1, max(numbers, default=0) + 1)) - numbers)


def unknown(line: str) -> set[int]:
    """The numbers of the moves that `note` recorded as lost."""
    return {event["sequence"] for event in fileio.read_json_lines(_path(line))}


def known(line: str) -> dict[int, dict]:
    """The missing moves that runs and versions hold, by number; those that are consistent with the moves around them."""
    recorded = {event["sequence"]: event for event in model_registry.history(line)}
    copies = {number: move for number, move in _copies(line).items() if number not in recorded}
    wanted = {number: copies[number] for number in missing(line) if number in copies}
    return {number: move for number, move in wanted.items() if _fits(move, {**copies, **recorded})}


def refill(line: str) -> dict[int, dict]:
    """Writes the recovered moves into the history, in order, and returns them."""
    with locks.line_lock(line):
        recovered = known(line)
        if recovered:
            events = sorted([*model_registry.history(line), *recovered.values()], key=lambda event: event["sequence"])
            text = "".join(json.dumps(event, ensure_ascii=False) + "\n" for event in events)
            fileio.write_text(paths.registry_dir(line) / "promotions.jsonl", text)
        return recovered


def note(line: str, numbers: list[int]) -> None:
    """Records that these moves cannot be recovered."""
    for number in numbers:
        fileio.append_json(_path(line), {"time": clock.now(), "who": model_registry.user(), "sequence": number})


def _path(line: str):
    return paths.registry_dir(line) / "lost_moves.jsonl"


def _fits(move: Mapping, others: Mapping[int, Mapping]) -> bool:
    before, after = others.get(move["sequence"] - 1), others.get(move["sequence"] + 1)
    return (not before or before["to"] == move["from"]) and (not after or after["from"] == move["to"])


def _copies(line: str) -> dict[int, dict]:
    """Every move that runs and versions hold, by number. A copy takes precedence over a move derived from a run's release."""
    copies, released = {}, {}
    for record, card in _records(line):
        pointer = record.get("champion")
        if pointer:
            copies[pointer["event"]["sequence"]] = pointer["event"]
        move = _release(record, pointer, card)
        if move:
            released.setdefault(move["sequence"], move)
    return {**released, **copies}


def _records(line: str) -> Iterator[tuple[dict, dict | None]]:
    """The records of the line's runs, and those kept with its versions together with the version's card."""
    for path in sorted((paths.home() / "runs").glob("*/run.json")):
        record = _read(path)
        if record and record["config"]["line"] == line:
            yield record, None
    for number in model_registry.numbered(paths.registry_dir(line) / "versions"):
        origin, card = _read(model_registry.origin_path(line, number)), _read(_card_path(line, number))
        if origin and card and "record" in origin:
            yield origin["record"], card


def _card_path(line: str, version: int):
    return paths.registry_dir(line) / "versions" / f"{version}.json"


def _read(path):
    try:
        return fileio.read_json(path)
    except errors.DamagedFile:
        return None  # the doctor names it


def _release(record: Mapping, pointer: Mapping | None, card: Mapping | None) -> dict | None:
    """The move by which a run released its version; None where it did not, or where its files do not show it.

    A release moves the pointer only from the champion at the run's start, so its number is the next one.
    """
    folder = paths.run_dir(record["run"])
    if card is None:
        released, verdict = _read(folder / "release.json"), _read(folder / "verdict.json")
        if not released or released.get("state") != RunState.RELEASED or not verdict:
            return None
        ended = [
            e
            for e in fileio.read_json_lines(folder / "events.jsonl")
            if e["node"] == "Registrar" and e["state"] == NodeState.DONE
        ]
        version, time = released["version"], ended[0]["time"] if ended else record["created"]
        reason, metrics = "; ".join(verdict["reasons"]), verdict["metrics"]
    else:
        # The card of a version that was held names the folder of held versions.
        served = str(paths.serving_dir(record["config"]["line"]) / str(card["version"]))
        if record["config"]["release"] != Release.AUTO or card["folder"] != served:
            return None
        version, time = card["version"], card["created"]
        reason, metrics = f"released by run {record['run']}", card["metrics"]
    return {
        "sequence": pointer["event"]["sequence"] + 1 if pointer else 1,
        "time": time,
        "who": UNKNOWN,
        "kind": Move.RELEASE,
        "from": pointer["version"] if pointer else None,
        "to": version,
        "reason": reason,
        "evidence": {"run": record["run"], "metrics": metrics},
        "restored": "the history lost this move; it was recovered from its run; who made it is not known, and the time is the node's",
    }
