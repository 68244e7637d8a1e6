"""The pages in Airflow's UI: only for who is logged in, everything escaped, no file outside the state folder."""

import json
import os
import re
import shutil
import subprocess
import sys

import pytest

from components.core import fileio, progress, run_record
from components.core import paths as state
from components.registry import model_registry
from pipelines.airflow_stack import stack_state

HOSTILE = "<script>alert('x')</script>"
LABELS = ["World", f"Sports{HOSTILE}"]
RUN = "manual__2026-03-02T09:00:00+00:00"
PASSWORDS = {"admin": "one", "reader": "two"}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """Airflow's own web application with the plugin in it, and its database."""
    from airflow import settings
    from airflow.api_fastapi.app import create_app, purge_cached_app
    from airflow.models.base import Base
    from starlette.testclient import TestClient

    folder = tmp_path_factory.mktemp("server")
    (folder / "passwords.json").write_text(json.dumps(PASSWORDS))
    own = {
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": "admin:admin,reader:viewer",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(folder / "passwords.json"),
        "AIRFLOW__API_AUTH__JWT_SECRET": "s" * 64,
        "NEWSDESK_HOME": str(folder / "home"),
    }
    before = {name: os.environ.get(name) for name in own}
    os.environ.update(own)
    try:
        purge_cached_app()
        app = create_app(apps="core")
        Base.metadata.create_all(settings.get_engine())
        yield TestClient(app, follow_redirects=False)
    finally:
        purge_cached_app()
        for name, value in before.items():
            os.environ.pop(name, None) if value is None else os.environ.update({name: value})


@pytest.fixture
def get(server):
    """Asks as somebody who is logged in."""
    token = login(server, "admin")
    return lambda path: server.get(f"/newsdesk{path}", headers={"Authorization": f"Bearer {token}"})


@pytest.fixture
def published(home):
    """A line with two versions, the second held, and the run that made them; every text of it is hostile."""
    state.ensure()
    for version, place in ((1, state.serving_dir("news")), (2, model_registry.held_dir("news"))):
        folder = place / str(version)
        folder.mkdir(parents=True)
        (folder / "saved_model.pb").write_text(str(version))
        hashes = model_registry.folder_hashes(folder)
        fileio.write_json(
            folder / model_registry.MANIFEST, {"files": hashes, "digest": model_registry.content_digest(hashes)}
        )
        fileio.write_json(state.registry_dir("news") / "versions" / f"{version}.json", card(version, folder))
    model_registry.move_champion("news", None, 1, "release", f"reason {HOSTILE}", {})
    fileio.write_text(state.registry_dir("news") / "versions" / "1.card.html", "<h1>the card</h1>")
    write_run(home)
    return home


def login(server, user):
    answer = server.post("/auth/token", json={"username": user, "password": PASSWORDS[user]})
    server.cookies.clear()
    return answer.json()["access_token"]


def card(version, folder):
    return {
        "version": version, "line": "news", "preset": f"bag{HOSTILE}", "created": "2026-03-02T09:00:00+00:00",
        "digest": (fileio.read_json(folder / model_registry.MANIFEST) or {}).get("digest", "d" * 64), "folder": str(folder), "run": run_record.run_id_from(RUN), "seed": 1,
        "metrics": {"accuracy": 0.9 + version / 100, "interval": [0.88, 0.94], "rows": 1000, "per_class": {}},
        "data": {"source": f"/data/{HOSTILE}", "rows": 9000}, "warnings": [],
    }  # fmt: skip


def write_run(home):
    folder = state.run_dir(run_record.run_id_from(RUN))
    data, trained = home / "artifacts" / "news" / "verdict", home / "artifacts" / "news" / "trained"
    fileio.write_json(
        folder / "run.json",
        {
            "run": folder.name, "created": "2026-03-02T09:00:00+00:00", "as_of": "2026-03-02T09:00:00+00:00",
            "trigger": "manual", "champion": None, "code": "c" * 64, "data_hash": "a" * 64,
            "files": [{"path": f"/data/{HOSTILE}.csv", "split": "train", "span": "", "sha256": "b" * 64}],
            "config": {
                "line": "news", "preset": "bag", "family": "bag", "seed": 1, "source": f"/data/{HOSTILE}", "window": "all",
                "release": "auto", "labels": LABELS,
            },
        },
    )  # fmt: skip
    fileio.write_json(
        folder / "verdict.json",
        {
            "decision": "refused", "reasons": [f"recall of {HOSTILE} fell"], "warnings": [HOSTILE], "digest": "d" * 64,
            "limits": {"floor": 0.75}, "comparisons": {},
            "metrics": {
                "accuracy": 0.8, "interval": [0.78, 0.82], "rows": 1000, "confusion": [[480, 20], [180, 320]],
                # As `write_json` sorts them, not as the line does.
                "per_class": {LABELS[1]: 0.64, LABELS[0]: 0.96},
            },
        },
    )  # fmt: skip
    fileio.write_text(folder / "verdict.html", f"<style>p{{}}</style><p>{HOSTILE}</p>")
    fileio.write_json(
        folder / "outcome.json", {"state": "refused", "reasons": [f"not good: {HOSTILE}"], "version": None}
    )
    fileio.write_json(
        data / "verdict.json",
        {
            "decision": "warn", "rows": {"in": 10, "out": 8, "quarantined": 1, "duplicates": 1}, "splits": {"train": {"0": 8}},
            "findings": [
                {"check": HOSTILE, "outcome": "warn", "message": HOSTILE, "examples": [HOSTILE], "value": 3, "limit": 2}
            ],
            "milder": [], "reason": "",
        },
    )  # fmt: skip
    fileio.write_text(data / "verdict.html", '<img src="words.png">')
    fileio.write_text(data / "words.png", "png")
    fileio.write_text(
        data / "gx" / "uncommitted" / "data_docs" / "local_site" / "validations" / "a" / "rows.html", "<p>docs</p>"
    )
    epochs = [
        {"epoch": n, "loss": 1 / n, "accuracy": 0.7, "val_loss": 1 / n, "val_accuracy": 0.7 + n / 100} for n in (1, 2)
    ]
    fileio.write_json(trained / "history.json", {"epochs": epochs, "rows": 8, "seconds": 2.0})
    run_record.add_event(folder.name, "DataGate", "done", 1, HOSTILE, artifacts={"verdict": str(data)})
    spent = {"cpu_seconds": 31.4, "peak_mb": 1234.5}
    run_record.add_event(
        folder.name, "Trainer", "done", 2, "trained", artifacts={"model_run": str(trained)}, cost=spent
    )


def report(run=RUN, dag="news_retrain"):
    from urllib.parse import quote

    return f"/dags/{dag}/runs/{quote(run, safe='')}"


EVERY_PAGE = (
    "/models", "/models/news", "/models/news/1/card", "/models/news/1/card/card.html", "/runs/R", "/runs/R/model",
    "/runs/R/model/verdict.html", "/runs/R/data", "/runs/R/data/words.png", "/lines/news/monitor", "/dags/news_retrain/runs/R",
    "/style.css", "/icon.svg", "/models/news/try", "/runs/R/rows",
)  # fmt: skip


@pytest.mark.parametrize("page", EVERY_PAGE)
def test_a_page_is_for_nobody_who_is_not_logged_in(server, published, page):
    address = "/newsdesk" + page.replace("/R", "/" + run_record.run_id_from(RUN))
    assert server.get(address).status_code == 401
    assert server.get(address, headers={"Authorization": "Bearer made.up.token"}).status_code == 403
    assert server.get(address, headers={"Cookie": "_token=made.up.token"}).status_code in (401, 403)
    token = login(server, "admin")
    assert server.get(address, headers={"Authorization": f"Bearer {token}"}).status_code in (200, 404)


def test_every_address_of_the_application_stands_behind_the_same_door(server):
    app = next(route.app for route in server.app.routes if getattr(route, "path", "") == "/newsdesk")
    assert app.routes and all(route.dependant.dependencies for route in app.routes)


def test_the_cookie_that_airflow_gives_a_browser_opens_the_pages(server, published):
    answer = server.get("/newsdesk/models", headers={"Cookie": f"_token={login(server, 'reader')}"})
    assert answer.status_code == 200 and "Models of news" in answer.text


def test_a_user_who_may_not_read_the_runs_of_the_dag_sees_nothing(server, published, monkeypatch):
    from airflow.api_fastapi.app import get_auth_manager

    monkeypatch.setattr(type(get_auth_manager()), "is_authorized_dag", lambda *args, **more: False)
    answer = server.get("/newsdesk/models", headers={"Authorization": f"Bearer {login(server, 'reader')}"})
    assert answer.status_code == 403


@pytest.mark.parametrize("page", ["/models/news", report()])
def test_what_came_from_data_is_escaped_and_no_script_may_run(get, published, page):
    answer = get(page)
    assert answer.status_code == 200
    assert "&lt;script&gt;" in answer.text and "<script" not in answer.text
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy and "script-src" not in policy and "unsafe" not in policy
    # A style within the page would not pass that policy.
    assert not re.search(r"<style|\sstyle=|\son\w+=", answer.text)


def test_a_page_that_a_node_wrote_may_not_run_scripts_either(get, published):
    answer = get(f"/runs/{run_record.run_id_from(RUN)}/model/verdict.html")
    policy = answer.headers["content-security-policy"]
    assert answer.status_code == 200 and "default-src 'none'" in policy and "script-src" not in policy
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_the_models_page_says_what_serves_what_waits_and_who_moved_the_pointer(get, published):
    text = get("/models/news").text
    assert "Version 2 waits for a person" in text and "newsdesk promote 2 --line news" in text
    assert re.search(r"Serves now</h2>\s*<div class=\"value\">version 1<", text)
    assert "0.9100" in text and "0.8800 – 0.9400" in text
    assert "reason &lt;script&gt;" in text and ">refused<" in text
    assert 'class="point champion"' in text and 'class="point held"' in text
    assert 'href="/newsdesk/models/news/1/card"' in text and 'href="/newsdesk/models/news/2/card"' not in text


def test_a_damaged_pointer_is_said_and_the_rest_still_shown(get, published):
    (state.registry_dir("news") / "champion.json").write_text("{")
    answer = get("/models/news")
    assert answer.status_code == 200 and "newsdesk doctor --repair" in answer.text and "0.9100" in answer.text


def test_without_any_version_the_models_page_says_how_to_get_one(get):
    answer = get("/models")
    assert answer.status_code == 200 and "make retrain" in answer.text


def test_what_served_once_looks_so_in_the_chart_also_after_a_rollback(get, published):
    pointer = model_registry.champion("news")
    model_registry.move_champion("news", pointer, 2, "promote", "looked at it", {})
    model_registry.move_champion("news", model_registry.champion("news"), 1, "rollback", "readers complain", {})
    text = get("/models/news").text
    assert 'class="point champion"' in text and 'class="point served"' in text


def test_a_held_version_that_a_person_promoted_is_no_longer_waiting(get, published):
    folder = state.run_dir(run_record.run_id_from(RUN))
    fileio.write_json(folder / "outcome.json", {"state": "held", "version": 2, "reasons": []})
    assert "Held: waits for a person" in get(report()).text
    model_registry.move_champion("news", model_registry.champion("news"), 2, "promote", "looked at it", {})
    assert "Held, and promoted since" in get(report()).text
    text = get("/models/news").text
    assert "waits for a person" not in text and "looked at it" in text


def test_drift_is_shown_where_the_monitor_has_written_it(get, published):
    assert "No articles were monitored yet" in get("/models/news").text
    row = {
        "day": "2026-03-01", "version": 1, "rows": {"out": 400}, "drift": {"words": 0.2, "lengths": None, "classes": 0.01},
        "confidence": 0.8, "expected_confidence": 0.9, "unsure": 0.1, "queue": 40, "limits": {"max_words": 0.1},
        "warnings": [{"rule": "words", "message": f"words drift {HOSTILE}"}],
    }  # fmt: skip
    fileio.append_json(state.monitor_dir("news") / "history.jsonl", row)
    text = get("/models/news").text
    assert "words drift &lt;script&gt;" in text and "0.200" in text and 'class="line a dashed"' in text


def test_the_curve_of_the_newest_labels_is_shown_where_the_champion_was_scored_on_them(get, published):
    assert "Accuracy on the newest labels" not in get("/models/news").text
    for day in ("2026-03-01", "2026-03-02"):
        row = {"day": day, "version": 1, "rows": 40, "accuracy": 0.875, "interval": [0.74, 0.95]}
        fileio.append_json(state.monitor_dir("news") / "rescored.jsonl", row)
    text = get("/models/news").text
    assert "Accuracy on the newest labels" in text and "of 40 labelled rows" in text and "(2026-03-02)" in text


def test_a_run_report_is_found_by_airflows_own_run_id(get, published):
    text = get(report()).text
    assert "Refused: nothing is broken" in text and "not good: &lt;script&gt;" in text
    assert "0 of 1 pass" in text  # the data verdict
    assert "best validation accuracy 0.7200 after epoch 2 of 2" in text
    assert "test accuracy 0.8000" in text


def test_the_confusion_matrix_keeps_the_lines_order_of_labels(get, published):
    text = get(report()).text
    rows = re.findall(r'<th scope="row">(\w+).*?</th>(.*?)</tr>', text)
    assert [name for name, _ in rows] == ["World", "Sports"]
    assert [re.findall(r">(\d+)<", row) for _, row in rows] == [["480", "20"], ["180", "320"]]


def test_a_run_that_has_not_opened_yet_has_a_page_that_looks_again(get, published):
    answer = get(report("manual__not_yet"))
    assert answer.status_code == 200 and 'http-equiv="refresh"' in answer.text and "Ingester" in answer.text
    other = get(report("manual__x", dag="news_release"))
    assert other.status_code == 200 and "news_release trains nothing" in other.text and "refresh" not in other.text


def test_the_report_of_an_open_run_looks_again_and_that_of_a_closed_one_does_not(get, published):
    assert "refresh" not in get(report()).text
    (state.run_dir(run_record.run_id_from(RUN)) / "outcome.json").unlink()
    text = get(report()).text
    assert "refresh" in text and "Running" in text


def test_the_report_of_a_training_run_draws_its_curves_as_they_grow_and_says_how_long_it_takes(get, published):
    folder = state.run_dir(run_record.run_id_from(RUN))
    (folder / "outcome.json").unlink()
    run_record.add_event(folder.name, "Trainer", "running")
    shutil.rmtree(published / "artifacts" / "news" / "trained")
    before = get(report()).text
    with progress.to(progress.file(folder.name, "Trainer")):
        for number in range(1, 6):
            progress.write(epoch=number / 10, epochs=2, loss=1.0, accuracy=0.5, seconds_left=42)
    text = get(report()).text
    assert (
        "Trainer: epoch 0.5 of 2 (42 s left), loss 1.0000, accuracy 0.5000" in text and "Trainer: epoch" not in before
    )
    assert text.count('<circle class="a"') == 10 and '<circle class="a"' not in before


def test_the_report_of_a_run_that_searched_shows_each_trial_and_marks_the_best(get, published):
    folder = state.run_dir(run_record.run_id_from(RUN))
    assert "Tuning:" not in get(report()).text
    trials = [
        {"trial": 1, "set": {"training.epochs": 2}, "accuracy": 0.9012, "seconds": 3.25, "best": False},
        {"trial": 2, "set": {"training.epochs": 4}, "accuracy": 0.9134, "seconds": 6.5, "best": True},
        {"trial": 3, "set": {"training.epochs": 1}, "accuracy": None, "seconds": 1.0, "best": False, "why": HOSTILE},
    ]
    fileio.write_json(folder / run_record.TRIALS, {"rows": 20_000, "trials": trials})
    text = get(report()).text
    assert "Tuning: 3 trials on 20,000 train rows, judged on eval" in text and HOSTILE not in text
    rows = re.findall(r"<tr>(.*?)</tr>", text[text.index("Tuning:") :].partition("</section>")[0])
    cells = [re.sub(r"<[^>]*>", "|", row) for row in rows]
    assert "training.epochs" in cells[0]
    assert all(part in cells[1] for part in ("0.9012", "3.2", "as asked")) and "best" not in cells[1]
    assert all(part in cells[2] for part in ("0.9134", "6.5", "best"))
    assert "no number" in cells[3] and "alert" in cells[3]


def test_a_refused_run_gives_each_reason_once_and_says_what_serves(get, published):
    folder = state.run_dir(run_record.run_id_from(RUN))
    reason = f"recall fell in {published}/artifacts/x"
    record = {**fileio.read_json(folder / "run.json"), "champion": model_registry.champion("news")}
    fileio.write_json(folder / "run.json", record)
    fileio.write_json(folder / "outcome.json", {"state": "refused", "reasons": [reason], "version": None})
    verdict = {**fileio.read_json(folder / "verdict.json"), "reasons": [reason, "another finding"]}
    fileio.write_json(folder / "verdict.json", verdict)
    run_record.add_event(folder.name, "ModelGate", "done", 1, f"refused: {reason}; another finding")
    run_record.add_event(folder.name, "Canary", "skipped", 0, f"refused: {reason}")
    text = get(report()).text
    assert text.count("recall fell in artifacts/x") == 1 and text.count("another finding") == 1
    assert "Version 1 still serves." in text and str(published) not in text
    model_registry.move_champion("news", model_registry.champion("news"), 2, "promote", "looked at it", {})
    assert "Version 2 serves now." in get(report()).text


def test_a_stopped_run_tells_its_findings_once_in_their_table(get, published):
    folder = state.run_dir(run_record.run_id_from(RUN))
    (folder / "verdict.json").unlink()
    data = published / "artifacts" / "news" / "verdict" / "verdict.json"
    finding = {"check": "rows", "outcome": "stop", "message": "too few rows", "examples": [], "value": 3, "limit": 20}
    fileio.write_json(data, {**fileio.read_json(data), "decision": "stop", "findings": [finding]})
    reason = "rows: too few rows (value 3, limit 20)"
    fileio.write_json(folder / "outcome.json", {"state": "stopped", "node": "DataGate", "reasons": [reason]})
    run_record.add_event(
        folder.name, "DataGate", "stopped", 1, f"stop: 1 checks; {reason}", artifacts={"verdict": str(data.parent)}
    )
    text = get(report()).text
    assert text.count("too few rows") == 1 and "Ended at <b>DataGate</b>" in text and "serves now" in text


def test_without_a_champion_a_stopped_run_says_that_nothing_serves(get, published):
    shutil.rmtree(state.registry_dir("news"))
    assert "No version serves yet." in get(report()).text


def test_a_run_is_listed_with_the_last_day_that_it_read(get, published):
    path = state.run_dir(run_record.run_id_from(RUN)) / "run.json"
    fileio.write_json(path, {**fileio.read_json(path), "last_day": "2026-02-28"})
    assert get("/models/news").text.count(">2026-02-28<") == 1


def test_the_processor_seconds_and_the_memory_of_a_node_are_on_its_runs_page(get, published):
    text = get(report()).text
    assert text.count(">31.4<") == 1 and text.count(">1,234<") == 1


def test_accuracy_over_cost_is_drawn_where_two_versions_recorded_their_cost(get, published):
    assert "processor seconds of the training" not in get("/models/news").text
    for version in (1, 2):
        spent = {"Trainer": {"state": "done", "seconds": 1.0, "cpu_seconds": 10.0 * version, "peak_mb": 900.0}}
        fileio.write_json(model_registry.origin_path("news", version), {"cost": spent})
    assert "Test accuracy over processor seconds of the training" in get("/models/news").text


def test_nodes_that_a_closed_run_did_not_reach_are_not_run_and_those_of_an_open_one_wait(get, published):
    text = get(report()).text
    assert ">not run<" in text and ">waiting<" not in text
    (state.run_dir(run_record.run_id_from(RUN)) / "outcome.json").unlink()
    text = get(report()).text
    assert ">waiting<" in text and ">not run<" not in text


def test_data_docs_that_the_policy_leaves_unstyled_are_linked_from_neither_report_nor_models_page(get, published):
    assert "docs" not in get(report()).text and "data docs" not in get("/models/news").text
    assert get(f"/runs/{run_record.run_id_from(RUN)}/docs").status_code == 404


@pytest.mark.parametrize("torn", ["run.json", "verdict.json", "outcome.json", "events.jsonl"])
def test_a_torn_file_does_not_break_the_report(get, published, torn):
    (state.run_dir(run_record.run_id_from(RUN)) / torn).write_text('{"half":')
    assert get(report()).status_code == 200


def test_a_runs_documents_are_handed_out_by_the_names_that_were_listed(get, published):
    run = run_record.run_id_from(RUN)
    assert f'<iframe src="/newsdesk/runs/{run}/data/verdict.html"' in get(f"/runs/{run}/data").text
    assert get(f"/runs/{run}/data/words.png").headers["content-type"] == "image/png"
    assert get("/models/news/1/card/card.html").text == "<h1>the card</h1>"


@pytest.mark.parametrize(
    "name",
    [
        "../verdict.json", "..%2f..%2f..%2fVERSION", "%2e%2e/%2e%2e/VERSION", "/etc/passwd", "%2fetc%2fpasswd", "link.html",
        "linked/passwd.html", "verdict.json", "words.png%00", "nothing.html", "",
    ],
)  # fmt: skip
def test_a_name_that_was_not_listed_is_not_there(get, published, tmp_path, name):
    folder = published / "artifacts" / "news" / "verdict"
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "passwd.html").write_text("secret")
    (folder / "link.html").symlink_to(tmp_path / "outside" / "passwd.html")
    (folder / "linked").symlink_to(tmp_path / "outside")
    answer = get(f"/runs/{run_record.run_id_from(RUN)}/data/{name}")
    assert answer.status_code in (404, 307) and "secret" not in answer.text


@pytest.mark.parametrize("place", ["/etc", "{outside}", "{home}/artifacts/out", ""])
def test_a_record_that_points_outside_the_state_folder_opens_nothing(get, published, tmp_path, place):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "verdict.html").write_text("secret")
    (published / "artifacts" / "out").symlink_to(outside)
    run = run_record.run_id_from(RUN)
    run_record.add_event(run, "DataGate", "done", artifacts={"verdict": place.format(outside=outside, home=published)})
    shown = get(f"/runs/{run}/data/verdict.html")
    assert "secret" not in shown.text and (place == "" or shown.status_code == 404)


@pytest.mark.parametrize(
    "page", ["/runs/%2e%2e", "/runs/%2e%2e/data", "/runs/no-such-run", "/runs/.hidden", "/models/..%2f..", "/models/nobody",
             "/models/news/1/passwd", "/models/news/9/card", "/lines/news/monitor", "/lines/.x/monitor", "/runs/x/passwd"],
)  # fmt: skip
def test_an_unknown_run_line_version_or_kind_is_not_found(get, published, page):
    assert get(page).status_code == 404


def test_the_views_stand_where_airflow_looks_for_them(get, server, published):
    answer = server.get("/api/v2/plugins", headers={"Authorization": f"Bearer {login(server, 'admin')}"}).json()
    (plugin,) = [found for found in answer["plugins"] if found["name"] == "newsdesk"]
    views = {view["name"]: view for view in plugin["external_views"]}
    assert (views["Models"]["destination"], views["Run report"]["destination"]) == ("nav", "dag_run")
    assert "{RUN_ID}" in views["Run report"]["href"]
    assert server.get("/api/v2/plugins/importErrors", headers={"Authorization": f"Bearer {login(server, 'admin')}"}).json()[
        "import_errors"
    ] == []  # fmt: skip


@pytest.mark.parametrize("address", ["/models/news", f"/dags/news_retrain/runs/{RUN}"])
def test_every_page_says_that_the_scheduler_is_down_and_since_when(get, published, address):
    down = {"pid": os.getpid(), "started": "1", "state": "down", "since": "2026-03-02T09:30:00+00:00"}
    assert "is down" not in get(address).text
    fileio.write_json(stack_state.file(), {"scheduler": down})
    assert "scheduler is down since 2026-03-02T09:30:00+00:00" in get(address).text


def test_every_page_says_what_serves_and_how_the_last_run_ended(get, published):
    run = run_record.run_id_from(RUN)
    for address in ("/models/news", report(), f"/runs/{run}/model", "/models/news/1/card"):
        text = get(address).text
        assert "version 1 serves, accuracy 0.9100" in text, address
        assert "last run refused, opened 2026-03-02 09:00 UTC" in text and f'href="/newsdesk/runs/{run}"' in text, (
            address
        )
    shutil.rmtree(state.registry_dir("news"))
    assert "nothing serves yet: run `make retrain`" in get("/models").text


def test_a_comparison_is_linked_and_shown_with_its_rows(get, published):
    assert "newsdesk compare 2 1 --line news" in get("/models/news").text
    folder = published / "comparisons" / "news" / "2-1"
    fileio.write_text(folder / "comparison.html", "<p>two versions</p>")
    fileio.write_text(folder / "rows.csv", "kind")
    assert 'href="/newsdesk/lines/news/compare-2-1"' in get("/models/news").text
    assert "Version 2 against version 1" in get("/lines/news/compare-2-1").text
    assert get("/lines/news/compare-2-1/rows.csv").text == "kind"
    for absent in ("compare-1-2", "compare-2-1-", "compare-..-1"):
        assert get(f"/lines/news/{absent}").status_code == 404


def test_loading_the_plugins_does_not_import_the_routes(published):
    """A task's process loads plugins too; the routes bring FastAPI and the templates with them."""
    code = "import sys; from airflow import plugins_manager as p; getattr(p, 'ensure_plugins_loaded', getattr(p, '_get_plugins', None))(); print('page_routes' in sys.modules, 'ui_pages' in str(sorted(sys.modules)))"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.split()[-2:] == ["False", "True"]


def test_the_status_line_is_that_of_the_pages_own_line(get, published):
    folder = state.serving_dir("sports") / "1"
    folder.mkdir(parents=True)
    fileio.write_json(state.registry_dir("sports") / "versions" / "1.json", card(1, folder))
    own = r'<p class="status"><b>{}</b> <span>{}'
    assert re.search(own.format("sports", "nothing serves yet"), get("/models/sports").text)
    assert re.search(own.format("news", "version 1 serves"), get("/models/news").text)
    assert re.search(own.format("news", "version 1 serves"), get(report()).text)
