"""The table of `make bench-models`: a spread or no figure."""

import models_page
import pytest


def run(seed: int, test: float, **more) -> dict:
    return {
        "seed": seed, "test": test, "clean": test - 0.01, "eval": 0.9, "ece": 0.01, "recall": [test, 0.9], "seconds": 30.0,
        "p50": 1.0, "size": 12.0, **more,
    }  # fmt: skip


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_a_row_shows_mean_spread_and_the_seeds_it_ran_with():
    row = cells(models_page.line("`bag`", [run(1, 0.90), run(2, 0.92), run(4, 0.94)]))
    assert row[:3] == ["`bag`", "3 (seeds 1, 2, 4)", "0.9200 ± 0.0200"]
    assert row[5] == "0.900–0.940 0.900"


def test_one_seed_of_several_gives_no_figure_at_all():
    row = models_page.line("`bag`", [run(1, 0.9123)])
    assert "no figure" in row and "0.9" not in row
    assert len(cells(row)) == len(cells(models_page.HEAD.splitlines()[0]))


def test_a_model_without_a_seed_has_its_figure_from_one_run():
    assert cells(models_page.line("`linear`", [run(1, 0.9123, ece=None)], seedless=True))[1:3] == [
        "1 (no seed)",
        "0.9123",
    ]


@pytest.mark.parametrize(("taken", "shown"), [([900, 40, 60], "900, then 50"), ([70, 75, 80], "75")])
def test_seconds_of_a_run_that_filled_the_cache_stand_apart(taken, shown):
    runs = [run(seed, 0.9, seconds=seconds) for seed, seconds in enumerate(taken)]
    assert cells(models_page.line("`bert`", runs))[7] == shown


def test_the_page_names_every_day_on_which_it_was_measured():
    about = {
        "rows": {"train": 60185},
        "dates": ["2026-11-28", "2026-11-27"],
        "labels": ["A", "B"],
        "machine": "2 cores",
    }
    assert "2026-11-27 to 2026-11-28, 2 cores. Rows: train 60,185." in models_page.page([], "make bench-models", about)
