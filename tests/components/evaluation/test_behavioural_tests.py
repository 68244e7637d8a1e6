"""Changes that must keep a label: which texts are asked, what counts as a flip, and when flips are too many."""

import random

import numpy as np
import pytest

from components.core import paths
from components.data.text_cleaning import row_key
from components.evaluation import behavioural_tests
from pipelines.config import run_config

LABELS = ["World", "Sports", "Business", "Sci/Tech"]
LIMITS = {"alpha": 0.05, "max_flips": 0.1, "flip_margin": 0.05}
SWAP = {"days": ["Monday", "Tuesday"], "clubs": ["Manchester United", "United", "Arsenal"]}


def asked(texts, spec=None):
    spec = {"rows": 20, "swap": SWAP, "pairs": [], **(spec or {})}
    return behavioural_tests.cases(spec, texts, [row_key(text) for text in texts])


def of_kind(kind, found):
    return [case for case in found if case.kind == kind]


@pytest.fixture
def written(tmp_path):
    def write(text):
        path = tmp_path / "behaviour.toml"
        path.write_text(text)
        return path

    return write


# --- the reviewed files ---


@pytest.mark.parametrize("line", ["news", "news-demo"])
def test_each_line_s_reviewed_file_is_well_formed_and_its_names_stand_in_one_group(line):
    spec = behavioural_tests.load(
        paths.REPOSITORY / "data_schemas" / line / "behaviour.toml", list(run_config.labels_of(line))
    )
    names = [name for group in spec["swap"].values() for name in group]
    assert len(names) == len(set(names))
    assert len(spec["pairs"]) >= behavioural_tests.FEWEST


def test_a_line_without_a_file_has_no_tests(tmp_path):
    assert behavioural_tests.load(tmp_path / "none.toml", LABELS) is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("rows = ", "must be TOML"),
        ("row = 3", "keys must be rows, swap and pairs. Received: "),
        ("rows = 3", "at least 10"),
        ("rows = true", "at least 10"),
        ('[swap]\na = ["one"]', "two names or more"),
        ('[swap]\na = ["one", "one"]', "each once"),
        ('[[pairs]]\ntexts = ["a", "b"]\nlabels = ["World", "Weather"]', "a label of the line for each"),
        ('[[pairs]]\ntexts = ["a"]\nlabels = ["World"]', "two texts"),
    ],
)
def test_a_file_that_is_not_what_it_must_be_is_named_with_the_place(written, text, said):
    with pytest.raises(behavioural_tests.BehaviourError, match="Received: ") as error:
        behavioural_tests.load(written(text), LABELS)
    assert said in str(error.value)


# --- which rows are asked ---


@pytest.mark.parametrize("rows", [10, 40, 500])
def test_of_a_kind_s_rows_those_of_the_least_keys_are_asked_wherever_they_stand(rows):
    """As where all rows are sorted by their keys and walked through until there are enough."""
    texts = [f"{'Monday ' if at % 7 == 0 else ''}paper {at} about treaty, and more" for at in range(300)]
    texts += texts[:20]  # the same key twice
    random.Random(3).shuffle(texts)
    found = asked(texts, {"rows": rows})
    ordered = sorted(range(len(texts)), key=lambda at: (row_key(texts[at]), at))
    for kind, having in (("entity swap", "Monday"), ("typo", "paper")):
        expected = [texts[at] for at in ordered if having in texts[at]][:rows]
        assert [one.texts[0] for one in of_kind(kind, found)] == expected
    assert [one.kind for one in found] == sorted((one.kind for one in found), key=behavioural_tests.KINDS.index)


# --- the changes ---


def test_every_known_name_is_swapped_for_another_of_its_group_the_same_each_time():
    (case,) = of_kind("entity swap", asked(["On Monday United beat Manchester United; Monday was cold at Uniteds."]))
    assert case.texts[1] == "On Tuesday Arsenal beat Arsenal; Tuesday was cold at Uniteds."


def test_a_name_without_another_one_to_stand_for_it_stays():
    assert of_kind("entity swap", asked(["Monday and Tuesday", "nobody is named"])) == []


def test_a_typo_changes_one_long_word_within():
    text = "Oil prices climb to 50 on the supply fears"
    found = {behavioural_tests.typo(text, random.Random(seed)) for seed in range(200)}
    assert len(found) > 20
    for changed in found:
        apart = [(a, b) for a, b in zip(text.split(), changed.split(), strict=True) if a != b]
        assert len(apart) <= 1
        for before, after in apart:
            assert before in ("prices", "climb", "supply", "fears")
            assert (before[0], before[-1]) == (after[0], after[-1])
            assert abs(len(before) - len(after)) <= 1
    assert behavioural_tests.typo("all are so few", random.Random(1)) == "all are so few"


def test_case_and_punctuation_change_form_alone():
    text = 'He said: "Oil hit $50.5, a record" - so it was.'
    cases = {behavioural_tests.case(text, random.Random(seed)) for seed in range(9)}
    assert cases == {text.upper(), text.lower()}
    marks = {behavioural_tests.punctuation(text, random.Random(seed)) for seed in range(9)}
    assert marks == {
        "He said Oil hit $50.5 a record so it was",
        "He said: ”Oil hit $50.5, a record” – so it was.!!!",
    }


def test_equal_rows_give_equal_cases_in_whatever_order_and_a_row_that_stays_as_it_is_is_not_asked():
    texts = [f"Prices on Monday rose for the {n}th month, traders said." for n in range(60)]
    assert asked(texts) == asked(texts[::-1])
    assert len(of_kind("typo", asked(texts))) == 20
    assert of_kind("case", asked(["1 2 3"])) == []
    for case in asked(texts):
        assert case.texts[0] != case.texts[1]


def test_scars_of_the_corpus_are_mended_first_so_that_capitals_do_not_break_an_entity():
    (case,) = of_kind("case", asked(["Liberia #39;s capital &lt;b&gt;today&lt;/b&gt;"]))
    assert case.texts[0] == "Liberia's capital today"


# --- what counts ---


def test_a_text_flips_where_its_label_moves_and_a_pair_fails_where_a_label_is_wrong():
    found = [
        behavioural_tests.Case("typo", ("a", "b")),
        behavioural_tests.Case("typo", ("a", "c")),
        behavioural_tests.Case("pairs", ("a", "c"), ("World", "Sports")),
        behavioural_tests.Case("pairs", ("a", "c"), ("Sports", "Sports")),
    ]
    answers = {"a": "World", "b": "World", "c": "Sports"}
    assert behavioural_tests.flipped(found, answers).tolist() == [False, True, False, True]
    (first, second) = behavioural_tests.examples(found, behavioural_tests.flipped(found, answers), answers)
    assert first == {"kind": "typo", "texts": ["a", "c"], "said": ["World", "Sports"], "labels": []}
    assert second["kind"] == "pairs"


def judged(kind, rows, wrong, champion=None):
    found = [behavioural_tests.Case(kind, ("a", "b"))] * rows
    theirs = None if champion is None else np.arange(rows) < champion
    return behavioural_tests.examine(found, np.arange(rows) < wrong, theirs, LIMITS)[kind]


def test_flips_are_over_the_limit_only_where_chance_does_not_explain_them():
    # At a true share of 10%, 41 or more of 300 come up once in 40 times, 45 once in 200: Holm over one kind asks for 5%.
    assert not judged("typo", 300, 38)["over"]
    assert judged("typo", 300, 45)["over"]
    part = judged("typo", 300, 15)
    assert (part["rows"], part["flipped"], part["share"]) == (300, 15, 0.05)
    assert part["low"] < 0.05 < part["high"]


def test_flips_within_the_limit_but_far_over_the_champion_s_are_refused_and_a_few_more_are_not():
    assert judged("case", 300, 24, champion=0)["more"]
    assert not judged("case", 300, 24, champion=0)["over"]
    assert not judged("case", 300, 24, champion=12)["more"]  # 4 points more
    assert not judged("case", 300, 24)["more"]


def test_fewer_than_ten_cases_decide_nothing():
    part = judged("pairs", 9, 9, champion=0)
    assert (part["few"], part["over"], part["more"]) == (True, False, False)
    assert not judged("pairs", 10, 0)["few"]
    assert behavioural_tests.examine([], np.zeros(0, bool), None, LIMITS)["typo"]["few"]
