"""Pictures of what the pages show after `make demo-week`: `.venv-airflow/bin/python tests/e2e/week_pictures.py FOLDER`.

The stack must be up, and what drives a browser installed (`.ci/setup browser`).
"""

import sys
from pathlib import Path

from playwright.sync_api import sync_playwright
from test_browser import CHROMIUM, FLAGS, PATIENCE, log_in

from pipelines.airflow_stack import stack_health


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        page = browser.new_page(viewport={"width": 1100, "height": 800}, base_url=stack_health.address())
        page.set_default_timeout(PATIENCE * 1000)
        log_in(page)
        page.goto("/newsdesk/models/news-demo")
        page.screenshot(path=folder / "week-models.png")
        for name, heading in (("runs", "Latest runs"), ("pointer", "Who moved the pointer"), ("drift", "Drift")):
            section = page.locator("section", has=page.get_by_role("heading", name=heading, exact=True))
            section.screenshot(path=folder / f"week-{name}.png")
        page.locator("tr", has_text="stopped").get_by_role("link", name="report", exact=True).first.click()
        page.get_by_role("heading", name="What the data checks found").wait_for()
        page.screenshot(path=folder / "week-stopped.png")
        browser.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
