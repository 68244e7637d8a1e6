"""Every limit of the configuration decides a check: made as strict as can be, it turns a pass into something else."""

import pytest

from components.data_quality import checks
from components.data_quality.profile import Profile, words_of
from pipelines.config import run_config

LABELS = ("World", "Sports")
# Settings of the data that are no limit of a check.
NO_LIMITS = {"eval_fraction", "test_fraction", "fresh_fraction", "fresh_from", "first_label", "checks", "reason"}
LIMITS = {name for name in run_config.DataConfig().model_dump() if name not in NO_LIMITS}
LOOSE = {name: 0 if name.startswith("min_") else 1_000 if name == "max_foreign_labels" else 1.0 for name in LIMITS}
STRICT = {name: 1e9 if name.startswith("min_") else 0.0 for name in LIMITS}


def profile(texts, agreement=((9, 1), (1, 9))) -> dict:
    """A profile of (title, text, label) rows. agreement: counts [label][label that the words speak for]."""
    made = Profile(LABELS)
    for title, text, label in texts:
        made.add(title, f"{title} {text}", words_of(f"{title} {text}"), label)
    rows = [[count * 10 for count in row] for row in agreement]
    return {**made.to_json(), "agreement": {"eval": rows, "test": [[100, 0], [0, 100]]}}


ACCOUNT = {
    "files": [{"path": "train.csv", "split": "train", "span": "", "sha256": "a", "in": 900, "off_by_one": False}],
    "rows": {"in": 1_000, "out": 990, "quarantined": 10, "duplicates": 0},
    "splits": {"train": {"World": 600, "Sports": 300}, "eval": {}, "test": {"World": 90}},
    "first_label": 1, "foreign": {"7": 3}, "foreign_rows": 3, "conflicts": 0, "leaked": 5,
    "first_foreign": [], "first_quarantined": [],
}  # fmt: skip
THEN = profile([("Talks go on", "the ministers met again", 0), ("Late goal", "the cup final was won", 1)] * 60)
NOW = profile([("RATES HELD", "banks and markets wait for the budget of the year", 0)] * 90 + [("Goal", "won", 1)] * 30)


def outcomes(limits: dict) -> dict[str, str]:
    """Outcomes of all checks on rows that are a little wrong in every way, by check."""
    champion = {"version": 1, "source": "s", "window": "all", "rows": 1_000}
    findings = [
        *checks.account_checks(ACCOUNT, limits, LABELS),
        *checks.source_checks(ACCOUNT, {"source": "s", "window": "all"}, champion, limits),
        *checks.similar_checks({"train": 900, "eval": 0, "test": 90}, [], [], (9, 0), limits),
        *checks.word_checks(NOW, THEN, [[9, 1], [1, 9]], LABELS, limits),
        *checks.drift_checks(NOW, THEN, {}, limits),
    ]
    return {finding["check"]: finding["outcome"] for finding in findings}


def test_loose_limits_let_a_little_of_everything_pass_but_a_leak():
    assert {name for name, outcome in outcomes(LOOSE).items() if outcome != "pass"} == {"leakage"}
    assert outcomes(LOOSE)["leakage"] == "warn"


@pytest.mark.parametrize("limit", sorted(LIMITS))
def test_each_limit_made_strict_changes_the_outcome_of_its_check_alone(limit):
    before, after = outcomes(LOOSE), outcomes({**LOOSE, limit: STRICT[limit]})
    changed = {name for name in before if before[name] != after[name]}
    expected = {
        "max_quarantined": {"quarantine"},
        "max_foreign_labels": {"foreign labels"},
        "max_leaked": {"leakage"},
        "min_rows": {"rows"},
        "min_class_share": {"smallest class"},
        "max_class_share": {"largest class"},
        "min_rows_kept": {"shrinking"},
        "max_near_duplicates": {"near duplicates"},
        "max_drift": {"drift labels", "drift lengths", "drift words"},
        "max_noise": {"label noise"},
        "max_upper": {"upper case"},
    }
    assert changed == expected[limit]
