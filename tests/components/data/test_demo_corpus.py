import csv
import datetime as dt
import itertools
import json
import os
import random
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from components.data import demo_articles, demo_corpus, demo_templates

DAY = dt.date(2026, 1, 20)
ROOT = Path(demo_corpus.__file__).parents[1]


@pytest.fixture(scope="module")
def rows():
    return list(demo_corpus.corpus(articles=3_000, spans=3))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return demo_corpus.write(tmp_path_factory.mktemp("demo") / "news", articles=600, spans=3)


def contents(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def records(path):
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


def grams(title, description):
    words = demo_corpus.normalised(title, description).split()
    return Counter(words) + Counter(itertools.pairwise(words))


def vocabulary(articles):
    return {word for title, text in articles for word in demo_corpus.normalised(title, text).split()}


def run_python(code, *arguments, **environment):
    command = [sys.executable, "-c", code, *map(str, arguments)]
    done = subprocess.run(
        command, env={**os.environ, "PYTHONPATH": str(ROOT), **environment}, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def test_another_process_with_another_hash_seed_writes_the_same_bytes(folder, tmp_path):
    code = (
        "import sys, datetime as dt; from components.data import demo_corpus as demo;"
        "demo.write(sys.argv[1] + '/news', articles=600, spans=3);"
        "[make(sys.argv[1], dt.date(2026, 2, day), articles=200)"
        " for day, make in ((1, demo.write_drifted_span), (2, demo.write_damaged_span))]"
    )
    run_python(code, tmp_path / "other", PYTHONHASHSEED="7")
    assert contents(tmp_path / "other" / "news") == contents(folder)
    for day, make in ((1, demo_corpus.write_drifted_span), (2, demo_corpus.write_damaged_span)):
        here = make(tmp_path / "here", dt.date(2026, 2, day), articles=200)
        assert contents(tmp_path / "other" / here.name) == contents(here)


def test_importing_the_demo_brings_in_nothing_beyond_the_standard_library():
    code = (
        "import sys; before = set(sys.modules); import components.data.demo_corpus;"
        "print(*{name.split('.')[0] for name in set(sys.modules) - before} - set(sys.stdlib_module_names))"
    )
    assert run_python(code) == "components"


def test_another_seed_writes_other_articles():
    first, second = (next(demo_corpus.corpus(seed=seed, articles=10, spans=1)) for seed in (1, 2))
    assert first.description != second.description


def test_no_text_comes_twice_not_even_across_days_and_splits(rows):
    texts = Counter(demo_corpus.normalised(row.title, row.description) for row in rows)
    assert len(rows) == 3_000
    assert max(texts.values()) == 1
    assert {row.split for row in rows} == {"train", "test"}


def test_labels_are_balanced_before_noise_and_nearly_so_after_it(rows):
    clean = Counter(row.label for row in demo_corpus.corpus(articles=1_000, spans=2, noise=0))
    assert clean == {0: 250, 1: 250, 2: 250, 3: 250}
    assert all(abs(count - 750) < 40 for count in Counter(row.label for row in rows).values())


def test_noise_changes_about_its_share_of_the_labels():
    quiet = [row.label for row in demo_corpus.corpus(articles=2_000, spans=1, noise=0)]
    # A day draws its labels before its articles, so noise moves later draws and never the meant labels.
    meant = demo_corpus._labels(random.Random(f"corpus/1/{demo_corpus.AS_OF}"), 2_000)
    noisy = [row.label for row in demo_corpus.corpus(articles=2_000, spans=1, noise=0.1)]
    assert quiet == meant
    assert 140 <= sum(a != b for a, b in zip(meant, noisy, strict=True)) <= 260


def twins(rng, day):
    """Two (label, title, description) of different desks with the same words and the same pairs of neighbours."""
    actor, other = rng.sample(range(4), 2)
    (title, text), (_, twin) = demo_articles._contest(demo_articles.Story(rng, actor, day), actor, other)
    return (actor, title, text), (other, title, twin)


def test_twins_share_every_word_and_word_pair_but_not_the_desk_and_not_the_text():
    rng = random.Random(3)
    for _ in range(400):
        (label, title, text), (other, other_title, other_text) = twins(rng, DAY)
        assert label != other
        assert text != other_text
        assert grams(title, text) == grams(other_title, other_text)


def test_the_acting_party_names_the_desk_of_a_contest():
    rng = random.Random(4)
    verbs = r"has taken|is demanding|will file|said it would|was the first|has ordered|had threatened|wants comp"
    actor = re.compile(rf"[Tt]he ([a-z' ]+?) (?:{verbs}|has already gone|was ready)")
    for label, _, text in (article for _ in range(300) for article in twins(rng, DAY)):
        assert actor.search(text)[1] in demo_templates.PARTIES[label], text


def test_contests_are_a_real_share_of_every_desk(rows):
    for label in range(4):
        titles = [row.title for row in rows if row.label == label]
        topics = [topic for pair in demo_templates.TOPICS.values() for topic in pair]
        assert 0.10 < sum(any(topic in title for topic in topics) for title in titles) / len(titles) < 0.25


def test_every_template_of_every_desk_can_be_filled_in():
    rng = random.Random(5)
    for label in range(4):
        for drifted in (False, True):
            for titles, leads in [*demo_templates.STORIES[label], *demo_templates.THIN, *demo_templates.VAGUE]:
                for template in [*titles, *leads, *demo_templates.BACKGROUND[label], *demo_templates.CLOSERS]:
                    text = demo_articles.Story(rng, label, DAY, drifted).tell([template])
                    assert "{" not in text
                    assert not re.search(r"\b(\w+) \1\b", text), text


def test_headline_and_text_speak_of_the_same_names():
    story = demo_articles.Story(random.Random(6), 1, DAY)
    assert story.tell(["{team} beat {team2}"]) == story.tell(["{team} beat {team2}"])
    assert story["team"] != story["team2"]


def test_each_day_brings_names_that_were_not_there_before():
    articles = {
        day: [demo_corpus.article(random.Random(f"{day}/{at}"), at % 4, day) for at in range(800)]
        for day in (DAY, DAY + dt.timedelta(30))
    }
    early, late = (vocabulary(each) for each in articles.values())
    assert len(late - early) > 20


def test_spans_are_consecutive_days_that_end_at_the_given_date_each_with_its_marker(tmp_path):
    out = demo_corpus.write(tmp_path / "d", articles=90, as_of=dt.date(2026, 3, 1), spans=3)
    names = ["span=2026-02-27", "span=2026-02-28", "span=2026-03-01"]
    assert sorted(path.name for path in out.iterdir()) == ["_SUCCESS", *names, "test.csv"]
    assert all({path.name for path in (out / name).iterdir()} == {"train.csv", "_SUCCESS"} for name in names)
    assert [len(records(out / name / "train.csv")) for name in names] == [27, 27, 27]
    assert len(records(out / "test.csv")) == 9


def test_files_are_fully_quoted_without_header_and_count_classes_from_one(folder):
    lines = (folder / "test.csv").read_text(encoding="utf-8").splitlines()
    assert all(re.fullmatch(r'"[1-4]","[^"]+","[^"]+"', line) for line in lines)
    assert {record[0] for record in records(folder / "test.csv")} == {"1", "2", "3", "4"}


def test_a_complete_folder_of_the_same_parameters_is_left_alone(folder):
    before = {path: path.stat().st_ino for path in folder.rglob("*")}
    assert demo_corpus.write(folder, articles=600, spans=3) == folder
    assert {path: path.stat().st_ino for path in folder.rglob("*")} == before


def test_a_damaged_folder_and_other_parameters_are_written_anew_and_leave_nothing_behind(tmp_path):
    out = demo_corpus.write(tmp_path / "d", articles=60, spans=2)
    good = contents(out)
    (out / "test.csv").write_text("gone")
    assert contents(demo_corpus.write(out, articles=60, spans=2)) == good
    assert contents(demo_corpus.write(out, seed=2, articles=60, spans=2)) != good
    assert json.loads((out / "_SUCCESS").read_text())["demo"]["seed"] == 2
    assert [path.name for path in tmp_path.iterdir()] == ["d"]


def test_days_that_were_added_stay_when_the_corpus_is_written_anew(tmp_path):
    out = demo_corpus.write(tmp_path / "demo", articles=100)
    demo_corpus.write_drifted_span(out, dt.date(2026, 2, 1), articles=50)
    kept = (out / "span=2026-02-01" / "train.csv").read_bytes()
    demo_corpus.write(out, articles=200, spans=2)
    assert (out / "span=2026-02-01" / "train.csv").read_bytes() == kept
    assert sorted(path.name for path in out.glob("span=*")) == ["span=2026-01-30", "span=2026-01-31", "span=2026-02-01"]


def test_a_folder_that_holds_something_else_is_refused_and_kept(tmp_path):
    (tmp_path / "letter.txt").write_text("mine")
    with pytest.raises(FileExistsError, match=r"a folder of its own\. Received: folder="):
        demo_corpus.write(tmp_path)
    assert contents(tmp_path) == {"letter.txt": b"mine"}


@pytest.mark.parametrize("wrong", [{"spans": 0}, {"articles": 9}, {"noise": 1.0}, {"noise": float("nan")}])
def test_arguments_out_of_range_are_refused_with_what_was_received(wrong):
    ((name, value),) = wrong.items()
    with pytest.raises(ValueError, match=rf"{name} must be .* Received: {name}={value}"):
        next(demo_corpus.corpus(**{"spans": 1, **wrong}))


def test_a_drifted_span_has_new_words_and_another_share_of_the_desks(tmp_path):
    drifted = records(demo_corpus.write_drifted_span(tmp_path, demo_corpus.AS_OF, articles=1_000) / "train.csv")
    past = [row for row in demo_corpus.corpus(articles=5_000) if row.split == "train"]
    known = vocabulary((row.title, row.description) for row in past if row.day < demo_corpus.AS_OF)

    def unseen(articles):
        words = [word for title, text in articles for word in demo_corpus.normalised(title, text).split()]
        return sum(word not in known for word in words) / len(words)

    ordinary = unseen((row.title, row.description) for row in past if row.day == demo_corpus.AS_OF)
    assert 0 < ordinary < 0.02
    assert unseen(record[1:] for record in drifted) > 0.08
    shares = [Counter(record[0] for record in drifted)[name] / 1_000 for name in "1234"]
    assert shares == pytest.approx(demo_corpus.DRIFTED_PRIOR, abs=0.05)


def test_a_damaged_span_has_every_damage_it_promises(tmp_path):
    span = demo_corpus.write_damaged_span(tmp_path, DAY, articles=2_000)
    raw = (span / "train.csv").read_bytes().splitlines()
    labels = Counter(line.split(b",")[0] for line in raw)
    assert len(raw) == 2_000
    assert len({b'"1"', b'"2"', b'"3"', b'"4"'} & set(labels)) == 3
    assert {b'"0"', b'"7"', b'"sport"', b'""'} <= set(labels)
    short = sum(line.count(b'","') == 1 for line in raw)
    assert short == pytest.approx(2_000 * demo_corpus.DAMAGE["missing column"], rel=0.5)
    unreadable = sum("\ufffd" in line.decode(errors="replace") for line in raw)
    assert unreadable == pytest.approx(2_000 * demo_corpus.DAMAGE["bad bytes"], rel=0.5)
    assert 2_000 - len(set(raw)) == pytest.approx(2_000 * demo_corpus.DAMAGE["duplicate"], rel=0.3)


def test_a_damaged_span_carries_wrong_labels(tmp_path):
    span = demo_corpus.write_damaged_span(tmp_path, DAY, articles=8_000)
    lines = (span / "train.csv").read_text(encoding="utf-8", errors="replace").splitlines()
    headline = {
        "1": "Lawmakers in|recalls envoy|Bomb kills",
        "2": "out for|under fire",
        "3": "profit rises",
        "4": "unveils|Rocket launch",
    }
    present = 0
    for desk, words in headline.items():
        labels = Counter(line[1] for line in lines if re.match(rf'"[1-4]","[^"]*({words})', line))
        if labels[desk]:
            present += 1
            assert 0.75 < labels[desk] / labels.total() < 1
    assert present == 3
