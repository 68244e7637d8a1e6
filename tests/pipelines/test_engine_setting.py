"""The engine that decides about rows is a setting: the Ingester works on it, and no cache key goes by it."""

from dataclasses import replace

import pytest

from components.core import paths
from components.core.validation import ConfigError
from components.data import row_engine, spark_engine
from pipelines.config import run_config
from pipelines.config.engine_settings import EngineSettings
from pipelines.runner import mlmd_store, runs, tfx_launcher


@pytest.mark.parametrize(
    "address",
    ["", "spark://127.0.0.1:7077", "spark://a.example:7077,b.example:7078", "local[1]", "local[16]", "local[*]"],
)
def test_a_standalone_cluster_and_threads_of_this_machine_are_engines(address):
    assert EngineSettings(spark=address).spark == address


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1:7077",
        "spark://host",
        "spark://host:7077/x",
        "spark://host:7077\n",
        "local",
        "local[0]",
        "yarn",
        "k8s://host:443",
    ],
)
def test_what_is_no_address_of_one_is_refused_with_the_rule_and_the_reason(address):
    with pytest.raises(ConfigError, match=r"engine.spark must be spark://HOST:PORT.*local\[N\].*YARN and Kubernetes"):
        EngineSettings(spark=address)


def test_the_ingester_works_on_the_engine_of_the_settings_and_its_cache_key_is_without_it(tmp_path, monkeypatch):
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "train.csv").write_text('"1","A title","A text."\n')
    mlmd_store.ensure()
    record = runs.open_run("r1", run_config.Request(source=str(tmp_path / "source")))
    settings = paths.home() / "newsdesk.toml"
    monkeypatch.setattr(spark_engine, "_check_installed", lambda: None)
    settings.write_text(f'[{record.line}.engine]\nspark = "spark://127.0.0.1:1"\n')
    with pytest.raises(row_engine.EngineError, match=r"127\.0\.0\.1:1"):
        tfx_launcher.launch(record, "Ingester")
    settings.write_text("")
    assert tfx_launcher.launch(record, "Ingester").state == "done"
    settings.write_text(f'[{record.line}.engine]\nspark = "spark://127.0.0.1:1"\n')
    assert tfx_launcher.launch(replace(record, run="r2"), "Ingester").state == "cached"
