"""Names and addresses of assets."""

import pytest

from pipelines.airflow_stack import assets


def test_a_line_has_one_asset_for_its_data_and_one_for_its_champion():
    names = assets.data_name("news-demo"), assets.champion_name("news-demo")
    assert names == ("news-demo.data", "news-demo.champion")
    assert [assets.uri(name) for name in names] == ["x-newsdesk://news-demo/data", "x-newsdesk://news-demo/champion"]


def test_a_line_with_a_dot_keeps_its_name():
    assert assets.uri(assets.data_name("a.b")) == "x-newsdesk://a.b/data"


def test_a_name_that_is_no_line_is_refused():
    with pytest.raises(ValueError, match="line must be"):
        assets.data_name("../x")
