"""What the gate keeps of a model's confidence, for the monitor to compare with."""

import numpy as np
import pytest

from components.core.records import RunRecord, Verdict
from components.model_gate import sureness
from components.registry.version_card import card


def test_it_is_the_mean_probability_of_the_answers_and_none_where_that_is_no_number():
    assert sureness(np.array([[0.9, 0.1], [0.5, 0.5]])) == pytest.approx(0.7)
    assert sureness(np.array([[0.9, np.nan]])) is None
    assert sureness(np.zeros((0, 2))) is None


@pytest.mark.parametrize("kept", [{"confidence": 0.7}, {}])
def test_a_version_s_card_carries_it(tmp_path, kept):
    record = RunRecord.from_json({"run": "r", "config": {"line": "news", "preset": "bag", "seed": 1}})
    metrics = {"accuracy": 0.9, "interval": [0.8, 1.0], "rows": 9, "per_class": {}, **kept}
    verdict = Verdict.from_json({"decision": "blessed", "reasons": [], "metrics": metrics, "digest": "d"})
    assert card(record, verdict, 5, 1, tmp_path, "v")["metrics"]["confidence"] == kept.get("confidence")
