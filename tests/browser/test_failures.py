"""What once failed in the app, looked for in Chromium: three widths, both modes, two catalogs.

A page is loaded once; then the window is resized and the wish for a dark page changed. On each page
at each width and in each mode `looking.js` looks for what is cut, hidden, overlapping, pale or without
a name (the first screen, menus, phones, dark pages, accessibility), and these for one failure each:

| what failed | where it is looked for |
|---|---|
| downloads were narrow, with legends and titles cut | `downloads`; all figures: tests/queries/test_figures.py |
| tables of the terminal were cut | tests/queries/test_terminal.py, at 80, 120 and 160 columns |
| a hundred methods shared eight colours, or were missing | `many`, `choices` |
| figures were flat, without intervals, or drew what cannot be compared | `intervals`, `panels`, `costs`, `nothing` |
| what runs was late, without phase, end, curve and log | `live` |
| menus stood before the answer; questions could not be searched | `first_screen`, `search` |
| numbers were rounded away, booleans were boxes to tick | `numbers`, `booleans` |
| links changed their meaning, and wrong values were replaced without a word | `link`; test_browser.py |
| contrast, names, and a menu that the keyboard did not leave | `looking.js`, axe-core; `test_pages.py` |
| answers without rows did not say why; wrong words were no error | tests/queries/test_figures.py, test_queries.py |
"""

import json
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from queries import ask
from queries.figures import OKABE_ITO, printing
from runner.run_folder import RunFolder, write_json
from tests.browser.chromium import shown, visit
from tests.browser.conftest import RUNNING
from tests.browser.sites import Lab
from tests.browser.wcag import violations
from tests.printed import fonts, size

if TYPE_CHECKING:
    from playwright.sync_api import Page

WIDTHS = (390, 800, 1400)
# A phone first, so that what it shows is what it loaded; then as little as possible changes at once
VIEWS = [("light", width) for width in WIDTHS] + [("dark", width) for width in reversed(WIDTHS)]
# What a page shows of its background, by mode
BACKGROUND = {"light": "rgb(255, 255, 255)", "dark": "rgb(14, 17, 23)"}
# The views in which axe-core looks at a page, which takes it a second or two
READ = (("light", 1400), ("dark", 390))
LOOK = (Path(__file__).parent / "looking.js").read_text()
# How many marks of each kind the first figure has
MARKS = """kind => [...document.querySelectorAll('[data-testid=stVegaLiteChart]')].map(chart =>
  [...chart.querySelectorAll(`.mark-${kind}.role-mark path, .mark-${kind}.role-mark line`)]
    .map(mark => mark.getBoundingClientRect()).map(box => box.x + box.width / 2))"""
LEGENDS = """[...document.querySelectorAll('[data-testid=stVegaLiteChart]')].map(chart => [
  [...chart.querySelectorAll('.role-legend-label text')].map(text => text.textContent),
  [...chart.querySelectorAll('.role-legend-symbol path')].map(path => getComputedStyle(path).fill)])"""
AXES = """() => [...document.querySelectorAll('[data-testid=stVegaLiteChart]')].map(chart =>
  [...chart.querySelectorAll(`.role-axis-label text`)].map(text => text.textContent))"""
# Tries, a fifth of a second apart, until a page has nothing wrong: Streamlit asks every five seconds
TRIES = 150


@dataclass(frozen=True, kw_only=True)
class View:
    """A page as it is seen: in a window of this width, in this mode."""

    window: "Page"
    lab: Lab
    mode: str
    width: int

    @property
    def place(self) -> int:
        """The number of the view, from 0."""
        return VIEWS.index((self.mode, self.width))


Check = Callable[[View], None]


def until(view: View, holds: Callable[[], bool], what: str) -> None:
    """Wait until something of a page holds."""
    for _ in range(TRIES):
        if holds():
            return
        view.window.wait_for_timeout(200)
    raise AssertionError(f"{what} ({view.mode}, {view.width} px)")


def first_screen(view: View) -> None:
    """The answer stands on the first screen, before or beside its menus, which are named in words."""
    answer = view.window.locator("h4").bounding_box()
    menu = view.window.get_by_role("combobox", name="measure").first.bounding_box()
    assert answer is not None and menu is not None
    assert answer["y"] < 600
    assert menu["x"] > answer["x"] + 100 or menu["y"] > answer["y"]
    assert "balances learning and keeping best" in shown(view.window)


def downloads(view: View) -> None:
    """A file is as wide as print asks, whatever the window is, and its legend and fonts are whole."""
    kind = ("PDF", "SVG", "PNG")[view.place % 3]
    # Of the last figure, which has a legend
    legend = view.window.evaluate(LEGENDS)[-1][0]
    assert len(legend) > 1
    with view.window.expect_download() as download:
        view.window.get_by_role("button", name=kind, exact=True).last.click()
    path = Path(download.value.path())
    if kind == "PNG":
        with Image.open(path) as image:
            assert abs(image.width - 6.75 * 300) <= 1
    if kind == "PDF":
        assert math.isclose(size(path.read_bytes())[0], 6.75 * 72, abs_tol=0.5)
        assert fonts(path.read_bytes())
    if kind == "SVG":
        text = path.read_text()
        box = re.search(r'viewBox="0 0 ([\d.]+) ', text)
        assert ' width="6.75in"' in text and "…" not in text
        assert box is not None and abs(float(box[1]) - 6.75 * printing.PIXELS) <= 2
        assert set(legend) <= set(re.findall(r"<text[^>]*>([^<]*)</text>", text))


def many(view: View) -> None:
    """Of more methods than colours the best have one each, and all others are counted."""
    text = shown(view.window)
    # One more: the untouched backbone
    assert f"The best 40 of {len(view.lab.methods) + 1} rows; the table has all." in text
    assert f"Grey: the other {len(view.lab.methods) - len(OKABE_ITO)} methods" in text
    labels, colours = view.window.evaluate(LEGENDS)[-1]
    assert len(labels) == len(set(colours)) == len(OKABE_ITO)
    assert not any("entries" in label for label in labels)


def choices(view: View) -> None:
    """What one choice changes is drawn of a hundred, too."""
    (dots,) = view.window.evaluate(MARKS, "symbol")
    assert len(dots) >= 40 and "The best 40 of" in shown(view.window)


def intervals(view: View) -> None:
    """Every row with an interval is drawn with it, and one far away does not flatten the others."""
    name = view.window.url.rpartition("/")[2]
    frame = ask(name, view.lab.site.current)
    value, low = {"bootstrap": ("mean", "lowest")}.get(name, ("zs_ratio", "zs_ratio_low"))
    rows = frame.drop_nulls(value).sort(value, descending=True).head(40)
    until(
        view,
        lambda: len(view.window.evaluate(MARKS, "rule")[0]) == len(rows.drop_nulls(low)),
        f"{name}: {len(rows.drop_nulls(low))} intervals",
    )
    dots = sorted(view.window.evaluate(MARKS, "symbol")[0])
    assert len(dots) == len(rows)
    assert dots[3 * len(dots) // 4] - dots[len(dots) // 4] > 0.02 * view.width


def panels(view: View) -> None:
    """Each measure has an axis of its own."""
    axes = view.window.evaluate(AXES)
    assert len(axes) == 6 and all(axes)


def costs(view: View) -> None:
    """Bars keep their order in every unit."""
    before = names_drawn(view)
    unit = ("seconds", "gflops")[view.place % 2]
    view.window.get_by_test_id("stButtonGroup").get_by_text(unit, exact=True).click()
    view.window.wait_for_url(lambda url: f"in={unit}" in url)
    look(view)
    assert names_drawn(view) == before and len(before) > 5


def names_drawn(view: View) -> list[str]:
    """The names at the axis of the first figure."""
    labels = view.window.evaluate(AXES)[0]
    return [label for label in labels if not re.fullmatch(r"[\d.,]+", label)]


def nothing(view: View) -> None:
    """What has nothing to be compared with has no figure."""
    assert view.window.get_by_test_id("stDataFrame").count() == 1
    assert view.window.get_by_test_id("stVegaLiteChart").count() == 0


def live(view: View) -> None:
    """Loss, phase and end of what runs are those that its worker wrote, without a new snapshot."""
    loss = 1 + (view.place + 1) / 8
    folder = view.lab.site.runs / f"{RUNNING:06d}" / "01"
    # Its heartbeat, without which it would be silent after two minutes
    (folder / "alive").touch()
    report = RunFolder(folder).path / "progress.json"
    write_json(report, json.loads(report.read_text()) | {"loss": loss, "step": view.place + 2})
    until(view, lambda: f"{loss:.3f}" in view.window.evaluate("[...written]"), f"the loss {loss}")
    text = shown(view.window)
    assert "1 run, 0 wait in a job or are silent" in text
    # The end of its log
    assert "step 7 of 10" in text
    written = view.window.evaluate("[...written]")
    assert "trains" in written
    # The curve within its task
    assert "also within its task" in view.window.get_by_test_id(
        "stVegaLiteChart"
    ).first.get_attribute("aria-label")


def search(view: View) -> None:
    """A question is found by its words."""
    text = shown(view.window)
    assert re.search(r"\b(\d+) of 1\d\d questions", text)
    assert view.window.get_by_role("textbox", name="search").input_value() == "budget zero-shot"
    assert "Which method retains zero-shot accuracy best at a given budget?" in text


def numbers(view: View) -> None:
    """Numbers keep their digits."""
    until(view, lambda: "12.706" in view.window.evaluate("[...written]"), "t of 1 degree")
    assert not {"12.7", "12.71"} & set(view.window.evaluate("[...written]"))


def booleans(view: View) -> None:
    """Booleans are words, headings too; what has few values is chosen from a list."""
    view.window.get_by_test_id("stDataFrame").hover()

    def holds() -> bool:
        # Only columns that are in sight are written.
        view.window.mouse.wheel(150, 0)
        return "few seeds" in view.window.evaluate("[...written]")

    until(view, holds, "a heading in words")
    written = set(view.window.evaluate("[...written]"))
    assert written & {"yes", "no"} and not written & {"true", "false", "few_seeds"}
    assert not any(re.fullmatch(r"[\d.]+K", text) for text in written)
    assert view.window.get_by_role("combobox", name="measure").count() == 1


def link(view: View) -> None:
    """A wrong value is named, with what is allowed, and the address holds what is shown instead."""
    text = shown(view.window)
    assert "The address asks for budget 'nonsense', which this snapshot does not have." in text
    assert "Shown instead: steps_" in text and "Allowed: steps_" in text
    words = ("measure", "backbone", "stream", "budget", "top", "figure")
    assert all(f"{word}=" in view.window.url for word in words)


def settled_violations(window: "Page") -> list[tuple[str, list[str]]]:
    """What axe-core finds, asked once more where something may just be fading in."""
    broken = violations(window)
    if broken:
        window.wait_for_timeout(2000)
        broken = violations(window)
    return broken


# The pages that are looked at, and what beside the looks
PAGES: dict[str, dict[str, tuple[Check, ...]]] = {
    "demo": {
        "": (first_screen, downloads),
        "compare": (),
        "runs": (),
        f"operations?look={RUNNING}": (live,),
        "declare": (),
        "ask?search=budget+zero-shot": (search,),
        "console?sql=FROM+student&table=trial": (numbers,),
        "trial?id=2": (),
        "?figure=Cost": (costs,),
        "compare?what=trials&trials=2,3": (),
        "student": (numbers,),
        "bootstrap": (intervals, booleans),
        "retention_at_budget": (intervals,),
        "spread": (panels,),
        "ordering": (nothing,),
        "?budget=nonsense": (link,),
    },
    "hundred": {
        "": (first_screen, many, downloads),
        "compare": (),
        "runs": (),
        f"operations?look={RUNNING}": (live,),
        "?figure=Cost": (costs,),
        "?colour=tuning&find=lora": (),
        "bootstrap": (intervals, booleans),
        "retention_at_budget": (intervals,),
        "spread": (panels,),
        "effect": (choices,),
        "?budget=nonsense": (link,),
    },
}
CASES = [(name, address) for name, pages in PAGES.items() for address in pages]


def look(view: View) -> None:
    """Wait until nothing is wrong with how a page looks."""
    wrong: list[str] = []

    def holds() -> bool:
        wrong[:] = view.window.evaluate(LOOK, [BACKGROUND[view.mode], view.width])
        return not wrong

    try:
        until(view, holds, "")
    except AssertionError as error:
        raise AssertionError(f"{wrong[:8]}{error}") from error


@pytest.mark.slow
@pytest.mark.parametrize(("name", "address"), CASES, ids=[" ".join(case) for case in CASES])
def test_what_failed_holds_in_every_window(
    labs: dict[str, Lab], window: "Page", name: str, address: str
) -> None:
    lab = labs[name]
    mode, width = VIEWS[0]
    window.set_viewport_size({"width": width, "height": 900})
    window.emulate_media(color_scheme=mode)
    visit(window, f"{lab.url}/{address}")
    for mode, width in VIEWS:
        window.set_viewport_size({"width": width, "height": 900})
        window.emulate_media(color_scheme=mode)
        view = View(window=window, lab=lab, mode=mode, width=width)
        look(view)
        for check in PAGES[name][address]:
            check(view)
        if (mode, width) in READ and (name == "demo" or not address):
            broken = settled_violations(window)
            assert not broken, (mode, width, broken)
        # A table is written anew in the next view.
        window.evaluate("written.clear()")
