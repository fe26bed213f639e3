"""Every page on results that were really run, at three widths and in both modes, in a real browser.

Contrast, names and roles by axe-core (WCAG 2.1, A and AA); nothing reaches beyond the window; the
answer stands before its menus; the keyboard leaves the menu; a report opens with the network off.
"""

import contextlib
import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl
import pytest

import app as the_app
from docpages.kept import DEMO, METHODS
from queries import AskError, opened, report, report_console
from queries.figures import OKABE_ITO
from tests.browser.chromium import served, settled, shown, visit
from tests.browser.conftest import require_browser
from tests.browser.sites import published

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, Page

WIDTHS = (390, 820, 1380)
MODES = ("light", "dark")
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]
# What a page shows of its background, by mode
BACKGROUND = {"light": "rgb(255, 255, 255)", "dark": "rgb(14, 17, 23)"}
# The texts of figures that reach beyond their figure, or beyond the window
CUT = """[...document.querySelectorAll('[data-testid=stVegaLiteChart] svg')].flatMap(svg => {
    const around = svg.getBoundingClientRect();
    // The box of a letter is a little larger than its ink.
    const end = Math.min(around.right, document.documentElement.clientWidth) + 4;
    return [...svg.querySelectorAll('text')].filter(text => {
        const box = text.getBoundingClientRect();
        return box.width && (box.left < around.left - 4 || box.right > end);
    }).map(text => text.textContent);
})"""
ADDRESSES = (
    *the_app.OURS,
    "trial?id=2",
    "ranked",
    "?figure=Cost",
    "compare?what=trials&trials=2,3",
)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    require_browser()
    folder = tmp_path_factory.mktemp("demo")
    published(folder, DEMO)
    with served(folder) as url:
        yield url


@pytest.fixture(scope="module")
def hundred(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    require_browser()
    folder = tmp_path_factory.mktemp("methods")
    published(folder, METHODS)
    with served(folder) as url:
        yield url


@pytest.fixture(scope="module")
def methods() -> list[str]:
    """The names of the methods of that grid."""
    with contextlib.closing(METHODS.catalog()) as connection:
        rows = connection.execute(
            "SELECT DISTINCT method FROM trial WHERE stream = 'world' AND budget = 'steps_100'"
        ).fetchall()
    return [method for (method,) in rows]


@pytest.fixture(scope="module")
def window(context: "BrowserContext") -> Iterator["Page"]:
    page = context.new_page()
    yield page
    page.close()


def axe() -> str:
    """The text of axe-core, which the package of the same purpose brings."""
    pytest.importorskip("axe_playwright_python")
    found = importlib.util.find_spec("axe_playwright_python")
    assert found is not None and found.origin is not None
    return (Path(found.origin).parent / "axe.min.js").read_text()


@pytest.mark.slow
@pytest.mark.parametrize("mode", MODES)
def test_pages_keep_to_wcag(demo: str, window: "Page", mode: str) -> None:
    source, wrong = axe(), []
    window.emulate_media(color_scheme=mode)
    window.set_viewport_size({"width": 1280, "height": 1000})
    for address in ADDRESSES:
        visit(window, f"{demo}/{address}")
        window.wait_for_timeout(500)
        window.evaluate(source)
        found = window.evaluate("rules => axe.run(document, {runOnly: rules})", RULES)
        for one in found["violations"]:
            nodes = [node["html"][:120] for node in one["nodes"][:3]]
            wrong.append((address, one["id"], nodes))
        for chart in window.get_by_test_id("stVegaLiteChart").all():
            label = chart.get_attribute("aria-label") or ""
            assert label and label != "Vega visualization", address
    assert not wrong, wrong


@pytest.mark.slow
@pytest.mark.parametrize(("mode", "widths"), [("light", WIDTHS), ("dark", WIDTHS[:1])])
def test_pages_fit_three_widths_with_a_hundred_methods(
    hundred: str, methods: list[str], window: "Page", mode: str, widths: tuple[int, ...]
) -> None:
    """Colours move nothing, so that dark pages are looked at in the width of a phone alone."""
    window.emulate_media(color_scheme=mode)
    for width in widths:
        window.set_viewport_size({"width": width, "height": 900})
        # A figure whose names leave least room for its legend, and one of several panels
        narrow = ("?figure=Cost", "spread") if width == WIDTHS[0] else ()
        for address in ("", "operations", "compare", *narrow):
            visit(window, f"{hundred}/{address}")
            window.locator("[data-testid=stVegaLiteChart] svg text").first.wait_for()
            assert not window.evaluate(CUT), (address, width, "texts that are cut")
            whole = window.evaluate("document.documentElement.scrollWidth")
            assert whole <= width, (address, width, whole)
            colour = window.evaluate(
                "getComputedStyle(document.querySelector('[data-testid=stApp]')).backgroundColor"
            )
            assert colour == BACKGROUND[mode]
            if address:
                continue
            text = shown(window)
            assert "derpp with replay_thirds balances learning and keeping best" in text
            # One more: the untouched backbone
            assert f"The best 40 of {len(methods) + 1} rows; the table has all." in text
            others = len(methods) - len(OKABE_ITO)
            assert f"Grey: the other {others} methods" in text, "nothing is left out silently"
            answer = window.locator("h4").bounding_box()
            menu = window.get_by_role("combobox", name="measure").first.bounding_box()
            assert answer is not None and menu is not None
            # Beside it where there is room, below it elsewhere, and never before it
            assert menu["x"] > answer["x"] + 100 or menu["y"] > answer["y"]


@pytest.mark.slow
def test_the_keyboard_leaves_the_menu(demo: str, window: "Page") -> None:
    window.set_viewport_size({"width": 1380, "height": 900})
    visit(window, demo)
    inside = "!!document.activeElement.closest('[data-testid=stSidebar]')"
    entered = False
    for _ in range(25):
        window.keyboard.press("Tab")
        now = window.evaluate(inside)
        if entered and not now:
            return
        entered = entered or now
    raise AssertionError("25 tabs did not lead through the menu to the page")


@pytest.mark.slow
def test_a_search_and_a_part_stand_in_the_link(
    hundred: str, methods: list[str], window: "Page"
) -> None:
    called = sum("lora" in method for method in methods)
    sentence = f"{called} of {len(methods)} methods are called so."
    visit(window, f"{hundred}/?colour=tuning&find=lora")
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
def test_a_report_opens_with_the_network_off(window: "Page", tmp_path: Path, hundred: str) -> None:
    site = published(tmp_path / "site", DEMO)
    with opened(site.current) as connection:
        report.write(connection, tmp_path / "report", ["study=demo"], report.now(site.current))
    window.context.set_offline(True)
    try:
        for mode in MODES:
            window.emulate_media(color_scheme=mode)
            window.goto((tmp_path / "report" / "index.html").as_uri())
            window.evaluate(axe())
            found = window.evaluate("rules => axe.run(document, {runOnly: rules})", RULES)
            assert not found["violations"], [one["id"] for one in found["violations"]]
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
        window.evaluate(axe())
        found = window.evaluate("rules => axe.run(document, {runOnly: rules})", RULES)
        assert not found["violations"], [one["id"] for one in found["violations"]]
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
