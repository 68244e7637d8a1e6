"""The pod of a task, as Airflow's KubernetesExecutor makes it from the template."""

import importlib.util
import os
import subprocess
from pathlib import Path

import pytest
from airflow.providers.cncf.kubernetes.pod_generator import PodGenerator

from pipelines.airflow_stack import airflow_settings

TEMPLATE = Path(__file__).resolve().parents[2] / "docker" / "kubernetes" / "pod-template.yaml"


@pytest.fixture
def pod():
    call = ["python", "-m", "airflow.sdk.execution_time.execute_workload", "--json-string", "{}"]
    made = PodGenerator.construct_pod(
        dag_id="news_retrain", task_id="Trainer", pod_id="news-retrain-trainer", try_number=1, kube_image="", date=None,
        args=call, pod_override_object=None, base_worker_pod=PodGenerator.deserialize_model_file(str(TEMPLATE)),
        namespace="desk", scheduler_job_id="1", run_id="first",
    )  # fmt: skip
    return made, call


def test_the_executor_s_call_comes_behind_the_template_s_command(pod):
    made, call = pod
    [container] = made.spec.containers
    assert container.command[-2:] == ["pipelines.airflow_stack.part", "task"] and container.args == call
    assert (container.image, made.metadata.namespace) == ("newsdesk", "desk")
    assert made.spec.security_context.run_as_non_root and made.spec.restart_policy == "Never"
    assert {source.secret_ref.name for source in container.env_from if source.secret_ref} == {"newsdesk-databases"}
    assert {variable.name for variable in container.env} >= {"NEWSDESK_COLD", "AIRFLOW_IS_K8S_EXECUTOR_POD"}


def test_the_module_that_the_executor_calls_is_there_and_starts_behind_the_part(pod, tmp_path):
    made, call = pod
    assert importlib.util.find_spec(call[2])
    [container] = made.spec.containers
    python = str(airflow_settings.airflow_bin() / "python")
    asked = [python, *container.command[1:], *call[:3], "--help"]
    env = {**os.environ, "NEWSDESK_HOME": str(tmp_path / "home")}
    ended = subprocess.run(asked, env=env, cwd=TEMPLATE.parents[2], capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    assert "--json-path" in ended.stdout
