"""The words for states: plain strings in files, on every Python, and one exit code for each."""

import json

import pytest

from components.core import states
from components.core.states import DataDecision, Decision, ExitCode, Move, NodeState, Release, RunState

WORDS = (NodeState, RunState, Decision, DataDecision, Release, Move)


@pytest.mark.parametrize("word", [member for words in WORDS for member in words], ids=repr)
def test_a_word_is_its_plain_string_wherever_it_is_written(word):
    assert word == word.value and str(word) == word.value and f"{word:>12}" == f"{word.value:>12}"
    assert json.loads(json.dumps({"state": word})) == {"state": word.value}
    assert {word: 1}[word.value] == {word.value: 1}[word] == 1
    assert type(word)(word.value) is word


def test_exit_codes_of_nodes_are_those_that_callers_know():
    codes = {state.value: int(state.exit_code) for state in NodeState}
    assert codes == {
        "done": 0,
        "cached": 0,
        "closed": 0,
        "skipped": 99,
        "stopped": 3,
        "locked": 4,
        "superseded": 4,
        "usage": 2,
        "failed": 1,
        "running": 1,
    }


def test_exit_codes_of_runs_count_a_refused_model_as_done():
    done = {"running", "released", "held", "blessed", "unchanged", "refused"}
    assert {state.value for state in RunState if state.exit_code == ExitCode.DONE} == done
    assert (RunState.STOPPED.exit_code, RunState.LOCKED.exit_code, RunState.USAGE.exit_code) == (3, 4, 2)
    assert RunState.FAILED.exit_code == 1 and RunState.SUPERSEDED.exit_code == 4


@pytest.mark.parametrize(
    ("state", "bad"), [("refused", False), ("stopped", True), ("a later word", True), (None, True)]
)
def test_an_unknown_word_out_of_a_file_is_bad(state, bad):
    assert states.is_bad(state) is bad


def test_the_decisions_on_data_are_in_the_order_of_their_severity():
    assert list(DataDecision) == ["pass", "warn", "stop"]
