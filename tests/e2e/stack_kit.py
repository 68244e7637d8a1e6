"""A stack of Airflow that tests start, drive over REST and end; its state folder, ports and programs are its own."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time

import pytest

from components.core import fileio, paths
from pipelines.airflow_stack import airflow_settings, stack_health, stack_state
from pipelines.airflow_stack.rest_client import Rest, RestError

PATIENCE = float(os.environ.get("NEWSDESK_E2E_SECONDS", "300"))  # for one run; a busy machine needs more
UNTIL = float(os.environ.get("NEWSDESK_E2E_UNTIL", "inf"))  # seconds since 1970 when the time for all tests is used up


def seconds_left():
    return UNTIL - time.time()


def skip_if_late():
    """Skips the running test where no time is left: that says something of the machine and nothing of the product."""
    if seconds_left() <= 0:
        pytest.skip("the time given to these tests is used up (NEWSDESK_E2E_UNTIL)")


class Stack:
    """A running stack: its REST session and its state folder."""

    def __init__(self, folder):
        self.home, self.rest = folder / "home", None

    def make(self, verb):
        call = [sys.executable, "-m", "pipelines.airflow_stack.stack", verb]
        done = subprocess.run(call, cwd=paths.REPOSITORY, capture_output=True, text=True)
        assert done.returncode == 0, f"`make {verb}` failed:\n{done.stdout}{done.stderr}"

    def up(self):
        self.make("up")
        self.rest = Rest(f"http://127.0.0.1:{airflow_settings.airflow_port()}")

    def ask(self, method, path, body=None):
        return self.rest._call(method, f"/api/v2/dags/{path}", body)

    def runs(self, dag, kind):
        return [run for run in self.ask("GET", f"{dag}/dagRuns?limit=100")["dag_runs"] if run["run_type"] == kind]

    def tasks(self, dag, run):
        tasks = self.ask("GET", f"{dag}/dagRuns/{quoted(run)}/taskInstances")["task_instances"]
        return {task["task_id"]: task["state"] for task in tasks}

    def until(self, question, seconds=PATIENCE):
        """The first answer that is not empty."""
        limit = time.monotonic() + seconds
        while not (answer := question()):
            skip_if_late()
            assert time.monotonic() < limit, f"nothing after {seconds} s"
            time.sleep(1)
        return answer

    def ended(self, dag, run):
        return self.until(lambda: (state := self.rest.state(dag, run)) in ("success", "failed") and state)

    def answered(self, run, option, dag="news_release", rest=None):
        """How a run ends once somebody gives this answer, as often as it is asked for. rest: somebody else's session.

        Not at once: an answer that comes before the scheduler has taken in that the task paused fails that attempt.
        """
        asked = 0

        def look():
            nonlocal asked
            asked = asked + 1 if self.tasks(dag, run).get("approve") == "awaiting_input" else 0
            if asked > 3:
                with contextlib.suppress(RestError):  # answered already
                    self.answer(dag, run, option, rest)
            return (state := self.rest.state(dag, run)) in ("success", "failed") and state

        return self.until(look)

    def answer(self, dag, run, option, rest=None):
        """One answer to a run's question, as the UI sends it."""
        path = f"/api/v2/dags/{dag}/dagRuns/{quoted(run)}/taskInstances/approve/-1/hitlDetails"
        (rest or self.rest)._call("PATCH", path, {"chosen_options": [option], "params_input": {}})

    def trigger(self, dag, run, conf):
        self.rest.trigger(dag, run, conf)
        return self.ended(dag, run)

    def clear(self, dag, run, *tasks, downstream=True):
        """Clears tasks, with all that follows them, as a person does in the UI, and returns how the run ends then."""
        body = {
            "dag_run_id": run, "task_ids": tasks, "include_downstream": downstream, "dry_run": False, "only_failed": False,
        }  # fmt: skip
        self.ask("POST", f"{dag}/clearTaskInstances", body)
        return self.ended(dag, run)

    def kill(self, *names):
        """`kill -9` of some of the stack's processes; returns their process ids by name."""
        killed = {name: entry["pid"] for name, entry in stack_state.read().items() if name in names}
        assert killed.keys() == set(names)
        for pid in killed.values():
            os.kill(pid, signal.SIGKILL)
        return killed

    def back(self, killed):
        """Waits until each part that was killed runs as another process, and all parts are healthy."""

        def all_well():
            parts = stack_state.parts()
            return (
                all(part.up and part.pid != killed.get(part.name) for part in parts)
                and not stack_health.unhealthy_parts()
            )

        self.until(all_well)


@contextlib.contextmanager
def running(folder, settings, **environ):
    """A stack with these settings (`newsdesk.toml`), up within the block. environ: variables without their NEWSDESK_."""
    driven = Stack(folder)
    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            if name.startswith("AIRFLOW_"):  # the tests' own settings of Airflow are not the stack's
                patch.delenv(name)
        patch.delenv("NEWSDESK_SOCKETS", raising=False)
        for name, value in {"HOME": driven.home, **environ}.items():
            patch.setenv(f"NEWSDESK_{name}", str(value))
        for name in ("NEWSDESK_AIRFLOW_PORT", "NEWSDESK_MLFLOW_PORT"):
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", 0))
                patch.setenv(name, str(probe.getsockname()[1]))
        fileio.write_text(driven.home / "newsdesk.toml", settings)
        try:
            driven.up()
            yield driven
        finally:
            driven.make("down")


def quoted(text):
    return text.replace(":", "%3A").replace("+", "%2B")
