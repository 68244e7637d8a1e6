"""The pages that take something from a reader: who may send it, what comes of it, and what is told when nothing answers."""

import csv
import http.server
import json
import re
import socketserver
import threading
from urllib.parse import urlencode

import pytest
from test_pages import HOSTILE, LABELS, RUN, login, published, server  # noqa: F401, the fixtures are used by name

from components.core import fileio, run_record
from components.core import paths as state
from components.data import text_cleaning
from pipelines.monitoring import queue_file
from pipelines.serving import answers_socket

RUN_ID = run_record.run_id_from(RUN)
FORM = {"content-type": "application/x-www-form-urlencoded"}
TEXT = f"Stocks & bonds {HOSTILE}"


@pytest.fixture
def send(server, published):  # noqa: F811
    """Posts a form as a browser does that shows one of these pages."""

    def post(path, user="admin", headers=None, **fields):
        own = {
            "sec-fetch-site": "same-origin",
            "authorization": f"Bearer {login(server, user)}",
            **FORM,
            **(headers or {}),
        }
        own = {name: value for name, value in own.items() if value}
        return server.post(f"/newsdesk{path}", content=urlencode(fields), headers=own)

    return post


@pytest.fixture
def get(server, published):  # noqa: F811
    token = login(server, "reader")
    return lambda path: server.get(f"/newsdesk{path}", headers={"Authorization": f"Bearer {token}"})


@pytest.fixture
def judged(published):  # noqa: F811
    """The rows that the gate of the run kept."""
    rows = [("Shares fall", 0.9), ("A goal in the rain", 0.6), (f"Minister {HOSTILE}", 0.75)]
    kept = [{"text": text, "sure": sure, "champion": LABELS[0], "cut": False} for text, sure in rows]
    lost = [
        {
            "text": "Only the champion",
            "true": LABELS[0],
            "said": LABELS[1],
            "champion": LABELS[0],
            "sure": 0.8,
            "cut": False,
        }
    ]
    shown = {
        "labels": LABELS, "mistakes": [{"true": 0, "said": 1, "count": 3, "rows": kept}],
        "differing": {"lost": {"count": 1, "rows": lost}, "won": {"count": 0, "rows": []}, "neither": {"count": 0, "rows": []}},
    }  # fmt: skip
    fileio.write_json(state.run_dir(RUN_ID) / "verdict_page.json", shown)
    return shown


class _Answers(http.server.BaseHTTPRequestHandler):
    """Stands in for the prediction process, which needs TensorFlow: the real one is tested in `tests/pipelines/serving`."""

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.server.asked.append((self.path, asked["text"]))
        version = int(self.path.split("/versions/")[1].split(":")[0]) if "/versions/" in self.path else 1
        words = [
            {"word": HOSTILE, "attention": 0.7, "known": False},
            {"word": "stocks", "attention": 0.3, "known": True},
        ]
        answer = {
            "label": LABELS[1], "label_id": 1, "probabilities": [0.1, 0.9], "labels": LABELS, "model_version": version,
            "words": words, "added": [{"feature": "stocks", "adds": {LABELS[0]: -1.0, LABELS[1]: 1.25}}],
        }  # fmt: skip
        body = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass

    def address_string(self):
        return "socket"


@pytest.fixture
def process(tmp_path, monkeypatch):
    monkeypatch.setenv("NEWSDESK_SOCKETS", str(tmp_path / "sockets"))
    with socketserver.ThreadingUnixStreamServer(str(answers_socket.path()), _Answers) as listening:
        listening.asked = []
        threading.Thread(target=listening.serve_forever, daemon=True).start()
        yield listening
        listening.shutdown()


def test_a_text_is_answered_by_the_champion_and_side_by_side_by_another_version(send, process):
    answer = send("/models/news/try", text=TEXT, other="2")
    assert answer.status_code == 200 and "script-src" not in answer.headers["content-security-policy"]
    assert process.asked == [("/v1/models/news:explain", TEXT), ("/v1/models/news/versions/2:explain", TEXT)]
    assert "version 1, the champion" in answer.text and "version 2</span>" in answer.text
    assert answer.text.count("90.0%") >= 2 and "+1.2500" in answer.text
    assert 'class="shade5 unknown"' in answer.text and 'class="shade2"' in answer.text
    assert "<script" not in answer.text and not re.search(r"\sstyle=|\son\w+=", answer.text)
    assert "curl --unix-socket" in answer.text and "/v1/models/news/versions/2:explain" in answer.text


def test_the_box_stands_on_the_models_page_with_the_versions_to_choose_from(get):
    text = get("/models/news").text
    assert (
        'action="/newsdesk/models/news/try"' in text
        and '<option value="2">' in text
        and '<option value="1">' not in text
    )
    assert 'maxlength="16384"' in text and '<label for="text">' in text


def test_nothing_that_answers_is_told_with_the_command_that_mends_it(send, tmp_path, monkeypatch):
    monkeypatch.setenv("NEWSDESK_SOCKETS", str(tmp_path / "nobody"))
    answer = send("/models/news/try", text="goal")
    assert (
        answer.status_code == 503
        and "is down" in answer.text
        and "make up" in answer.text
        and 'role="alert"' in answer.text
    )


@pytest.mark.parametrize(
    ("text", "words", "code"),
    [("", "Type a text first", 400), ("x" * 16_385, "too long", 400), ("x" * 70_000, "shorter", 413)],
)
def test_a_text_that_is_none_or_too_long_is_told_and_nobody_is_asked(send, process, text, words, code):
    answer = send("/models/news/try", text=text)
    assert answer.status_code == code and words in answer.text and not process.asked


FOREIGN = [
    {"sec-fetch-site": "cross-site"}, {"sec-fetch-site": "same-site"}, {"sec-fetch-site": "", "origin": "https://evil.example"},
    {"sec-fetch-site": "", "origin": "null"},
]  # fmt: skip


@pytest.mark.parametrize("headers", FOREIGN)
@pytest.mark.parametrize("path", ["/models/news/try", f"/runs/{RUN_ID}/rows/doubt"])
def test_a_form_of_another_site_is_refused(send, judged, process, path, headers):
    answer = send(path, headers=headers, text="goal", row=text_cleaning.row_hash("Shares fall"))
    assert answer.status_code == 403 and not process.asked and not queue_file.doubted("news").exists()


def test_a_cookie_alone_without_a_browsers_headers_is_refused_and_a_token_passes(send, server, process):  # noqa: F811
    cookie = {"authorization": "", "sec-fetch-site": "", "cookie": f"_token={login(server, 'admin')}"}
    assert send("/models/news/try", headers=cookie, text="goal").status_code == 403
    assert send("/models/news/try", headers={"sec-fetch-site": ""}, text="goal").status_code == 200
    assert send("/models/news/try", headers={**cookie, "origin": "http://testserver"}, text="goal").status_code == 200


@pytest.mark.parametrize("path", ["/models/news/try", f"/runs/{RUN_ID}/rows/doubt"])
def test_who_is_not_logged_in_sends_nothing(send, judged, path):
    assert send(path, headers={"authorization": ""}, text="goal").status_code == 401


def order(text):
    return [shown.strip() for shown in re.findall(r'<td class="t">([^<]*)', text)]


def test_rows_are_sorted_and_filtered_by_text_label_answer_and_probability(get, judged):
    path = f"/runs/{RUN_ID}/rows"
    assert [text[:8] for text in order(get(path).text)] == ["Shares f", "Minister", "A goal i"]
    assert [text[:8] for text in order(get(f"{path}?sort=unsure").text)] == ["A goal i", "Minister", "Shares f"]
    assert order(get(f"{path}?text=GOAL").text) == ["A goal in the rain"]
    assert order(get(f"{path}?low=0.7&high=0.8").text)[0].startswith("Minister &lt;script&gt;")
    assert len(order(get(f"{path}?{urlencode({'true': LABELS[0], 'answer': LABELS[1]})}").text)) == 3
    assert "No row fits. Widen the filter." in get(f"{path}?{urlencode({'true': LABELS[1]})}").text
    assert order(get(f"{path}?kind=lost").text) == ["Only the champion"]
    assert len(order(get(f"{path}?kind=nonsense&low=x&sort=y").text)) == 3


def test_a_cell_of_the_runs_confusion_matrix_opens_its_rows(get, judged):
    text = get(f"/runs/{RUN_ID}").text
    link = re.search(r'href="/newsdesk(/runs/[^"]*/rows\?[^"]*)">20</a>', text)[1].replace("&amp;", "&")
    assert len(order(get(link).text)) == 3
    assert "kind=lost" not in text  # no champion was compared


def test_without_judged_rows_the_matrix_leads_nowhere_and_the_page_says_why(get):
    assert "/rows" not in get(f"/runs/{RUN_ID}").text
    answer = get(f"/runs/{RUN_ID}/rows")
    assert answer.status_code == 404 and "gate has not decided" in answer.text


def test_a_wrong_label_goes_into_the_queue_once_and_safe_for_a_spreadsheet(send, judged):
    for text in ("Shares fall", "Only the champion", "Shares fall"):
        answer = send(f"/runs/{RUN_ID}/rows/doubt", row=text_cleaning.row_hash(text))
        assert answer.status_code == 200 and "newsdesk label" in answer.text
    assert "In the label queue already" in answer.text
    with open(queue_file.doubted("news"), encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["title"], row["label"]) for row in rows] == [("Shares fall", ""), ("Only the champion", "")]
    assert rows[0]["id"] == queue_file.ID + text_cleaning.row_hash("Shares fall")
    assert rows[0]["guess"] == LABELS[1] and LABELS[0] in rows[0]["why"] and RUN_ID in rows[0]["why"]


def test_a_reader_who_may_start_no_run_sends_no_row(send, judged):
    answer = send(f"/runs/{RUN_ID}/rows/doubt", user="reader", row=text_cleaning.row_hash("Shares fall"))
    assert answer.status_code == 403 and not queue_file.doubted("news").exists()


def test_a_row_that_is_not_there_and_one_that_was_cut_are_refused(send, judged):
    assert send(f"/runs/{RUN_ID}/rows/doubt", row="nothing").status_code == 404
    judged["mistakes"][0]["rows"][0]["cut"] = True
    fileio.write_json(state.run_dir(RUN_ID) / "verdict_page.json", judged)
    assert send(f"/runs/{RUN_ID}/rows/doubt", row=text_cleaning.row_hash("Shares fall")).status_code == 400
    assert not queue_file.doubted("news").exists()
