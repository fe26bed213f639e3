"""An empty and a filled catalog for all tests of the app, as sync would publish them."""

from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from streamlit.components.v2 import manifest_scanner

from schema.site import Site
from screens import reading
from tests.filled import Filled, varied


@pytest.fixture(scope="session", autouse=True)
def components() -> Iterator[None]:
    """Have Streamlit look for components once among the installed packages.

    It reads the metadata of all of them for each test, which takes as long as a page.
    """
    with pytest.MonkeyPatch.context() as patch:
        scan = cache(manifest_scanner.scan_component_manifests)
        patch.setattr(manifest_scanner, "scan_component_manifests", scan)
        yield


@pytest.fixture(scope="session")
def catalogs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the two."""
    folder = tmp_path_factory.mktemp("catalogs")
    for name, fill in (("empty", lambda _: None), ("full", varied)):
        filled = Filled(folder / f"{name}.duckdb")
        fill(filled)
        filled.connection.close()
    return folder


@pytest.fixture
def empty(site: Site, catalogs: Path) -> None:
    """A site whose snapshot has no trials."""
    site.snapshot.mkdir(parents=True)
    site.current.symlink_to(catalogs / "empty.duckdb")


@pytest.fixture
def full(site: Site, catalogs: Path) -> reading.Snapshot:
    """The snapshot of a site that has some of everything."""
    site.snapshot.mkdir(parents=True)
    site.current.symlink_to(catalogs / "full.duckdb")
    snapshot = reading.newest()
    assert snapshot is not None
    return snapshot
