"""What a consumer gets: the champion, checked, whole, in order, and the old one until the new one is loaded."""

import json
import subprocess
import sys
from datetime import datetime, timedelta, timezone

import numpy as np
import published
import pytest

from components.core import fileio, paths, request_log
from components.data import file_reader
from components.data.row_format import form_of
from components.registry import model_registry
from pipelines.cli import main
from pipelines.client import Client, InvalidConfidence, NoModel, find
from pipelines.operations import retention

TEXTS = ["goal coach striker", "shares profit merger", "treaty embassy", "orbit browser chip"]


@pytest.fixture
def line():
    return published.two_versions()


def test_answers_come_in_order_with_label_probabilities_and_version(line):
    answers = Client(line).classify(TEXTS)
    assert [a["label"] for a in answers] == ["Sports", "Business", "World", "Sci/Tech"]
    assert [a["label_id"] for a in answers] == [1, 2, 0, 3]
    assert {a["model_version"] for a in answers} == {1}
    for answer in answers:
        assert sum(answer["probabilities"]) == pytest.approx(1, abs=1e-5)
        assert max(answer["probabilities"]) == answer["probabilities"][answer["label_id"]]


def test_an_answer_below_the_least_confidence_is_uncertain_and_keeps_its_probabilities(line):
    sure = [max(answer["probabilities"]) for answer in Client(line).classify(TEXTS)]
    between = (min(sure) + max(sure)) / 2
    answers = Client(line, min_confidence=between).classify(TEXTS)
    assert {answer["label"] is None for answer in answers} == {True, False}
    for answer, probability in zip(answers, sure, strict=True):
        assert (answer["label"] is None) == (answer["label_id"] is None) == (probability < between)
        assert max(answer["probabilities"]) == probability


@pytest.mark.parametrize("value", [-0.1, 1.01, float("nan"), "0.9", None, True])
def test_a_least_confidence_that_is_no_share_is_refused(line, value):
    with pytest.raises(InvalidConfidence, match=r"min_confidence must be a number from 0 to 1\. Received: "):
        Client(line, min_confidence=value)


def test_the_registry_s_client_the_saved_model_and_a_batch_of_any_size_say_the_same(line):
    texts = [text.decode() for text in published.articles(1_000, seed=5)[0]]
    texts[::7] = [text * (i % 5) for i, text in enumerate(texts[::7])]
    direct = published.answers("good", tuple(texts))
    client = Client(line)
    np.testing.assert_allclose(client.probabilities(texts), direct, atol=1e-4)
    one_by_one = np.vstack([client.probabilities([text]) for text in texts[:20]])
    np.testing.assert_allclose(one_by_one, direct[:20], atol=1e-4)


def test_a_version_asked_for_answers_whatever_serves(line):
    client = Client(line, 2)
    assert client.classify(TEXTS[:1])[0]["label"] == "Business"
    model_registry.move_champion(line, model_registry.champion(line), 2, "promote", "try", {})
    assert client.refresh() is False


def test_a_held_version_can_be_tried_before_it_is_promoted(line):
    version, _ = published.push("run-3", "shifted", hold=True)
    assert Client(line, version).classify(TEXTS[:1])[0]["label"] == "Business"


def test_refresh_follows_the_pointer_and_says_so(line):
    client = Client(line)
    assert client.refresh() is False
    model_registry.move_champion(line, model_registry.champion(line), 2, "promote", "try", {})
    assert client.classify(TEXTS[:1])[0]["model_version"] == 1
    assert client.refresh() is True
    assert client.classify(TEXTS[:1])[0] | {"probabilities": []} == {
        "label": "Business", "label_id": 2, "probabilities": [], "model_version": 2,
    }  # fmt: skip


def test_refresh_reads_no_model_file_while_nothing_moved(line, monkeypatch):
    client = Client(line)
    monkeypatch.setattr(
        model_registry, "verify", lambda folder: pytest.fail("hashed a model to learn that nothing moved")
    )
    assert client.refresh() is False


def test_a_champion_that_was_followed_and_removed_while_it_was_loaded_is_no_error(line, monkeypatch):
    client, check, moved = Client(line), model_registry.verify, []

    def verify(folder):
        if folder.name == "2" and not moved:  # the reader has read the pointer, and not yet the files
            moved.append(folder)
            for run, kind in (("run-3", "swapped"), ("run-4", "shifted")):
                published.release(run, kind)
            retention.apply(line, retention.RetentionSettings(keep=0), datetime.now(timezone.utc) + timedelta(days=1))
            assert not folder.exists()
        return check(folder)

    model_registry.move_champion(line, model_registry.champion(line), 2, "promote", "try", {})
    monkeypatch.setattr(model_registry, "verify", verify)
    assert client.refresh() is True
    assert moved and client.version == 4


@pytest.mark.parametrize("damage", ["model", "pointer", "gone"])
def test_when_the_next_champion_is_damaged_that_is_said_and_the_old_one_goes_on_answering(line, damage):
    client = Client(line)
    model_registry.move_champion(line, model_registry.champion(line), 2, "promote", "try", {})
    if damage == "pointer":
        (paths.registry_dir(line) / "champion.json").write_text("{")
    elif damage == "model":
        (paths.serving_dir(line) / "2" / "variables" / "variables.index").write_bytes(b"flipped")
    else:
        (paths.serving_dir(line) / "2").rename(paths.home() / "elsewhere")
    with pytest.raises((model_registry.RegistryError, NoModel)):
        client.refresh()
    assert client.classify(TEXTS[:1])[0]["label"] == "Sports"
    assert client.version == 1


def test_no_champion_and_no_such_version_are_told_apart():
    with pytest.raises(NoModel, match=r"must have a champion. Received: none yet"):
        find("news")
    with pytest.raises(NoModel, match=r"Received: version 7"):
        find("news", 7)
    with pytest.raises(ValueError, match=r"Received: line='../../etc'"):
        find("../../etc", 1)


@pytest.mark.parametrize("texts", ["goal coach", b"goal", [b"goal"], [None], [3.5], ["goal", ["coach"]]])
def test_what_is_no_list_of_texts_is_refused(line, texts):
    with pytest.raises(TypeError, match=r"texts must be a list of str. Received: "):
        Client(line).classify(texts)


def test_texts_that_come_one_by_one_are_answered(line):
    client = Client(line)
    assert client.classify(text for text in TEXTS) == client.classify(TEXTS)
    assert (client.probabilities(iter(TEXTS)) == client.probabilities(TEXTS)).all()


@pytest.mark.parametrize("version", [1.5, 1.0, "1", True])
def test_a_version_that_is_no_whole_number_is_refused(line, version):
    with pytest.raises(TypeError, match=r"a version must be a whole number. Received: "):
        Client(line, version)


def test_a_damaged_champion_is_told_with_where_to_look(line):
    (paths.serving_dir(line) / "1" / "saved_model.pb").write_bytes(b"cut")
    with pytest.raises(model_registry.RegistryError, match="`newsdesk doctor` says what to do"):
        find(line)


def test_empty_huge_and_odd_texts_are_answered(line):
    odd = ["", " ", "\0", "goal " * 200_000, "\ud800", "日本 \u202e 🙂", "=cmd()"]
    client = Client(line)
    assert client.classify([]) == []
    assert client.probabilities([]).shape == (0, 4)
    answers = client.probabilities(odd)
    assert np.isfinite(answers).all()
    assert answers[3].argmax() == 1


def test_ten_thousand_rows_are_answered_in_order(line):
    texts, ids = published.articles(10_000, seed=3)
    answers = Client(line).classify([text.decode() for text in texts])
    assert [a["label_id"] for a in answers] == ids.tolist()


def test_it_works_where_neither_tfx_nor_airflow_nor_mlflow_can_be_imported(line):
    code = (
        "import sys\n"
        "for name in ('tfx', 'airflow', 'mlflow', 'great_expectations', 'tf_keras', 'pandas', 'scipy'): sys.modules[name] = None\n"
        "from pipelines.client import Client; print(Client('news').classify(['goal coach'])[0]['label'])"
    )
    told = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=paths.REPOSITORY, check=False
    )
    assert told.stdout.strip() == "Sports", told.stderr


def logged(folder):
    (path,) = folder.glob(f"*/{request_log.FILE}")
    return [(row["id"], row["title"], row["answer"], row["version"]) for row in fileio.read_json_lines(path)]


def test_what_was_asked_is_kept_with_ids_when_told_to(line, tmp_path):
    client = Client(line, min_confidence=1.0, log=tmp_path / "asked")
    mine, other = client.classify(TEXTS, request_id="mine"), client.classify(TEXTS[:1])
    client.probabilities(TEXTS)  # has no ids to give back
    client.close()
    rows = logged(tmp_path / "asked")
    assert [row[0] for row in rows] == [answer["id"] for answer in [*mine, *other]]
    assert [row[0] for row in rows[:4]] == ["mine-1", "mine-2", "mine-3", "mine-4"] and len(
        {row[0] for row in rows}
    ) == 5
    # An uncertain answer has no label; the log keeps the guess.
    assert [row[1:] for row in rows[:2]] == [(TEXTS[0], "Sports", 1), (TEXTS[1], "Business", 1)]
    assert mine[0]["label"] is None


# The log writes nothing before it is closed, so that what is written was written because the process closed it.
CLOSED_LATE = """import sys, threading
from components.core.request_log import RequestLog
closed, write, close = threading.Event(), RequestLog._write, RequestLog.close
RequestLog._write = lambda self, rows: (closed.wait(), write(self, rows))
RequestLog.close = lambda self: (closed.set(), close(self))
from pipelines.client import Client
Client(sys.argv[1], log=sys.argv[2] or None).classify(["goal"])"""


def test_a_process_that_ends_without_closing_loses_no_row_and_nothing_is_kept_unasked(line, tmp_path):
    for log in ("", str(tmp_path / "asked")):
        call = [sys.executable, "-c", CLOSED_LATE, line, log]
        subprocess.run(call, cwd=paths.REPOSITORY, check=True, capture_output=True)
    assert [row[1] for row in logged(tmp_path / "asked")] == ["goal"]
    assert not paths.requests_dir(line).exists()


def test_the_monitor_reads_what_a_client_kept_and_labels_join_by_id(line, tmp_path, capsys):
    log, source = tmp_path / "asked", tmp_path / "source"
    source.mkdir()
    client = Client(line, log=log)
    answers = client.classify(TEXTS, request_id="r")
    client.close()
    (day,) = log.iterdir()
    (day / "_SUCCESS").touch()  # without it a day that changed within the last minute is left for later
    assert main.main(["monitor", str(log), "--line", line, "--json"]) == 0
    (batch,) = json.loads(capsys.readouterr().out)["batches"]
    assert (batch["rows"]["out"], batch["labelled"]["rows"]) == (len(TEXTS), 0)
    with open(day / request_log.FILE, "a") as file:
        file.write('{"id": "r-1", "tit\n')
    labels = tmp_path / "labels.csv"
    given = [(answers[0]["id"], "Sports"), (answers[1]["id"], ""), (answers[2]["id"], "1")]
    labels.write_text("Id, Label\n" + "".join(f"{key},{name}\n" for key, name in given))
    words = ["label", str(labels), "--into", str(source), "--requests", str(log), "--line", line]
    assert main.main([*words, "--confirm", "seen", "--json"]) == 0
    (written,) = source.glob("*/*.csv")
    rows = [(row.title, row.label) for row in file_reader.read(written, form_of(line, published.LABELS))]
    assert rows == [(TEXTS[0], 1), (TEXTS[2], 0)]
    assert f"1 lines of {log} are no requests and were left out" in capsys.readouterr().err
    labels.write_text("id,label\nr-9,Sports\nr-1,Cooking\nr-1\nr-1,Sports,World\n")
    assert main.main(words) == 3
    told = capsys.readouterr().err
    assert "line 2, column id: 'r-9' is no request in" in told and "line 3, column label: 'Cooking' is none of" in told
    assert all(f"line {number}: must have two columns" in told for number in (4, 5))
    assert main.main([*words[:-4], "--requests", str(source), "--line", line]) == 3
    assert "need the log of the requests" in capsys.readouterr().err
