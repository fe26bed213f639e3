"""One server for all tests and one browser for a file, over a catalog of some of everything.

The tests are skipped where there is no browser.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from schema.site import Site
from tests.browser import chromium
from tests.filled import Filled, varied


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
