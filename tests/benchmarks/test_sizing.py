"""The operations guide has the tables that the rates give, and costs grow with the amount."""

import pytest
import sizing

from components.core import paths
from pipelines.config import presets


def test_the_guide_has_these_tables():
    assert sizing.tables() in (paths.REPOSITORY / "docker" / "README.md").read_text()


def test_ten_times_the_amount_costs_ten_times_as_much():
    once, tenfold = sizing.costs(1), sizing.costs(10)
    assert {name: tenfold[name] / value for name, value in once.items()} == pytest.approx(dict.fromkeys(once, 10))
    assert once["train"] * 3_600 == pytest.approx(63_455 * 3 / (3_771 / 2))


def test_the_epochs_are_the_preset_s():
    assert presets.PRESETS["transformer"].training["epochs"] == sizing.EPOCHS.value
