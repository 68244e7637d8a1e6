"""Labels that people brought back: wrong ones are suspects, a batch that nobody can believe is held, right ones pass."""

import numpy as np
import pytest

from components.data_quality import label_review

NAMES = ["World", "Sports", "Business", "Sci/Tech"]
WORDS = ("minister treaty embassy border", "goal coach season striker", "shares profit bank merger", "chip software orbit browser")  # fmt: skip


def sure(truth, most=0.91):
    """Probabilities of a judge that is right and as sure as `most`."""
    return np.full((len(truth), 4), (1 - most) / 3) + np.eye(4)[truth] * (most - (1 - most) / 3)


def torn(truth):
    """A judge that cannot tell a class from its neighbour and excludes the other two."""
    other = truth ^ 1
    return 0.04 + 0.45 * np.eye(4)[truth] + 0.39 * np.eye(4)[other]


def judges(probabilities):
    return {name: (probabilities, np.full(4, 0.85)) for name in ("champion", "neighbours")}


def wrong(truth, share, seed=0):
    draw = np.random.default_rng(seed)
    rows = draw.permutation(len(truth))[: round(share * len(truth))]
    labels = truth.copy()
    labels[rows] = (truth[rows] + draw.integers(1, 4, len(rows))) % 4
    return labels


def drawn(probabilities, seed):
    """Labels as the judge believes."""
    draw = np.random.default_rng(seed)
    return np.array([draw.choice(4, p=row) for row in probabilities])


@pytest.mark.parametrize("judge", [sure, torn])
def test_a_batch_of_which_61_of_100_are_wrong_is_held_and_a_right_one_is_not(judge):
    truth = np.arange(100) % 4
    held, _ = label_review.trouble(wrong(truth, 0.61), NAMES, judges(judge(truth)))
    assert held[-1].startswith("the labels disagree far beyond chance")
    assert "the champion with " in held[-1] and "the neighbours with " in held[-1]
    assert label_review.trouble(truth, NAMES, judges(judge(truth))) == ([], [])
    assert label_review.trouble(wrong(truth, 0.1), NAMES, judges(judge(truth)))[0] == []


def test_random_texts_hold_a_batch_where_the_champion_gives_too_few_of_their_labels():
    truth, sampled = np.arange(100) % 4, np.arange(100) >= 70
    probabilities = np.where(sampled[:, None], sure(truth), np.full((100, 4), 0.25))  # sure of the random texts only
    both = judges(probabilities)

    def held(labels, rows=sampled):
        agreed = label_review.sampled_agreement(labels, probabilities, rows)
        return label_review.trouble(labels, NAMES, both, agreed)[0]

    swapped = np.where(truth == 2, 3, np.where(truth == 3, 2, truth))
    for labels in (wrong(truth, 0.61), swapped):
        assert held(labels)[0].startswith("of 30 texts drawn at random the champion gives only ")
    assert held(truth) == [] and held(wrong(truth, 0.1)) == []
    few = label_review.sampled_agreement(swapped, probabilities, np.arange(100) >= 90)
    assert few is None


def test_labels_that_the_rows_around_them_contradict_are_held_where_the_champion_knows_nothing():
    truth = np.arange(100) % 4
    both = {"champion": (np.full((100, 4), 0.25), np.ones(4)), "neighbours": (sure(truth, 0.75), np.full(4, 0.75))}
    held, _ = label_review.trouble(wrong(truth, 0.4), NAMES, both)
    assert held == [held[0]] and held[0].startswith("the labels contradict each other and the source: ")
    assert "gives only 60 of 100 labels, 75% expected" in held[0]
    assert label_review.trouble(wrong(truth, 0.3), NAMES, both) == ([], [])


def test_labels_drawn_as_the_judges_believe_are_hardly_ever_held():
    chances = np.random.default_rng(1).dirichlet(np.full(4, 0.5), 60)
    held = sum(bool(label_review.trouble(drawn(chances, seed), NAMES, judges(chances))[0]) for seed in range(40))
    assert held <= 1  # each rule holds half a percent of such batches, or fewer


def test_a_whole_batch_of_one_label_is_held_unless_the_texts_confirm_it():
    truth, one = np.arange(40) % 4, np.zeros(40, int)
    held, _ = label_review.trouble(one, NAMES, judges(sure(truth)))
    assert held[-1] == "all 40 rows carry one label, World"
    # Few rows that no judge is sure of: not far beyond chance, but all the same.
    few = torn(np.array([1] * 6 + [2, 3] * 3))
    assert "all 12 rows carry one label, Sports" in label_review.trouble(np.ones(12, int), NAMES, judges(few))[0][0]
    held, notes = label_review.trouble(one, NAMES, judges(sure(one)))
    assert held == [] and notes == ["all 40 rows carry one label, World, as these texts make likely"]
    assert label_review.trouble(one[:9], NAMES, judges(sure(one[:9]))) == ([], [])


def test_a_suspect_is_what_one_judge_is_sure_against_and_no_judge_gives():
    truth, labels = np.array([0, 0, 0, 0]), np.array([0, 1, 1, 1])
    champion, others = sure(truth), sure(truth)
    others[2] = sure(np.array([1]))[0]  # the neighbours have the label
    champion[3] = others[3] = [0.5, 0.3, 0.1, 0.1]  # nobody is sure
    both = {"champion": (champion, np.full(4, 0.85)), "neighbours": (others, np.full(4, 0.85))}
    assert label_review.suspects(labels, both).tolist() == [False, True, False, False]
    assert label_review.suspects(labels, {}).tolist() == [False] * 4


def test_neighbours_answer_for_a_row_that_they_did_not_learn_from():
    draw, labels = np.random.default_rng(3), np.arange(400) % 4
    texts = [" ".join(draw.choice(WORDS[label].split(), 4)) for label in labels]
    given = labels.copy()
    given[:20] = (labels[:20] + 1) % 4
    votes = label_review.neighbours(texts, given, 4)
    assert (votes[:20].argmax(axis=1) == labels[:20]).mean() > 0.8
    thresholds = label_review.sure_from(votes, given)
    doubtful = label_review.suspects(given, {"neighbours": (votes, thresholds)})
    assert doubtful[:20].sum() >= 10 and doubtful[20:].mean() < 0.05


def test_too_few_neighbours_say_nothing():
    assert label_review.neighbours(["goal"] * 199, np.arange(199) % 4, 4) is None
    assert label_review.neighbours(["goal"] * 300, np.zeros(300, int), 4) is None
