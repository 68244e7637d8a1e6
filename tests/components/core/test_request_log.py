"""The request log is bounded by day, loses no whole row, and never stops an answer."""

import json
from datetime import datetime, timedelta, timezone

import pytest

from components.core.request_log import FILE, LogSettings, RequestLog

DAY = datetime(2026, 3, 1, 23, 59, tzinfo=timezone.utc)
ANSWERS = [("goal coach", "Sports", 0.9876543), ("treaty", "World", 0.5)]


def written(folder) -> dict[str, list[dict]]:
    return {
        path.parent.name: [json.loads(row) for row in path.read_text().splitlines()]
        for path in folder.glob(f"*/{FILE}")
    }


def log(folder, now=DAY, **settings) -> RequestLog:
    return RequestLog(folder, LogSettings(**settings), lambda: now)


def test_one_row_a_text_with_id_time_version_and_answer(tmp_path):
    kept = log(tmp_path)
    kept.add("r1", 3, "d1", ANSWERS)
    kept.close()
    assert written(tmp_path)["2026-03-01"][0] == {
        "id": "r1-1", "time": "2026-03-01T23:59:00.000+00:00", "version": 3, "digest": "d1",
        "title": "goal coach", "description": "", "label": "Sports", "probability": 0.987654,
    }  # fmt: skip
    assert [row["id"] for row in written(tmp_path)["2026-03-01"]] == ["r1-1", "r1-2"]


def test_a_new_day_begins_a_new_folder_and_ends_the_oldest(tmp_path):
    (tmp_path / "notes").mkdir()
    for days in range(4):
        kept = log(tmp_path, DAY + timedelta(days=days), days=2)
        kept.add("r", 1, "d", ANSWERS)
        kept.close()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["2026-03-03", "2026-03-04", "notes"]


def test_a_full_day_takes_no_more_and_counts_what_it_left_out(tmp_path):
    kept = log(tmp_path, day_bytes=500)
    for number in range(5):
        kept.add(f"r{number}", 1, "d", ANSWERS)
    kept.close()
    rows = written(tmp_path)["2026-03-01"]
    assert (tmp_path / "2026-03-01" / FILE).stat().st_size <= 500
    assert len(rows) + kept.dropped == 10
    assert kept.dropped >= 8
    assert "of 500 bytes" in kept.trouble


def test_what_cannot_be_written_is_counted_and_does_not_end_it(tmp_path):
    folder = tmp_path / "log"
    folder.write_text("in the way")
    kept = log(folder)
    kept.add("r1", 1, "d", ANSWERS)
    kept.close()
    assert kept.dropped == 2
    assert str(folder) in kept.trouble


@pytest.mark.parametrize("text", ["a\nb", "\ud800", "“quoted”", "\0"])
def test_any_text_stays_one_row(tmp_path, text):
    kept = log(tmp_path)
    kept.add("r1", 1, "d", [(text, "World", 0.5)])
    kept.close()
    assert [row["title"] for row in written(tmp_path)["2026-03-01"]] == [text]
