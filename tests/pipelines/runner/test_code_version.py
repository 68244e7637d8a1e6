"""Which commit a run's code is: what the record keeps of changes, and what it must not keep."""

import pytest

from pipelines.runner import code_version


@pytest.fixture
def repository(tmp_path):
    """A repository of one commit with two files that a node reads."""
    where = tmp_path / "repository"
    (where / "components").mkdir(parents=True)
    for name in ("one", "two"):
        (where / "components" / f"{name}.py").write_text(f"{name} = 1\n")
    code_version.git(where, "init", "--quiet")
    for words in (["add", "."], ["commit", "--quiet", "-m", "first"]):
        code_version.git(where, "-c", "user.name=a", "-c", "user.email=a@b", *words)
    return where


def test_a_clean_tree_is_its_commit(repository):
    code = code_version.snapshot(repository)
    assert code["commit"] == code_version.git(repository, "rev-parse", "HEAD").strip()
    assert (code["dirty"], code["diff"], code["left_out"], code["note"]) == (False, "", [], "")


def test_changes_are_kept_as_a_diff_that_makes_the_same_files_from_the_commit(repository, tmp_path):
    (repository / "components" / "one.py").write_text("one = 2\n")
    (repository / "README.md").write_text("nothing that a node reads")
    code = code_version.snapshot(repository)
    assert code["dirty"] and code["left_out"] == []
    code_version.git(repository, "worktree", "add", "--detach", str(tmp_path / "again"), code["commit"])
    code_version.git(tmp_path / "again", "apply", "-", given=code["diff"])
    assert (tmp_path / "again" / "components" / "one.py").read_text() == "one = 2\n"


def test_a_moved_file_and_a_name_in_other_letters_are_kept_whole(repository, tmp_path):
    strange = "components/Zürich [1].py"
    (repository / strange).write_text("x = 1\n")
    for words in (["add", "."], ["commit", "--quiet", "-m", "second"]):
        code_version.git(repository, "-c", "user.name=a", "-c", "user.email=a@b", *words)
    code_version.git(repository, "mv", "components/one.py", "components/moved.py")
    (repository / strange).write_text("x = 2\n")
    code = code_version.snapshot(repository)
    code_version.git(repository, "worktree", "add", "--detach", str(tmp_path / "again"), code["commit"])
    code_version.git(tmp_path / "again", "apply", "-", given=code["diff"])
    files = {path.name: path.read_text() for path in (tmp_path / "again" / "components").iterdir()}
    assert files == {"moved.py": "one = 1\n", "two.py": "two = 1\n", "Zürich [1].py": "x = 2\n"}


@pytest.mark.parametrize(
    "line",
    ["PASSWORD = 'hunter2'", 'smtp_password: "x1"', "address = 'postgresql://me:hunter2@host/db'", "-----BEGIN PRIVATE KEY-----"],
)  # fmt: skip
def test_a_file_whose_change_may_hold_a_secret_is_named_and_not_kept(repository, line):
    (repository / "components" / "one.py").write_text(f"{line}\n")
    (repository / "components" / "two.py").write_text("two = 2\n")
    code = code_version.snapshot(repository)
    assert code["left_out"] == ["components/one.py"] and "two = 2" in code["diff"]
    assert line not in code["diff"]


def test_new_and_too_large_changes_are_named_and_not_kept(repository):
    (repository / "components" / "new.py").write_text("x = 1\n")
    assert code_version.snapshot(repository)["left_out"] == ["components/new.py"]
    (repository / "components" / "one.py").write_text("x" * code_version.MOST)
    code = code_version.snapshot(repository)
    assert (code["left_out"], code["diff"]) == (["components/new.py", "components/one.py"], "")


def test_a_copy_that_is_no_repository_of_its_own_says_so(repository, tmp_path, monkeypatch):
    (repository / "lib").mkdir()
    code = code_version.snapshot(repository / "lib")
    assert code["commit"] == "" and "an installed copy" in code["note"]
    assert "not a git repository" in code_version.snapshot(tmp_path)["note"]
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "git is not installed" in code_version.snapshot(repository)["note"]
