"""Resolving is not working: every package that the project is built on is imported, each in its own environment."""

import importlib
import subprocess

import pytest

from components.core import paths

TFX_PACKAGES = (
    "tensorflow", "tf_keras", "tensorflow_datasets", "tensorflow_hub", "tensorflow_text", "tfx", "tfx.components",
    "tensorflow_data_validation", "tensorflow_model_analysis", "ml_metadata", "great_expectations", "mlflow", "transformers",
)  # fmt: skip
AIRFLOW = paths.REPOSITORY / ".venv-airflow" / "bin" / "python"


@pytest.mark.parametrize("name", TFX_PACKAGES)
def test_the_tfx_environment_imports(name):
    assert importlib.import_module(name)


def test_keras_2_is_the_keras_that_tensorflow_uses():
    import tensorflow as tf
    import tf_keras

    assert tf_keras.__version__.startswith("2.")
    assert tf.keras.Model is tf_keras.Model


@pytest.mark.parametrize("name", ["torch", "airflow"])
def test_the_tfx_environment_holds_neither_torch_nor_airflow(name):
    assert importlib.util.find_spec(name) is None


@pytest.mark.skipif(not AIRFLOW.exists(), reason="the Airflow environment is not set up here")
def test_the_airflow_environment_imports_airflow_and_holds_no_tensorflow():
    code = "import airflow, airflow.sdk, importlib.util as u; print(airflow.__version__, u.find_spec('tensorflow'), u.find_spec('tfx'))"
    done = subprocess.run([AIRFLOW, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split()[-3:] == ["3.3.2", "None", "None"]
