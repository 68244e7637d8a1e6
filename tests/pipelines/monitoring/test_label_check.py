"""`newsdesk label` checks what people brought back: by the champion and by the neighbours in the source, row by row and as a batch."""

import csv
import json

import published
import pytest

from components.core import fileio, paths
from pipelines.cli import main

DAY = "2026-02-01"


def distinct(count, seed):
    """Different toy articles as (label name, text)."""
    texts, ids = published.articles(6 * count, seed)
    return [(published.LABELS[label], text.decode()) for text, label in list(dict(zip(texts, ids)).items())[:count]]


@pytest.fixture
def source(tmp_path):
    """A champion that knows the words, and a source with 300 articles in them."""
    published.release("run-1")
    folder = tmp_path / "source" / "span=2026-01-01"
    folder.mkdir(parents=True)
    with open(folder / "train.csv", "w", newline="") as file:
        csv.writer(file).writerows([("label", "title", "description"), *((label, text, "") for label, text in distinct(300, 1))])  # fmt: skip
    (folder / "_SUCCESS").touch()
    return folder.parent


def queue(path, rows):
    with open(path, "w", newline="") as file:
        csv.writer(file).writerows([("label", "title", "description"), *((label, text, "") for label, text in rows)])
    return path


def turned(label, by=1):
    return published.LABELS[(published.LABELS.index(label) + by) % 4]


def label(queue, source, capsys, code, *more):
    assert main.main(["label", str(queue), "--into", str(source), "--line", "news", "--span", DAY, "--json", *more]) == code  # fmt: skip
    return json.loads(capsys.readouterr().out)


def written(source):
    return [row["title"] for path in source.glob(f"span={DAY}/*.csv") for row in csv.DictReader(path.open(newline=""))]


def asked_again(told):
    with open(told["queue"], encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def test_right_labels_are_written_whole(source, tmp_path, capsys):
    told = label(queue(tmp_path / "q.csv", distinct(80, 2)), source, capsys, 0)
    assert told["rows"] == 80 == len(written(source)) and not told["suspects"] and not told["held"]
    assert told["agreement"]["champion"]["agreed"] == 80 and told["agreement"]["neighbours"]["agreed"] >= 76


def test_a_batch_of_which_61_of_100_are_wrong_is_held_by_name_and_nothing_is_written(source, tmp_path, capsys):
    rows = [(turned(name, 1 + at % 3), text) if at < 61 else (name, text) for at, (name, text) in enumerate(distinct(100, 2))]  # fmt: skip
    told = label(queue(tmp_path / "q.csv", rows), source, capsys, 3)
    assert told["held"][0].startswith("the labels contradict each other and the source: a model of the other rows")
    assert told["held"][-1].startswith("the labels disagree far beyond chance")
    assert "the champion with " in told["held"][-1]
    assert written(source) == [] and told["folder"] is None
    again = asked_again(told)
    assert len(again) == 100 and {row["confirm"] for row in again} == {""}
    assert sum("champion" in row["why"] and "neighbours" in row["why"] for row in again) >= 50
    entry = fileio.read_json_lines(paths.monitor_dir("news") / "labels.jsonl")[-1]
    assert entry["result"]["held"] == told["held"] and entry["who"]


def test_the_random_texts_of_a_queue_hold_the_batch_and_are_still_known_when_it_comes_back(source, tmp_path, capsys):
    rows = [(name, text, "random" if at < 20 else "unsure") for at, (name, text) in enumerate(distinct(80, 2))]

    def written_queue(path, rows):
        with open(path, "w", newline="") as file:
            csv.writer(file).writerows([("label", "title", "description", "why"), *((name, text, "", why) for name, text, why in rows)])  # fmt: skip
        return path

    bad = [(turned(name) if why == "random" else name, text, why) for name, text, why in rows]
    told = label(written_queue(tmp_path / "q.csv", bad), source, capsys, 3)
    assert told["held"][0].startswith("of 20 texts drawn at random the champion gives only 0 of the labels")
    assert written(source) == []
    again = asked_again(told)
    assert sum(row["why"].startswith("random, ") for row in again) == 20
    told = label(tmp_path / told["queue"], source, capsys, 3)  # unchanged, it is held again for the same reason
    assert told["held"][0].startswith("of 20 texts drawn at random")
    told = label(written_queue(tmp_path / "right.csv", rows), source, capsys, 0)
    assert told["sampled"]["agreed"] == 20 and told["rows"] == 80


def test_suspects_stay_out_with_the_reason_until_they_are_confirmed_or_corrected(source, tmp_path, capsys):
    good = distinct(60, 2)
    rows = [(turned(good[0][0]), good[0][1]), (turned(good[1][0]), good[1][1]), *good[2:]]
    told = label(queue(tmp_path / "q.csv", rows), source, capsys, 0)
    assert {title for title, _ in told["suspects"]} == {good[0][1], good[1][1]} and told["rows"] == 58
    assert not {good[0][1], good[1][1]} & set(written(source))
    again = asked_again(told)
    assert all(row["why"].startswith("suspect: champion ") and row["id"].startswith("row-") for row in again)
    by_text = {row["title"]: row for row in again}
    by_text[good[0][1]]["confirm"] = "yes"  # a person says so twice
    by_text[good[1][1]]["label"] = good[1][0]  # and here sees the mistake
    with open(tmp_path / "again.csv", "w", newline="") as file:
        writer = csv.DictWriter(file, list(again[0]))
        writer.writeheader()
        writer.writerows(by_text.values())
    assert main.main(["label", str(tmp_path / "again.csv"), "--into", str(source), "--line", "news", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["rows"], told["confirmed"], told["suspects"]) == (2, 1, [])


def test_a_whole_batch_of_one_label_is_held_and_taken_where_a_person_says_why(source, tmp_path, capsys):
    rows = [("World", text) for _, text in distinct(40, 2)]
    told = label(queue(tmp_path / "q.csv", rows), source, capsys, 3)
    assert "all 40 rows carry one label, World" in told["held"] and written(source) == []
    told = label(tmp_path / "q.csv", source, capsys, 0, "--confirm", "the desk's own list")
    assert told["rows"] == told["confirmed"] == 40 == len(written(source))
    assert fileio.read_json_lines(paths.monitor_dir("news") / "labels.jsonl")[-1]["reason"] == "the desk's own list"


def test_the_same_file_again_is_answered_from_what_was_written(source, tmp_path, capsys):
    path = queue(tmp_path / "q.csv", distinct(80, 2))
    first, second = label(path, source, capsys, 0), label(path, source, capsys, 0)
    assert second == {**first, "written": False}


def test_where_nobody_can_check_that_is_said(tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    path = queue(tmp_path / "q.csv", distinct(20, 2))
    assert main.main(["label", str(path), "--into", str(tmp_path / "empty"), "--line", "news"]) == 0
    assert "nobody could check the labels" in capsys.readouterr().out
    assert len(fileio.read_json_lines(paths.monitor_dir("news") / "labels.jsonl")) == 1


def test_a_champion_is_asked_by_the_names_of_its_classes_and_not_at_all_about_others(source, tmp_path, capsys):
    published.release("run-2", "reordered")
    told = label(queue(tmp_path / "q.csv", distinct(80, 2)), source, capsys, 0)
    assert told["agreement"]["champion"]["agreed"] == 80
    published.release("run-3", "wider")
    told = label(queue(tmp_path / "r.csv", distinct(80, 3)), source, capsys, 0, "--span", "2026-02-02")
    assert set(told["agreement"]) == {"neighbours"}
