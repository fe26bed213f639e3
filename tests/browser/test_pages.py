"""Pages and reports of results that were really run, in a real browser.

The keyboard leaves the menu; a search stands in the link; a report opens with the network off. How
pages look at three widths and in both modes: test_failures.py.
"""

from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl
import pytest

from docpages.kept import DEMO
from queries import AskError, opened, report, report_console
from tests.browser.chromium import settled, shown, visit
from tests.browser.conftest import require_browser
from tests.browser.sites import Lab, published
from tests.browser.wcag import violations

if TYPE_CHECKING:
    from playwright.sync_api import Page

MODES = ("light", "dark")
WIDTHS = (390, 800, 1400)
IN_MENU = "!!document.activeElement.closest('[data-testid=stSidebar]')"


@pytest.mark.slow
def test_the_keyboard_leaves_the_menu(labs: dict[str, Lab], window: "Page") -> None:
    """Also where it is opened over the page, on a phone."""
    visit(window, labs["demo"].url)
    for width in WIDTHS:
        window.set_viewport_size({"width": width, "height": 900})
        opener = window.get_by_test_id("stExpandSidebarButton")
        if opener.is_visible():
            opener.click()
        window.get_by_test_id("stSidebarNavLink").first.focus()
        for _ in range(25):
            window.keyboard.press("Tab")
            if not window.evaluate(IN_MENU):
                break
        assert not window.evaluate(IN_MENU), f"25 tabs did not lead to the page, at {width} px"


@pytest.mark.slow
def test_a_search_and_a_part_stand_in_the_link(labs: dict[str, Lab], window: "Page") -> None:
    url, methods = labs["hundred"].url, labs["hundred"].methods
    called = sum("lora" in method for method in methods)
    sentence = f"{called} of {len(methods)} methods are called so."
    visit(window, f"{url}/?colour=tuning&find=lora")
    assert sentence in shown(window)
    assert "methods drawn, which were looked for." in shown(window)
    link = window.url
    assert all(f"{word}=" in link for word in ("measure", "backbone", "budget", "top", "figure"))
    box = window.get_by_role("textbox", name="find a method")
    box.fill("ewc")
    box.press("Enter")
    window.wait_for_url(lambda url: "find=ewc" in url)
    settled(window)
    visit(window, link)
    assert sentence in shown(window)


@pytest.mark.slow
def test_a_report_opens_with_the_network_off(window: "Page", tmp_path: Path) -> None:
    site = published(tmp_path / "site", DEMO)
    with opened(site.current) as connection:
        report.write(connection, tmp_path / "report", ["study=demo"], report.now(site.current))
    window.context.set_offline(True)
    try:
        for mode in MODES:
            window.emulate_media(color_scheme=mode)
            window.goto((tmp_path / "report" / "index.html").as_uri())
            broken = violations(window, whole=True)
            assert not broken, broken
        assert window.locator("svg").count() >= 5
        assert "balances learning and keeping best" in window.locator("body").inner_text()
    finally:
        window.context.set_offline(False)


@pytest.mark.slow
def test_a_report_s_console_answers_with_the_network_off(
    window: "Page", tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its answers are those of the report's Parquet; what DuckDB-WASM does not have it says."""
    require_browser()
    # Without a network npm is to say so at once
    monkeypatch.setenv("npm_config_fetch_retries", "0")
    try:
        report_console.fetched()
    except AskError as error:
        pytest.skip(str(error))
    site = published(tmp_path / "site", DEMO)
    folder, words = tmp_path / "report", ["study=demo", "console=true"]
    with opened(site.current) as connection:
        size = report.write(connection, folder, words, report.now(site.current))
    assert size < 20_000_000
    window.context.set_offline(True)
    try:
        window.emulate_media(color_scheme="light")
        window.goto((folder / "index.html").as_uri())
        window.get_by_role("button", name="Start DuckDB").click()
        said = window.get_by_role("status")
        said.get_by_text("rows.").wait_for()
        for name in ("trial", "result", "ranked_1", "course_1"):
            place = name.partition("_")
            file = f"{place[2]}-{place[0]}" if place[2] else name
            there = len(pl.read_parquet(folder / "data" / f"{file}.parquet"))
            answered = asked_in(window, f"SELECT count(*) AS n FROM {name};")
            assert answered == [["n"], [str(there)]]
        mean = pl.read_parquet(folder / "data" / "1-ranked.parquet")["mean"].max()
        assert asked_in(window, "SELECT max(mean) AS best FROM ranked_1") == [["best"], [str(mean)]]
        for text, words_ in (("SELECT nonsense", "nonsense"), ("FROM 'x.parquet'", "x.parquet")):
            window.get_by_label("Statement").fill(text)
            window.get_by_role("button", name="Run").click()
            said.get_by_text(words_).wait_for()
        broken = violations(window, whole=True)
        assert not broken, broken
    finally:
        window.context.set_offline(False)


def asked_in(window: "Page", text: str) -> list[list[str]]:
    """The rows of an answer in a report's console, its heading first."""
    box = window.get_by_label("Statement")
    box.fill(text)
    box.press("Control+Enter")
    window.wait_for_function("!document.getElementById('console-run').disabled")
    rows = window.locator("#console-answer tr").all()
    return [row.locator("th, td").all_inner_texts() for row in rows]
