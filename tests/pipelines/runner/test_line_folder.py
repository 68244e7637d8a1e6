"""A line's reviewed folder is looked at whole before a run does any work, and each fault is named with its file."""

import json
import shutil
import sys
import types

import pytest

from components.core import paths
from pipelines import run_node
from pipelines.config import run_config
from pipelines.flow import FLOW
from pipelines.runner import line_folder

LABELS = ["World", "Sports", "Business", "Sci/Tech"]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The real line's folder, copied to where it may be changed."""
    path = tmp_path / "repository" / "data_schemas" / "news"
    shutil.copytree(paths.REPOSITORY / "data_schemas" / "news", path)
    monkeypatch.setattr(paths, "REPOSITORY", tmp_path / "repository")
    return path


@pytest.mark.parametrize("line", ["news", "news-demo"])
def test_the_folders_that_come_with_the_project_are_complete(line):
    assert list(line_folder.faults(line, run_config.labels_of(line))) == []


def test_a_line_without_a_folder_is_refused_with_the_folder_to_copy():
    with pytest.raises(run_config.ConfigError, match=r"data_schemas/sports; `newsdesk init FOLDER --line sports`"):
        line_folder.check("sports", LABELS)


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("schema.pbtxt", "feature {", "cannot be read as a schema"),
        ("schema.pbtxt", 'feature { name: "text" type: BYTES }', "no feature named label"),
        ("schema.pbtxt", 'feature { name: "label" type: INT int_domain { min: 0 max: 1 } }', "lets label be 0 to 1"),
        ("expectations.json", "[{]", "cannot be read as JSON"),
        ("expectations.json", '[{"type": "expect"}]', "must be a list of objects with type and kwargs"),
        (
            "expectations.json",
            '[{"type": "in_set", "kwargs": {"column": "label", "value_set": ["Art"]}}]',
            "names the classes",
        ),
        ("behaviour.toml", '[[pairs]]\ntexts = ["a", "b"]\nlabels = ["World", "Art"]', "a label of the line for each"),
    ],
)
def test_each_fault_is_named_with_its_file(folder, name, text, says):
    (folder / name).write_text(text)
    (found,) = line_folder.faults("news", LABELS)
    assert says in found and found.startswith(str(folder / name))


@pytest.mark.parametrize("labels", [["World"], ["World", "World"], ["World", " "], ["World", 3]])
def test_labels_are_two_or_more_different_texts(folder, labels):
    assert "labels must be two or more different texts" in next(line_folder.faults("news", labels))


def test_behavioural_tests_with_wrong_labels_end_a_run_at_its_first_node_before_any_work(folder, monkeypatch, capsys):
    (folder / "behaviour.toml").write_text('[[pairs]]\ntexts = ["a", "b"]\nlabels = ["World", "Art"]')
    (folder / "schema.pbtxt").unlink()

    def work(*args):
        raise AssertionError("work began")

    monkeypatch.setitem(sys.modules, "pipelines.runner.tfx_launcher", types.SimpleNamespace(launch=work))
    record = types.SimpleNamespace(line="news", config=types.SimpleNamespace(labels=LABELS))
    monkeypatch.setattr(run_node.runs, "open_run", lambda *args: record)
    assert run_node.execute(run_node.parse(["--node", FLOW[0].name, "--run-id", "run-1"])) == 2
    result = json.loads(capsys.readouterr().out)
    assert result["state"] == "usage"
    assert "behaviour.toml" in result["reasons"][0] and "schema.pbtxt" in result["reasons"][0]
