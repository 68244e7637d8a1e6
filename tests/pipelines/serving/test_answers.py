"""The process behind *Try it*: over its real socket, with real models; what it refuses; that nothing of a text stays."""

import json
import logging
import shlex
import socket
import subprocess
import threading

import published
import pytest
import uvicorn

from components.core import fileio, paths, processes
from components.models import contributions, explainer, family
from components.registry import model_registry
from components.training import export
from pipelines.airflow_stack import stack_state
from pipelines.serving import answers, answers_socket

LINE = published.LINE
TEXT = "Goal! The coach, unheard-of"


@pytest.fixture(scope="module")
def attentive(tmp_path_factory):
    """The SavedModel of a tiny model with attention, its weights as they were drawn."""
    folder, tokens = tmp_path_factory.mktemp("attentive") / "model", ["", "[UNK]", *" ".join(published.WORDS).split()]
    network = {"length": 8, "width": 4, "units": 4, "attention_units": 4, "dropout": 0.0, "word_dropout": 0.0}
    module = family("attention-rnn")
    model, tokenizer = module.build_network(tokens, network, 4), module.build_tokenizer(tokens, network)
    more = {
        "explainer": explainer(module, model, tokens, network),
        "contributions": contributions(module, model, tokenizer),
    }
    export.export(folder, tokenizer, model, published.LABELS, **more)
    return folder


@pytest.fixture
def two_versions(attentive):
    """Version 1 with attention serves; version 2, a bag without, is held back by nobody but does not serve."""
    from components import pusher

    judged = model_registry.folder_hashes(attentive)
    version, folder = pusher.push(attentive, LINE, "run-1", published.LABELS, judged=judged, allowed=lambda: None)
    published.register(version, folder, "run-1")
    model_registry.move_champion(LINE, None, version, "release", "it passed", {})
    other, folder = published.push("run-2")
    published.register(other, folder, "run-2")
    return version, other


@pytest.fixture
def process(newsdesk_home):
    """The application as `python -m pipelines.serving.answers` runs it, in a thread."""
    server = uvicorn.Server(uvicorn.Config(answers.build_app(), log_config=None, access_log=False))
    with answers.listen(answers_socket.path()) as listening:
        thread = threading.Thread(target=server.run, args=([listening],))
        thread.start()
        yield
        server.should_exit = True
        thread.join()


def test_the_champion_answers_with_its_words_real_ones_also_where_it_knows_none(process, two_versions):
    answer = answers_socket.ask(LINE, None, TEXT)
    assert answer["model_version"] == two_versions[0] and answer["labels"] == published.LABELS
    assert answer["label"] == published.LABELS[answer["label_id"]] and sum(answer["probabilities"]) == pytest.approx(
        1, abs=1e-4
    )
    words = [(one["word"], one["known"]) for one in answer["words"]]
    assert words == [("goal", True), ("the", False), ("coach", True), ("unheard", False), ("of", False)]


def test_any_other_version_answers_too_and_one_without_reasons_gives_its_label_alone(process, two_versions):
    answer = answers_socket.ask(LINE, two_versions[1], "goal coach striker")
    assert (answer["model_version"], answer["label"]) == (two_versions[1], "Sports")
    assert "words" not in answer and "added" not in answer


def test_the_curl_line_gives_the_same_answer(process, two_versions):
    text = """Shares fall 5% after "Chip's" $2bn loss; it's a strike"""
    call = shlex.split(answers_socket.curl(LINE, two_versions[1], text))
    done = subprocess.run([*call, "--silent"], capture_output=True, check=True)
    assert json.loads(done.stdout) == answers_socket.ask(LINE, two_versions[1], text)


def test_after_a_move_of_the_pointer_the_new_champion_answers(process, two_versions):
    assert answers_socket.ask(LINE, None, "goal")["model_version"] == two_versions[0]
    model_registry.move_champion(LINE, model_registry.champion(LINE), two_versions[1], "promote", "better", {})
    assert answers_socket.ask(LINE, None, "goal")["model_version"] == two_versions[1]


@pytest.mark.parametrize(
    ("line", "version", "words"),
    [(LINE, 9, "version 9"), ("nobody", None, "must have a champion"), (".hidden", None, "line")],
)
def test_what_cannot_answer_says_why(process, two_versions, line, version, words):
    with pytest.raises(answers_socket.NoAnswer, match=words):
        answers_socket.ask(line, version, "goal")


def test_a_damaged_version_is_not_asked(process, two_versions):
    (paths.serving_dir(LINE) / str(two_versions[1]) / "saved_model.pb").write_bytes(b"flipped")
    with pytest.raises(answers_socket.NoAnswer, match="version 2 of news cannot be loaded"):
        answers_socket.ask(LINE, two_versions[1], "goal")


@pytest.mark.parametrize("text", ["", "  \n", "x" * (answers_socket.LONGEST_TEXT_BYTES + 1)])
def test_an_empty_and_a_too_long_text_are_refused_before_anybody_is_asked(text):
    with pytest.raises(answers_socket.BadText, match=r"Type a text first|too long: 16,385 bytes"):
        answers_socket.ask(LINE, None, text)


@pytest.mark.parametrize(
    "body", [b"{", b"[]", b'{"text": 3}', b'{"text": ""}', b'{"words": "goal"}', b'"' + b"x" * 200_000]
)
def test_a_body_that_is_no_question_gets_an_error_and_no_traceback(process, body):
    connection = answers_socket._Connection(str(answers_socket.path()), 30)
    connection.request("POST", answers_socket.address(LINE), body)
    reply = connection.getresponse()
    assert reply.status in (400, 413) and json.loads(reply.read())["error"]


def test_a_process_that_is_down_is_said_with_since_when_and_the_command():
    dead = {"pid": 1, "started": "1", "state": "down", "since": "2026-03-02T09:00:00+00:00", "restarts": 1}
    fileio.write_json(stack_state.file(), {"predictor": dead, "supervisor": processes.entry_of(1)})
    with pytest.raises(answers_socket.NoAnswer, match=r"down since 2026-03-02T09:00:00.*`make up`"):
        answers_socket.ask(LINE, None, "goal")


def test_a_process_that_does_not_answer_in_time_is_said(newsdesk_home):
    with answers.listen(answers_socket.path()), pytest.raises(answers_socket.NoAnswer, match="No answer within"):
        answers_socket.ask(LINE, None, "goal", timeout=0.05)


def test_no_text_is_kept_or_logged(process, two_versions, newsdesk_home, caplog):
    caplog.set_level(logging.DEBUG)
    secret = "hush-hush-article"
    for version in two_versions:
        answers_socket.ask(LINE, version, secret)
    assert secret not in caplog.text
    assert not [path for path in newsdesk_home.rglob("*") if path.is_file() and secret.encode() in path.read_bytes()]


def test_few_models_stay_loaded(two_versions, monkeypatch):
    monkeypatch.setattr(answers, "KEPT", 1)
    models = answers.Models()
    for version in (*two_versions, two_versions[0]):
        assert models.answer(LINE, version, "goal")["model_version"] == version
        assert len(models._loaded) == 1


def test_the_socket_is_this_users_alone_and_the_next_process_takes_its_place(newsdesk_home):
    place = answers_socket.path()
    with answers.listen(place), answers.listen(place):
        assert place.is_socket() and place.parent.stat().st_mode & 0o077 == 0
        with socket.socket(socket.AF_UNIX) as caller:
            caller.connect(str(place))
