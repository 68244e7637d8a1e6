"""`newsdesk reproduce N`: makes a version again from its commit, its settings and its files, and compares the model byte for byte.

The commit is checked out into a temporary worktree, the run's record is put into a fresh state folder, and the nodes up to the Trainer
run there as they ran then. The record holds the hash of every code file, of the libraries and of the encoders: a node refuses to start
where one differs, and names it.
"""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from components.core import fileio, paths
from components.core.states import ExitCode, NodeState, Release
from components.registry import manifest, model_registry
from pipelines.flow import FLOW
from pipelines.runner import code_version, node_process

LAST = "Trainer"
RUN = "again"


class NotReproducible(Exception):
    """A version that cannot be made again here: the message says what is missing or differs."""


def reproduce(line: str, version: int, say: Callable[[str], None]) -> dict:
    """Makes a version again. say: is given a line for each node.

    Returns `digest` and `again` (content digests of the model), `equal`, and `differing`: files of the model that are not the same.

    Raises:
        NotReproducible: see there.
    """
    card, record = _record(line, version)
    code = record.get("source_code") or {}
    check_code(version, code)
    check_files(version, record["files"])
    with worktree(code) as where, tempfile.TemporaryDirectory(prefix="newsdesk-again-") as place:
        home = Path(place) / "home"
        _prepare(home, record)
        model = _train(where, home, say)
        again = manifest.folder_hashes(model)
    listed = (fileio.read_json(_folder(card) / model_registry.MANIFEST) or {}).get("files", {})
    digest = manifest.content_digest(again)
    return {
        "line": line,
        "version": version,
        "commit": code["commit"],
        "digest": card["digest"],
        "again": digest,
        "equal": digest == card["digest"],
        "files": len(again),
        # `listed` holds more files than the model: the Pusher added some.
        "differing": sorted(name for name, sha in again.items() if listed.get(name) != sha),
    }


def _record(line: str, version: int) -> tuple[Mapping, dict]:
    card = model_registry.card(line, version)
    if card is None:
        raise NotReproducible(
            f"version {version} of line {line} does not exist; `newsdesk models --line {line}` lists them"
        )
    record = fileio.read_json(paths.run_dir(card["run"]) / "run.json")
    if record is None:
        raise NotReproducible(
            f"the record of run {card['run']} is gone, which made version {version}: retention removed it"
        )
    _folder(card)
    return card, record


def _folder(card: Mapping) -> Path:
    folder = model_registry.folder(card["line"], card["version"])
    if folder is None:
        raise NotReproducible(f"version {card['version']} is no longer kept, so that there is nothing to compare with")
    return folder


def check_code(version: int, code: Mapping) -> None:
    """Raises NotReproducible where the commit, or what differed from it, is not known here."""
    commit = code.get("commit")
    if not commit:
        why = code.get("note") or "the version of Newsdesk that made it did not record one"
        raise NotReproducible(f"version {version} has no commit in its record: {why}")
    if code.get("left_out"):
        shown = ", ".join(code["left_out"][:5])
        raise NotReproducible(
            f"version {version} was made from files that were not committed and whose changes were not kept (new, too large, or "
            f"they may hold a secret): {shown}"
        )
    try:
        code_version.git(paths.REPOSITORY, "cat-file", "-e", f"{commit}^{{commit}}")
    except code_version.GitError:
        raise NotReproducible(
            f"commit {commit[:12]} of version {version} is not in {paths.REPOSITORY}; `git fetch` brings it, if a remote has it"
        ) from None


def check_files(version: int, files: list[Mapping]) -> None:
    """Raises NotReproducible where a file that the run read is gone or holds something else. A built-in source has none."""
    wrong = []
    for file in files:
        path = Path(file["path"])
        if file.get("kind") == "file" and not path.is_file():
            wrong.append(f"{path} is gone")
        elif file.get("kind") == "file" and fileio.file_hash(path) != file["sha256"]:
            wrong.append(f"{path} has changed")
    if wrong:
        more = f" and {len(wrong) - 5} more" if len(wrong) > 5 else ""
        raise NotReproducible(f"the data of version {version} is not what its run read: {'; '.join(wrong[:5])}{more}")


@contextlib.contextmanager
def worktree(code: Mapping) -> Iterator[Path]:
    """A temporary checkout of a commit, with the recorded difference."""
    with tempfile.TemporaryDirectory(prefix="newsdesk-code-") as place:
        where = Path(place) / "code"
        code_version.git(paths.REPOSITORY, "worktree", "add", "--detach", str(where), code["commit"])
        try:
            if code["diff"]:
                code_version.git(where, "apply", "--binary", "-", given=code["diff"])
            yield where
        finally:
            code_version.git(paths.REPOSITORY, "worktree", "remove", "--force", str(where))


def _prepare(home: Path, record: dict) -> None:
    """A fresh state folder with the run's record in it, and the champion that it was trained beside."""
    line, pointer = record["config"]["line"], record["champion"]
    config = {**record["config"], "release": Release.NEVER, "force": False}
    fileio.write_json(home / "runs" / RUN / "run.json", {**record, "run": RUN, "config": config})
    own = paths.home() / "lines" / line
    if own.is_dir():
        shutil.copytree(own, home / "lines" / line)
    if pointer:
        number = pointer["version"]
        for path in paths.registry_dir(line).glob(f"versions/{number}.*"):
            target = home / "registry" / line / "versions" / path.name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
        folder = model_registry.folder(line, number)
        if folder is not None:
            shutil.copytree(folder, home / "serving" / line / str(number))


def _train(where: Path, home: Path, say: Callable[[str], None]) -> Path:
    """Runs the nodes up to the Trainer in a checkout; returns the folder of the model."""
    names = [node.name for node in FLOW]
    environ = {**node_process.environment(), "NEWSDESK_HOME": str(home), "NEWSDESK_TFX_PYTHON": sys.executable}
    call = [sys.executable, "-m", "pipelines.run_node", "--run-id", RUN, "--owner", str(os.getpid()), "--node"]
    try:
        for name in names[: names.index(LAST) + 1]:
            done = subprocess.run(
                [*call, name], cwd=where, env=environ, capture_output=True, text=True, errors="replace"
            )
            result = json.loads((done.stdout.strip().splitlines() or ["{}"])[-1])
            state = result.get("state", NodeState.FAILED)
            say(f"{name:<18}{state:<9}{result.get('seconds', 0):>7.1f} s  {str(result.get('headline', ''))[:150]}")
            if done.returncode not in (
                ExitCode.DONE,
                ExitCode.SKIPPED,
            ):  # the Tuner is skipped where no trials were asked for
                reasons = "; ".join(result.get("reasons") or done.stderr.strip().splitlines()[-3:])
                raise NotReproducible(f"{name} did not end well: {reasons}")
        return Path(result["artifacts"]["model"], "Format-Serving")
    finally:
        stop = [sys.executable, "-m", "pipelines.runner.node_server", "stop"]
        subprocess.run(stop, cwd=where, env=environ, capture_output=True)
