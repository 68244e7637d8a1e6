"""The images, read as text: what they pin, whom they run as, and that each command they run exists here."""

import json
import re
import subprocess
from pathlib import Path

import pytest
import yaml

from components.registry import postgresql

ROOT = Path(__file__).resolve().parents[1]
FILES = ("docker/Dockerfile.tfx", "docker/Dockerfile.airflow")


def instructions(name):
    """(instruction, arguments) pairs of a Dockerfile, continuation lines joined."""
    text = re.sub(r"^\s*#.*\n", "", (ROOT / name).read_text(), flags=re.M).replace("\\\n", " ")
    return [tuple(line.split(None, 1)) for line in text.splitlines() if line.strip()]


@pytest.fixture(scope="module")
def compose():
    return yaml.safe_load((ROOT / "docker/compose.yaml").read_text())


@pytest.mark.parametrize("name", FILES)
def test_an_image_ends_as_an_ordinary_user(name):
    assert [value for word, value in instructions(name) if word == "USER"][-1] == "newsdesk"


def test_the_images_start_from_one_python_and_one_another():
    bases = [value for name in FILES for word, value in instructions(name) if word == "FROM"]
    python = "python:3.13-slim-trixie"
    assert bases == [f"{python} AS build", python, f"{python} AS build", "${TFX_IMAGE}"]


@pytest.mark.parametrize("name", FILES)
def test_every_package_is_installed_from_the_lock_file_with_its_hash(name):
    runs = " ".join(value for word, value in instructions(name) if word == "RUN")
    assert re.search(r"pip sync [^&]*--require-hashes [^&]*docker/current/\w+\.lock", runs)
    assert all("--no-deps" in call for call in re.findall(r"uv pip install [^&]*", runs))


@pytest.mark.parametrize("name", FILES)
def test_everything_that_is_copied_is_there_and_let_through(name):
    allowed = [line[1:] for line in (ROOT / f"{name}.dockerignore").read_text().splitlines() if line.startswith("!")]
    for word, value in instructions(name):
        for path in value.split()[:-1] if word == "COPY" and "--from=" not in value else ():
            assert (ROOT / path).exists(), path
            assert any(Path(path).match(pattern) for pattern in allowed), path


def test_the_compiler_stays_in_the_first_stage():
    words = instructions(FILES[0])
    last = max(at for at, (word, _) in enumerate(words) if word == "FROM")
    compilers = [at for at, (word, value) in enumerate(words) if word == "RUN" and "g++" in value]
    assert compilers and max(compilers) < last


def test_ports_are_published_on_this_machine_alone(compose):
    ports = [port for service in compose["services"].values() for port in service.get("ports", ())]
    assert len(ports) == 2 and all(port.startswith("127.0.0.1:") for port in ports)


def test_state_is_one_volume_where_the_image_expects_it(compose):
    mounted = [volume for service in compose["services"].values() for volume in service.get("volumes", ())]
    home = re.search(r"NEWSDESK_HOME=(\S+)", (ROOT / FILES[0]).read_text()).group(1)
    assert mounted == [f"state:{home}"] and list(compose["volumes"]) == ["state"]


def test_compose_builds_files_that_exist_and_the_second_from_the_first(compose):
    for service in compose["services"].values():
        assert (ROOT / "docker" / service["build"]["context"] / service["build"]["dockerfile"]).exists()
    base = compose["services"]["newsdesk"]["build"]["additional_contexts"]
    assert base == {dict(instructions(FILES[1]))["ARG"].split("=")[1]: "service:tfx"}


@pytest.fixture(scope="module")
def production():
    return yaml.safe_load((ROOT / "docker/compose.production.yaml").read_text())


def test_in_production_passwords_come_from_the_environment_alone(production):
    values = [v for service in production["services"].values() for v in service.get("environment", {}).values()]
    secret = [value for value in values if "POSTGRES_PASSWORD" in value]
    assert len(secret) == 4
    assert all(re.search(r"^\$\{POSTGRES_PASSWORD:\?|:\$\{POSTGRES_PASSWORD\}@", value) for value in secret)
    assert not [value for value in values if re.search(r"://\w+:(?!\$\{)", value)]


def test_in_production_each_address_names_a_database_that_is_made(production):
    made = set(re.findall(r"CREATE DATABASE (\w+)", (ROOT / "docker/postgres/databases.sql").read_text()))
    made.add(production["services"]["postgres"]["environment"]["POSTGRES_DB"])
    addresses = production["services"]["newsdesk"]["environment"]
    read = {name: postgresql.configured(name, {name: re.sub(r"\$\{\w+\}", "x", a)}) for name, a in addresses.items()}
    assert {database.name for database in read.values()} == made
    assert set(read) == {postgresql.METADATA, postgresql.MLFLOW, postgresql.AIRFLOW}


def test_the_prediction_server_is_bare_and_reads_the_state_only(production, compose):
    serve = production["services"]["serve"]
    assert serve["image"] == compose["services"]["tfx"]["image"]
    assert serve["read_only"] and serve["cap_drop"] == ["ALL"] and serve["volumes"] == ["state:/var/lib/newsdesk:ro"]
    assert all(port.startswith("127.0.0.1:") for port in serve["ports"])
    from pipelines.cli import serve as command

    words = ["news" if "$" in word else word for word in serve["command"][1:]]
    assert command.command.make_context("serve", words).params["host"] == "0.0.0.0"


def commands():
    compose = yaml.safe_load((ROOT / "docker/compose.yaml").read_text())
    newsdesk = compose["services"]["newsdesk"]
    commands = [newsdesk["command"], newsdesk["healthcheck"]["test"][1:]]
    for name in FILES:
        words = dict(instructions(name))
        lists = {key: json.loads(words[key]) for key in ("ENTRYPOINT", "CMD")}
        commands.append(lists["ENTRYPOINT"] + lists["CMD"])
        if "HEALTHCHECK" in words:
            commands.append(json.loads(words["HEALTHCHECK"].partition("CMD ")[2]))
    return sorted({tuple(command) for command in commands})


@pytest.mark.parametrize("command", commands(), ids=lambda command: " ".join(command[-2:]))
def test_a_command_that_an_image_runs_is_known_here(command, monkeypatch, tmp_path):
    monkeypatch.setenv("NEWSDESK_HOME", str(tmp_path / "home"))
    if command[1:3] == ("-m", "pipelines.airflow_stack.stack"):
        if not (ROOT / command[0]).exists():
            pytest.skip("the Airflow environment is not installed")
        asked = [*command[:3], "help"]
        ended = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True)
        assert ended.returncode == 2 and command[3] in ended.stderr.replace("|", " ").split()
    else:
        assert command[0] == ".venv/bin/newsdesk"
        python = ROOT / ".venv/bin/python"
        asked = [python, "-m", "pipelines.cli.main", *command[1:], "--help"]
        assert subprocess.run(asked, cwd=ROOT, capture_output=True).returncode == 0


def test_the_continuous_check_calls_what_a_developer_calls():
    job = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())["jobs"]["check"]
    assert [step["run"] for step in job["steps"] if "run" in step] == [".ci/run"]
    assert {row["stack"] for row in job["strategy"]["matrix"]["include"]} == {"current", "older"}


@pytest.mark.parametrize(
    ("broken", "calls"),
    [
        ("", ["lint", "spark", "test", "e2e-test"]),
        ("lint", ["lint"]),
        ("test", ["lint", "spark", "test"]),
        ("spark", ["lint", "spark", "test", "e2e-test"]),
        ("e2e-test", ["lint", "spark", "test", "e2e-test"]),
    ],
)
def test_the_check_runs_checkers_then_tests_and_fails_where_one_fails(tmp_path, broken, calls):
    make = tmp_path / "make"
    make.write_text(f'#!/bin/sh\necho "$1" >> {tmp_path}/calls\n[ "$1" != "{broken}" ]\n')
    make.chmod(0o755)
    ended = subprocess.run([ROOT / ".ci/run"], env={"PATH": f"{tmp_path}:/usr/bin:/bin"}, check=False)
    assert (tmp_path / "calls").read_text().split() == calls
    assert (ended.returncode == 0) == (broken in ("", "spark"))  # without Spark its tests are skipped
