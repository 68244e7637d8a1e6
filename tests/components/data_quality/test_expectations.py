"""A suite that does not hold says which class or which rows are the reason."""

import pytest

from components.data_quality import checks, expectations

LABELS = ("World", "Sports", "Business")


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """Findings by name on rows of two classes: forty of eight words, and one of 5,000."""
    texts = [f"a text of eight words is number {n}" for n in range(40)] + ["long " * 5_000]
    column = {"column": "words"}
    suite = [
        ("column_distinct_values_to_equal_set", {"column": "label", "value_set": [*LABELS, "Sci/Tech"]}),
        ("column_values_to_be_in_set", {"column": "label", "value_set": ["World"]}),
        ("column_mean_to_be_between", {**column, "min_value": 8, "max_value": 100}),
        ("column_values_to_be_between", {**column, "min_value": 9, "max_value": 4_000}),
        ("column_median_to_be_between", {**column, "min_value": 9}),
    ]
    made = expectations.expectation_checks(
        expectations.frame_of(texts, [n % 2 for n in range(41)], LABELS),
        [{"type": f"expect_{kind}", "kwargs": kwargs} for kind, kwargs in suite],
        tmp_path_factory.mktemp("docs"),
    )
    return {each["check"]: each for each in checks.configured(made, {})}


def test_a_class_that_no_row_has_is_named(found):
    missing = found["expect (label: distinct_values_to_equal_set)"]
    assert missing["outcome"] == "stop" and missing["value"] == "2 missing"
    assert missing["message"].startswith("expectation does not hold: no row has Business, Sci/Tech. To do: look at")
    assert found["expect (label: values_to_be_in_set)"]["value"] == "48.78% unexpected"


def test_lengths_out_of_their_limits_show_the_rows_that_are_furthest_out(found):
    mean, values, median = (found[f"expect (words: {name}_to_be_between)"] for name in ("mean", "values", "median"))
    longest = f"5,000 words: {('long ' * 16)!r}"
    assert mean["examples"] == [longest]
    assert values["examples"][0] == longest and values["examples"][1] == "8 words: 'a text of eight words is number 0'"
    assert median["examples"][0] == "8 words: 'a text of eight words is number 0'" and longest not in median["examples"]
