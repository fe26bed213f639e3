"""An empty and a filled catalog for all tests of the app, as sync would publish them."""

from pathlib import Path

import pytest

from schema.site import Site
from screens import reading
from tests.filled import Filled, varied


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
