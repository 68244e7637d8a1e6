"""Which commit a run's code is, and what differs from it: part of the run's record, for `newsdesk reproduce`. Standard library only."""

import re
import shutil
import subprocess
from pathlib import Path

from components.core import paths

READ = ("components", "pipelines", "data_schemas", "pyproject.toml")  # all that a node reads of the repository
MOST = 1 << 16  # characters of a diff that is kept
# A changed line that looks like one keeps its whole file out of the diff.
_SECRET = re.compile(
    r"(?i)(password|passwd|secret|token|api_?key|credential)\w*[\"']?\s*[:=]\s*[\"'][^\"']|://[^\s/:@]+:[^\s/@]+@|-----BEGIN"
)


def snapshot(repository: Path | None = None) -> dict:
    """`commit`, `dirty`, `diff` (against the commit, as git gives it), `left_out` (changed files that the diff lacks), `note`.

    Without git, or in a copy that is not its own repository, `commit` is empty and `note` says why.
    """
    repository = repository or paths.REPOSITORY
    try:
        top = git(repository, "rev-parse", "--show-toplevel").strip()
        commit = git(repository, "rev-parse", "HEAD").strip()
    except GitError as error:
        return _unknown(f"no commit is known of this copy: {error}")
    if Path(top).resolve() != repository.resolve():
        return _unknown(f"an installed copy, which is no git repository of its own (it is inside {top})")
    # A rename is a file that went and one that came; `-z` leaves names with other letters unquoted.
    changed = _names(git(repository, "diff", "--name-only", "--no-renames", "-z", "HEAD", "--", *READ))
    new = _names(git(repository, "ls-files", "--others", "--exclude-standard", "-z", "--", *READ))
    parts = {name: git(repository, "diff", "--binary", "HEAD", "--", f":(literal){name}") for name in changed}
    kept = {name: text for name, text in parts.items() if not _has_secret(text)}
    if sum(map(len, kept.values())) > MOST:
        kept = {}
    left_out = sorted({*new, *changed} - set(kept))
    return {
        "commit": commit,
        "dirty": bool(changed or new),
        "diff": "".join(kept.values()),
        "left_out": left_out,
        "note": "",
    }


class GitError(Exception):
    """git refused, or is not installed."""


def git(repository: Path, *words: str, given: str | None = None) -> str:
    """Standard output of a git command. given: its standard input.

    Raises:
        GitError: see there.
    """
    program = shutil.which("git")
    if program is None:
        raise GitError("git is not installed")
    call = [program, "-C", str(repository), *words]
    done = subprocess.run(call, input=given, capture_output=True, text=True, errors="surrogateescape")
    if done.returncode:
        raise GitError(" ".join(done.stderr.split())[:300] or f"git {words[0]} ended with {done.returncode}")
    return done.stdout


def _names(listed: str) -> list[str]:
    return [name for name in listed.split("\0") if name]


def _has_secret(diff: str) -> bool:
    return any(_SECRET.search(line) for line in diff.splitlines() if line[:1] in "+-")


def _unknown(note: str) -> dict:
    return {"commit": "", "dirty": False, "diff": "", "left_out": [], "note": note}
