"""The file of variables in the state folder: read by every command, beaten by the environment, private."""

import pytest

from components.core import env_file, errors, fileio


@pytest.fixture
def write(tmp_path, monkeypatch):
    monkeypatch.setenv("NEWSDESK_HOME", str(tmp_path))
    return lambda text: fileio.write_text(env_file.file(), text)  # with mode 0600


def test_its_variables_are_added_and_those_of_the_environment_stay(write):
    write(
        "# databases\n\nNEWSDESK_WORKERS=3\nAIRFLOW__CORE__EXECUTOR = CeleryExecutor\nNEWSDESK_MLFLOW_DATABASE=postgresql://a:b=c@h/d\n"
    )
    environ = {"NEWSDESK_WORKERS": "5"}
    env_file.load(environ)
    assert environ == {
        "NEWSDESK_WORKERS": "5",
        "AIRFLOW__CORE__EXECUTOR": "CeleryExecutor",
        "NEWSDESK_MLFLOW_DATABASE": "postgresql://a:b=c@h/d",
    }


def test_without_the_file_nothing_is_added(write):
    environ = {}
    env_file.load(environ)
    assert environ == {}


@pytest.mark.parametrize("line", ["NEWSDESK_WORKERS", "PATH=/bin", "NEWSDESK_HOME=/tmp", "export NEWSDESK_WORKERS=2"])
def test_a_line_that_is_no_variable_of_ours_is_refused_with_its_number_and_without_its_value(write, line):
    write(f"NEWSDESK_WORKERS=2\n{line}\nAIRFLOW__DATABASE__SQL_ALCHEMY_CONN=secret\n")
    with pytest.raises(errors.HomeError, match="line 2") as raised:
        env_file.load({})
    assert "/bin" not in str(raised.value)


def test_a_file_that_others_can_read_is_refused_with_the_remedy(write):
    write("NEWSDESK_WORKERS=2\n")
    env_file.file().chmod(0o644)
    with pytest.raises(errors.HomeError, match="chmod 600"):
        env_file.load({})
