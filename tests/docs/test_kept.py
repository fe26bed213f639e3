"""Facts of grids that ran are kept for the pages: some trials that ran again replace their like."""

import shutil
from pathlib import Path

import duckdb
import polars as pl
import pytest

from docpages.kept import DEMO, KEPT, SENTENCE
from tests.template import demo_catalog


@pytest.fixture
def ran(tmp_path: Path) -> Path:
    """A catalog file in which the demo ran, as it is kept."""
    path = tmp_path / "ran.duckdb"
    with demo_catalog() as connection:
        connection.execute(f"ATTACH '{path}' AS file")
        for table in KEPT:
            connection.execute(f"CREATE TABLE file.{table} AS FROM {table}")
    return path


def rows(folder: Path, table: str) -> pl.DataFrame:
    return pl.read_parquet(folder / f"{table}.parquet")


def test_all_of_a_catalog_is_kept_as_it_is(ran: Path, tmp_path: Path) -> None:
    """Without anything there before, ids and all."""
    DEMO.export(ran, tmp_path / "kept")
    for table in KEPT:
        new, old = rows(tmp_path / "kept", table), rows(DEMO.folder, table)
        assert new.select(old.columns).sort(pl.all()).equals(old.sort(pl.all())), table


def test_a_trial_that_has_not_ended_is_not_kept(ran: Path, tmp_path: Path) -> None:
    """One was lost and runs again, one was lost and waits, one failed for good and is kept."""
    before = rows(DEMO.folder, "trial")
    again, waiting, failed = before.filter(pl.col("study") == "demo").sort("id")["id"][:3]
    with duckdb.connect(str(ran)) as connection:
        connection.execute(f"UPDATE outcome SET state = 'lost' WHERE trial IN ({again}, {waiting})")
        connection.execute(f"UPDATE outcome SET state = 'failed' WHERE trial = {failed}")
        connection.execute(
            f"INSERT INTO attempt BY NAME SELECT * REPLACE (2 AS attempt) FROM attempt "
            f"WHERE trial = {again}"
        )
    DEMO.export(ran, tmp_path / "kept")
    after = rows(tmp_path / "kept", "trial")
    gone = before.join(after, on=SENTENCE, how="anti")
    assert set(gone["id"]) == {again, waiting}
    assert set(rows(tmp_path / "kept", "result")["trial"]) == set(after["id"])


def test_a_trial_that_ran_again_replaces_its_like_and_a_new_one_gets_an_id(
    ran: Path, tmp_path: Path
) -> None:
    """The catalog numbers them otherwise; every other row stays."""
    folder = tmp_path / "kept"
    shutil.copytree(DEMO.folder, folder)
    before = rows(folder, "trial").filter(pl.col("study") == "demo").sort("id")
    again, new = before["id"][3], before["id"][4]
    with duckdb.connect(str(ran)) as connection:
        others = f"study = 'demo' AND id NOT IN ({again}, {new})"
        for table in set(KEPT) - {"trial", "profile"}:
            connection.execute(
                f"DELETE FROM {table} WHERE trial IN (SELECT id FROM trial WHERE {others})"
            )
            connection.execute(f"UPDATE {table} SET trial = trial + 7000 WHERE trial > 1")
        connection.execute(f"DELETE FROM trial WHERE {others}")
        connection.execute("UPDATE trial SET id = id + 7000 WHERE id > 1")
        connection.execute(f"UPDATE trial SET seed = 99 WHERE id = {new + 7000}")
        connection.execute("UPDATE result SET value = value / 2 WHERE trial > 1")
    DEMO.export(ran, folder)
    after = rows(folder, "trial")
    assert len(after) == len(rows(DEMO.folder, "trial")) + 1
    assert after.select(SENTENCE).is_unique().all()
    assert after.filter(pl.col("seed") == 99)["id"].to_list() == [before["id"].max() + 1]
    old, now = rows(DEMO.folder, "result"), rows(folder, "result")
    same = pl.col("trial").is_in([again, before["id"].max() + 1]).not_()
    assert (
        now.filter(same).sort(pl.all()).equals(old.filter(pl.col("trial") != again).sort(pl.all()))
    )
    halved = now.filter(pl.col("trial") == again)["value"].sum()
    assert halved == pytest.approx(old.filter(pl.col("trial") == again)["value"].sum() / 2)


def test_trials_from_another_base_are_refused(ran: Path, tmp_path: Path) -> None:
    folder = tmp_path / "kept"
    shutil.copytree(DEMO.folder, folder)
    with duckdb.connect(str(ran)) as connection:
        connection.execute("UPDATE result SET value = value + 1e-9 WHERE trial = 1 AND task = 1")
    with pytest.raises(ValueError, match="has other results than the one in"):
        DEMO.export(ran, folder)
    assert rows(folder, "result").equals(rows(DEMO.folder, "result"))
