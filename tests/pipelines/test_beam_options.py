"""Where Beam's nodes run is a setting; what they compute and what the cache goes by is none."""

import record_kit

import components  # noqa: F401, it sets what TensorFlow reads at its own import

# isort: split
import pytest
import tensorflow_data_validation as tfdv
from apache_beam.options.pipeline_options import PipelineOptions
from test_cache_keys import RECORD

from components.core import paths
from components.core.records import RunRecord
from components.core.validation import ConfigError
from components.data import tfrecords as records
from pipelines import retraining
from pipelines.config.beam_settings import BeamSettings

TWO = ["--direct_running_mode=multi_processing", "--direct_num_workers=2"]


def options() -> list[str]:
    return retraining.pipeline(RunRecord.from_json(RECORD)).beam_pipeline_args


def configure(*values: str) -> None:
    table = f"[{RunRecord.from_json(RECORD).line}.beam]\noptions = {list(values)}\n"
    paths.home().mkdir(parents=True, exist_ok=True)
    (paths.home() / "newsdesk.toml").write_text(table)


def test_without_a_setting_one_worker_in_this_process_does_it_and_a_setting_replaces_that():
    assert options() == ["--direct_running_mode=in_memory", "--direct_num_workers=1"]
    configure(*TWO)
    assert options() == TWO


@pytest.mark.parametrize("wrong", ["direct_num_workers=2", "--runner = FlinkRunner", "-r"])
def test_what_is_no_option_is_refused_with_the_rule(wrong):
    configure(wrong)
    with pytest.raises(ConfigError, match=r"beam.options must be a list of options such as '--direct_num_workers=2'"):
        options()


@pytest.mark.filterwarnings("ignore")  # Beam's own
def test_two_processes_count_what_one_counts(tmp_path):
    with record_kit.Writer(tmp_path / "examples") as writer:
        for at in range(40):
            writer.write("train", f"goal {at % 7}", at % 4)
    counted = []
    for chosen in (BeamSettings().options, TWO):
        counted.append(
            tfdv.generate_statistics_from_tfrecord(
                records.files(str(tmp_path / "examples"), "train")[0],
                str(tmp_path / f"{len(counted)}.pb"),
                retraining.STATISTICS,
                PipelineOptions(list(chosen)),
            )
        )
    assert counted[0].datasets[0].num_examples == 40 and counted[0] == counted[1]
