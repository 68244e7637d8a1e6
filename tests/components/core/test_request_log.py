"""The request log is bounded by day, loses no whole row, and never stops an answer."""

import io
import json
import threading
from datetime import datetime, timedelta, timezone

import pytest

from components.core import request_log
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
        "title": "goal coach", "description": "", "answer": "Sports", "probability": 0.987654,
    }  # fmt: skip
    assert [row["id"] for row in written(tmp_path)["2026-03-01"]] == ["r1-1", "r1-2"]


def test_a_new_day_begins_a_new_folder_and_ends_the_oldest(tmp_path):
    for mine in ("notes", "-my-notes-"):
        (tmp_path / mine).mkdir()
    for days in range(4):
        kept = log(tmp_path, DAY + timedelta(days=days), days=2)
        kept.add("r", 1, "d", ANSWERS)
        kept.close()
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "-my-notes-",
        "2026-03-03",
        "2026-03-04",
        "notes",
    ]


def test_only_this_user_may_read_it(tmp_path):
    kept = log(tmp_path)
    kept.add("r1", 3, "d1", ANSWERS)
    kept.close()
    day = tmp_path / "2026-03-01"
    assert [oct(path.stat().st_mode & 0o777) for path in (day, day / FILE)] == ["0o700", "0o600"]


def test_a_row_that_the_disk_takes_half_of_is_taken_out_again(tmp_path, monkeypatch):
    class Full(io.FileIO):
        def write(self, data):
            return super().write(data[: len(data) // 2])

    for request in ("r1", "r2"):
        kept = log(tmp_path)
        kept.add(request, 1, "d", ANSWERS)
        kept.close()
        monkeypatch.setattr(request_log, "open", lambda handle, mode, buffering: Full(handle, mode), raising=False)
    assert [row["id"] for row in written(tmp_path)["2026-03-01"]] == ["r1-1", "r1-2"]
    assert kept.dropped == 2 and "No space left" in kept.trouble


@pytest.mark.parametrize("torn", ["2026-03-01", "2026-02-28"])
def test_a_line_that_a_crash_cut_short_is_removed_whichever_day_it_is_of(tmp_path, torn):
    for now in (DAY - timedelta(days=1), DAY):
        kept = log(tmp_path, now)
        kept.add("r1", 1, "d", ANSWERS)
        kept.close()
    with open(tmp_path / torn / FILE, "ab") as file:
        file.write(b'{"id": "r2-1", "title": "half')
    kept = log(tmp_path)
    kept.add("r3", 1, "d", ANSWERS)
    kept.close()
    assert {day: [row["id"] for row in rows] for day, rows in written(tmp_path).items()} == {
        "2026-02-28": ["r1-1", "r1-2"], "2026-03-01": ["r1-1", "r1-2", "r3-1", "r3-2"],
    }  # fmt: skip


def test_lines_that_are_no_row_are_read_as_none(tmp_path):
    path = tmp_path / FILE
    row = {"id": "a-1", "title": "goal", "description": ""}
    bad = [
        '{"id": "a-2", "tit{"id": "a-3"}',
        "[]",
        '{"id": 1, "title": "x", "description": ""}',
        "\xff",
        "",
        '{"id": "a',
    ]
    path.write_bytes("\n".join([json.dumps(row), *bad]).encode("latin-1"))
    assert list(request_log.read(path)) == [row, None, None, None, None, None, None]


def test_rows_that_come_faster_than_they_can_be_written_are_counted(tmp_path, monkeypatch):
    writes, go_on = threading.Event(), threading.Event()
    monkeypatch.setattr(request_log, "_QUEUED", 1)
    monkeypatch.setattr(RequestLog, "_write", lambda self, rows: (writes.set(), go_on.wait()))
    kept = log(tmp_path)
    kept.add("r1", 1, "d", ANSWERS)
    writes.wait()
    for request in ("r2", "r3"):  # one waits, one finds no room
        kept.add(request, 1, "d", ANSWERS)
    go_on.set()
    kept.close()
    assert (kept.dropped, kept.trouble) == (2, "rows come faster than they can be written")


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
