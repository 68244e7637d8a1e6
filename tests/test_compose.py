"""The compose files: valid by the specification's own schema, and each service starts what exists here, as an ordinary user, with no secret."""

import re
from pathlib import Path

import pytest
import yaml
from compose_spec import PyCompose

from pipelines.airflow_stack import airflow_settings, part
from pipelines.airflow_stack.airflow_settings import DEFAULT_QUEUE, TRAINING_QUEUE
from pipelines.runner.node_process import tfx_python

DOCKER = Path(__file__).resolve().parents[1] / "docker"
FILES = ("compose.yaml", "compose.production.yaml", "compose.workers.yaml")
PART = [".venv-airflow/bin/python", "-m", "pipelines.airflow_stack.part"]
NOT_OURS = ("postgres", "redis")  # images of others


def interpolated(text: str) -> str:
    """As compose reads it where every variable without a default is `x`."""
    text = re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", text)
    return re.sub(r"(?<!\$)\$\{\w+[^}]*\}", "x", text)


@pytest.fixture(scope="module")
def workers():
    services = yaml.safe_load((DOCKER / "compose.workers.yaml").read_text())["services"]
    return {name: service for name, service in services.items() if "profiles" not in service}


@pytest.mark.parametrize("name", FILES)
def test_a_file_is_valid_by_the_compose_specification(name):
    read = PyCompose.from_yaml(yaml.safe_dump(yaml.safe_load(interpolated((DOCKER / name).read_text()))))
    read.validate()
    if name != "compose.production.yaml":  # it uses a volume of compose.yaml, on top of which it stands
        read.validate_volumes()


def test_the_schema_refuses_a_key_and_a_condition_that_compose_does_not_know():
    text = interpolated((DOCKER / FILES[2]).read_text())
    for word in ("read_only", "service_healthy"):
        with pytest.raises(ValueError, match=f"{word}x"):
            PyCompose.from_yaml(yaml.safe_dump(yaml.safe_load(text.replace(word, f"{word}x"))))


def test_every_part_of_the_stack_is_a_service(workers):
    assert {*part.NAMES, "worker", "worker-training", "serve", "prepare", *NOT_OURS} == set(workers)


@pytest.mark.skipif(not airflow_settings.airflow_bin().exists(), reason="the Airflow environment is not installed")
def test_each_service_starts_a_part_with_the_addresses_of_the_others(workers, newsdesk_home, monkeypatch):
    started = {}
    for name, service in workers.items():
        if service["image"] != "newsdesk" or name == "prepare":
            continue
        for variable, value in service["environment"].items():
            monkeypatch.setenv(variable, interpolated(value))
        assert service["command"][:3] == PART
        call, env = part.call_of(service["command"][3:])
        started[name] = call[2:] if call[0] != tfx_python() else call[1:]
        if name not in ("mlflow", "predictor"):
            assert env["AIRFLOW__CORE__EXECUTION_API_SERVER_URL"] == "http://api-server:8080/execution/"
            assert env["AIRFLOW__CORE__EXECUTOR"] == "CeleryExecutor"
            assert env["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"].endswith("@postgres:5432/newsdesk_airflow")
    assert started["api-server"] == ["api-server"]
    assert started["scheduler"] == ["scheduler", "--skip-serve-logs"]
    assert started["predictor"] == ["-m", "pipelines.serving.answers"]
    assert started["mlflow"][:2] == ["--host", airflow_settings.bind_address()]
    queues = {name: call[call.index("--queues") + 1] for name, call in started.items() if "--queues" in call}
    assert queues == {"worker": DEFAULT_QUEUE, "worker-training": f"{DEFAULT_QUEUE},{TRAINING_QUEUE}"}


def test_each_health_check_asks_for_the_part_that_its_service_is(workers):
    for name, service in workers.items():
        test = service["healthcheck"].get("test", [])
        if test[1:4] == PART:
            assert test[4:] == ["health", "worker" if name.startswith("worker") else name]
        else:
            assert test or (service["healthcheck"]["disable"] and name in ("prepare", "predictor"))


def test_nothing_runs_as_root_or_with_capabilities(workers):
    for name, service in workers.items():
        assert service["cap_drop"] == ["ALL"] and service["security_opt"] == ["no-new-privileges:true"], name
        assert service.get("user") == (name if name in NOT_OURS else None)  # the others' images end as `newsdesk`


def test_images_of_others_have_a_version(workers):
    assert all(re.fullmatch(rf"{name}:\d+-\w+", workers[name]["image"]) for name in NOT_OURS)


def test_ports_are_published_on_this_machine_alone_and_never_those_of_the_databases(workers):
    published = {name: port for name, service in workers.items() for port in service.get("ports", ())}
    assert set(published) == {"api-server", "mlflow", "serve"}
    assert all(port.startswith("127.0.0.1:") for port in published.values())


def test_passwords_come_from_the_environment_alone(workers):
    text = (DOCKER / FILES[2]).read_text()
    assert not re.search(r"://\w*:(?!\$\{)", text)
    required = re.findall(r"\$\{(\w+):\?[^}]+\}", text)
    assert sorted(required) == ["POSTGRES_PASSWORD", "REDIS_PASSWORD"]  # compose refuses to start without them
    assert "REDIS_PASSWORD" not in " ".join(workers["redis"]["command"][:2])
    assert "$$REDIS_PASSWORD" in workers["redis"]["command"][2]  # the container's shell reads it: no argument holds it


def test_parts_wait_until_the_databases_are_prepared(workers):
    assert set(workers["prepare"]["depends_on"]) == {"postgres", "redis"}
    for name in {*workers} - {"prepare", *NOT_OURS}:
        assert workers[name]["depends_on"] == {"prepare": {"condition": "service_completed_successfully"}}
