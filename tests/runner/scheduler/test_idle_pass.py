"""What a pass with nothing to do costs: opening the catalog is most of it."""

from pathlib import Path
from typing import Any

import pytest

from runner.backends import backend
from runner.sync import sync
from schema import catalog as catalogs
from schema import grid
from schema.catalog import Catalog
from schema.site import Site


def opened(site: Site, monkeypatch: pytest.MonkeyPatch) -> int:
    """Do a pass; how often it opened the catalog."""
    paths: list[Path] = []

    def counting(path: Path, connect: Any = catalogs.connect) -> Any:
        paths.append(path)
        return connect(path)

    with monkeypatch.context() as patch:
        patch.setattr(catalogs, "connect", counting)
        report = sync(site, backend("local", site))
    assert not report.submitted and report.pending == 0
    return paths.count(site.catalog)


def test_it_opens_the_catalog_twice(
    site: Site, catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened(site, monkeypatch)
    assert opened(site, monkeypatch) == 2
    # Rows that a person adds are news to the snapshot, and no work
    with catalog.open() as connection:
        grid.apply(
            connection, "INSERT INTO budget (name, unit, total) VALUES ('x', 'steps', 1);", "x"
        )
    assert opened(site, monkeypatch) == 2
