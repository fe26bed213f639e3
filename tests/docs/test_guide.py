"""docs/guide.md: every number of it is an answer on the kept results, computed a second time."""

import math
import re
from collections.abc import Iterator

import duckdb
import polars as pl
import pytest

from docpages import guide
from docpages.guide_asked import DEFAULT, EMA, FAMILIES, FINDINGS, Family
from docpages.guide_compared import MEASURES, compare
from docpages.kept import GUIDE, KEPT
from docpages.markdown import DOCS
from queries import answer, named
from queries.asking import asked_of

PAGE = (DOCS / "guide.md").read_text()
# Words that a row of a question is about
KEYS = (
    "backbone",
    "stream",
    "mixture",
    "method",
    "recipe",
    "budget",
    "seed",
    "trial",
    "task",
    "phase",
    "dataset",
    "label_space",
    "role",
    "metric",
    "way",
)
# Quantiles of Student's t at 0.975, from a table, for 1, 2, ... degrees of freedom
T_975 = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201)


def rows(name: str) -> pl.DataFrame:
    return pl.read_parquet(GUIDE.folder / f"{name}.parquet")


@pytest.fixture(scope="module")
def kept() -> Iterator[duckdb.DuckDBPyConnection]:
    with GUIDE.catalog() as connection:
        yield connection


@pytest.fixture(scope="module")
def compared(kept: duckdb.DuckDBPyConnection) -> pl.DataFrame:
    return compare(kept)


@pytest.fixture(scope="module")
def ended() -> pl.DataFrame:
    """What each trial on test images came to, from the kept files alone, by its words."""
    trials = rows("trial").filter(pl.col("stream").str.starts_with("guide"))
    trials = trials.filter(~pl.col("stream").str.contains("validation"))
    counted = rows("result").filter(pl.col("metric").is_in(["top1", "r5"]))
    results = counted.join(trials, left_on="trial", right_on="id")
    last = results.filter(pl.col("task") == pl.col("task").max().over("trial"))
    adapt = pl.col("dataset").is_in(["blobs", "crystals", "weaves", "duos", "haze"])
    names = ["trial", "backbone", "stream", "mixture", "method", "recipe", "budget", "seed"]
    means = last.group_by(names).agg(
        a_ka=pl.col("value").filter(adapt).mean(), a_zs=pl.col("value").filter(~adapt).mean()
    )
    return means.with_columns(gm=(pl.col("a_ka") * pl.col("a_zs")).sqrt())


def test_means_of_methods_and_mixtures_are_those_of_the_files(ended: pl.DataFrame) -> None:
    """Each row of a table on the page, with the half width of its interval where that is even."""
    tables = re.findall(r"^\| `(\w+)` \| `lr_([\d.e-]+)` \| (.*) \|$", PAGE, re.MULTILINE)
    checked = 0
    for choice, rate, cells in tables:
        for axis in ("method", "mixture"):
            words = DEFAULT | {axis: choice, "recipe": f"guide_lr_{rate}"}
            same = ended.filter(*(pl.col(word) == value for word, value in words.items()))
            if same.is_empty():
                continue
            for cell, measure in zip(cells.split(" | "), MEASURES, strict=False):
                mean, spread = same[measure].mean(), same[measure].std()
                assert isinstance(mean, float) and abs(float(cell.split()[0]) - mean) < 6e-4
                # That of the best goes down by its optimism, and its upper end does not
                if "±" in cell and isinstance(spread, float):
                    half = T_975[len(same) - 2] * spread / math.sqrt(len(same))
                    assert abs(float(cell.split()[2]) - half) < 1e-3 + 1e-3 * half
            checked += 1
    assert checked >= 5


def test_differences_of_the_findings_are_those_of_the_files(ended: pl.DataFrame) -> None:
    """By seed, over the seeds that the look counts."""
    checked = 0
    for finding in FINDINGS:
        line = re.search(rf"^\| \[?{re.escape(finding.claim)}[],].*$", PAGE, re.MULTILINE)
        assert line is not None, f"{finding.claim}: run python -m docpages.guide"
        here, measure, numbers, seeds, look = [cell.strip() for cell in line[0].split("|")[2:7]]
        if numbers == "-" or finding.axis not in ("method", "mixture", "budget"):
            continue
        sides = []
        for choice in (finding.better, finding.worse):
            words = DEFAULT | finding.words | {finding.axis: choice}
            same = ended.filter(*(pl.col(word) == value for word, value in words.items()))
            sides.append(same.select("seed", measure))
        pairs = sides[0].join(sides[1], on="seed").sort("seed").head(int(seeds))
        assert len(pairs) == int(seeds) == 3 * 2 ** (int(look) - 1)
        mean = (pairs[measure] - pairs[f"{measure}_right"]).mean()
        assert isinstance(mean, float) and abs(float(numbers.split()[0]) - mean) < 6e-4
        low, high = map(float, re.findall(r"[+-]?\d\.\d+", numbers)[1:])
        if "0.000" not in numbers:
            assert here == guide.verdict(finding, low, high)
        checked += 1
    assert checked >= 5


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("mixtures", "axis=mixture stream=guide method=finetune"),
        ("budgets, merged", "axis=budget stream=guide method=ema_merge mixture=replay_thirds"),
    ],
)
def test_a_table_is_the_answer_of_the_question_below_it(
    kept: duckdb.DuckDBPyConnection, compared: pl.DataFrame, name: str, words: str
) -> None:
    typed = f"{words} recipes=chosen every_look=true backbone=tiny_base".split()
    asked = asked_of(kept, named("effect"), typed)
    frame = answer(kept, asked.question, asked.parameters, where=asked.where)
    if "axis=mixture" in words:
        frame = frame.filter(pl.col("budget") == DEFAULT["budget"])
    here = compared.filter((pl.col("backbone") == name) & (pl.col("stream") == "gm"))
    columns = ["choice", "at_recipe", "seeds", "mean", "pairs", "look", "behind", "verdict"]
    both = here.select(columns).join(frame.select(columns), on="choice", suffix="_asked")
    assert len(both) == len(here) == len(frame)
    for column in ("at_recipe", "seeds", "pairs", "look", "verdict"):
        assert both[column].to_list() == both[f"{column}_asked"].to_list()
    assert (both["mean"] - both["mean_asked"]).abs().max() < 1e-12  # type: ignore[operator]


def test_verdicts_say_what_an_interval_says() -> None:
    apart = next(finding for finding in FINDINGS if finding.margin is None)
    alike = next(finding for finding in FINDINGS if finding.margin is not None)
    said = [guide.verdict(apart, *ends) for ends in ((0.1, 0.2), (-0.2, -0.1), (-0.1, 0.1))]
    assert said == ["holds", "**does not hold**", "undecided"]
    said = [guide.verdict(alike, *ends) for ends in ((-0.02, 0.01), (0.04, 0.1), (-0.04, 0.01))]
    assert said == ["holds, within 0.03", "**does not hold**", "undecided"]


def test_what_has_not_run_is_said_so(compared: pl.DataFrame) -> None:
    """Of a family without trials, and of a finding."""
    none = Family(name="nothing of this name", axis="method", words=EMA)
    assert guide.family_table(compared, none) == "*Not run yet.*"
    assert "not run yet" in guide.findings(compared.head(0))


def test_every_family_is_on_the_page_and_the_files_are_small() -> None:
    from docpages import guide_text

    assert all("{" + family.name + "}" in guide_text.TEXT for family in FAMILIES)
    assert not re.findall(r"\{\w[\w, ]*\}", PAGE)
    assert sum((GUIDE.folder / f"{table}.parquet").stat().st_size for table in KEPT) < 600_000


@pytest.mark.parametrize("name", ["ranked", "comparison", "phases", "course", "lost"])
@pytest.mark.parametrize("place", [1, 3, 10])
def test_numbers_of_the_report_are_those_of_the_question(
    kept: duckdb.DuckDBPyConnection, place: int, name: str
) -> None:
    """docs/reports/guide: the data of a setting, beside what the question answers today."""
    reported = pl.read_parquet(DOCS / f"reports/guide/data/{place}-{name}.parquet")
    setting = reported.select("backbone", "stream", "budget").row(0, named=True)
    budget = {"budget": setting.pop("budget")}
    # As parameters, and as values of columns
    asked, where = {}, setting | budget
    if name == "ranked":
        asked, where = {"study": "guide", **setting, **budget}, {}
    if name == "lost":
        asked, where = setting, budget
    today = answer(kept, named(name), asked, where=where)
    keys = [column for column in KEYS if column in reported.columns]
    both = reported.join(today, on=keys, how="left", suffix="_today", nulls_equal=True)
    compared = 0
    assert both.height == reported.height > 0
    for column in reported.columns:
        if reported[column].dtype != pl.Float64 or column in keys:
            continue
        for value, again in zip(both[column], both[f"{column}_today"], strict=True):
            same = value is again is None or math.isclose(value, again, rel_tol=1e-9, abs_tol=1e-12)
            assert same, (column, value, again)
            compared += value is not None
    assert compared
