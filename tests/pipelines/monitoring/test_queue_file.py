"""A row whose label a reader doubts, on its way back into the source."""

import csv
import io

import pytest

from components.data.row_format import Form
from components.data.sources import SourceError
from pipelines.monitoring import label_import, queue_file

LABELS = ["World", "Sports", "Business", "Sci/Tech"]
FORM = Form(labels=LABELS)


def fill(path, label):
    """What a person does in a spreadsheet."""
    rows = list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8-sig"), newline="")))
    out = io.StringIO(newline="")
    table = csv.DictWriter(out, [*queue_file.COLUMNS, "confirm"])
    table.writeheader()
    table.writerows({**row, "label": label} for row in rows)
    path.write_text(out.getvalue(), encoding="utf-8")


def test_a_doubted_row_comes_back_with_the_label_that_a_person_gives_it(newsdesk_home):
    texts = ['=cmd() Shares, "quoted", fall\u200b', "日本の株 🙂"]
    assert all(queue_file.doubt("news", text, "World", "Business", 0.91, "a run") for text in texts)
    path = queue_file.doubted("news")
    with pytest.raises(SourceError, match="all 2 rows empty"):
        label_import.read(path, FORM)
    fill(path, "Business")
    rows, blank = label_import.read(path, FORM)
    assert [(row.label, row.text) for row in rows] == [(2, text) for text in texts] and blank == 0


def test_a_text_is_asked_about_once_also_after_it_was_filled_in(newsdesk_home):
    assert queue_file.doubt("news", "Shares fall", "World", "Business", 0.91, "a run")
    fill(queue_file.doubted("news"), "Business")
    assert not queue_file.doubt("news", "SHARES fall!", "World", "Business", 0.5, "another run")
    assert queue_file.doubt("news", "Shares rise", "World", "Business", 0.5, "another run")
    assert "Business" in queue_file.doubted("news").read_text(encoding="utf-8-sig").splitlines()[1]
