"""What a pass with nothing to do costs: opening the catalog is most of it."""

from pathlib import Path
from typing import Any

import pytest

from runner.backends import backend
from runner.sync import sync
from schema import catalog_file, grid, views
from schema.catalog import Catalog
from schema.site import Site


def opened(site: Site, monkeypatch: pytest.MonkeyPatch) -> int:
    """Do a pass; how often it opened the catalog."""
    paths: list[Path] = []

    def counting(path: Path, connect: Any = catalog_file.connect) -> Any:
        paths.append(path)
        return connect(path)

    with monkeypatch.context() as patch:
        patch.setattr(catalog_file, "connect", counting)
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


def test_it_looks_at_the_views_only_after_somebody_wrote(
    site: Site, catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that a person dropped or replaced comes back all the same."""
    looked = []

    def counting(connection: Any, *folder: Path, outdated: Any = views.outdated) -> bool:
        looked.append(connection)
        return bool(outdated(connection, *folder))

    monkeypatch.setattr(views, "outdated", counting)
    opened(site, monkeypatch)
    looked.clear()
    opened(site, monkeypatch)
    assert looked == []
    with catalog.open() as connection:
        connection.execute("DROP VIEW trial_state")
        connection.execute("CREATE VIEW trial_state AS SELECT 1 AS mine")
    opened(site, monkeypatch)
    with catalog.open() as connection:
        assert connection.execute("SELECT count(state) FROM trial_state").fetchone() == (0,)
