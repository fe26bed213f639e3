"""The table of docs/methods.md is what the kept run says; some cells computed a second time."""

import math
import re

import polars as pl
import pytest

from docpages import generate, results
from docpages.kept import KEPT, METHODS

T_975 = 4.302652729911275  # of 2 degrees of freedom, from a table


def rows(name: str) -> pl.DataFrame:
    return pl.read_parquet(METHODS.folder / f"{name}.parquet")


def cells(method: str) -> list[str]:
    """The numbers of a row of the page."""
    (line,) = re.findall(
        rf"^\| `{method}` \|.*$", (generate.DOCS / "methods.md").read_text(), re.MULTILINE
    )
    return [cell.strip() for cell in line.split(" | ")[2:]]


@pytest.fixture(scope="module")
def ended() -> pl.DataFrame:
    """The mean after the last task, by trial, method and role.

    All members of the suite `world` weigh the same.
    """
    with METHODS.catalog() as connection:
        members = connection.sql(
            "SELECT dataset, metric, role, weight FROM suite_member WHERE suite = 'world'"
        ).pl()
    assert members["weight"].unique().to_list() == [1.0]
    trials = rows("trial").filter(pl.col("study") == "methods").select(trial="id", method="method")
    last = (
        rows("result")
        .filter(pl.col("task") == 5)
        .join(trials, on="trial")
        .join(members, on=["dataset", "metric"])
    )
    return last.group_by("method", "trial", "role").agg(pl.col("value").mean())


@pytest.mark.parametrize("method", ["finetune", "lora_r4", "ft_merge", "wise_ft", "k_fpf"])
def test_reach_is_the_mean_over_seeds_with_its_interval(ended: pl.DataFrame, method: str) -> None:
    for cell, role in zip(cells(method), ("adapt", "retain"), strict=False):
        values = ended.filter((pl.col("method") == method) & (pl.col("role") == role))["value"]
        assert len(values) == 3
        spread = values.std()
        assert isinstance(spread, float)
        assert cell == f"{values.mean():.3f} ± {T_975 * spread / math.sqrt(3):.3f}"


@pytest.mark.parametrize("method", ["finetune", "lora_r4", "ewc_tiny", "ema_merge"])
def test_flops_are_all_but_evaluation_over_those_of_full_fine_tuning(method: str) -> None:
    trials = rows("trial").filter(pl.col("study") == "methods").select(trial="id", method="method")
    spent = rows("cost").filter(pl.col("phase") != "evaluate").join(trials, on="trial")
    summed = dict(
        spent.group_by("method").agg(pl.col("flops").sum() / pl.col("trial").n_unique()).iter_rows()
    )
    assert cells(method)[2] == f"{summed[method] / summed['finetune']:.2f}"


def test_every_method_of_the_grid_is_there_and_the_files_are_small() -> None:
    done = (
        rows("outcome")
        .filter(pl.col("state") == "done")
        .join(rows("trial").select(trial="id", method="method"), on="trial")
    )
    listed = re.findall(r"^\| `(\w+)` ", results.table(), re.MULTILINE)
    assert set(listed) == set(done["method"]) and len(listed) == len(set(listed))
    assert sum((METHODS.folder / f"{table}.parquet").stat().st_size for table in KEPT) < 200_000
