"""A lost catalog is made again from the run folders and what was declared, with the same answers."""

import json
from pathlib import Path
from typing import Any

import duckdb
import pytest

from queries import questions
from runner.run_folder import attempt_folder, write_json
from runner.scheduler.rebuild import RebuildError, insert_axes, rebuild
from runner.sync import publish
from schema import ddl, declared, grid, migrations
from schema.__main__ import main as schema_command
from schema.catalog import Catalog
from schema.site import Site
from schema.spec import Spec
from tests.alike import same_answer
from tests.journey import LOCAL, declare, one_pass, settle, tell
from tests.processes import command
from tests.template import fresh

TIMES = (
    "submitted_at",
    "ingested_at",
    "created_at",
    "since",
    "applied_at",
    "started_at",
    "finished_at",
    "newest_at",
)


def answers(site: Site) -> dict[str, Any]:
    """Every view's rows, without the columns that say when something was written down."""
    found = {}
    with Catalog(site.catalog).open() as connection:
        for question in questions():
            call = question.name if question.kind == "view" else f"{question.name}()"
            asked = connection.execute(
                f"SELECT COLUMNS(lambda name: name NOT IN {TIMES}) FROM {call}"
            )
            names = [column[0] for column in asked.description or []]
            rows = asked.fetchall()
            if "spec" in names:
                # JSON: the order of keys is not part of it
                at = names.index("spec")
                rows = [(*row[:at], Spec.from_json(row[at]).id, *row[at + 1 :]) for row in rows]
            for at in (names.index(name) for name in ("trunk", "stem") if name in names):
                # Numbers that only say who goes together
                first = {row[at]: row[0] for row in sorted(rows, reverse=True)}
                rows = [(*row[:at], first[row[at]], *row[at + 1 :]) for row in rows]
            found[question.name] = rows
    return found


@pytest.mark.slow
@pytest.mark.parametrize("kept", [True, False], ids=["declared kept", "folders only"])
def test_the_same_answers(folder: Path, kept: bool) -> None:
    """Every view answers as before, whether or not the declared rows were kept (I15)."""
    site = declare(folder, f"{LOCAL}trials_per_job = 4\n", 3)
    tell(site, "INSERT INTO trial (backbone, stream, mixture, method, recipe, budget, seed, study, priority) "
               "SELECT backbone, stream, mixture, 'toy_lora_ewc', recipe, budget, 5, 'other', 3 FROM trial LIMIT 1")  # fmt: skip
    settle(site)
    if kept:
        # A trial that never ran, and a wish: only the export knows of them
        tell(site, "INSERT INTO trial (backbone, stream, mixture, method, recipe, budget, seed) "
                   "SELECT backbone, stream, mixture, method, recipe, budget, 9 FROM trial LIMIT 1")  # fmt: skip
        tell(
            site,
            "INSERT INTO request (trial, wish, reason) SELECT id, 'withdraw', 'not yet' FROM trial WHERE seed = 9",
        )
        tell(site, "UPDATE policy SET value = 7 WHERE name = 'retries_killed'")
        one_pass(site)
    before = answers(site)
    assert before["retention_at_budget"] and before["trajectory"]

    site.catalog.unlink()
    if not kept:
        for path in site.declared.iterdir():
            path.unlink()
    done = command(folder, "schema", "--rebuild")
    assert done.returncode == 0, done.stderr
    assert "attempt: 4 rows" in done.stdout and "python -m runner.sync" in done.stdout
    report = one_pass(site)
    assert report.submitted == 0 and report.ended == 4 and not report.problems
    after = answers(site)
    for name, rows in before.items():
        # The catalog's own file has another size, and was measured at another time
        assert name == "disk" or same_answer(after[name], rows), name
    report = one_pass(site)
    assert (report.submitted, report.ended, report.rows) == (0, 0, 0)
    with Catalog(site.catalog).open() as connection:
        # Ids go on
        grid.apply(connection, "INSERT INTO trial (backbone, stream, mixture, method, recipe, budget, seed) "
                               "SELECT backbone, stream, mixture, method, recipe, budget, 77 FROM trial LIMIT 1", "more")  # fmt: skip
        assert connection.execute("SELECT id FROM trial WHERE seed = 77").fetchone() == (
            6 if kept else 5,
        )


def test_a_definition_gives_back_the_rows_that_it_was_made_of(tmp_path: Path) -> None:
    """Those whose columns a definition leaves out or looks up elsewhere, too."""
    tables = ("suite", "suite_member", "stream", "mixture", "method", "recipe", "budget")
    with fresh(tmp_path / "catalog.duckdb", "words").open() as connection:
        grid.apply(
            connection,
            """UPDATE suite SET subset = 0.5
               WHERE name = (SELECT suite FROM stream WHERE name = 'world');
               INSERT INTO trial (backbone, stream, mixture, method, recipe, budget, seed) VALUES
               ('vit_b16_laion2b', 'world', 'fomo_thirds_laion400m', 'lora_r4', 'fomo_cosine',
                'fomo_published', 0)""",
            "grid",
        )
        spec = Spec.from_json(connection.execute("SELECT spec FROM definition").fetchone()[0])  # type: ignore[index]
        wanted = {table: named_rows(connection, table) for table in tables}
    assert spec.budget["published"]["multiplier"] == 0.8702
    with duckdb.connect() as empty:
        for statement in ddl.statements():
            empty.execute(statement)
        insert_axes(empty, spec)
        for table in tables:
            made = named_rows(empty, table)
            assert made and made.items() <= wanted[table].items(), table


def named_rows(connection: duckdb.DuckDBPyConnection, table: str) -> dict[str, object]:
    """The rows of an axis without what can change no number, by the text of their keys."""
    rows = connection.execute(f"SELECT * FROM {table}")
    columns = [column[0] for column in rows.description or []]
    made: dict[str, object] = {}
    for values in rows.fetchall():
        row = dict(zip(columns, values, strict=True))
        for for_people in ("note", "validation"):
            row.pop(for_people, None)
        key = (
            f"{row['suite']} {row['dataset']} {row['role']} {row['metric']}"
            if table == "suite_member"
            else row["name"]
        )
        made[key] = row
    return made


def test_a_catalog_that_is_there_is_left_alone(site: Site, catalog: Catalog) -> None:
    with pytest.raises(
        RebuildError, match="is there. To make it again from the run folders, move it away first"
    ):
        rebuild(site)


def test_what_cannot_be_read_is_named_and_the_rest_goes_on(site: Site) -> None:
    torn, wrong = attempt_folder(site.runs, 3, 1), attempt_folder(site.runs, 4, 1)
    for path in (torn, wrong):
        path.mkdir(parents=True)
    (torn / "job.json").write_text('{"trial": 3')
    job = {"trial": 9, "attempt": 1, "batch": "b", "position": 0, "data": "data"}
    write_json(wrong / "job.json", job)
    (wrong / "spec.json").write_text(Spec({}, {}, {}, {}, {}, {}, 0).to_json())
    rows, problems = rebuild(site)
    assert problems == [
        f"{torn / 'spec.json'} is missing; runner.sync writes it; its attempt is left out",
        f"{wrong / 'job.json'} is of trial 9, not of 4; its attempt is left out",
    ]
    assert rows["attempt"] == 0 and site.catalog.exists()


def test_nothing_to_rebuild_from_gives_an_empty_catalog(
    folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert schema_command(["--rebuild"]) == 0
    assert "is made again" in capfd.readouterr().out
    assert schema_command(["--rebuild"]) == 2
    assert "move it away first" in capfd.readouterr().err


def test_only_what_changed_is_written_again(site: Site, catalog: Catalog) -> None:
    with catalog.open() as connection:
        assert set(declared.export(connection, site.declared)) == set(declared.TABLES)
        assert declared.export(connection, site.declared) == []
        connection.execute("INSERT INTO budget (name, unit, total) VALUES ('b', 'steps', 1)")
        assert declared.export(connection, site.declared) == ["budget"]
        (site.declared / "recipe.parquet").unlink()
        assert declared.export(connection, site.declared) == ["recipe"]
    with duckdb.connect() as connection:
        assert connection.execute(
            "SELECT name FROM read_parquet(?)", [str(site.declared / "budget.parquet")]
        ).fetchall() == [("b",)]
    assert set(json.loads((site.declared / "declared.json").read_text())["tables"]) == set(
        declared.TABLES
    )


def test_the_export_of_a_lost_catalog_is_not_written_over(site: Site, catalog: Catalog) -> None:
    with catalog.open() as connection:
        connection.execute("INSERT INTO budget (name, unit, total) VALUES ('precious', 'steps', 1)")
        declared.export(connection, site.declared)
    catalog.path.unlink()
    # Somebody began a new one
    migrations.prepare(catalog)
    with catalog.open() as connection:
        declared.export(connection, site.declared)
    (kept,) = site.declared.parent.glob("declared.of-*")
    for folder, names in ((kept, [("precious",)]), (site.declared, [])):
        with duckdb.connect() as connection:
            found = connection.execute(
                "SELECT name FROM read_parquet(?)", [str(folder / "budget.parquet")]
            ).fetchall()
        assert found == names


def test_every_table_that_people_fill_is_exported(catalog: Catalog) -> None:
    happened = {
        "attempt",
        "submission",
        "outcome",
        "result",
        "cost",
        "progress",
        "statistic",
        "ingested",
        "imported",
        "problem",
        "disk_use",
        "migration",
    }
    with catalog.open() as connection:
        tables = {
            name
            for (name,) in connection.execute("SELECT table_name FROM duckdb_tables()").fetchall()
        }
    # Made from what happened
    kept = {"kept_summary", "kept_cost", "kept_until"}
    # Filled by the schema itself
    written = {"pretrained_tag"}
    assert tables == happened | kept | written | set(declared.TABLES)


def test_sync_exports_when_it_publishes(site: Site, catalog: Catalog) -> None:
    with catalog.open() as connection:
        publish(site, catalog, connection)
    assert (site.declared / "trial.parquet").exists()


def test_an_export_from_before_a_column_was_there(site: Site, catalog: Catalog) -> None:
    """It is restored by the columns that both have, and is no edit of anybody's."""
    with catalog.open() as connection:
        connection.execute("INSERT INTO budget (name, unit, total) VALUES ('b', 'steps', 1)")
        declared.export(connection, site.declared)
        path = site.declared / "budget.parquet"
        connection.execute(
            f"COPY (SELECT name, unit, total FROM '{str(path).replace(chr(39), 2 * chr(39))}') "
            f"TO '{str(path).replace(chr(39), 2 * chr(39))}' (FORMAT parquet)"
        )
        index = json.loads((site.declared / "declared.json").read_text())
        # That, too, is newer
        del index["sha256"]
        (site.declared / "declared.json").write_text(json.dumps(index))
        connection.execute("INSERT INTO budget (name, unit, total) VALUES ('c', 'steps', 2)")
        assert declared.edited(connection, site.declared) == []
        connection.execute("UPDATE budget SET total = 3 WHERE name = 'b'")
        assert declared.edited(connection, site.declared) == ["budget"]
    catalog.path.unlink()
    migrations.prepare(catalog)
    with catalog.open() as connection:
        assert declared.restore(connection, site.declared)["budget"] == 1
        found = connection.execute("SELECT name, total, note FROM budget").fetchall()
    assert found == [("b", 1.0, None)]
