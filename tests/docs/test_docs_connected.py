"""The answers of `connectivity` in docs/evaluations.md, computed from the kept results."""

import re
from collections.abc import Mapping

import polars as pl
import pytest

from docpages import connected
from docpages.kept import CONNECTED, DEMO, GRIDS, KEPT
from docpages.markdown import DOCS

SETS = (("crystals", "top1"), ("duos", "top1"), ("scenes", "r5"), ("shape", "top1"))
TASKS = range(1, 5)
PLACES = ("between25_", "between50_", "between75_", "")
SENTENCE = "backbone, stream, mixture, method, recipe, budget, seed"
# The five values from one task to the next, task after task
Ways = list[list[float]]


def rows(name: str) -> pl.DataFrame:
    return pl.read_parquet(CONNECTED.folder / f"{name}.parquet")


@pytest.fixture(scope="module")
def ways() -> Mapping[tuple[str, str, str], Ways]:
    """By method, set and metric."""
    trials = rows("trial").filter(pl.col("study") == "connected")
    key = ("trial", "task", "dataset", "metric")
    value = {tuple(row[:4]): row[4] for row in rows("result").select(*key, "value").iter_rows()}
    found = dict[tuple[str, str, str], Ways]()
    for trial, method in trials.select("id", "method").iter_rows():
        for dataset, metric in SETS:
            for task in TASKS:
                way = [value[trial, task - 1, dataset, metric]]
                way += [value[trial, task, dataset, place + metric] for place in PLACES]
                found.setdefault((method, dataset, metric), []).append(way)
    return found


def test_the_table_is_what_the_kept_results_come_to(
    ways: Mapping[tuple[str, str, str], Ways],
) -> None:
    expected = []
    for (method, dataset, metric), tasks in sorted(ways.items()):
        numbers = [tasks[0][0], tasks[-1][4]]
        for way in tasks:
            straight = [way[0] + (way[4] - way[0]) * n / 4 for n in range(5)]
            numbers.append(max(at - there for at, there in zip(straight, way, strict=True)))
        numbers.append(max(max(way) - way[4] for way in tasks))
        cells = [f"`{method}`", f"`{dataset}`, `{metric}`"]
        # Numbers for people are rounded to twelve digits first, so that no last bit decides
        expected.append(cells + [f"{round(number, 12):.3f}" for number in numbers])
    table = connected.table()
    shown = re.findall(r"^\| (`\w+` \| `.*) \|$", table, re.MULTILINE)
    assert [line.split(" | ") for line in shown] == expected
    assert len(shown) == 3 * len(SETS)
    assert table in (DOCS / "evaluations.md").read_text()


def test_the_kept_trials_are_those_of_the_grid_and_the_files_are_small() -> None:
    with CONNECTED.catalog() as catalog:
        ran = catalog.sql(f"SELECT {SENTENCE} FROM trial ORDER BY ALL").fetchall()
        catalog.execute("DELETE FROM trial")
        for name in CONNECTED.grids:
            catalog.execute((GRIDS / f"{name}.sql").read_text())
        wanted = catalog.sql(
            f"SELECT {SENTENCE} FROM trial WHERE study <> 'demo' ORDER BY ALL"
        ).fetchall()
    assert ran == wanted and len(ran) == 1 + 3
    assert sum((CONNECTED.folder / f"{table}.parquet").stat().st_size for table in KEPT) < 50_000


def test_the_trials_began_from_the_base_of_the_demo() -> None:
    ended = []
    for example in (CONNECTED, DEMO):
        kept = pl.read_parquet(example.folder / "trial.parquet").filter(pl.col("study") == "base")
        results = pl.read_parquet(example.folder / "result.parquet")
        own = results.filter(pl.col("trial") == kept["id"][0])
        ended.append(own.select("task", "dataset", "metric", "value").sort(pl.all()))
    assert len(ended[0]) and ended[0].equals(ended[1])
