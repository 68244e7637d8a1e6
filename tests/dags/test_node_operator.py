"""The operator: what it asks of `run_node`, and what each answer becomes in Airflow."""

import contextlib
import json
import os
import signal
import threading
from datetime import datetime, timedelta, timezone
from types import SimpleNamespace

import pytest
from airflow.exceptions import AirflowException
from airflow.sdk import DAG
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException, ParamValidationError, TaskDeferred
from newsdesk_dags.line_trigger import LineTrigger
from newsdesk_dags.lost_runs import named
from newsdesk_dags.node_operator import NodeOperator
from newsdesk_dags.run_form import form, line_of, request_of

from components.core import fileio, line_queue, locks, paths
from components.core.run_record import run_of
from components.registry import model_registry
from pipelines.airflow_stack import task_logs
from pipelines.config import run_config
from pipelines.config.settings import Schedule
from pipelines.runner import node_process

START = datetime(2026, 3, 1, 3, tzinfo=timezone.utc)
DEFAULTS = {name: param.resolve() for name, param in form(Schedule()).items()}


def a_run(kind="manual", conf=None, **more):
    values = {
        "dag_id": "news_retrain",
        "run_id": "manual__2026-03-02T09:00:00+00:00",
        "run_type": kind,
        "conf": conf or {},
        "run_after": START + timedelta(days=1, hours=6),
        "data_interval_start": START,
        "data_interval_end": START + timedelta(days=1),
        "start_date": START + timedelta(days=1, hours=6),
        "clear_number": 0,
    }
    return SimpleNamespace(**{**values, **more})


def execute(node="Trainer", run=None, params=None, try_number=1, **more):
    run = run or a_run()
    context = {"dag_run": run, "params": {**DEFAULTS, **(params or {})}, "ti": SimpleNamespace(try_number=try_number)}
    task = NodeOperator(task_id=node, node=node, **more)
    # Airflow's guard against calling `execute` by hand looks for its own task runner.
    return NodeOperator.execute.__wrapped__(task, context)


def answer(code, **result):
    return f"print('chatter'); print(json.dumps({result!r})); sys.exit({code})"


def called(record):
    calls = [json.loads(line) for line in record.read_text().splitlines()]
    arguments = calls[-1]["arguments"]
    return dict(zip(arguments[::2], arguments[1::2], strict=True)), calls[-1]["environment"]


def test_a_node_that_ends_well_returns_its_result(fake_door):
    fake_door(answer(0, node="Trainer", state="done", headline="trained"))
    assert execute()["headline"] == "trained"


def test_what_a_node_writes_is_logged_under_the_name_by_which_it_is_read_back(fake_door, tmp_path):
    name = NodeOperator(task_id="Trainer", node="Trainer").log.name
    lines = [{"event": "the node's own line", "logger": name}, {"event": "Airflow's line", "logger": "task"}]
    log = tmp_path / "attempt=1.log"
    log.write_text("".join(f"{json.dumps(line)}\n" for line in lines) + f'{{"event": "cut off", "logger": "{name}"')
    assert task_logs.last_messages(log, "Trainer") == ["the node's own line"]


@pytest.mark.parametrize(
    ("code", "error"),
    [
        (99, AirflowSkipException),
        (3, AirflowFailException),
        (4, AirflowFailException),
        (2, AirflowFailException),
        (1, AirflowException),
        (137, AirflowException),
    ],
)
def test_an_exit_code_becomes_a_task_state_that_carries_the_headline(fake_door, code, error):
    fake_door(answer(code, headline="what happened"))
    with pytest.raises(error, match="what happened") as caught:
        execute()
    # Only a plain AirflowException is tried again.
    assert isinstance(caught.value, AirflowFailException | AirflowSkipException) == (error is not AirflowException)


def test_a_data_stop_names_every_reason(fake_door):
    fake_door(answer(3, headline="stop", reasons=["3 rows of train stand in test", "class Sports is missing"]))
    with pytest.raises(AirflowFailException, match=r"stop\n  - 3 rows .*\n  - class Sports is missing"):
        execute()


def test_a_node_that_dies_without_a_word_is_retried_and_its_code_named(fake_door):
    fake_door("os.kill(os.getpid(), signal.SIGKILL)")
    with pytest.raises(AirflowException, match="Trainer ended with exit code -9"):
        execute()


HOSTILE = ['"; touch pwned #', "$(touch pwned)", "{{ var.value.x }}", "`id`"]


@pytest.mark.parametrize("hostile", [*HOSTILE, "../../etc", "/data/../../etc", "/data\n", "/a\x00b", "tfds:$(id)"])
def test_a_hostile_source_is_refused_by_the_form_and_again_by_the_task(fake_door, hostile):
    record = fake_door(answer(0))
    with pytest.raises(ParamValidationError):
        form(Schedule())["source"].resolve(hostile)
    with pytest.raises(AirflowFailException, match="source must be"):
        execute(params={"source": hostile})
    assert not record.exists()


@pytest.mark.parametrize("hostile", HOSTILE)
def test_a_folder_may_have_any_name_and_reaches_the_door_as_one_unchanged_argument(
    fake_door, hostile, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    record, source = fake_door(answer(0)), f"/data/{hostile}"
    assert form(Schedule())["source"].resolve(source) == source
    execute(params={"source": source})
    assert json.loads(called(record)[0]["--config"])["source"] == source
    assert not (tmp_path / "pwned").exists()
    assert NodeOperator.template_fields == ()


@pytest.mark.parametrize("node", ["Ingester", "close"])
@pytest.mark.parametrize("conf", [{"bogus": 1}, {"as_of": "2020-01-01"}, {"trigger": "cli"}])
def test_a_key_that_the_form_does_not_have_fails_the_task_before_anything_runs(fake_door, conf, node):
    record = fake_door(answer(0))
    with pytest.raises(AirflowFailException, match=next(iter(conf))):
        execute(node, run=a_run(conf=conf), params=conf)
    assert not record.exists()


def test_a_value_that_slipped_past_the_form_is_refused_before_anything_runs(fake_door):
    record = fake_door(answer(0))
    with pytest.raises(AirflowFailException, match="window must be"):
        execute(params={"window": "all\n"})
    assert not record.exists()


def test_the_attempt_differs_after_a_retry_and_after_a_clear(fake_door):
    record, seen = fake_door(answer(0)), set()
    for clear, try_number in ((0, 1), (0, 2), (1, 2)):
        execute(run=a_run(clear_number=clear), try_number=try_number)
        seen.add(called(record)[0]["--attempt"])
    assert seen == {"0.1", "0.2", "1.2"}


def test_secrets_of_the_scheduler_do_not_reach_a_node(fake_door, monkeypatch):
    record = fake_door(answer(0))
    monkeypatch.setenv("AIRFLOW__CORE__FERNET_KEY", "marker-secret")
    monkeypatch.setenv("MY_TOKEN", "marker-secret")
    execute()
    assert "marker-secret" not in json.dumps(called(record)[1])


def test_a_scheduled_run_is_about_the_end_of_its_interval():
    value = request_of(a_run("scheduled"), DEFAULTS)
    assert value["as_of"] == "2026-03-02T03:00:00+00:00"
    assert value["interval"] == ["2026-03-01T03:00:00+00:00", "2026-03-02T03:00:00+00:00"]
    assert "release" not in value


@pytest.mark.parametrize("kind", ["manual", "asset_triggered"])
def test_any_other_run_is_about_the_moment_it_was_asked_for(kind):
    value = request_of(a_run(kind), DEFAULTS)
    assert (value["as_of"], value["interval"], value["trigger"]) == ("2026-03-02T09:00:00+00:00", None, kind)


def test_a_backfill_releases_only_when_told_to():
    assert request_of(a_run("backfill"), DEFAULTS)["release"] == "never"
    assert request_of(a_run("backfill"), {**DEFAULTS, "release": "auto"})["release"] == "auto"


def test_equal_parameters_make_the_same_request_however_the_run_came_about():
    asked = {**DEFAULTS, "release": "hold", "seed": 7, "set": {"training.epochs": 2}}
    kinds = ("scheduled", "manual", "asset_triggered", "backfill")
    requests = [request_of(a_run(kind, conf={"seed": 7}), asked) for kind in kinds]
    about = ("as_of", "interval", "trigger")
    same = [{k: v for k, v in request.items() if k not in about} for request in requests]
    assert same == [same[0]] * len(kinds) and same[0]["seed"] == 7
    run_config.Request.from_json(requests[0])


def test_a_dag_of_one_line_asks_for_that_line_and_the_general_one_leaves_it_to_the_source():
    assert request_of(a_run(), DEFAULTS, line="sports")["line"] == "sports"
    assert "line" not in request_of(a_run(), DEFAULTS)


def test_what_follows_a_node_is_done_once_it_has_ended_well_and_never_after_a_failure(fake_door):
    seen = []
    for code in (0, 1, 3, 99):
        fake_door(answer(code, headline="x"))
        with contextlib.suppress(AirflowException, AirflowSkipException):
            execute(then=lambda context, request, result: seen.append(result["headline"]))
    assert seen == ["x"]


def test_people_are_told_of_a_bad_end_before_the_task_turns_red(fake_door):
    seen = []
    fake_door(answer(0, state="closed", outcome={"state": "stopped", "reasons": []}))
    with pytest.raises(AirflowFailException, match="ended as stopped"):
        execute("close", then=lambda context, request, result: seen.append(result["outcome"]["state"]))
    assert seen == ["stopped"]


@pytest.mark.parametrize(
    ("state", "good"), [("released", True), ("refused", True), ("failed", False), ("stopped", False)]
)
def test_close_is_red_exactly_when_the_run_came_to_nothing(fake_door, state, good):
    fake_door(answer(0, state="closed", outcome={"state": state, "reasons": ["the reason"]}))
    if good:
        assert execute("close")["state"] == "closed"
    else:
        with pytest.raises(AirflowFailException, match=f"ended as {state}.*\n  - the reason"):
            execute("close")


@pytest.fixture
def interruptible():
    """Ctrl-C interrupts, also under a shell that starts its background jobs without it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_ctrl_c_stops_the_node_and_is_not_tried_again(fake_door, interruptible):
    fake_door("time.sleep(60)")
    threading.Timer(1, os.kill, (os.getpid(), signal.SIGINT)).start()
    with pytest.raises(AirflowFailException, match="Trainer was stopped by hand"):
        execute()


def test_on_kill_stops_the_whole_group_of_the_node(fake_door, monkeypatch):
    stopped = []
    monkeypatch.setattr(node_process, "stop", stopped.append)
    task = NodeOperator(task_id="Trainer", node="Trainer")
    task.on_kill()
    assert stopped == []
    task._started(4711)
    task.on_kill()
    assert stopped == [4711]


# --- a line that another run holds in silence ---

HOLDER = "scheduled__2026-03-01T03:00:00+00:00"


@pytest.fixture
def silent():
    """A run that holds `news`, is open, and has shown no life for an hour."""
    run = run_of("news_retrain", HOLDER)
    fileio.write_json(paths.run_dir(run) / "run.json", {"run": run})
    locks.take_line("news", run)
    then = datetime.now().timestamp() - 3600
    os.utime(paths.registry_dir("news") / "run.lock", (then, then))
    return run


def ask(fake_door, states):
    """Runs the first node against a door that finds the line locked until the holder was closed; returns its end and the nodes called."""
    lock = str(paths.registry_dir("news") / "run.lock")
    record = fake_door(
        f"node = arguments[arguments.index('--node') + 1]\n"
        f"if node == 'close': os.unlink({lock!r}); print(json.dumps({{'state': 'closed'}})); sys.exit(0)\n"
        f"locked = os.path.exists({lock!r}); print(json.dumps({{'state': 'locked' if locked else 'done'}}))\n"
        "sys.exit(4 if locked else 0)"
    )

    def count(**more):
        return sum(states.get((more["dag_id"], name)) in more["states"] for name in more["run_ids"])

    ended = waited(get_dr_count=count)
    calls = [json.loads(line)["arguments"] for line in record.read_text().splitlines()] if record.exists() else []
    return ended, [call[call.index("--node") + 1] for call in calls], calls


def waited(run=None, node="Ingester", line=lambda run_id, request: "news", **asked):
    """How a node of a run ends that works on the line `news`: its result, or what it raised."""
    task = NodeOperator(task_id=node, node=node, line=line)
    context = {"dag_run": run or a_run(), "params": DEFAULTS, "ti": SimpleNamespace(try_number=1, **asked)}
    try:
        return task.resume(context)
    except (AirflowException, TaskDeferred) as raised:
        return raised


@pytest.mark.parametrize("state", ["queued", "running"])
def test_a_run_that_waits_for_the_pool_keeps_its_line_against_the_next_one(fake_door, silent, state):
    ended, nodes, _ = ask(fake_door, {("news_retrain", HOLDER): state})
    assert isinstance(ended, TaskDeferred) and nodes == []
    assert locks.holder("news")["run"] == silent


@pytest.mark.parametrize("state", [None, "failed", "success"])
def test_a_run_that_airflow_has_ended_or_lost_is_closed_and_its_line_taken(fake_door, silent, state):
    ended, nodes, calls = ask(fake_door, {("news_retrain", HOLDER): state})
    assert ended["state"] == "done" and nodes == ["close", "Ingester"]
    assert calls[0][calls[0].index("--run-id") + 1] == silent


def test_a_run_that_shows_life_is_not_asked_about(fake_door, silent):
    os.utime(paths.registry_dir("news") / "run.lock")
    ended, nodes, _ = ask(fake_door, {})
    assert isinstance(ended, TaskDeferred) and nodes == []


# --- a line that a living run holds ---


@pytest.mark.parametrize("kind", ["scheduled", "manual", "asset_triggered", "backfill"])
def test_a_run_that_finds_its_line_held_waits_without_a_worker_and_then_goes_on(fake_door, capsys, kind):
    record = fake_door(answer(0, state="done", headline="read"))
    locks.take_line("news", "other", os.getpid())
    ended = waited(a_run(kind))
    assert isinstance(ended, TaskDeferred) and ended.method_name == "resume"
    assert isinstance(ended.trigger, LineTrigger) and ended.trigger.line == "news"
    assert f"run other holds line 'news' since {locks.holder('news')['since']}" in capsys.readouterr().out
    assert not record.exists()
    locks.free_line("news", "other")
    assert waited(a_run(kind))["headline"] == "read"


def test_the_run_that_began_first_goes_first(fake_door):
    fake_door(answer(0, state="done"))
    locks.take_line("news", "other", os.getpid())
    younger, older = (a_run(run_id=name, start_date=START + timedelta(seconds=at)) for name, at in (("b", 2), ("a", 1)))
    assert all(isinstance(waited(run), TaskDeferred) for run in (younger, older))
    locks.free_line("news", "other")
    assert isinstance(waited(younger), TaskDeferred)
    assert waited(older)["state"] == "done"
    assert waited(younger)["state"] == "done"  # the older one is out of the queue


def test_a_line_that_is_taken_between_the_look_and_the_node_is_waited_for(fake_door):
    """Somebody at a terminal does not wait in the queue."""
    record = fake_door(answer(4, state="locked", headline="locked by run x"))
    looks = iter(["", "run x holds it"])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(line_queue, "turn", lambda *asked: next(looks))
        assert isinstance(waited(), TaskDeferred)
    assert len(record.read_text().splitlines()) == 1


def test_an_attempt_that_a_later_one_replaced_does_not_wait(fake_door):
    fake_door(answer(4, state="superseded", headline="attempt 0.2 has started"))
    assert isinstance(waited(node="Pusher"), AirflowFailException)


def test_close_and_a_run_of_one_process_do_not_wait(fake_door, monkeypatch):
    fake_door(answer(0, state="closed"))
    locks.take_line("news", "other", os.getpid())
    assert waited(node="close")["state"] == "closed"
    monkeypatch.setenv("NEWSDESK_ONE_PROCESS", "1")
    fake_door(answer(4, state="locked", headline="locked by run other"))
    assert isinstance(waited(), AirflowFailException)


@pytest.mark.parametrize(("states", "closed"), [({}, True), ({"close": None}, False), ({"Pusher": "queued"}, False)])
def test_a_task_cleared_without_what_follows_frees_the_line_again(fake_door, states, closed):
    record = fake_door(answer(0, state="done"))
    run = a_run()
    fileio.write_json(paths.run_dir(run_of(run.dag_id, run.run_id)) / "outcome.json", {"state": "released"})
    with DAG(dag_id="news_retrain", schedule=None) as dag:
        for node in ("Ingester", "Trainer", "Pusher", "close"):
            NodeOperator(task_id=node, node=node, line=lambda run_id, request: "news")
    usual = {"Ingester": "success", "Trainer": "running", "Pusher": "skipped", "close": "success", "approve": None}
    known = SimpleNamespace(try_number=2, get_task_states=lambda **asked: {run.run_id: {**usual, **states}})
    dag.get_task("Trainer").resume({"dag_run": run, "params": DEFAULTS, "ti": known})
    calls = [json.loads(line)["arguments"] for line in record.read_text().splitlines()]
    assert [call[call.index("--node") + 1] for call in calls] == ["Trainer", *["close"] * closed]


def test_the_line_is_that_of_the_runs_record_and_else_what_the_request_comes_to():
    assert line_of("r", request_of(a_run(), DEFAULTS)) == "news-demo"
    assert line_of("r", request_of(a_run(), {**DEFAULTS, "source": "/data/sports"}, line="sports")) == "sports"
    assert line_of("r", {**request_of(a_run(), DEFAULTS), "set": {"no.setting": 1}}) == ""
    fileio.write_json(paths.run_dir("r") / "run.json", {"run": "r", "config": {"line": "news"}})
    assert line_of("r", {}) == "news"


@pytest.mark.parametrize("dag_id", ["news_retrain", "news_retrain_sports"])
@pytest.mark.parametrize("name", [HOLDER, "manual__2026-03-02T09:00:00.123456+00:00", "by-hand"])
def test_a_run_is_found_in_airflow_by_the_name_of_its_folder(dag_id, name):
    assert named(run_of(dag_id, name), ["news_retrain", "news_retrain_sports"]) == (dag_id, name)


def test_a_run_whose_airflow_id_cannot_be_told_is_left_alone():
    assert named(run_of("news_retrain", "mine (1)"), ["news_retrain"]) is None
    assert model_registry.lines() == []
