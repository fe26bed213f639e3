"""The app in a real browser.

It draws, filters, links, exports, refuses, renews itself, and is reached by keyboard.
"""

import contextlib
import itertools
import shutil
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import polars as pl
import pytest

import app as the_app
from queries import ask
from schema.site import Site
from screens.answer import FIGURES
from tests.browser import chromium
from tests.browser.chromium import settled, shown, visit
from tests.browser.conftest import publish, require_browser

if TYPE_CHECKING:
    from playwright.sync_api import Page

ADDRESSES = [
    *the_app.OURS,
    *the_app.HIDDEN,
    *(f"?figure={name.replace(' ', '+')}" for name in FIGURES),
    "retention_at_budget",
    "failures",
    "audit_values",
    "operations?hole=ewc · replay",
    "trial?id=8",
]
MOST_BYTES = 1_000_000
# How long the page may take, on a busy machine, to begin to answer a click
ANSWERS_WITHIN_MS = 1500


def test_without_a_browser_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chromium, "missing", lambda: ["chromium"])
    monkeypatch.delenv("WEIR_EXPECT", raising=False)
    sentence = (
        r"no browser to drive \(chromium not found\); "
        "tests/browser/install.sh and make setup install it."
    )
    with pytest.raises(pytest.skip.Exception, match=sentence):
        require_browser()
    monkeypatch.setenv("WEIR_EXPECT", "slurm browser")
    with pytest.raises(
        pytest.fail.Exception, match=f"WEIR_EXPECT says browser, but there is {sentence}"
    ):
        require_browser()


@pytest.mark.slow
def test_every_page_renders(app: str, page: "Page") -> None:
    """Opened by its address; no exception, no error of a script, and little enough is sent."""
    sent, wrong = [0], []
    page.on(
        "websocket",
        lambda socket: socket.on("framereceived", lambda frame: sent.append(len(frame))),
    )
    page.on("pageerror", lambda error: wrong.append(str(error)))
    for address in ADDRESSES:
        sent.clear()
        visit(page, f"{app}/{address}")
        assert not page.locator(
            '[data-testid="stException"], [data-testid="stAlertContentError"]'
        ).count(), address
        assert "squeue: it did not answer" in shown(page), "what is wrong stands on every page"
        assert 0 < sum(sent) < MOST_BYTES, (address, sum(sent))
    assert not wrong


@pytest.mark.slow
def test_filters_show_the_view_s_numbers_and_stand_in_the_address(
    app: str, page: "Page", lab: Site
) -> None:
    visit(page, app)
    assert "ewc with plain balances learning and keeping best" in shown(page)
    page.get_by_role("combobox", name="method").last.click()
    page.get_by_role("option", name="lora").click()
    page.wait_for_url(lambda url: "method=lora" in url)
    settled(page)
    ranked = ask(
        "ranked", lab.current, budget="small", stream="world", backbone="tiny", method="lora"
    )
    (row,) = (row for row in ranked.iter_rows(named=True) if row["method"] == "lora")
    said = f"{row['mean']:.3f} (95 % interval {row['low']:.3f} to {row['high']:.3f}, 3 seeds)"
    page.get_by_text(said).wait_for()
    again = page.context.new_page()
    visit(again, page.url)
    assert said in shown(again), "the link restores it"
    again.close()


@pytest.mark.slow
def test_a_link_means_the_same_when_another_grid_is_the_largest(
    app: str, page: "Page", lab: Site
) -> None:
    """What is compared stands in the address from the first, also on the next page."""
    visit(page, app)
    within = {"backbone=tiny", "stream=world", "budget=small"}
    page.wait_for_url(lambda url: within <= set(url.partition("?")[2].split("&")))
    link, answer = page.url, page.locator("h4").inner_text()
    page.get_by_role("link", name="Compare", exact=True).click()
    page.wait_for_url(
        lambda url: "/compare?" in url and within <= set(url.split("?")[1].split("&"))
    )
    before = lab.current.readlink()
    publish(
        lab,
        "catalog-larger",
        "INSERT INTO trial (backbone, stream, mixture, method, recipe, budget, seed) "
        "SELECT backbone, stream, mixture, method, recipe, 'large', range + 100 "
        "FROM trial, range(20) WHERE id = 1",
    )
    try:
        visit(page, app)
        page.wait_for_url(lambda url: "budget=large" in url)
        visit(page, link)
        assert page.locator("h4").inner_text() == answer
    finally:
        aside = lab.snapshot / ".current"
        aside.symlink_to(before)
        aside.replace(lab.current)


@pytest.mark.slow
def test_a_value_of_the_address_that_is_not_there_is_named(app: str, page: "Page") -> None:
    visit(page, f"{app}/?budget=nonsense")
    text = "The address asks for budget 'nonsense', which this snapshot does not have."
    assert f"{text} Shown instead: small." in shown(page)


@pytest.mark.slow
def test_the_console_shows_an_interval_and_ends_a_function(app: str, page: "Page") -> None:
    visit(page, f"{app}/console?sql=SELECT+max(finished_at+-+started_at)+AS+took+FROM+outcome")
    page.get_by_test_id("stDataFrame").first.wait_for()
    assert not page.locator('[data-testid="stException"]').count()
    box = page.get_by_role("textbox", name="Statement")
    box.fill("SELECT levenshtein(repeat('ab', 400000), repeat('ba', 400000))")
    box.press("Control+Enter")
    page.get_by_text("Stopped after 10 s. Ask for less").wait_for()


@pytest.mark.slow
def test_files_equal_the_table(app: str, page: "Page", lab: Site) -> None:
    visit(page, f"{app}/comparison?budget=small")
    whole = ask("comparison", lab.current, budget="small")
    with page.expect_download() as download:
        page.get_by_role("button", name="Parquet", exact=True).click()
    assert pl.read_parquet(download.value.path()).equals(whole)
    with page.expect_download() as download:
        page.get_by_role("button", name="CSV", exact=True).click()
    assert pl.read_csv(download.value.path()).height == whole.height
    with page.expect_download() as download:
        page.get_by_role("button", name="SVG", exact=True).click()
    assert Path(download.value.path()).read_bytes().startswith(b"<svg")
    with page.expect_download() as download:
        page.get_by_role("button", name="PNG", exact=True).click()
    assert BytesIO(Path(download.value.path()).read_bytes()).read(4) == b"\x89PNG"


@pytest.mark.slow
def test_the_console_refuses_writes_and_files(app: str, page: "Page", lab: Site) -> None:
    before = lab.current.resolve().read_bytes()
    visit(page, f"{app}/console")
    for text, words in (
        ("DELETE FROM trial", "this is DELETE"),
        ("SELECT * FROM read_csv('/etc/passwd')", "disabled by configuration"),
        ("SELECT count(*) AS there FROM trial", "there"),
    ):
        box = page.get_by_role("textbox", name="Statement")
        box.fill(text)
        box.press("Control+Enter")
        if words != "there":
            page.get_by_text(words).first.wait_for()
    page.get_by_test_id("stDataFrame").first.wait_for()
    assert lab.current.resolve().read_bytes() == before


@pytest.mark.slow
def test_a_new_snapshot_shows_and_keeps_what_was_chosen(app: str, page: "Page", lab: Site) -> None:
    visit(page, f"{app}/?row=lora · replay · usual")
    assert "3 trials more" not in shown(page)
    publish(
        lab,
        "catalog-000002",
        "INSERT INTO problem (subject, message) VALUES ('sync', 'the disk of the lab is full')",
    )
    page.get_by_text("the disk of the lab is full").wait_for()
    page.get_by_text("catalog-000002").wait_for()
    settled(page)
    assert page.get_by_role(
        "combobox", name="The trials behind"
    ).input_value() or "lora · replay · usual" in shown(page)
    assert "row=" in page.url


@pytest.mark.slow
def test_the_keyboard_reaches_everything(app: str, page: "Page") -> None:
    """Tab stops at every link of the menu that is shown, every menu, button and fold."""
    visit(page, app)
    wanted = {
        "Compare",
        "Runs",
        "Questions",
        "Operations",
        "Declare",
        "SQL",
        "CSV",
        "Parquet",
        "PDF",
        "SVG",
        "PNG",
        "The SQL",
    }
    words = {
        "measure",
        "backbone",
        "stream",
        "budget",
        "mixture",
        "method",
        "recipe",
        "study",
        "tuning",
        "objective",
        "merging",
        "trials behind",
    }
    reached = set()
    for _ in range(200):
        page.keyboard.press("Tab")
        text, label = page.evaluate(
            "[document.activeElement.innerText || '', "
            "document.activeElement.getAttribute('aria-label') || '']"
        )
        reached |= {name for name in wanted if name in text.split("\n")}
        words -= {word for word in words if word in label}
        if wanted == reached and not words:
            break
    assert (wanted - reached, words) == (set(), set())


@pytest.mark.slow
def test_a_click_on_a_hole_of_the_coverage_shows_the_insert_that_fills_it(
    app: str, page: "Page", lab: Site, tmp_path: Path
) -> None:
    """Where the cells are is Vega's business: the chart is clicked all over until one answers."""
    playwright = pytest.importorskip("playwright.sync_api")
    visit(page, f"{app}/operations")
    assert "INSERT INTO trial" not in shown(page)
    chart = page.get_by_test_id("stVegaLiteChart").last
    chart.scroll_into_view_if_needed()
    statement = page.locator("code", has_text="INSERT INTO trial")
    for down, right in itertools.product(range(3, 10), (0.95, 0.75, 0.55, 0.4)):
        # The page may have grown since, so the chart is looked for anew
        box = chart.bounding_box()
        assert box is not None
        page.mouse.click(box["x"] + right * box["width"], box["y"] + down / 10 * box["height"])
        # A click that meets nothing runs no script, so there is no end of it to wait for
        with contextlib.suppress(playwright.TimeoutError):
            statement.first.wait_for(timeout=ANSWERS_WITHIN_MS)
            break
    said = statement.first.inner_text()
    full = ask("coverage", lab.current).filter(pl.col("complete"))
    assert not any(
        f"'{row['method']}'" in said and f"'{row['mixture']}'" in said
        for row in full.iter_rows(named=True)
    )
    copy = shutil.copy(lab.current.resolve(), tmp_path / "copy.duckdb")
    with duckdb.connect(copy) as connection:
        before = connection.sql("SELECT count(*) FROM trial").fetchall()
        connection.execute(said)
        assert connection.sql("SELECT count(*) FROM trial").fetchall() > before, said
