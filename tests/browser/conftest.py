"""One server for all tests and one browser for a file, over a catalog of some of everything.

The tests are skipped where there is no browser.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from docpages.kept import DEMO, METHODS
from queries import ask
from schema.site import Site
from tests.browser import chromium
from tests.browser.sites import Lab, published
from tests.filled import Filled, varied
from tests.screens.test_live import worker

# The number of a trial that runs in labs, newer than their snapshots
RUNNING = 999_999
# The setting that the app shows first, of each lab
LARGEST = {
    "demo": {"backbone": "tiny_base", "stream": "world", "budget": "steps_250"},
    "hundred": {"backbone": "tiny_base", "stream": "world", "budget": "steps_100"},
}
WRITTEN = """
window.written = new Set();
const write = CanvasRenderingContext2D.prototype.fillText;
CanvasRenderingContext2D.prototype.fillText = function (text, ...rest) {
  window.written.add(String(text));
  return write.call(this, text, ...rest);
};
"""


def require_browser() -> None:
    """Skip where there is none, and fail there if the environment says that it is expected."""
    if absent := chromium.missing():
        sentence = (
            f"no browser to drive ({', '.join(absent)} not found); "
            "tests/browser/install.sh and make setup install it."
        )
        if "browser" in os.environ.get("WEIR_EXPECT", ""):
            pytest.fail(f"WEIR_EXPECT says browser, but there is {sentence}", pytrace=False)
        pytest.skip(sentence)


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """A site with a published catalog."""
    require_browser()
    folder = tmp_path_factory.mktemp("lab")
    site = Site.load(folder)
    site.snapshot.mkdir(parents=True)
    made = Filled(site.snapshot / "catalog-000001.duckdb")
    varied(made)
    made.connection.close()
    site.current.symlink_to("catalog-000001.duckdb")
    return site


@pytest.fixture(scope="session")
def app(lab: Site) -> Iterator[str]:
    """The address of the app."""
    with chromium.served(lab.folder) as url:
        yield url


@pytest.fixture(scope="session")
def labs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Lab]]:
    """The demo and the grid of a hundred methods, each served, with a trial that runs."""
    require_browser()
    with ExitStack() as stack:
        served_labs = {}
        for name, example in (("demo", DEMO), ("hundred", METHODS)):
            folder = tmp_path_factory.mktemp(name)
            site = published(folder, example)
            worker(site.runs, RUNNING)
            methods = ask("ranked", site.current, **LARGEST[name])["method"].unique().to_list()
            methods.remove("untouched")
            url = stack.enter_context(chromium.served(folder))
            served_labs[name] = Lab(name=name, url=url, site=site, methods=tuple(methods))
        yield served_labs


@pytest.fixture(scope="module")
def window(context: "chromium.BrowserContext") -> Iterator["chromium.Page"]:
    """One page for a file, which keeps what is written on canvases, as tables are."""
    page = context.new_page()
    page.add_init_script(WRITTEN)
    yield page
    page.close()


@pytest.fixture(scope="module")
def context() -> Iterator["chromium.BrowserContext"]:
    """One browser for a file: while Playwright is there, nothing else in its process may use asyncio."""
    require_browser()
    with ExitStack() as stack:
        yield stack.enter_context(chromium.browser())


@pytest.fixture
def page(context: "chromium.BrowserContext") -> Iterator["chromium.Page"]:
    page = context.new_page()
    yield page
    page.close()


def publish(site: Site, name: str, sql: str) -> Path:
    """A newer snapshot with one more change, moved into place as sync does."""
    import duckdb

    path = site.snapshot / f"{name}.duckdb"
    shutil.copy(site.current.resolve(), path)
    with duckdb.connect(str(path)) as connection:
        connection.execute(sql)
    aside = site.snapshot / ".current"
    aside.symlink_to(path.name)
    aside.replace(site.current)
    return path
