"""Published numbers: each is compared with ours, or says in its setting why it is not."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
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


def test_printed_averages_are_the_means_of_what_is_printed_by_datasets(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    """Numbers of three digits, so a mean may be off by a half of the last, and the printed one too."""
    averages, parts = _averages(connection)
    assert len(parts) == 83 and set(parts) <= set(averages)
    for key, values in parts.items():
        assert averages[key] == pytest.approx(np.mean(values), abs=1e-3), key
    # Transfer has no first dataset
    lengths = {(json.loads(key[1])["stream"], key[2]): len(values) for key, values in parts.items()}
    assert lengths == {
        ("mtil_order_1", "transfer"): 10,
        ("mtil_order_1", "acc_all"): 11,
        ("mtil_order_1", "acc_final"): 11,
        ("mtil_order_2", "transfer"): 10,
        ("mtil_order_2", "acc_all"): 11,
        ("mtil_order_2", "acc_final"): 11,
        ("cmr", "acc_final"): 7,
    }


def test_a_number_that_is_off_is_found(connection: duckdb.DuckDBPyConnection) -> None:
    """One dataset's number with two digits swapped no longer gives the average."""
    connection.execute("""
        UPDATE reference_result SET value = 0.895 WHERE value = 0.985 AND metric = 'top1'
        AND source = 'DPW (arXiv 2604.18075), table E.3' AND contains(setting, '"DPW"')
    """)
    averages, parts = _averages(connection)
    off = [key for key in parts if abs(averages[key] - np.mean(parts[key])) > 1e-3]
    assert [(source, metric) for source, _, metric in off] == [
        ("DPW (arXiv 2604.18075), table E.3", "acc_final")
    ]


Key = tuple[str, str, str]


def _averages(
    connection: duckdb.DuckDBPyConnection,
) -> tuple[dict[Key, float], dict[Key, list[float]]]:
    """Averages, and the numbers by datasets that each is of, by source, setting and metric."""
    averages: dict[Key, float] = {}
    parts: dict[Key, list[float]] = {}
    for source, text, metric, value in rows(
        connection, "SELECT source, setting, metric, value FROM reference_result"
    ):
        if not source.startswith(("DPW", "LEBA", "DAR")):
            continue
        setting = json.loads(text)
        dataset = setting.pop("dataset", None)
        setting.pop("over", None)
        if "task" in setting:
            continue
        if metric.startswith("all_"):
            setting["direction"] = metric.removeprefix("all_").removesuffix("_r1")
        if metric == "top1" or metric.startswith("all_"):
            metric = "acc_final"
        key = (source, json.dumps(setting, sort_keys=True), metric)
        if dataset is None:
            averages[key] = value
        else:
            parts.setdefault(key, []).append(value)
    return averages, parts


@pytest.mark.parametrize(
    ("source", "transfer"),
    [
        ("LEBA (NeurIPS 2025), table 4", "LEBA (NeurIPS 2025), table 4, its matrix"),
        ("LADA, README", "LADA, README"),
    ],
)
def test_a_printed_matrix_gives_its_summaries(
    connection: duckdb.DuckDBPyConnection, source: str, transfer: str
) -> None:
    """Transfer: a dataset's mean before its own task; Average: its mean after all; Last: after the last.

    LEBA's printed Transfer is another, and what its matrix gives stands beside it.
    """
    found = rows(
        connection,
        f"""SELECT (setting::JSON ->> 'task')::INTEGER, position, value
            FROM reference_result JOIN sequence_concept
            ON sequence = (setting::JSON ->> 'stream') AND dataset = (setting::JSON ->> 'dataset')
            WHERE source = '{source}' AND metric = 'top1' ORDER BY 1, 2""",
    )
    tasks = max(task for task, *_ in found)
    matrix = np.array([value for *_, value in found]).reshape(tasks, tasks)
    before = [matrix[:place, place].mean() for place in range(1, tasks)]
    printed = summaries(connection, source)
    assert len(printed) == 3
    assert summaries(connection, transfer)["transfer"] == pytest.approx(np.mean(before), abs=1e-3)
    assert printed["acc_all"] == pytest.approx(matrix.mean(), abs=1e-3)
    assert printed["acc_final"] == pytest.approx(matrix[-1].mean(), abs=1e-3)


def summaries(connection: duckdb.DuckDBPyConnection, source: str) -> dict[str, float]:
    """What a source says of no dataset alone."""
    query = f"""SELECT metric, value FROM reference_result
                WHERE source = '{source}' AND (setting::JSON ->> 'dataset') IS NULL"""
    return dict(rows(connection, query))


def test_a_setting_names_a_method_of_ours_or_a_system_without_a_row(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    """In what was read of 2025 and 2026; whatever names a system is not compared."""
    methods = {name for (name,) in rows(connection, "SELECT lower(name) FROM method")}
    recent = 0
    for source, text, _ in rows(connection, "SELECT source, setting, metric FROM reference_result"):
        setting = json.loads(text)
        assert not {"method", "system"} <= set(setting), (source, text)
        if source.startswith(("DPW", "LEBA", "LADA", "MoRAM", "DAR", "texts on")):
            recent += 1
            assert {"method", "system"} & set(setting), (source, text)
            assert setting.get("method", "zscl") in methods
            assert setting.get("system", "").lower() not in methods
    assert recent > 1000


def test_who_said_a_number_is_in_its_provenance(connection: duckdb.DuckDBPyConnection) -> None:
    """seen is of the authors' own; what is told of in others' texts says so in its source too."""
    for source, text, provenance in rows(
        connection, "SELECT source, setting, provenance FROM reference_result"
    ):
        named = json.loads(text)
        who = named.get("system", named.get("method", ""))
        assert (provenance == "told") == source.startswith("texts on "), source
        if source.startswith(("DPW", "LEBA", "DAR", "CoDyRA, ", "LADA", "MoRAM")):
            own = who.startswith(source[: source.index(" ")].rstrip(","))
            assert provenance in (("seen", "derived") if own else ("compared",)), (source, who)
