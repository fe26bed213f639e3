"""Published numbers: each is compared with ours, or says in its setting why it is not."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from schema.catalog import Catalog
from tests.template import fresh

# Tables that the words of a setting name rows of
TABLES = ("backbone", "stream", "mixture", "recipe", "budget", "suite", "dataset")
OURS = {*TABLES, "method", "task"}


@pytest.fixture(scope="module")
def vocabulary(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of a catalog with the whole vocabulary."""
    return fresh(tmp_path_factory.mktemp("vocabulary") / "catalog.duckdb", "words").path


@pytest.fixture
def connection(vocabulary: Path, tmp_path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """An open copy of the catalog."""
    shutil.copy(vocabulary, tmp_path / "catalog.duckdb")
    with Catalog(tmp_path / "catalog.duckdb", 5).open() as opened:
        yield opened


def rows(connection: duckdb.DuckDBPyConnection, query: str) -> list[tuple[Any, ...]]:
    return connection.execute(query).fetchall()


def compared(connection: duckdb.DuckDBPyConnection) -> list[tuple[str, dict[str, Any], str]]:
    """Source, setting and metric of the rows whose settings are of our words alone."""
    everything = rows(connection, "SELECT source, setting, metric FROM reference_result")
    parsed = [(source, json.loads(setting), metric) for source, setting, metric in everything]
    return [row for row in parsed if set(row[1]) <= OURS]


def test_names_of_settings_that_are_compared_exist(connection: duckdb.DuckDBPyConnection) -> None:
    settings = compared(connection)
    assert len(settings) > 200
    for table in TABLES:
        known = {name for (name,) in rows(connection, f"SELECT name FROM {table}")}
        assert {row[1][table] for row in settings if table in row[1]} <= known, table
    methods = {name for (name,) in rows(connection, "SELECT lower(name) FROM method")}
    assert {row[1]["method"].lower() for row in settings if "method" in row[1]} <= methods


def test_metrics_that_are_compared_are_measured(connection: duckdb.DuckDBPyConnection) -> None:
    """A dataset's by its suites; the others are columns of the views that `reproduced` reads."""
    measured = set(rows(connection, "SELECT dataset, metric FROM suite_member"))
    columns = set()
    for view in ("continual", "point"):
        columns |= {name for name, *_ in rows(connection, f"DESCRIBE {view}")}
    for source, setting, metric in compared(connection):
        if "dataset" in setting:
            assert (setting["dataset"], metric) in measured, (source, setting, metric)
        else:
            assert metric in columns, (source, setting, metric)


def test_what_is_not_measured_yet_could_be(connection: duckdb.DuckDBPyConnection) -> None:
    """A trial that fits brings a number beside every row that `reproduced` calls not measured."""
    connection.execute("""
        INSERT INTO trial (backbone, stream, mixture, method, recipe, budget, seed)
        VALUES ('vit_b16_openai', 'mtil_order_1', 'update_only', 'zscl', 'mtil', 'fomo', 1)
    """)
    connection.execute("""
        INSERT INTO result
        SELECT t.id, 1, task, 0, dataset, 'top1', 'all', 'deployed', 0.5, 100, 1
        FROM trial t, range(12) AS tasks(task),
             (SELECT DISTINCT dataset FROM suite_member WHERE suite = 'mtil' AND metric = 'top1')
    """)
    verdicts = rows(
        connection,
        "SELECT verdict, metric FROM reproduced() WHERE source = 'ZSCL, MTIL'",
    )
    assert len(verdicts) > 130
    assert {verdict for verdict, _ in verdicts} <= {"differs", "reproduced"}, verdicts


def test_what_is_not_compared_says_why(connection: duckdb.DuckDBPyConnection) -> None:
    verdicts = rows(
        connection,
        """SELECT DISTINCT source, verdict FROM reproduced() WHERE verdict LIKE 'not compared%'""",
    )
    assert ("TiC-CLIP, figure of the README", "not compared: datasets, pool") in verdicts


def test_what_is_read_off_a_plot_is_derived(connection: duckdb.DuckDBPyConnection) -> None:
    plotted = "SELECT DISTINCT provenance FROM reference_result WHERE source LIKE '%figure%'"
    assert rows(connection, plotted) == [("derived",)]


def test_the_derived_counts_of_ewc_leave_memory_out(connection: duckdb.DuckDBPyConnection) -> None:
    """A Fisher pass once a task, charged in plain FLOPs: what of the budget is left, in steps."""
    step, fisher, budget = 63394.7585, 6276081.094 - 63394.7585, 1.8e9
    counts = rows(
        connection,
        """SELECT (setting::JSON ->> 'tasks')::INTEGER, value FROM reference_result
           WHERE setting LIKE '%memory left out%' ORDER BY 1""",
    )
    assert [tasks for tasks, _ in counts] == [20, 50, 100, 200]
    for tasks, steps in counts:
        assert steps == round((budget / tasks - fisher) / step)
