"""The hash of a node's code covers every file that the node can import, and no other."""

import shutil
from modulefinder import ModuleFinder
from pathlib import Path

import pytest

from components.core import paths
from pipelines.flow import FLOW
from pipelines.runner import node_code

REPOSITORY = paths.REPOSITORY


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """A copy of the project that a test may change."""
    for name in ("components", "pipelines", "data_schemas"):
        shutil.copytree(REPOSITORY / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "README.md").write_text("Newsdesk")
    monkeypatch.setattr(paths, "REPOSITORY", tmp_path)
    return tmp_path


def edit(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"\n# edited\n")


def test_an_edit_of_any_file_that_a_node_can_import_is_noticed(repository):
    files = node_code.snapshot()["code_files"]
    assert len(files) > 50
    for name in set(files) - {node_code.LIBRARIES}:
        before = (repository / name).read_bytes()
        edit(repository / name)
        assert node_code.changed(files) == [name]
        (repository / name).write_bytes(before)
    assert node_code.changed(files) == []


def test_what_python_s_own_finder_of_imports_finds_is_covered():
    for node in FLOW:
        files = node_code.files_of(node.name)
        finder = ModuleFinder(path=[str(REPOSITORY)])
        for root in files:
            if root.parent.name == "components" and f"def {node.name}(" in root.read_text():
                finder.import_hook(f"components.{root.stem}")
        reached = {Path(module.__file__) for module in finder.modules.values() if module.__file__}
        assert {path for path in reached if path.is_relative_to(REPOSITORY)} <= set(files), node.name


@pytest.mark.parametrize(
    ("file", "read", "unread"),
    [
        ("components/data/csv_reader.py", {"Ingester"}, {"Tokenizer", "Trainer", "Champion", "Canary"}),
        ("components/training/loop.py", {"Tuner", "Trainer", "Baseline"}, {"Ingester", "DataGate", "Champion"}),
        ("components/models/bert.py", {"Tokenizer", "Tuner", "Trainer", "Baseline"}, {"Ingester", "Canary"}),
        ("components/data/text_cleaning.py", {"Ingester", "Tokenizer", "Trainer", "ModelGate"}, {"Champion", "Canary"}),
        ("components/serving/canary_probe.py", {"Canary"}, {"Ingester", "Trainer"}),
        ("components/serving/mlflow_loader.py", {"Pusher"}, {"Ingester", "Trainer"}),
        ("components/pusher.py", {"Pusher"}, {"Ingester", "Trainer", "ModelGate"}),
        ("components/__init__.py", {"Ingester", "Trainer", "Champion"}, {"Evaluator"}),
    ],
)
def test_a_file_counts_for_the_nodes_that_can_import_it_and_for_no_others(repository, file, read, unread):
    before = node_code.snapshot()
    edit(repository / file)
    after = node_code.snapshot()
    changed = {node.name for node in FLOW if before["node_code"][node.name] != after["node_code"][node.name]}
    assert read <= changed
    assert not unread & changed
    assert before["code"] != after["code"]


@pytest.mark.parametrize(
    "file", ["README.md", "data_schemas/news/schema.pbtxt", "pipelines/operations/doctor.py", "pipelines/cli/main.py"]
)
def test_what_no_node_imports_is_in_no_hash(repository, file):
    before = node_code.snapshot()
    edit(repository / file)
    assert node_code.snapshot() == before


def test_values_of_a_preset_are_no_code_of_the_nodes_that_are_cached():
    presets = REPOSITORY / "pipelines" / "config" / "presets.py"
    assert presets.is_file()
    for node in FLOW:
        if node.cached:
            assert presets not in node_code.files_of(node.name), node.name


def test_other_libraries_give_every_node_another_hash(monkeypatch):
    before = node_code.snapshot()
    monkeypatch.setattr(node_code, "library_hash", lambda: "other")
    after = node_code.snapshot()
    assert all(before["node_code"][node.name] != after["node_code"][node.name] for node in FLOW)
    assert before["code"] != after["code"]
    assert node_code.changed(before["code_files"]) == [node_code.LIBRARIES]


def test_the_libraries_are_named_by_name_and_version_and_neither_newsdesk_nor_spark_is_one(tmp_path, monkeypatch):
    monkeypatch.setattr(node_code.sysconfig, "get_paths", lambda: {"purelib": str(tmp_path), "platlib": str(tmp_path)})
    reached = []
    for name in ("tensorflow-2.16.2", "newsdesk-0.1.0", "pyspark-4.2.1", "py4j-0.10.9.9", "tensorflow-2.16.3"):
        (tmp_path / f"{name}.dist-info").mkdir()
        reached.append(node_code.library_hash())
    assert len(set(reached[:4])) == 1 and reached[4] != reached[3]


def test_imports_within_functions_relative_ones_and_names_in_strings_are_followed(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "REPOSITORY", tmp_path)
    package = tmp_path / "components"
    (package / "kinds").mkdir(parents=True)
    files = {
        "__init__.py": "",
        "trainer.py": "def Trainer():\n    from . import late\n    from .kinds import load\n    return 'components.named.run', 'probe.py'\n",
        "late.py": "",
        "named.py": "",
        "probe.py": "import components.probed\n",
        "probed.py": "",
        "kinds/__init__.py": "import importlib\ndef load(name):\n    return importlib.import_module(f'{__name__}.{name}')\n",
        "kinds/one.py": "",
        "unread.py": "",
    }
    for name, text in files.items():
        (package / name).write_text(text)
    reached = {path.relative_to(package).as_posix() for path in node_code.files_of("Trainer")}
    assert reached == set(files) - {"unread.py"}
