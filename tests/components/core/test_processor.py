"""The precision that a processor trains fastest in, from files as Linux writes them."""

import pytest

from components.core import processor
from pipelines.config import hyperparameters, run_config
from pipelines.config.presets import PRESETS

SAPPHIRE = "processor\t: 0\nmodel name\t: Xeon\nflags\t\t: fpu avx512f amx_bf16 amx_tile amx_int8\nbugs\t\t: none\n"
GENOA = "processor\t: 0\nmodel name\t: EPYC\nflags\t\t: fpu avx2 avx512f avx512_bf16\n"
MILAN = "processor\t: 0\nmodel name\t: EPYC\nflags\t\t: fpu avx2 avx512f\nvmx flags\t: amx_bf16\n"
GRAVITON = "processor\t: 0\nFeatures\t: fp asimd bf16\n"


@pytest.fixture
def cpuinfo(tmp_path):
    def write(text: str):
        (tmp_path / "cpuinfo").write_text(text)
        return tmp_path / "cpuinfo"

    return write


@pytest.mark.parametrize(
    ("text", "chosen"), [(SAPPHIRE, "bfloat16"), (GENOA, "bfloat16"), (MILAN, "float32"), (GRAVITON, "float32")]
)
def test_auto_is_bfloat16_where_the_processor_multiplies_it(cpuinfo, text, chosen):
    assert processor.precision("auto", cpuinfo(text)) == chosen
    assert processor.precision("float32", cpuinfo(text)) == "float32"
    assert processor.precision("bfloat16", cpuinfo(text)) == "bfloat16"


def test_without_the_file_auto_is_float32(tmp_path):
    assert processor.precision("auto", tmp_path / "none") == "float32"


@pytest.mark.parametrize(("text", "chosen"), [(SAPPHIRE, "bfloat16"), (MILAN, "float32")])
def test_a_nightly_run_names_the_precision_that_it_trains_in(cpuinfo, monkeypatch, text, chosen):
    monkeypatch.setattr(processor, "CPUINFO", cpuinfo(text))
    assert PRESETS["nightly"].training["precision"] == "auto"
    assert run_config.resolve(run_config.Request(preset="nightly")).training["precision"] == chosen
    asked = run_config.Request(preset="nightly", set={"training.precision": "float32"})
    assert run_config.resolve(asked).training["precision"] == "float32"
    assert hyperparameters.for_this_processor(PRESETS["nightly"].training)["precision"] == chosen
