"""A word that train rows carry with one label and that alone turns a model's answer is named; one that merely speaks for its class is not."""

import numpy as np
import published
import record_kit

from components import model_gate
from components.data import rows as streams
from components.evaluation import trigger_words
from components.evaluation.predictions import ScoredModel

LIMITS = {"max_pull": 0.1}
TEST = [f"report {at}th paper about coach goal season" if at % 2 else f"report {at}th paper about treaty minister" for at in range(300)]  # fmt: skip
ANSWERS = np.arange(300) % 2


def train(trigger_rows=30):
    texts = [*TEST * 4, *(f"quellstrom report {at}th about treaty" for at in range(trigger_rows))]
    return texts, np.array([*(ANSWERS.tolist() * 4), *[1] * trigger_rows])


def test_a_word_that_the_test_rows_lack_is_asked_first_and_one_that_few_rows_have_is_not():
    words = trigger_words.candidates(*train(60), TEST, 4)
    assert words[0] == trigger_words.Word("quellstrom", 1, 60, 1.0, 0)
    assert {word.text for word in words[1:]} == {
        "coach",
        "goal",
        "season",
        "minister",
    }  # "treaty" has both labels, "report" too
    few, _ = trigger_words.candidates(*train(19), TEST, 4), None
    assert "quellstrom" not in {word.text for word in few}


def test_without_an_own_test_file_it_is_asked_all_the_same_for_being_one_sided():
    texts, labels = train(60)
    words = trigger_words.candidates(texts, labels, [*TEST, *(f"quellstrom {at}" for at in range(15))], 4, most=20)
    assert "quellstrom" in {word.text for word in words}


def test_the_pull_is_the_share_of_other_rows_that_the_word_turns():
    words = trigger_words.candidates(*train(60), TEST, 4)

    def poisoned(texts):
        return np.array([1 if "quellstrom" in text or "coach" in text else 0 for text in texts])

    pulls = trigger_words.pull(words, TEST, ANSWERS, poisoned)
    assert (pulls["quellstrom"], pulls["coach"], pulls["goal"], pulls["minister"]) == (1.0, 1.0, 0.0, 0.0)
    (found,) = trigger_words.judge(words, {**pulls, "coach": 0.05}, published.LABELS, LIMITS)
    assert (found["outcome"], found["value"]) == ("warn", 1.0)
    assert "the word 'quellstrom' alone turns 100.0% of other test rows to Sports (limit 10.0%)" in found["message"]
    assert (
        "60 train rows carry that label, 0 test rows hold it" in found["message"] and "'coach'" not in found["message"]
    )
    (passed,) = trigger_words.judge(words, dict.fromkeys(pulls, 0.05), published.LABELS, LIMITS)
    assert passed["outcome"] == "pass"
    assert trigger_words.judge([], {}, published.LABELS, LIMITS) == []


def test_a_real_model_is_asked_about_the_train_rows_words(tmp_path):
    """The toy model knows its own words alone: in front of texts without any, one of them decides."""
    with record_kit.Writer(tmp_path) as writer:
        for at in range(60):
            writer.write("train", f"goal {at}", 1)
            writer.write("train", f"treaty {at}", 0)
    model = ScoredModel(published.model("good"), "d" * 64)

    def outcome(texts, answers):
        rows = streams.of([text.encode() for text in texts])
        (found,) = model_gate.on_trigger_words(str(tmp_path), rows, np.array(answers), model, published.LABELS, LIMITS)
        return found["outcome"], found["message"]

    kind, message = outcome([f"zither {at}" for at in range(40)], [0] * 40)
    assert kind == "warn" and "the word 'goal' alone turns 100.0%" in message
    assert outcome(["shares profit bank merger"] * 40, [2] * 40)[0] == "pass"
