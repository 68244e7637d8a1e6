"""ModelGate on fresh rows: a loss on the newest labelled spans is refused, a gain is named, few rows are a warning."""

import numpy as np
import published
from gate_kit import LIMITS, evaluated, gate  # noqa: F401  # fixtures

from components.data.text_cleaning import row_hash

DAYS = ("2026-11-20", "2026-11-21", "2026-11-22")


def fresh(count, seed=3, shift=0):
    """Distinct toy articles over three days; shift: by how many classes their labels are turned."""
    texts, ids = published.articles(4 * count, seed)
    first = dict(zip(texts, ids))
    return [(text, (label + shift) % 4, DAYS[at % 3]) for at, (text, label) in enumerate(list(first.items())[:count])]


def test_without_fresh_rows_the_verdict_says_nothing_of_them(gate):
    told, _ = gate(champion="shifted")
    assert told["fresh"] is None and not [rule for rule in told["rules"] if "fresh" in rule["rule"]]


def test_a_gain_on_fresh_rows_is_named_with_the_accuracy_of_each_day(gate):
    rows = fresh(150)
    told, _ = gate(champion="shifted", fresh=rows)
    assert told["decision"] == "blessed"
    assert [day["span"] for day in told["fresh"]["days"]] == list(DAYS)
    assert sum(day["rows"] for day in told["fresh"]["days"]) == 150
    assert all(day["accuracy"] > 0.9 > day["champion"] for day in told["fresh"]["days"])
    reasons = "; ".join(told["reasons"])
    assert "accuracy on 150 fresh rows of 3 days, 2026-11-20 to 2026-11-22: " in reasons
    assert "better on fresh rows than the champion 0." in reasons


def test_a_loss_on_fresh_rows_refuses_a_candidate_that_the_old_test_file_blesses(gate):
    """The labels of the fresh news are what the champion says: it knows them, the candidate does not."""
    told, _ = gate(champion="shifted", fresh=fresh(30, shift=1))
    assert told["metrics"]["accuracy"] == 1.0 and told["comparisons"]["champion"]["better"]
    assert told["decision"] == "refused"
    assert told["reasons"][0].startswith("significantly worse on fresh rows than the champion")
    assert any("30 fresh rows of 3 days" in warning and "too few" in warning for warning in told["warnings"])


def test_fresh_rows_that_the_champion_learned_from_are_left_out(gate):
    rows = fresh(150)
    known = [int(row_hash(text.decode()), 16) for text, _, _ in rows[:60]]
    told, _ = gate(champion="shifted", fresh=rows, known=known)
    left = {row_hash(text.decode()) for text, _, _ in rows} - {f"{number:016x}" for number in known}
    assert told["fresh"]["taken_out"] == {"champion": 150 - len(left)}
    assert told["fresh"]["newest"]["rows"] == len(left) < 100
    assert any("fresh rows of 3 days" in warning and "that the champion learned from" in warning for warning in told["warnings"])  # fmt: skip


def test_only_the_newest_spans_decide_and_older_days_are_shown(gate):
    rows = [(text, (label + (day == DAYS[0])) % 4, day) for text, label, day in fresh(150)]
    told, _ = gate(champion="shifted", fresh=rows, limits={**LIMITS, "fresh_spans": 2})
    assert told["decision"] == "blessed" and told["fresh"]["newest"]["spans"] == list(DAYS[1:])
    assert told["fresh"]["days"][0]["accuracy"] < 0.1 < 0.9 < told["fresh"]["days"][1]["accuracy"]
    assert np.isclose(told["fresh"]["newest"]["accuracy"], 1.0, atol=0.05)
