"""The real AG News of TensorFlow Datasets, prepared from local files, is read like any source; a damaged file of it stops the run with
file, record and byte; and without a network a run that needs one says so at once."""

import json
import shutil
import socket
import threading
from pathlib import Path

import pytest
from data_kit import AS_OF, FORM, articles, as_csv

from components.data import listed_files, sources
from components.data.row_format import BadRow, each
from components.data.sources import SourceError

pytestmark = [pytest.mark.faults, pytest.mark.filterwarnings("ignore")]  # warnings are TFDS's own


NAME = "ag_news_subset"


@pytest.fixture(scope="module")
def home_with_downloads(tmp_path_factory):
    """A state folder in which TensorFlow Datasets finds the archive of AG News downloaded and unpacked: 40 train and 12 test rows."""
    import tensorflow_datasets as tfds
    from tensorflow_datasets.core.download import resource

    home = tmp_path_factory.mktemp("home")
    downloads = home / "tfds" / "downloads"
    ((url, info),) = tfds.builder_cls(NAME).url_infos.items()
    archive = downloads / NAME / resource.get_dl_fname(url, info.checksum)
    archive.parent.mkdir(parents=True)
    archive.write_bytes(b"stands for the archive, which is not opened again once it is unpacked")
    resource.write_info_file(url, archive, NAME, info.filename, info)
    unpacked = downloads / "extracted" / f"TAR_GZ.{archive.name}" / "ag_news_csv"
    unpacked.mkdir(parents=True)
    (unpacked / "train.csv").write_bytes(as_csv(articles(40, 1), header=False))
    (unpacked / "test.csv").write_bytes(as_csv(articles(12, 2), header=False))
    return home


def rows_of(file):
    return list(each(listed_files.read(file, FORM)))


@pytest.fixture
def offline(monkeypatch):
    """Every connection goes to a port of this machine at which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    for name in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{port}")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def prepared(home_with_downloads, newsdesk_home, offline):
    """The set as TensorFlow Datasets' own builder prepares it, in a state folder of the test's own."""
    shutil.copytree(home_with_downloads, newsdesk_home)
    files, _ = sources.resolve("tfds", "all", AS_OF)
    return Path(files[0].path).parent


def test_the_real_data_set_is_prepared_from_a_download_with_labels_from_0_and_its_own_splits(prepared):
    import tensorflow_datasets as tfds

    label = tfds.builder_from_directory(prepared).info.features["label"]
    assert (type(label), label.names) == (tfds.features.ClassLabel, ["World", "Sports", "Business", "Sci/Tech"])
    files = [f.to_json() for f in sources.resolve("tfds", "all", AS_OF)[0]]
    assert [f["split"] for f in files] == ["train", "test"]
    train, test = (rows_of(f) for f in files)
    for rows, wanted in ((train, articles(40, 1)), (test, articles(12, 2))):
        assert sorted((r.label, r.title) for r in rows) == sorted((n - 1, title) for n, title, _ in wanted)


def test_without_a_network_a_set_that_is_not_there_is_refused_at_once_with_what_to_do(newsdesk_home, offline):
    with pytest.raises(SourceError, match=r"is not downloaded yet, and drive\.google\.com cannot be reached") as error:
        sources.resolve("tfds", "all", AS_OF)
    assert "Connection refused" in str(error.value) and f"copy a prepared data set to {newsdesk_home / 'tfds'}" in str(
        error.value
    )
    assert list(newsdesk_home.rglob("*.tmp.*")) == [], "the downloader was started"


def test_a_host_that_takes_no_connection_or_never_answers_is_unreachable(monkeypatch):
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"https://127.0.0.1:{server.getsockname()[1]}/file"
        assert sources._unreachable(address) == ""
    assert "refused" in sources._unreachable(address)
    held = threading.Event()
    monkeypatch.setattr(socket, "create_connection", lambda *args, **more: held.wait())
    assert sources._unreachable(address, seconds=0.01) == "no answer within 0.01 s"
    held.set()


def test_a_row_whose_label_is_none_of_the_set_s_is_a_bad_row_with_its_place(prepared, tmp_path):
    import tensorflow as tf

    texts = {name: tf.train.Feature(bytes_list=tf.train.BytesList(value=[b"odd"])) for name in ("title", "description")}
    feature = {**texts, "label": tf.train.Feature(int64_list=tf.train.Int64List(value=[9]))}
    with tf.io.TFRecordWriter(str(tmp_path / "odd")) as writer:
        writer.write(tf.train.Example(features=tf.train.Features(feature=feature)).SerializeToString())
    with open(next(prepared.glob("*-test.tfrecord*")), "ab") as file:
        file.write((tmp_path / "odd").read_bytes())
    *good, bad = rows_of(sources.resolve("tfds", "all", AS_OF)[0][1].to_json())
    assert len(good) == 12 and isinstance(bad, BadRow)
    assert (bad.line, bad.column, bad.value) == (13, "label", "9")


@pytest.mark.parametrize(
    "damage, told", [("flip", "record 21 at byte"), ("cut", "record 40 at byte"), ("empty", "is empty")]
)
def test_a_damaged_file_is_refused_with_the_place(prepared, damage, told):
    path = next(prepared.glob("*-train.tfrecord*"))
    content, at = bytearray(path.read_bytes()), 0
    for _ in range(20):
        at += int.from_bytes(content[at : at + 8], "little") + 16
    content[at + 20] ^= 1 if damage == "flip" else 0
    path.write_bytes({"flip": bytes(content), "cut": bytes(content[:-5]), "empty": b""}[damage])
    file = json.loads(json.dumps(sources.resolve("tfds", "all", AS_OF)[0][0].to_json()))
    with pytest.raises(SourceError, match="a record file must be undamaged") as error:
        rows_of(file)
    assert str(path) in str(error.value) and told in str(error.value)
