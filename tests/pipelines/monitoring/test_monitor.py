"""`newsdesk monitor`: recent articles scored once, drift told by rule, texts to label chosen, nothing lost."""

import csv
import dataclasses
import datetime as dt
import gzip
import io
import json
import random
import re

import numpy as np
import published
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.core import csv_escape, fileio, paths
from components.data import demo_corpus, sources, text_cleaning
from components.data_quality.profile import Profile, words_of
from components.registry import model_registry
from pipelines.cli import main
from pipelines.config import run_config
from pipelines.config.run_config import ConfigError
from pipelines.monitoring import batch_check, batch_files, batch_scores, drift_notices, monitor

LINE = published.LINE


def with_profile(rows, confidence=0.9):
    """Gives version 1 the profile of some (title, description, label) and a confidence on its card."""
    own = Profile(published.LABELS)
    for title, description, label in rows:
        joined = text_cleaning.join(title, description)
        own.add(title, joined, words_of(joined), label)
    versions = paths.registry_dir(LINE) / "versions"
    fileio.write_json(versions / "1.profile.json", own.to_json())
    card = fileio.read_json(versions / "1.json")
    card["metrics"]["confidence"] = confidence
    fileio.write_json(versions / "1.json", card)


@pytest.fixture
def champion():
    """A champion that knows 16 words, with the profile of 400 articles of these."""
    published.release("run-1")
    texts, ids = published.articles(400)
    with_profile([(t.decode(), "", int(i)) for t, i in zip(texts, ids)], confidence=0.4)


def folder_of(path, rows, header=("title", "description"), name="articles.csv"):
    path.mkdir(parents=True, exist_ok=True)
    with open(path / name, "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *rows])
    return path


def plain(path, count=200, seed=3):
    """A folder of `count` different articles in the champion's words."""
    texts = dict.fromkeys(t.decode() for t in published.articles(2 * count, seed)[0])
    return folder_of(path, [(t, "") for t in texts][:count])


def run(folder, capsys, code=0, *more):
    assert main.main(["monitor", str(folder), "--line", LINE, "--json", *more]) == code
    shown = capsys.readouterr()
    return json.loads(shown.out) if code == 0 else shown.err


def batch_dir(told, at=-1):
    return paths.monitor_dir(LINE) / told["batches"][at]["batch"]


def queue(told, at=-1):
    raw = (batch_dir(told, at) / "queue.csv").read_text(encoding="utf-8-sig")
    return list(csv.DictReader(io.StringIO(raw, newline="")))


def test_without_a_champion_that_is_said_and_the_exit_code_is_one(tmp_path, capsys):
    assert "must have a champion. Received: none yet" in run(folder_of(tmp_path / "in", [("goal", "")]), capsys, 1)


def test_each_article_gets_one_prediction_with_its_place_and_the_client_s_answer(champion, tmp_path, capsys):
    from pipelines.client import Client

    told = run(plain(tmp_path / "in"), capsys)
    rows = pq.read_table(batch_dir(told) / "predictions.parquet").to_pylist()
    assert [row["row"] for row in rows] == list(range(2, 202))
    answers = Client(LINE).classify([text_cleaning.join(row["title"], row["description"]) for row in rows])
    assert [row["label"] for row in rows] == [answer["label"] for answer in answers]
    assert rows[0]["probabilities"] == pytest.approx(answers[0]["probabilities"], abs=1e-5)
    assert {row["given"] for row in rows} == {None}


def test_files_of_every_form_with_and_without_labels_are_read(champion, tmp_path, capsys):
    folder = folder_of(tmp_path / "in", [("goal coach", "season")])
    (folder / "b.csv").write_text('"3","shares profit","bank"\n')  # AG News's own form
    (folder / "c.csv").write_text('"treaty; embassy","border"\n"chip","orbit, browser"\n')
    (folder / "d.csv").write_text("title;description\nstriker;goal\n")
    with gzip.open(folder / "e.jsonl.gz", "wt") as file:
        file.write(
            '{"headline": "merger", "body": "bank"}\n{"label": "Sports", "title": "season", "description": null}\n'
        )
    pq.write_table(pa.table({"Title": ["minister"], "id": [7]}), folder / "f.parquet")
    told = run(folder, capsys)
    rows = pq.read_table(batch_dir(told) / "predictions.parquet").to_pylist()
    assert [(row["title"], row["given"]) for row in rows] == [
        ("goal coach", None), ("shares profit", "Business"), ("treaty; embassy", None), ("chip", None), ("striker", None),
        ("merger", None), ("season", "Sports"), ("minister", None),
    ]  # fmt: skip
    assert told["batches"][0]["labelled"] == {"rows": 2, "accuracy": 1.0}


def test_labels_that_articles_came_with_are_those_of_the_line_whatever_the_champion_s_order(tmp_path, capsys):
    """Files number the classes in the line's order; a class that the champion lacks counts as no label."""
    published.release("run-1", "reordered")
    texts, ids = published.articles(40)
    with_profile([(t.decode(), "", int(i)) for t, i in zip(texts, ids)])
    rows = [(int(i) + 1, t.decode(), "") for t, i in zip(texts, ids)]
    told = run(folder_of(tmp_path / "in", rows, ("label", "title", "description")), capsys)
    assert told["batches"][0]["labelled"] == {"rows": told["batches"][0]["rows"]["out"], "accuracy": 1.0}
    rows = pq.read_table(batch_dir(told) / "predictions.parquet").to_pylist()
    assert all(row["given"] == row["label"] for row in rows)


def test_a_label_that_the_champion_does_not_have_counts_as_none():
    given = np.array([0, 1, 2, -1], np.int32)
    assert batch_check.given_among(given, ("a", "b", "c"), ("c", "a")).tolist() == [1, -1, 0, -1]


def test_bad_rows_are_kept_with_their_reason_and_every_row_is_accounted_for(champion, tmp_path, capsys):
    folder = folder_of(tmp_path / "in", [("goal", "coach"), ("=cmd()", "x", "too many"), ("Goal!", "Coach"), ("", "")])
    told = run(folder, capsys)
    assert told["batches"][0]["rows"] == {"in": 4, "out": 1, "quarantined": 2, "duplicates": 1}
    with open(batch_dir(told) / "quarantine.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["line"], row["column"]) for row in rows] == [("3", "row"), ("5", "title, description")]
    assert rows[0]["value"].startswith("'=cmd()") and "has 3 columns, expected 2" in rows[0]["reason"]
    assert [w["rule"] for w in told["batches"][0]["warnings"]] == ["quarantine"]


def test_a_batch_is_the_same_in_however_many_steps_it_is_read_scored_and_written(
    champion, tmp_path, capsys, monkeypatch
):
    folder = plain(tmp_path / "in", 100)
    folder_of(folder, [("goal zither", ""), ("shares", "profit"), ("a", "b", "too many")] * 3, name="b.csv")
    whole = run(folder, capsys)
    at_once = {path.name: path for path in batch_dir(whole).iterdir()}
    aside = tmp_path / "at once"
    batch_dir(whole).parent.rename(aside)
    monkeypatch.setattr(batch_scores, "_CHUNK", 7)
    monkeypatch.setattr(batch_files, "_GROUP", 20)
    assert main.main(["monitor", str(folder), "--line", LINE, "--json"]) == 0
    shown = capsys.readouterr()
    told = json.loads(shown.out)
    assert "102 of 102 rows" in shown.err
    names = (
        "batch",
        "rows",
        "drift",
        "classes",
        "confidence",
        "unsure",
        "unknown_words",
        "new_words",
        "queue",
        "warnings",
    )
    assert [told["batches"][0][name] for name in names] == [whole["batches"][0][name] for name in names]
    for name in ("queue.csv", "quarantine.csv"):
        assert (batch_dir(told) / name).read_bytes() == (aside / batch_dir(told).name / name).read_bytes()
    parts = pq.ParquetFile(batch_dir(told) / "predictions.parquet")
    rows, before = (
        parts.read().to_pylist(),
        pq.read_table(aside / batch_dir(told).name / "predictions.parquet").to_pylist(),
    )
    assert (
        parts.num_row_groups == 5 and len(rows) == 102 and set(at_once) == {p.name for p in batch_dir(told).iterdir()}
    )
    for one, other in zip(rows, before, strict=True):
        assert one.pop("probabilities") == pytest.approx(other.pop("probabilities"), abs=1e-6)
        assert (one.pop("probability"), one.pop("margin")) == pytest.approx(
            (other.pop("probability"), other.pop("margin")), abs=1e-6
        )
        assert one == other


def test_the_same_content_is_scored_once_by_a_champion_and_again_by_the_next(champion, tmp_path, capsys, monkeypatch):
    folder = plain(tmp_path / "in")
    first = run(folder, capsys)
    with monkeypatch.context() as patched:
        patched.setattr(monitor.Scorer, "score", lambda *args: pytest.fail("scored twice"))
        again = run(folder, capsys)
        folder = folder.rename(tmp_path / "moved")
        (batch_dir(first) / "predictions.parquet").unlink()  # as retention does
        assert run(folder, capsys)["batches"] == first["batches"]
    assert (len(first["new"]), again["new"], again["batches"]) == (1, [], first["batches"])
    version, pushed = published.push("run-2", "shifted")
    published.register(version, pushed, "run-2")
    model_registry.move_champion(LINE, model_registry.champion(LINE), version, "promote", "try", {})
    third = run(folder, capsys)
    assert [batch["version"] for batch in third["batches"]] == [2]
    assert [entry["version"] for entry in fileio.read_json_lines(paths.monitor_dir(LINE) / "history.jsonl")] == [1, 2]


def test_what_resembles_the_train_rows_gives_no_warning_and_other_words_classes_and_doubts_do(
    champion, tmp_path, capsys
):
    told = run(plain(tmp_path / "in"), capsys)
    assert told["batches"][0]["warnings"] == [] and told["batches"][0]["expected_confidence"] == 0.4
    strange = [(f"zebra {i:b}".replace("1", "yak ").replace("0", "gnu "), "xylophone " * 30) for i in range(200)]
    found = {w["rule"]: w for w in run(folder_of(tmp_path / "other", strange), capsys)["batches"][0]["warnings"]}
    assert set(found) == {"words", "lengths", "classes", "confidence"}
    for warning in found.values():
        digits = 3 if warning["rule"] == "confidence" else 2
        assert all(f"{warning[name]:.{digits}f}" in warning["message"] for name in ("value", "limit"))
    assert "xylophone" in found["words"]["message"]
    assert "World 100%, in training 25%" in found["classes"]["message"]


def test_labelled_arrivals_on_which_the_champion_fell_below_its_card_are_a_warning_with_a_notice_to_come(
    champion, tmp_path, capsys
):
    texts = dict(zip(*published.articles(400, 3)))
    for name, turn in (("right", 0), ("wrong", 1)):
        rows = [(published.LABELS[(label + turn * (at % 2)) % 4], text.decode(), "") for at, (text, label) in enumerate(texts.items())][:60]  # fmt: skip
        told = run(folder_of(tmp_path / name, rows, ("label", "title", "description")), capsys)
        rules = {warning["rule"] for warning in told["batches"][0]["warnings"]}
        assert ("accuracy" in rules) == (name == "wrong") and told["batches"][0]["expected_accuracy"] == 0.9
    assert any("came with a label" in warning["message"] for warning in told["untold"])


def test_a_batch_too_small_to_judge_gives_no_warning(champion, tmp_path, capsys):
    told = run(folder_of(tmp_path / "in", [(f"zebra {'yak ' * i}", "") for i in range(20)]), capsys)
    assert told["batches"][0]["drift"]["words"] > 0.5 and told["batches"][0]["warnings"] == []


def test_the_demo_s_drifted_day_is_flagged_and_an_ordinary_day_is_not(champion, tmp_path, capsys):
    rng, day = random.Random(1), dt.date(2026, 1, 31)

    def written(count):
        return [(*demo_corpus.article(rng, i % 4, day), i % 4) for i in range(count)]

    with_profile(written(1_200))
    folder = tmp_path / "in"
    folder_of(folder / "span=2026-01-31", [row[:2] for row in written(600)])
    (folder / "span=2026-01-31" / "_SUCCESS").touch()
    assert main.main(["demo", str(folder), "--drifted", "2026-02-07", "--articles", "600"]) == 0
    assert capsys.readouterr().out == f"{folder / 'span=2026-02-07'}\n"
    told = run(folder, capsys)
    rules = {batch["day"]: {w["rule"] for w in batch["warnings"]} for batch in told["batches"]}
    assert "words" in rules["2026-02-07"] and "words" not in rules["2026-01-31"]


def test_the_queue_asks_the_least_sure_first_then_the_most_unlike_each_text_once(champion, tmp_path, capsys):
    fileio.write_text(
        paths.home() / "newsdesk.toml", f"[{LINE}.monitor]\nqueue_rows = 8\nqueue_unlike = 0.25\nqueue_random = 0\n"
    )
    rows = [
        (t, "")
        for t in ("goal shares", "goal goal shares", "goal coach season", "bank profit shares", "treaty", "chip orbit")
    ]
    sure = [(f"{w} {w} {w}", w) for w in " ".join(published.WORDS).split()]
    unlike = [
        ("goal coach striker season qualm", "zither yurt xenon wombat vellum"),
        ("shares profit bank", "merger ulna tundra"),
    ]
    told = run(folder_of(tmp_path / "in", [*sure, *unlike, *rows]), capsys)
    asked = queue(told)
    assert len(asked) == 8 and {row["label"] for row in asked} == {""}
    assert asked[0]["title"] == "goal shares"
    table = {row["id"]: row["margin"] for row in pq.read_table(batch_dir(told) / "predictions.parquet").to_pylist()}
    unsure = [table[row["id"].removeprefix("row-")] for row in asked if row["why"] == "unsure"]
    assert unsure == sorted(unsure) == sorted(table.values())[: len(unsure)]
    assert [row["title"] for row in asked if row["why"] == "unlike"][:1] in ([unlike[0][0]], []) and len(unsure) >= 6
    folder_of(tmp_path / "in", [("season season season", "")], name="more.csv")
    assert not {row["id"] for row in queue(run(tmp_path / "in", capsys))} & {row["id"] for row in asked}


def test_a_part_of_the_queue_is_drawn_from_the_whole_batch_the_same_each_time(champion, tmp_path, capsys):
    settings = f"[{LINE}.monitor]\nqueue_rows = 20\nqueue_unlike = 0\nqueue_random = 0.5\n"
    fileio.write_text(paths.home() / "newsdesk.toml", settings)
    draw = np.random.default_rng(1)
    words = " ".join(published.WORDS).split()
    rows = [(" ".join(draw.choice(words, 4)), f"{at}") for at in range(400)]
    told = run(folder_of(tmp_path / "in", rows), capsys)
    table = {row["id"]: row["margin"] for row in pq.read_table(batch_dir(told) / "predictions.parquet").to_pylist()}
    asked = [(row["why"], table[row["id"].removeprefix("row-")]) for row in queue(told)]
    sampled = [margin for why, margin in asked if why == "random"]
    unsure = [margin for why, margin in asked if why == "unsure"]
    assert (len(sampled), len(unsure)) == (10, 10)
    # The unsure ones come from the bottom of the batch, the random ones from all of it.
    assert max(unsure) < np.median(list(table.values())) <= np.quantile(sampled, 0.9)


def test_a_text_that_is_surely_labelled_but_unlike_the_train_rows_is_asked_about(champion, tmp_path, capsys):
    fileio.write_text(
        paths.home() / "newsdesk.toml", f"[{LINE}.monitor]\nqueue_rows = 4\nqueue_unlike = 0.25\nqueue_random = 0\n"
    )
    unlike = ("goal", "zither yurt xenon wombat vellum ulna tundra sable quartz")
    rows = [(f"{a} {b}", "") for a in published.WORDS[0].split() for b in published.WORDS[2].split()]
    asked = queue(run(folder_of(tmp_path / "in", [unlike, *rows]), capsys))
    assert [row["why"] for row in asked] == ["unsure", "unsure", "unsure", "unlike"]
    assert asked[-1]["description"] == unlike[1] and float(asked[-1]["unknown_words"]) == 0.9


def test_no_cell_of_the_queue_is_a_formula_and_the_texts_come_back(champion, tmp_path, capsys):
    hostile = [
        "=1+1",
        " +goal x",
        "-goal",
        "@goal y",
        "\t=goal z",
        "'tis goal",
        "''goals",
        "\u3000＝goal v",
        "goal w",
        'goal,\n"bank"',
    ]
    rows = queue(run(folder_of(tmp_path / "in", [(each, each) for each in hostile]), capsys))
    for row in rows:
        for cell in (row["title"], row["description"]):
            assert not cell.lstrip().startswith(("=", "+", "-", "@", "＝")) and cell[:1] not in ("\t", "\r", "\n")
    assert {csv_escape.restored(row["title"]) for row in rows} == set(hostile)


def test_a_file_that_breaks_off_stops_its_batch_alone(champion, tmp_path, capsys):
    folder = tmp_path / "in"
    for day in ("2026-01-01", "2026-01-02"):
        plain(folder / day, 50, seed=int(day[-1]))
        (folder / day / "_SUCCESS").touch()
    (folder / "2026-01-02" / "articles.csv").write_bytes(b'title,description\n"goal","coa')
    assert "2026-01-02/articles.csv, line 2: cut off" in run(folder, capsys, 3)
    assert [entry["day"] for entry in fileio.read_json_lines(paths.monitor_dir(LINE) / "history.jsonl")] == [
        "2026-01-01"
    ]


def test_a_folder_that_is_empty_is_a_stop_and_one_that_is_absent_bad_usage(champion, tmp_path, capsys):
    assert f"Folder not found: {tmp_path / 'in'}" in run(tmp_path / "in", capsys, 2)
    (tmp_path / "in").mkdir()
    assert "Received: " in run(tmp_path / "in", capsys, 3)


def test_what_was_scored_beside_an_unreadable_file_is_there_and_stays_untold_until_it_is_told_of(
    champion, tmp_path, capsys
):
    folder = tmp_path / "in"
    folder_of(folder / "2026-01-01", [(f"zebra {i:b}".replace("1", "yak "), "xylophone " * 30) for i in range(200)])
    folder_of(folder / "2026-01-02", [("goal", "coach")])
    for day in ("2026-01-01", "2026-01-02"):
        (folder / day / "_SUCCESS").touch()
    (folder / "2026-01-02" / "articles.csv").write_bytes(b'title,description\n"goal","coa')
    for new in (1, 0):  # the second look finds nothing new, and nobody has been told yet
        assert main.main(["monitor", str(folder), "--line", LINE, "--json"]) == 3
        shown = capsys.readouterr()
        told = json.loads(shown.out)
        assert len(told["new"]) == new and "2026-01-02/articles.csv, line 2: cut off" in shown.err
        assert told["unread"] == [shown.err.strip().removeprefix("newsdesk monitor: ")]
        assert {(w["day"], w["rule"]) for w in told["untold"]} >= {("2026-01-01", "words"), ("2026-01-01", "lengths")}
    drift_notices.mark(LINE, told["untold"], "r")
    assert main.main(["monitor", str(folder), "--line", LINE, "--json"]) == 3
    assert json.loads(capsys.readouterr().out)["untold"] == []


def test_another_limit_judges_the_kept_figures_anew_without_scoring(champion, tmp_path, capsys, monkeypatch):
    toml, lax = paths.home() / "newsdesk.toml", ("max_words", "max_lengths", "max_classes", "max_confidence_drop")
    fileio.write_text(toml, f"[{LINE}.monitor]\n" + "".join(f"{name} = 1.0\n" for name in lax))
    folder = folder_of(tmp_path / "in", [(f"zebra {i:b}".replace("1", "yak "), "") for i in range(200)])
    assert run(folder, capsys)["batches"][0]["warnings"] == []
    monkeypatch.setattr(monitor.Scorer, "score", lambda *args: pytest.fail("scored twice"))
    fileio.write_text(toml, f"[{LINE}.monitor]\nmax_words = 0.25\n")
    told = run(folder, capsys)
    rules = {warning["rule"] for warning in told["batches"][0]["warnings"]}
    assert "words" in rules and {found["rule"] for found in told["untold"]} == rules
    assert fileio.read_json_lines(paths.monitor_dir(LINE) / "history.jsonl") == told["batches"]
    assert "limit 0.25" in (paths.monitor_dir(LINE) / "report.html").read_text()


def test_a_file_read_in_another_way_or_on_another_day_or_under_another_name_is_another_batch(tmp_path):
    form = monitor.form_of_articles(LINE)

    def key(name="2026-01-01/a.csv", span="2026-01-01", **how):
        file = sources.SourceFile(str(tmp_path / name), "train", 1, "00", span)
        return monitor.batch_key([file], "d", dataclasses.replace(form, **how), str(tmp_path))

    keys = [key(), key("2026-01-01/a.tsv"), key(span="2026-01-02"), key(encoding="latin-1"), key(delimiter=";")]
    assert len({*keys, key(columns={"title": ["kop"]})}) == 6 and key() == keys[0]


def test_without_a_folder_the_settings_say_which(champion, tmp_path, capsys):
    assert main.main(["monitor", "--line", LINE]) == 2
    assert f"[{LINE}.monitor]" in capsys.readouterr().err
    folder = plain(tmp_path / "in", 20)
    fileio.write_text(paths.home() / "newsdesk.toml", f'[{LINE}.monitor]\nfolder = "{folder}"\n')
    assert main.main(["monitor", "--line", LINE]) == 0
    assert f"{folder} by version 1 of news: 1 batch, 1 scored now, 20 articles; no warning" in capsys.readouterr().out


def test_what_a_crash_kept_out_of_the_history_is_written_and_what_it_left_is_removed(champion, tmp_path, capsys):
    told = run(plain(tmp_path / "in", 20), capsys)
    root = paths.monitor_dir(LINE)
    (root / "history.jsonl").unlink()
    (root / ".2026-01-01.abc.x").mkdir()
    assert run(tmp_path / "in", capsys)["new"] == []
    assert fileio.read_json_lines(root / "history.jsonl") == told["batches"]
    assert not list(root.glob(".2026*"))


def test_a_version_without_profile_and_confidence_is_answered_and_not_judged(tmp_path, capsys):
    published.release("run-1")
    (batch,) = run(plain(tmp_path / "in"), capsys)["batches"]
    assert batch["drift"] == {"words": None, "lengths": None, "classes": None}
    assert batch["expected_confidence"] is None and batch["warnings"] == [] and batch["queue"] == 100


def test_the_page_stands_alone_in_light_and_dark_and_escapes_what_came_from_data(champion, tmp_path, capsys):
    run(folder_of(tmp_path / "in", [(f"<b>zebra</b> {i:b}", "&<script>gnu") for i in range(120)]), capsys)
    page = (paths.monitor_dir(LINE) / "report.html").read_text()
    assert page.count("<svg") == 3 and "prefers-color-scheme: dark" in page
    assert not re.search(r"(src|href|srcset)=(?!\"data:)", page) and "<script" not in page
    assert "vocabulary drift" in page


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ({"max_words": 2}, "must lie in 0..1. Received: max_words=2"),
        ({"max_words": "0.1"}, "must be of type float"),
        ({"queue_rows": -1}, "must lie in"),
        ({"queue_rows": True}, "must be of type int"),
        ({"folder": "in"}, "must be an absolute path"),
        ({"cron": "0 7 * * *"}, "cron needs monitor.folder"),
        ({"window": "soon"}, "window must be"),
        ({"colour": 1}, "unknown=['colour']"),
    ],
)
def test_a_wrong_setting_is_named(told, said):
    with pytest.raises(ConfigError, match=re.escape(said)):
        run_config.section({"news": {"monitor": told}}, "news", "monitor")


@pytest.mark.parametrize(
    "arguments", [["--drifted", "soon"], ["--articles", "0"], ["--drifted", "2026-02-07", "--articles", "-1"]]
)
def test_demo_articles_that_cannot_be_made_are_bad_usage(tmp_path, capsys, arguments):
    assert main.main(["demo", str(tmp_path / "x"), *arguments]) == 2
    assert not (tmp_path / "x").exists()


def test_a_demo_day_that_is_there_stays(tmp_path, capsys):
    for code in (0, 1):
        assert main.main(["demo", str(tmp_path), "--damaged", "2026-02-07", "--articles", "20"]) == code
    assert "must be new" in capsys.readouterr().err
