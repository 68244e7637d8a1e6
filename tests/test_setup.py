"""The set-up script: which set of packages it chooses and what it says, with stand-ins for Python, uv and glibc."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import tomli

ROOT = Path(__file__).resolve().parents[1]
PYTHON = """#!/bin/bash
# Answers as Python {version} would to what the set-up asks.
case "$*" in
  *sys.exit*) [[ "$*" == *"'{version}'"* ]] ;;
  *get_path*) echo {headers} ;;
  *) echo {version} ;;
esac
"""
UV = """#!/bin/bash
echo "$*" >>{log}
case "$*" in
  'python install'*) exit 1 ;;
  'python find'*) exit 1 ;;
  venv*) folder="${{@: -1}}"; mkdir -p "$folder/bin"; cp "{bin}/python$(sed 's/.*python\\(3[.0-9]*\\).*/\\1/' <<<"$*")" "$folder/bin/python" ;;
esac
"""


def script(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)


class Machine:
    def __init__(self, folder: Path):
        self.folder, self.bin, self.log = folder / "project", folder / "bin", folder / "uv.log"
        self.folder.mkdir()
        self.log.touch()
        for name in (".ci", "docker"):
            shutil.copytree(ROOT / name, self.folder / name)
        shutil.copy(ROOT / "pyproject.toml", self.folder)
        script(self.folder / ".tools/uv/bin/uv", UV.format(log=self.log, bin=self.bin))
        script(self.bin / "pyenv", "#!/bin/bash\nexit 1\n")
        script(self.bin / "python3", "#!/bin/bash\nexit 1\n")
        script(self.bin / "uv", "#!/bin/bash\nexit 1\n")
        script(self.bin / "c++", "#!/bin/bash\n")
        (folder / "Python.h").touch()

    def has(self, glibc: str, *pythons: str) -> "Machine":
        script(self.bin / "getconf", f"#!/bin/bash\necho glibc {glibc}\n")
        for version in pythons:
            script(self.bin / f"python{version}", PYTHON.format(version=version, headers=self.folder.parent))
        return self

    def setup(self, which: str = "airflow", **environ: str) -> subprocess.CompletedProcess:
        self.log.write_text("")
        # The system's own Pythons must not be found: only what a POSIX system brings, by name.
        tools = self.folder.parent / "tools"
        tools.mkdir(exist_ok=True)
        for name in [
            "bash",
            "cat",
            "cp",
            "mkdir",
            "sha256sum",
            "sort",
            "head",
            "sed",
            "rm",
            "flock",
            "id",
            "dirname",
            "env",
            "grep",
            "tr",
        ]:
            if not (tools / name).exists():
                (tools / name).symlink_to(shutil.which(name))
        environ = {"PATH": f"{self.bin}:{tools}", **environ}
        command = ["bash", self.folder / ".ci/setup", which]
        return subprocess.run(command, env=environ, capture_output=True, text=True)

    def installed(self) -> str:
        return " ".join(re.findall(r"pip sync .*docker/(\w+)/", self.log.read_text()))


@pytest.fixture
def machine(tmp_path):
    return Machine(tmp_path)


@pytest.mark.parametrize(
    ("glibc", "pythons", "stack", "message"),
    [
        ("2.41", ["3.13"], "current", "the current set with Python 3.13: glibc 2.41"),
        ("2.39", ["3.12", "3.10"], "current", "the current set with Python 3.12: glibc 2.39"),
        (
            "2.36",
            ["3.13", "3.10"],
            "older",
            "the older set with Python 3.10: glibc 2.36, and the current set needs 2.39",
        ),
        ("2.41", ["3.10"], "older", "the older set with Python 3.10: no Python 3.12 or 3.13 here"),
    ],
)
def test_the_first_set_that_fits_the_system_is_taken_and_the_reason_printed(machine, glibc, pythons, stack, message):
    done = machine.has(glibc, *pythons).setup()
    assert done.returncode == 0, done.stderr
    assert machine.installed() == stack and message in done.stdout


def test_a_set_chosen_by_hand_is_kept_by_both_environments(machine):
    machine.has("2.41", "3.13", "3.10").setup("tfx", NEWSDESK_STACK="older")
    assert machine.installed() == "older"
    done = machine.setup("airflow")
    assert machine.installed() == "older" and "chosen before" in done.stdout


def test_a_set_that_is_installed_is_not_installed_again(machine):
    machine.has("2.41", "3.13").setup()
    done = machine.setup()
    assert (done.returncode, done.stdout, machine.log.read_text()) == (0, "", "")


def test_the_current_set_is_refused_where_the_system_is_too_old_for_it(machine):
    done = machine.has("2.36", "3.13").setup(NEWSDESK_STACK="current")
    assert done.returncode == 1 and "glibc 2.39" in done.stderr and "Received: glibc 2.36" in done.stderr


def test_an_unknown_set_is_refused(machine):
    done = machine.has("2.41", "3.13").setup(NEWSDESK_STACK="new")
    assert done.returncode == 1 and "Received: new" in done.stderr


def test_where_no_python_fits_uv_is_asked_for_one_and_a_failure_says_what_to_do(machine):
    done = machine.has("2.41").setup()
    assert "python install --quiet 3.13" in machine.log.read_text()
    assert done.returncode == 1 and "Python 3.13 or 3.12" in done.stderr and "apt-get install python3.13" in done.stderr


def test_a_missing_compiler_is_named_before_anything_is_installed(machine):
    machine.has("2.41", "3.13")
    (machine.bin / "c++").unlink()
    (machine.folder.parent / "Python.h").unlink()
    done = machine.setup("tfx")
    assert done.returncode == 1 and "apt-get install g++ python3.13-dev" in done.stderr
    assert machine.installed() == ""


@pytest.mark.parametrize("stack", ["current", "older"])
@pytest.mark.parametrize("group", ["tfx", "airflow"])
def test_a_lock_file_holds_what_its_group_names(stack, group):
    wanted = tomli.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"][group]
    locked = (ROOT / "docker" / stack / f"{group}.lock").read_text()
    for line in wanted:
        requirement, _, marker = line.partition(" ; ")
        if marker and ("<" in marker) == (stack == "current"):
            continue
        requirement = re.sub(r"\[.*?\]", "", requirement)  # an extra has lines of its own
        name = re.split(r"[<>=]", requirement)[0]
        pinned = requirement if "==" in requirement else f"{name}=="
        assert f"\n{pinned}" in "\n" + locked, line


def test_the_tests_of_the_current_set_are_skipped_with_the_reason_where_no_debian_can_be_made(machine):
    machine.has("2.41", "3.13").setup()
    environ = {"PATH": str(machine.folder.parent / "tools"), "HOME": str(machine.folder)}
    done = subprocess.run(["bash", ROOT / ".ci/current"], env=environ, capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout.startswith("skipped: "), done.stderr
    assert not (machine.folder / ".cache").exists()
