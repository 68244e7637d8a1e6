"""A person at a browser, over a real stack: trains, looks, approves and rolls back. `make browser-test`; minutes.

Needs Playwright (`browser.lock`) and Debian's Chromium. With NEWSDESK_SCREENSHOTS naming a folder, the pictures of the
README land there.
"""

import contextlib
import importlib.util
import os
import re
import shutil
import time
from pathlib import Path

import pytest
import stack_kit

from components.core import paths
from components.registry import model_registry
from pipelines.airflow_stack import airflow_secrets, stack_health

REPOSITORY = Path(__file__).resolve().parents[2]
CHROMIUM = shutil.which("chromium")
MISSING = [
    name
    for name, there in (
        ("Playwright", importlib.util.find_spec("playwright")),
        ("chromium", CHROMIUM),
        ("Airflow", importlib.util.find_spec("airflow")),
    )
    if not there
]
pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)}; see make browser-test"),
]
FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--no-first-run",
)  # fmt: skip
# How much is drawn of the longest curve of a page; 0 without one.
DRAWN = "Math.max(0, ...[...document.querySelectorAll('svg.chart .line')].map(line => line.getAttribute('d').length))"
PATIENCE = 180  # seconds for a page; a busy machine takes one for the first
# Seconds for a retraining of the demo with the preset bag; it takes half a minute on a free machine.
RUN_PATIENCE = max(900, stack_kit.PATIENCE)
# The next 29 February: switched on, and nothing starts but what the test starts. A small model on invented articles falls behind the
# baseline and behind another seed by chance: this test is not about the gate, so its tests get a low level and a wide margin.
SETTINGS = """
[news-demo.schedule]
cron = "0 0 29 2 *"
source = "demo"
preset = "bag"

[news-demo.gates]
alpha = 0.001
margin = 0.2
"""


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    """Airflow and MLflow, started as `make up` does, with a state folder of their own; stopped as `make down` does."""
    with stack_kit.running(tmp_path_factory.mktemp("browser"), SETTINGS) as stack:
        yield stack


@pytest.fixture(autouse=True)
def newsdesk_home(stack, monkeypatch):
    """All tests of this file share the stack's state folder."""
    monkeypatch.setenv("NEWSDESK_HOME", str(stack.home))


@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=PATIENCE * 1000)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        yield browser
        browser.close()


def log_in(page) -> None:
    page.goto("/")
    page.locator("input[name=username]").fill(airflow_secrets.USER)
    page.locator("input[name=password]").fill(airflow_secrets.password())
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(lambda address: "/auth/" not in address)


@pytest.fixture
def stranger(stack, browser):
    """A browser's page, as wide as a laptop's, of nobody yet."""
    page = browser.new_page(viewport={"width": 1440, "height": 900}, base_url=stack_health.address())
    page.set_default_timeout(PATIENCE * 1000)
    yield page
    page.close()


@pytest.fixture
def page(stranger):
    """The page of a person who has logged in."""
    log_in(stranger)
    return stranger


def picture(page, name: str) -> None:
    folder = os.environ.get("NEWSDESK_SCREENSHOTS")
    if folder:
        page.screenshot(path=REPOSITORY / folder / f"{name}.png", animations="disabled")


def open_form(page, dag: str):
    """The trigger form of a DAG, and a function that opens one of its sections."""
    page.goto(f"/dags/{dag}")
    page.get_by_test_id("trigger-dag-button").first.click()
    form = page.get_by_role("dialog")
    form.get_by_role("heading", name=re.compile("Trigger Dag")).wait_for()
    return form, lambda name: form.get_by_role("button", name=name, exact=True).click()


def fill(form, field: str, value: str) -> None:
    form.locator(f"[name=element_{field}]").fill(value)


def choose(page, form, field: str, value: str) -> None:
    form.get_by_role("combobox", name=field).click()
    page.get_by_role("option", name=value, exact=True).click()


def trigger(form, section, run: str) -> None:
    section("Advanced Options")
    form.locator("[name=dagRunId]").fill(run)
    form.get_by_test_id("trigger-dag-submit").click()
    form.wait_for(state="hidden")


def wait_for(page, dag: str, run: str, state: str = "Success", patience: float = RUN_PATIENCE) -> None:
    """Watches a run's own page until its badge says how it ended."""
    from playwright.sync_api import expect

    page.goto(f"/dags/{dag}/runs/{run}")
    badge = page.get_by_test_id("header-card").get_by_test_id("state-badge").first  # a second one: an answer is awaited
    expect(badge).to_have_text(re.compile("Success|Failed"), timeout=patience * 1000)
    expect(badge).to_have_text(state)


def frame(page, title: str, address: str):
    """The inside of one of Newsdesk's pages, within Airflow's."""
    page.goto(address)
    inside = page.frame_locator(f"iframe[title='{title}']")
    inside.locator("h1").wait_for()
    return inside


def question(page, dag: str, run: str, name: str, patience: float = PATIENCE):
    """The button that approves, once a run has put its question, and a picture of it."""
    from playwright.sync_api import expect

    button = page.get_by_role("button", name="Approve", exact=True)
    # The page of a task that does not wait yet stays as it is: no button, or a grey one.
    for _ in range(int(patience // 20)):
        page.goto(f"/dags/{dag}/runs/{run}/tasks/approve/required_actions")
        with contextlib.suppress(AssertionError):
            expect(button).to_be_enabled(timeout=20_000)
            break
    picture(page, name)
    return button


def champion() -> int | None:
    pointer = model_registry.champion("news-demo")
    return pointer["version"] if pointer else None


def test_nobody_sees_a_page_without_a_login(stranger):
    assert stranger.request.get("/newsdesk/models", fail_on_status_code=False).status == 401


def test_a_wrong_seed_is_shown_as_wrong_stays_as_typed_and_starts_nothing(page, stack):
    from playwright.sync_api import expect

    form, section = open_form(page, "news_retrain")
    section("Training")
    seed, submit = form.locator("[name=element_seed]"), form.get_by_test_id("trigger-dag-submit")
    fill(form, "seed", "abc")
    expect(seed).to_have_attribute("aria-invalid", "true")  # drawn red
    expect(submit).to_be_disabled()
    expect(seed).to_have_value("abc")
    fill(form, "seed", "-5")
    submit.click()
    expect(form.get_by_text("-5 is less than the minimum of 0")).to_be_visible()
    expect(seed).to_have_value("-5")
    assert not stack.runs("news_retrain", "manual")


def test_a_person_trains_looks_approves_and_rolls_back(page):
    from playwright.sync_api import expect

    # A first version, by the form as it stands; meanwhile the graph.
    form, section = open_form(page, "news_retrain")
    section("Release")
    picture(page, "form")
    trigger(form, section, "first")
    page.set_viewport_size({"width": 1000, "height": 1500})
    page.evaluate(
        "localStorage.setItem('direction-news_retrain', JSON.stringify('DOWN'))"
    )  # else it is too wide to be read
    page.goto("/dags/news_retrain/runs/first")
    page.get_by_role("button", name=re.compile("^Show Graph")).click()
    page.get_by_role("button", name="Expand all task groups").click()
    page.get_by_role("button", name="Collapse Details Panel").click()
    expect(page.locator(".react-flow__node", has_text="ModelGate").last).to_be_visible()
    page.mouse.move(5, 5)  # off the graph, whose boxes explain themselves under the mouse
    picture(page, "graph")
    page.get_by_test_id("grid-view-button").click()  # Airflow remembers which of the two was looked at
    page.set_viewport_size({"width": 1440, "height": 900})
    wait_for(page, "news_retrain", "first")
    assert champion() == 1

    # A second one, held: it is published nowhere until somebody says so.
    form, section = open_form(page, "news_retrain")
    section("Training")
    fill(form, "seed", "2")
    section("Release")
    choose(page, form, "Release", "hold")
    trigger(form, section, "second")
    question(page, "news_retrain", "second", "approval", RUN_PATIENCE)
    assert champion() == 1

    page.goto("/dags/news_retrain/runs/second")
    page.get_by_role("tab", name="Run report").or_(page.get_by_role("link", name="Run report")).first.click()
    report = page.frame_locator("iframe[title='Run report']")
    expect(report.get_by_text("Held: waits for a person")).to_be_visible()
    expect(report.get_by_role("heading", name=re.compile("Learning curves: best"))).to_be_visible()
    picture(page, "run-report")

    models = frame(page, "Models", "/plugin/newsdesk-models")
    expect(models.get_by_text("Version 2 waits for a person")).to_be_visible()
    picture(page, "models")
    models.get_by_role("link", name="verdict").first.click()
    expect(models.frame_locator("iframe[title='Model verdict']").locator("h1")).to_contain_text("Model verdict")
    models.get_by_role("link", name="← Run report").click()
    expect(models.get_by_text("Held: waits for a person")).to_be_visible()
    models.get_by_role("link", name="data verdict").click()
    verdict = models.frame_locator("iframe[title='Data verdict']")
    expect(verdict.locator("h1")).to_contain_text("Data verdict")
    expect(verdict.locator("svg.chart").first).to_be_visible()
    expect(verdict.get_by_role("link")).to_have_count(0)  # nothing leads to Data Docs, which would open unstyled here

    # Who asked for the run cannot approve it there: the form of a release, and a click.
    form, section = open_form(page, "news_release")
    section("What")
    fill(form, "version", "2")
    section("Why")
    fill(form, "reason", "read the verdict, it is as good")
    trigger(form, section, "promote-2")
    question(page, "news_release", "promote-2", "approval-of-a-release").click()
    wait_for(page, "news_release", "promote-2")
    assert champion() == 2

    form, section = open_form(page, "news_release")
    section("What")
    choose(page, form, "Action", "rollback")
    section("Why")
    fill(form, "reason", "readers complain")
    trigger(form, section, "back")
    question(page, "news_release", "back", "approval-of-a-rollback").click()
    wait_for(page, "news_release", "back")
    assert champion() == 1

    models = frame(page, "Models", "/plugin/newsdesk-models")
    expect(models.locator("tr", has_text="readers complain").locator(".badge")).to_have_text("rollback")
    expect(models.locator("section", has_text="Serves now").last).to_contain_text("version 1")
    models.get_by_role("heading", name="Who moved the pointer").scroll_into_view_if_needed()
    picture(page, "history")


def test_a_person_tries_a_text_and_sends_a_wrong_label(page):
    from playwright.sync_api import expect

    models = frame(page, "Models", "/plugin/newsdesk-models")
    models.get_by_label("A text, as an article's title").fill("Stocks slide as oil hits a record")
    models.get_by_label("beside the champion").select_option("2")
    models.get_by_role("button", name="Label it").click()
    expect(models.get_by_role("heading", name=re.compile("version 1, the champion"))).to_be_visible()
    expect(models.get_by_role("heading", name=re.compile("% version 2"))).to_be_visible()
    picture(page, "try-it")

    report = frame(page, "Run report", "/dags/news_retrain/runs/second/plugin/newsdesk-run")
    report.locator(".matrix td a").first.click()
    report.get_by_role("button", name=re.compile("is wrong")).first.click()
    expect(report.get_by_role("status")).to_contain_text("Sent to the label queue")
    picture(page, "where-it-errs")


LIVE = 3  # pictures of a run that trains
WORSE = {"preset": "wide-transformer", "set": {"gates.floor": 0.999}}  # no model is that good: trained, then refused


def test_a_stranger_finds_why_a_run_was_refused_in_three_clicks(page, stack):
    """Meanwhile the report of the run, whose curves grow."""
    from playwright.sync_api import expect

    stack.rest.trigger("news_retrain", "refused", WORSE)
    page.set_viewport_size({"width": 1100, "height": 800})
    stack.until(lambda: (paths.run_dir("refused") / "run.json").exists(), RUN_PATIENCE)
    lengths: list[int] = []
    ended, limit = False, time.monotonic() + RUN_PATIENCE
    while not ended:
        assert time.monotonic() < limit, "the run has not ended"
        ended = stack.rest.state("news_retrain", "refused") in ("success", "failed")
        page.goto("/newsdesk/runs/refused")
        length = page.evaluate(DRAWN)
        if length > max(lengths, default=0):
            lengths.append(length)
            page.get_by_role("heading", name=re.compile("^Learning curves")).scroll_into_view_if_needed()
            if len(lengths) <= LIVE:
                picture(page, f"live-{len(lengths)}")
        page.wait_for_timeout(2000)
    assert len(lengths) > 1

    page.set_viewport_size({"width": 1440, "height": 900})
    page.goto("/")
    page.get_by_role("link", name="Models").click()
    models = page.frame_locator("iframe[title='Models']")
    models.locator("tr", has_text="wide-transformer").get_by_role("link", name="report", exact=True).first.click()
    expect(models.locator(".banner", has_text="Refused").get_by_role("listitem").first).to_contain_text("floor 0.9990")


WIDE = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
UNNAMED = """[...document.querySelectorAll('input:not([type=hidden]), select, textarea, button')].filter(
    each => !each.labels.length && !each.getAttribute('aria-label') && !each.textContent.trim()).length"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1440])
def test_no_page_overflows_lacks_a_label_or_has_an_error_in_the_console(page, scheme, width):
    faults = []
    page.on("console", lambda said: faults.append(said.text) if said.type == "error" else None)
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": width, "height": 900})
    for address in (
        "/models",
        "/models/news-demo/try",
        "/runs/second",
        "/runs/second/rows",
        "/runs/second/rows?kind=lost",
    ):
        faults.clear()  # of Airflow's own pages before
        page.goto(f"/newsdesk{address}")
        page.locator("h1").wait_for()
        assert page.evaluate(WIDE) <= 0 and page.evaluate(UNNAMED) == 0 and not faults, (address, faults)
