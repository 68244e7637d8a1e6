"""The wheel `newsdesk-client` in an environment where this project cannot be imported, and the file that it reads."""

import json
import os
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import numpy as np
import published
import pytest

from components.core import fileio, paths
from components.registry import export_file, manifest
from pipelines.cli import main
from pipelines.client import Client

TEXTS = ["goal coach striker", "shares profit merger", "treaty embassy", ""]
_ASK = """
import importlib.util, json, sys
from newsdesk_client import Client
own = [name for name in ("components", "pipelines") if importlib.util.find_spec(name)]
file, *texts = sys.argv[1:]
answers = {"champion": Client("news").classify(texts), "file": Client.from_file(file).classify(texts)}
answers["store"] = Client("news", store="s3://bucket/desk", cache="cache").classify(texts)
Client("news", log="asked").classify(texts, request_id="mine")
print(json.dumps({"own": own, **answers}))
"""


@pytest.fixture
def exported(tmp_path):
    """A released version as a file."""
    version, file = published.release("run-1"), tmp_path / "out" / "news-1.zip"
    file.parent.mkdir()
    assert main.main(["export", str(version), str(file), "--line", published.LINE]) == 0
    return file


@pytest.fixture(scope="module")
def python(tmp_path_factory):
    """The Python of a fresh environment with the wheel in it; numpy and TensorFlow come from this one's."""
    folder = tmp_path_factory.mktemp("consumer")
    build = [sys.executable, str(paths.REPOSITORY / ".ci" / "client_wheel.py"), str(folder / "dist")]
    subprocess.run(build, check=True, capture_output=True)
    (wheel,) = (folder / "dist").glob("newsdesk_client-*.whl")
    subprocess.run([sys.executable, "-m", "venv", str(folder / "venv")], check=True)
    program = folder / "venv" / "bin" / "python"
    ask = "import sysconfig; print(sysconfig.get_path('purelib'))"
    place = subprocess.run([program, "-c", ask], check=True, capture_output=True, text=True).stdout.strip()
    install = [
        program,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--no-deps",
        "--no-index",
        wheel,
    ]
    subprocess.run(install, check=True, capture_output=True)
    Path(place, "libraries.pth").write_text(sysconfig.get_path("purelib"))
    return program


def test_the_wheel_answers_as_this_project_does_where_the_project_is_not(store, python, exported, tmp_path):
    environment = {
        "PATH": os.environ["PATH"],
        "NEWSDESK_HOME": os.environ["NEWSDESK_HOME"],
        "TF_CPP_MIN_LOG_LEVEL": "3",
        **{name: value for name, value in os.environ.items() if name.startswith("AWS_")},
    }
    done = subprocess.run(
        [python, "-c", _ASK, str(exported), *TEXTS], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-2000:]
    answers, ours = json.loads(done.stdout.splitlines()[-1]), Client("news").classify(TEXTS)
    assert answers == {"own": [], "champion": ours, "file": ours, "store": ours}
    (log,) = tmp_path.glob("asked/*/requests.jsonl")
    assert [row["title"] for row in fileio.read_json_lines(log)] == TEXTS


def test_the_wheel_asks_for_numpy_and_tensorflow_alone(python):
    ask = "from importlib.metadata import requires; print('\\n'.join(r for r in requires('newsdesk-client') if 'extra' not in r))"
    done = subprocess.run([python, "-c", ask], capture_output=True, text=True, check=True)
    assert [name.split(">")[0] for name in done.stdout.split()] == ["numpy", "tensorflow"]


def test_an_export_holds_model_card_and_checksums_that_other_tools_check(exported, tmp_path):
    with zipfile.ZipFile(exported) as archive:
        archive.extractall(tmp_path / "unpacked")
    folder = tmp_path / "unpacked" / "news-1"
    assert (folder / "card.json").is_file() and (folder / "model" / "saved_model.pb").is_file()
    subprocess.run(["sha256sum", "--check", "--strict", "SHA256SUMS"], cwd=folder, check=True, capture_output=True)
    assert manifest.verify(folder / "model")


def test_an_export_answers_as_its_version_also_when_another_serves(exported):
    published.release("run-2", "shifted")
    asked, serves = Client.from_file(exported), Client("news")
    np.testing.assert_array_equal(asked.probabilities(TEXTS), published.answers("good", tuple(TEXTS)))
    assert (asked.line, asked.version, serves.version, asked.refresh()) == ("news", 1, 2, False)


def test_the_same_version_exports_to_the_same_bytes(exported, tmp_path):
    export_file.write("news", 1, tmp_path / "again.zip")
    assert fileio.file_hash(tmp_path / "again.zip") == fileio.file_hash(exported)


def rewrite(file, change):
    """The export with other entries: `change` gets and returns name to bytes."""
    with zipfile.ZipFile(file) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in change(entries).items():
            archive.writestr(name, content)


def escaping(entries):
    sums = entries["news-1/SHA256SUMS"] + b"0" * 64 + b"  ../../evil\n"
    return {**entries, "news-1/SHA256SUMS": sums, "news-1/../../evil": b"evil"}


DAMAGE = {
    "a changed file": lambda e: {**e, "news-1/model/saved_model.pb": b"flipped"},
    "a file too many": lambda e: {**e, "news-1/model/extra": b"x"},
    "a missing file": lambda e: {name: content for name, content in e.items() if not name.endswith("card.json")},
    "no checksums": lambda e: {name: content for name, content in e.items() if not name.endswith("SHA256SUMS")},
    "a path that leaves the folder": escaping,
}


@pytest.mark.parametrize("kind", [*DAMAGE, "cut off", "no zip"])
def test_an_export_that_is_not_whole_is_refused_and_leaves_nothing(exported, tmp_path, kind):
    if kind in DAMAGE:
        rewrite(exported, DAMAGE[kind])
    else:
        exported.write_bytes(exported.read_bytes()[:500] if kind == "cut off" else b"hello")
    with pytest.raises(manifest.RegistryError, match=r"an export.* must .*Received: .*news-1\.zip"):
        Client.from_file(exported)
    assert not list(tmp_path.rglob("evil"))


def test_an_export_is_complete_or_not_there(exported, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(export_file.shutil, "copyfileobj", full)
    assert main.main(["export", "1", str(tmp_path / "other.zip")]) == 1
    assert not list(tmp_path.glob("other*")) and not list(tmp_path.glob(".other*"))


@pytest.mark.parametrize(
    ("version", "name", "code", "words"),
    [
        ("1", "out/news-1.zip", 2, "exists already"),
        ("1", "model.tar", 2, "must end in .zip"),
        ("9", "x.zip", 1, "version 9"),
    ],
)
def test_what_cannot_be_exported_says_why(exported, tmp_path, capsys, version, name, code, words):
    assert main.main(["export", version, str(tmp_path / name), "--line", "news"]) == code
    assert words in capsys.readouterr().err


def test_a_damaged_version_is_not_exported(exported, tmp_path, capsys):
    (paths.serving_dir("news") / "1" / "saved_model.pb").write_bytes(b"flipped")
    assert main.main(["export", "1", str(tmp_path / "x.zip")]) == 1
    assert "must match its manifest" in capsys.readouterr().err and not (tmp_path / "x.zip").exists()
