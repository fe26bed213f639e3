"""The catalog's file and its log: what lies beside the file is read, mended, or refused, and nothing committed is lost."""

import logging
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schema.catalog import Catalog, CatalogDamagedError
from schema.publishing import publish
from tests.faults.disk import bounded
from tests.template import fresh

LONG = 10**9


@pytest.fixture
def logged(catalog: Catalog) -> Catalog:
    """A catalog with rows a, b and c in its log."""
    keeping = Catalog(catalog.path, 5, LONG)
    for name in "abc":
        add(keeping, name)
    return keeping


def add(catalog: Catalog, name: str) -> None:
    with catalog.transaction() as connection:
        connection.execute("INSERT INTO suite (name) VALUES (?)", [name])


def names(catalog: Catalog) -> str:
    with catalog.open() as connection:
        rows = connection.execute("SELECT name FROM suite ORDER BY name").fetchall()
    return "".join(name for (name,) in rows)


def beside(catalog: Catalog) -> set[str]:
    """The names of the files beside the catalog, without its lock."""
    return {path.name for path in catalog.path.parent.iterdir()} - {"catalog.lock"}


def test_commits_stay_in_the_log_until_it_is_long(logged: Catalog) -> None:
    before = logged.path.read_bytes()
    assert beside(logged) == {"catalog.duckdb", "catalog.duckdb.wal", "catalog.duckdb.wal.seal"}
    assert names(logged) == "abc" and logged.path.read_bytes() == before
    logged.log_most_bytes = logged.file.log_bytes()
    assert names(logged) == "abc" and logged.path.read_bytes() == before
    logged.log_most_bytes -= 1
    assert names(logged) == "abc"
    assert beside(logged) == {"catalog.duckdb"} and logged.path.read_bytes() != before
    assert names(logged) == "abc"


def test_taking_in_the_log_changes_neither_the_time_nor_the_rights(logged: Catalog) -> None:
    """A snapshot that was published before stays current, and a group that may write still may."""
    logged.path.chmod(0o664)
    changed_at_ns = logged.file.changed_at_ns()
    logged.rewrite()
    assert logged.file.changed_at_ns() == changed_at_ns
    assert stat.S_IMODE(logged.path.stat().st_mode) == 0o664
    add(logged, "d")
    assert logged.file.changed_at_ns() > changed_at_ns


def test_a_catalog_behind_a_link_stays_behind_it(catalog: Catalog, tmp_path: Path) -> None:
    real = tmp_path / "disk" / "real.duckdb"
    real.parent.mkdir()
    catalog.path.rename(real)
    catalog.path.symlink_to(real)
    keeping = Catalog(catalog.path, 5, LONG)
    add(keeping, "a")
    # DuckDB keeps the log beside the file, not beside the link
    assert keeping.file.log_bytes() and keeping.file.seal.path.parent == real.parent
    with keeping.open():
        snapshot = publish(keeping, tmp_path / "snapshot")
    with duckdb.connect(str(snapshot), read_only=True) as reader:
        assert reader.execute("SELECT name FROM suite").fetchall() == [("a",)]
    add(keeping, "b")
    keeping.rewrite()
    assert catalog.path.is_symlink() and not keeping.file.log_bytes()
    assert names(Catalog(real)) == names(catalog) == "ab"


def test_what_is_committed_after_publishing_is_kept(catalog: Catalog, tmp_path: Path) -> None:
    with catalog.open() as connection:
        connection.execute("INSERT INTO suite (name) VALUES ('a')")
        snapshot = publish(catalog, tmp_path / "snapshot")
        connection.execute("INSERT INTO suite (name) VALUES ('b')")
    assert names(catalog) == "ab" and beside(catalog) == {"catalog.duckdb"}
    with duckdb.connect(str(snapshot), read_only=True) as reader:
        assert reader.execute("SELECT name FROM suite").fetchall() == [("a",)]


def test_killed_before_the_log_was_removed(
    logged: Catalog, caplog: pytest.LogCaptureFixture
) -> None:
    """F6: the file has the log's rows; the log is set aside, and rows are neither lost nor doubled."""
    log = logged.file.log.read_bytes()
    logged.rewrite()
    logged.file.log.write_bytes(log)
    with caplog.at_level(logging.WARNING):
        assert names(logged) == "abc"
    assert "catalog.duckdb.wal was in the way" in caplog.text
    (aside,) = logged.path.parent.glob("catalog.duckdb.wal.in-the-way-*")
    assert aside.read_bytes() == log
    add(logged, "d")
    assert names(logged) == "abcd"


def test_a_log_that_lost_its_file_is_set_aside(logged: Catalog) -> None:
    """Whoever moves the file away to make the catalog anew keeps what was committed."""
    log = logged.file.log.read_bytes()
    logged.path.unlink()
    with logged.open(create=True) as connection:
        assert connection.execute("SELECT count(*) FROM duckdb_tables()").fetchone() == (0,)
    (aside,) = logged.path.parent.glob("catalog.duckdb.wal.in-the-way-*")
    assert aside.read_bytes() == log


def test_a_persons_own_session_takes_in_the_log(logged: Catalog) -> None:
    with duckdb.connect(str(logged.path)) as session:
        session.execute("INSERT INTO suite (name) VALUES ('d')")
    # The seal is still there, and speaks of a log that is not
    assert beside(logged) == {"catalog.duckdb", "catalog.duckdb.wal.seal"}
    assert names(logged) == "abcd"
    with duckdb.connect(str(logged.path)) as session:
        session.execute("PRAGMA disable_checkpoint_on_shutdown")
        session.execute("INSERT INTO suite (name) VALUES ('e')")
    assert names(logged) == "abcde"


def test_a_comment_in_the_log_is_read(catalog: Catalog) -> None:
    """DuckDB cannot read a log by itself that alters a table with a CHECK of JSON."""
    keeping = Catalog(catalog.path, 5, LONG)
    with keeping.open() as connection:
        connection.execute("COMMENT ON COLUMN pretrained_tag.architecture IS 'mine'")
        connection.execute("INSERT INTO suite (name) VALUES ('a')")
    assert names(keeping) == "a"
    with keeping.open() as connection:
        comment = "SELECT comment FROM duckdb_columns() WHERE (table_name, column_name) = ('pretrained_tag', 'architecture')"
        assert connection.execute(comment).fetchone() == ("mine",)


@contextmanager
def refused(catalog: Catalog) -> Iterator[None]:
    """The catalog is said to be damaged, with what to do, and stays as it is."""
    files = {path: path.read_bytes() for path in catalog.path.parent.iterdir()}
    yield
    with pytest.raises(CatalogDamagedError, match="python -m schema --rebuild"):
        names(catalog)
    assert {path: path.read_bytes() for path in catalog.path.parent.iterdir()} == files


@settings(
    deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.data())
def test_any_damage_of_a_log_is_said(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """F45: bits that flip, an end that is gone or zero, a log that is gone."""
    catalog = fresh(tmp_path_factory.mktemp("lab") / "catalog.duckdb")
    keeping = Catalog(catalog.path, 5, LONG)
    add(keeping, "a")
    add(keeping, "b")
    log, content = keeping.file.log, keeping.file.log.read_bytes()
    place = data.draw(st.integers(0, 200))
    kind = data.draw(st.sampled_from(["flipped", "cut", "gone", "zeros"]))
    if kind == "flipped":
        bit = data.draw(st.integers(0, 7))
        log.write_bytes(
            content[:place] + bytes([content[place] ^ (1 << bit)]) + content[place + 1 :]
        )
    elif kind == "cut":
        log.write_bytes(content[:place])
    elif kind == "zeros":
        log.write_bytes(content[:place] + bytes(len(content) - place))
    else:
        log.unlink()
    with pytest.raises(CatalogDamagedError, match=r"wal (has \d+ bytes|is not what was written)"):
        names(keeping)
    # With what was written in its place again it is whole
    log.write_bytes(content)
    assert names(keeping) == "ab"


def test_a_torn_end_is_dropped_and_what_was_committed_is_there(logged: Catalog) -> None:
    """F6: as a kill amid a commit leaves it, at any byte."""
    whole = logged.file.log.read_bytes()
    seal = logged.file.seal.path.read_bytes()
    add(logged, "d")
    longer = logged.file.log.read_bytes()
    for size in range(len(whole), len(longer), 7):
        logged.file.log.write_bytes(longer[:size])
        logged.file.seal.path.write_bytes(seal)
        assert names(logged) == "abc"
    add(logged, "e")
    assert names(logged) == "abce"


def test_a_torn_end_is_not_sealed(logged: Catalog) -> None:
    """F6: the next commit cuts it off, and may be killed before that is sealed."""
    seal = logged.file.seal.path.read_bytes()
    add(logged, "d")
    logged.file.log.write_bytes(logged.file.log.read_bytes()[:-3])
    logged.file.seal.path.write_bytes(seal)
    assert names(logged) == "abc"
    assert logged.file.seal.path.read_bytes() == seal
    add(logged, "e")
    logged.file.seal.path.write_bytes(seal)
    assert names(logged) == "abce"


@pytest.mark.parametrize("torn", ["", "{", "[]", '{"file": 1}', "null"])
def test_a_torn_seal_says_nothing(logged: Catalog, torn: str) -> None:
    logged.file.seal.path.write_text(torn)
    assert names(logged) == "abc"


def test_a_log_of_another_catalog_is_refused(logged: Catalog, tmp_path: Path) -> None:
    """F45: it would be read into this one, or dropped."""
    other = tmp_path / "other.duckdb"
    with duckdb.connect(str(other)) as session:
        session.execute("PRAGMA disable_checkpoint_on_shutdown")
        session.execute("CREATE TABLE suite (name VARCHAR)")
    shutil.copy(f"{other}.wal", logged.file.log)
    with refused(logged):
        pass
    logged.file.seal.path.unlink()
    with refused(logged):
        pass


def test_an_older_file_under_a_newer_log_is_refused(logged: Catalog, tmp_path: Path) -> None:
    """F45: whoever puts a copy back is told of the log that is not its own."""
    older = shutil.copy(logged.path, tmp_path / "older.duckdb")
    logged.rewrite()
    add(logged, "d")
    shutil.copy(older, logged.path)
    with refused(logged):
        pass


def test_no_room_for_the_copy(catalog: Catalog, caplog: pytest.LogCaptureFixture) -> None:
    """F30: the log is kept, which is said, and taken in when there is room."""
    with bounded(catalog.path.stat().st_size // 2), caplog.at_level(logging.WARNING):
        add(catalog, "a")
    assert "keeps its log of commits for now" in caplog.text
    assert beside(catalog) == {"catalog.duckdb", "catalog.duckdb.wal", "catalog.duckdb.wal.seal"}
    assert names(catalog) == "a" and beside(catalog) == {"catalog.duckdb"}
