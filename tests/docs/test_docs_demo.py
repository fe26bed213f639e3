"""docs/demo.md: the learning rates of the demo are those that the rules of grids/tune.sql choose."""

import re
from pathlib import Path

import duckdb
import pytest

from schema import grid
from tests.template import in_memory

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "demo.md").read_text()
RATES = ("5e-4", "1e-3", "2e-3", "4e-3", "8e-3")
LINE = re.compile(r"^\| (update_only|replay_thirds) \| (\w+) \|((?: [^|]+\|){5})$", re.MULTILINE)


def measured() -> dict[tuple[str, str, str], tuple[float, float]]:
    """Accumulation and retention of each mixture, method and recipe, as the page has them."""
    found = {}
    for mixture, method, cells in LINE.findall(PAGE):
        for rate, pair in zip(RATES, re.findall(r"\(([\d.]+), ([\d.]+)\)", cells), strict=True):
            found[mixture, method, f"tiny_lr_{rate}"] = (float(pair[0]), float(pair[1]))
    return found


def grids(connection: duckdb.DuckDBPyConnection) -> None:
    for path in sorted((ROOT / "schema" / "rows").glob("*.sql")):
        grid.apply(connection, path.read_text(), path.name)
    for name in ("demo", "tune"):
        grid.apply(connection, (ROOT / "grids" / f"{name}.sql").read_text(), name)


def run(connection: duckdb.DuckDBPyConnection, name: str) -> list[tuple[str, ...]]:
    """What a rule returns, put into `trial`: mixture, method, recipe, seed and stream."""
    row = connection.execute("SELECT query, most_trials FROM rule WHERE name = ?", [name])
    ((query, most),) = row.fetchall()
    found = connection.execute(
        f"INSERT INTO trial BY NAME {query} RETURNING mixture, method, recipe, seed, stream"
    ).fetchall()
    assert len(found) == most
    return found


@pytest.fixture
def tuned() -> list[tuple[str, ...]]:
    """What the second rule returns when the search came to what the page says."""
    connection = in_memory()
    grids(connection)
    searched = run(connection, "tune")
    assert {(row[0], row[1], row[2]) for row in searched} == measured().keys()
    for (mixture, method, recipe), means in measured().items():
        words = [mixture, method, recipe]
        where = "trial.study = 'tune' AND (mixture, method, recipe) = (?, ?, ?)"
        connection.execute(
            "INSERT INTO attempt (trial, attempt, spec, spec_id, batch, position) "
            f"SELECT id, 1, '{{}}', 'x', 'x', 0 FROM trial WHERE {where}",
            words,
        )
        connection.execute(
            f"INSERT INTO outcome (trial, attempt, state) SELECT id, 1, 'done' FROM trial WHERE {where}",
            words,
        )
        connection.execute(
            "INSERT INTO result BY NAME SELECT trial.id AS trial, 1 AS attempt, task.task, 50 * task.task AS step, "
            "dataset, metric, label_space, 'deployed' AS weights, 160 AS examples, 1.0 AS fraction, "
            "CASE role WHEN 'adapt' THEN ? ELSE ? END AS value "
            f"FROM trial, suite_member, range(6) AS task(task) WHERE suite = 'world_validation' AND {where}",
            [*means, *words],
        )
    return run(connection, "tuned demo")


def test_the_rule_returns_the_cells_of_the_demo(tuned: list[tuple[str, ...]]) -> None:
    connection = in_memory()
    grids(connection)
    cells = connection.execute(
        "SELECT DISTINCT mixture, method, recipe FROM trial WHERE study = 'demo' ORDER BY ALL"
    ).fetchall()
    assert sorted({row[:3] for row in tuned}) == cells
    assert {row[3:] for row in tuned} == {(seed, "world") for seed in (12, 13, 14)}


def test_the_page_marks_what_is_chosen_and_its_means_are_of_their_parts() -> None:
    for mixture, method, cells in LINE.findall(PAGE):
        marked = [rate for rate, cell in zip(RATES, cells.split("|"), strict=False) if "**" in cell]
        own = {rate: measured()[mixture, method, f"tiny_lr_{rate}"] for rate in RATES}
        assert marked == [max(own, key=lambda rate: own[rate][0] * own[rate][1])]
        for cell, (accumulation, retention) in zip(cells.split("|"), own.values(), strict=False):
            ((mean,),) = [re.findall(r"^ \**([\d.]+)", cell)]
            assert abs(float(mean) - (accumulation * retention) ** 0.5) < 0.001


def test_the_rule_of_the_page_is_that_of_the_grid() -> None:
    (block,) = re.findall(r"```sql\n(.*?)```", PAGE, re.DOTALL)
    ((query, most),) = re.findall(r"\$\$(.*?)\$\$, (\d+)\)", block)
    assert f"$${query}$$, {most}," in (ROOT / "grids" / "tune.sql").read_text()
