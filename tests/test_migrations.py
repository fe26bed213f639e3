"""From an older schema to the present one: every row kept, a new file moved into place, nothing half done."""

import duckdb
import pytest

from schema import ddl, migrations
from schema.catalog import Catalog
from schema.migrations import MIGRATIONS, MigrationError, Step, prepare, version_of
from schema.site import Site
from tests.test_grid import AXES, TRIAL

OLDER = [
    ("study VARCHAR,\n", ""),
    ("total DOUBLE PRECISION NOT NULL", "size DOUBLE PRECISION NOT NULL"),
    ("CHECK (total > 0)", "CHECK (size > 0)"),
]
NEXT = [
    *MIGRATIONS,
    Step(len(MIGRATIONS) + 1, "study; budget.size is total", {"budget": "SELECT * RENAME (size AS total) FROM old.budget"}),
]


@pytest.fixture
def older(site: Site) -> Catalog:
    """A catalog of a schema before this one: no `trial.study`, and `budget.total` had another name."""
    catalog = Catalog(site.catalog, wait_s=5)
    with catalog.open(create=True) as connection:
        for statement in ddl.statements():
            if not statement.startswith("COMMENT"):
                for new, old in OLDER:
                    statement = statement.replace(new, old)
                connection.execute(statement)
        connection.execute("INSERT INTO migration (version, name) VALUES (1, 'first schema')")
        for statement in AXES.replace("total", "size").split(";\n"):
            if statement.strip():
                connection.execute(statement)
        connection.execute(TRIAL.format(method="finetune", seed=1))
        connection.execute(TRIAL.format(method="finetune", seed=2))
        connection.execute("INSERT INTO result VALUES (1, 1, 0, 0, 'd', 'top1', 'all', 'deployed', 0.5, 10, 1)")
        connection.execute("CREATE TABLE my_notes AS SELECT 1 AS trial, 'mine' AS said")
        connection.execute("CREATE VIEW my_view AS SELECT said FROM my_notes JOIN trial ON trial.id = my_notes.trial")
    return catalog


def test_every_row_is_kept(older: Catalog) -> None:
    assert prepare(older, NEXT) == "migrated from version 1 to 2"
    with older.open() as connection:
        assert version_of(connection) == 2
        assert connection.execute("SELECT id, seed, study FROM trial ORDER BY id").fetchall() == [(1, 1, None), (2, 2, None)]
        assert connection.execute("SELECT total FROM budget").fetchall() == [(10.0,)]
        assert connection.execute("SELECT value FROM result").fetchall() == [(0.5,)]
        assert connection.execute("SELECT version FROM migration ORDER BY version").fetchall() == [(1,), (2,)]
        assert connection.execute("FROM my_view").fetchall() == [("mine",)]  # what people added is theirs
        connection.execute(TRIAL.format(method="other", seed=1))
        assert connection.execute("SELECT max(id) FROM trial").fetchone() == (3,)  # ids go on, none is used twice
        with pytest.raises(duckdb.ConstraintException):
            connection.execute(TRIAL.format(method="no such method", seed=1))
    assert prepare(older, NEXT) == ""


def test_a_row_that_no_longer_fits_stops_it_and_nothing_has_changed(older: Catalog) -> None:
    before = older.path.read_bytes()
    bad = [*MIGRATIONS, Step(2, "bad", {"budget": "SELECT * RENAME (size AS total) REPLACE (-size AS size) FROM old.budget"})]
    with pytest.raises(MigrationError, match="stays at version 1.*does not fit"):
        prepare(older, bad)
    assert older.path.read_bytes() == before
    assert sorted(path.name for path in older.path.parent.iterdir()) == ["catalog.duckdb", "catalog.lock"]


def test_killed_before_the_move_the_old_file_stands(older: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    def die(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(migrations, "fsync", die)
    with pytest.raises(KeyboardInterrupt):
        prepare(older, NEXT)
    monkeypatch.undo()
    with older.open() as connection:
        assert version_of(connection) == 1
    assert prepare(older, NEXT) == "migrated from version 1 to 2"


def test_a_newer_catalog_is_refused(catalog: Catalog) -> None:
    with catalog.transaction() as connection:
        connection.execute("INSERT INTO migration (version, name) VALUES (99, 'of the future')")
    with pytest.raises(MigrationError, match="version 99.*knows up to"):
        prepare(catalog)


def test_preparing_twice_changes_nothing(catalog: Catalog) -> None:
    before = catalog.path.stat()
    assert prepare(catalog) == ""
    assert catalog.path.stat().st_mtime_ns == before.st_mtime_ns
