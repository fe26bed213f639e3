"""The pages of questions show what they answer on the demo; four answers computed a second time."""

import math
import re
from collections.abc import Iterator

import duckdb
import polars as pl
import pytest

from docpages import generate, questions
from docpages.kept import DEMO, GRIDS, KEPT
from queries import answer, named
from queries import questions as asked
from queries.__main__ import main as ask_in_the_terminal
from schema.site import Site
from tests.template import demo_catalog

T_975 = {2: 4.302652729911275}  # of so many degrees of freedom, from a table
SENTENCE = ["backbone", "stream", "mixture", "method", "recipe", "budget"]


@pytest.fixture(scope="module")
def catalog() -> Iterator[duckdb.DuckDBPyConnection]:
    with demo_catalog() as connection:
        yield connection


@pytest.fixture(scope="module")
def ended(catalog: duckdb.DuckDBPyConnection) -> pl.DataFrame:
    """A row per trial: accumulation and retention, before the first task and after the last.

    Computed from result rows and suite members alone.
    """
    results, trials = (
        pl.read_parquet(DEMO.folder / f"{name}.parquet") for name in ("result", "trial")
    )
    members = catalog.sql("SELECT suite, dataset, role, metric, weight FROM suite_member").pl()
    streams = catalog.sql("SELECT name AS stream, tasks, suite FROM stream").pl()
    measured = (
        results.join(trials.rename({"id": "trial"}), on="trial")
        .join(streams, on="stream")
        .join(members, on=["suite", "dataset", "metric"])
        .filter(pl.col("task").is_in([0]) | (pl.col("task") == pl.col("tasks")))
        .with_columns(
            when=pl.when(pl.col("task") == 0).then(pl.lit("first")).otherwise(pl.lit("last"))
        )
    )
    means = measured.group_by("trial", *SENTENCE, "seed", "when", "role").agg(
        (pl.col("value") * pl.col("weight")).sum() / pl.col("weight").sum()
    )
    return means.with_columns(key=pl.col("role") + "_" + pl.col("when")).pivot(
        "key", index=["trial", *SENTENCE, "seed"], values="value"
    )


def said(catalog: duckdb.DuckDBPyConnection, name: str) -> pl.DataFrame:
    return answer(catalog, named(name), {})


def over_seeds(ended: pl.DataFrame, **measures: pl.Expr) -> pl.DataFrame:
    """The mean of each measure and the half width of its interval, by sentence."""
    named_ = ended.with_columns(**measures)
    wide = named_.group_by(SENTENCE).agg(
        *(pl.col(name).mean() for name in measures),
        *(
            (pl.col(name).std() / math.sqrt(3) * T_975[2]).alias(f"{name}_half")
            for name in measures
        ),
        n=pl.len(),
    )
    return wide.filter(pl.col("n") == 3).sort(SENTENCE)


def test_every_question_is_on_the_page_of_its_topic_with_its_words() -> None:
    overview = questions.overview()
    for question in asked():
        page = (generate.QUESTIONS / f"{question.topic}.md").read_text().replace("&lt;", "<")
        head = f"## `{question.name}`\n\n**{question.question}**\n\nGrain: {question.grain}."
        assert head in page and question.about in page
        for name in question.parameters:
            assert f"| `{name}` |" in page
        assert f"[`{question.name}`](questions/{question.topic}.md#{question.name})" in overview
        assert not re.search(r"/(tmp|home|work|root)/", page)


def test_every_topic_says_what_its_questions_are_for() -> None:
    assert {question.topic for question in asked()} == set(questions.ABOUT)


def test_the_files_are_the_demo_s_and_small(catalog: duckdb.DuckDBPyConnection) -> None:
    assert sum((DEMO.folder / f"{table}.parquet").stat().st_size for table in KEPT) < 50_000
    ran = catalog.sql(
        "SELECT backbone, stream, mixture, method, recipe, budget, seed FROM trial ORDER BY ALL"
    ).fetchall()
    catalog.execute("CREATE TEMP TABLE ran AS FROM trial; DELETE FROM trial")
    catalog.execute((GRIDS / "demo.sql").read_text())
    wanted = catalog.sql(
        "SELECT backbone, stream, mixture, method, recipe, budget, seed FROM trial ORDER BY ALL"
    ).fetchall()
    catalog.execute("DELETE FROM trial; INSERT INTO trial FROM ran; DROP TABLE ran")
    assert ran == wanted and len(ran) == 19


def test_the_readme_shows_what_the_demo_prints_in_the_end(
    site: Site, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The two answers, as a terminal of 140 columns has them."""
    site.snapshot.mkdir(parents=True)
    with demo_catalog() as kept:
        quoted = str(site.snapshot / "demo.duckdb").replace("'", "''")
        kept.execute(f"ATTACH '{quoted}' AS demo")
        kept.execute("COPY FROM DATABASE memory TO demo")
    site.current.symlink_to(site.snapshot / "demo.duckdb")
    monkeypatch.setenv("COLUMNS", "140")
    for question in ("retention_at_budget", "comparison"):
        assert ask_in_the_terminal([question, "stream=world"]) == 0
        assert capsys.readouterr().out in (generate.ROOT / "README.md").read_text()


def test_retention_at_budget(catalog: duckdb.DuckDBPyConnection, ended: pl.DataFrame) -> None:
    ours = over_seeds(
        ended,
        zs_ratio=pl.col("retain_last") / pl.col("retain_first"),
        a_zs=pl.col("retain_last"),
        a_ka=pl.col("adapt_last"),
        gm=(pl.col("adapt_last") * pl.col("retain_last")).sqrt(),
    )
    theirs = said(catalog, "retention_at_budget").filter(pl.col("stream") == "world").sort(SENTENCE)
    assert len(ours) == len(theirs) == 6
    for name in ("zs_ratio", "a_zs", "a_ka", "gm"):
        assert theirs[name].to_list() == pytest.approx(ours[name].to_list(), abs=1e-12)
        assert (theirs[f"{name}_high"] - theirs[name]).to_list() == pytest.approx(
            ours[f"{name}_half"].to_list(), rel=2e-4
        )
    assert theirs["rank"].to_list() == ours["zs_ratio"].rank(descending=True).to_list()


def test_comparison_and_the_numbers_of_the_demo_page(
    catalog: duckdb.DuckDBPyConnection, ended: pl.DataFrame
) -> None:
    gain, loss = (
        pl.col("adapt_last") - pl.col("adapt_first"),
        pl.col("retain_first") - pl.col("retain_last"),
    )
    ours = over_seeds(ended, ka_gain=gain, zs_loss=loss)
    theirs = said(catalog, "comparison").filter(pl.col("stream") == "world").sort(SENTENCE)
    for name in ("ka_gain", "zs_loss"):
        assert theirs[name].to_list() == pytest.approx(ours[name].to_list(), abs=1e-12)
        assert (theirs[f"{name}_high"] - theirs[name]).to_list() == pytest.approx(
            ours[f"{name}_half"].to_list(), rel=2e-4
        )
    pairs = list(zip(ours["ka_gain"], ours["zs_loss"], strict=True))
    front = [
        not any(g >= gain_ and s <= loss_ and (g, s) != (gain_, loss_) for g, s in pairs)
        for gain_, loss_ in pairs
    ]
    assert theirs["best_trade"].to_list() == front
    page = (generate.DOCS / "demo.md").read_text()
    for gained, half in zip(ours["ka_gain"], ours["ka_gain_half"], strict=True):
        assert f"{gained:.3f} ± {half:.3f}" in page


def test_forgetting(catalog: duckdb.DuckDBPyConnection) -> None:
    results = pl.read_parquet(DEMO.folder / "result.parquet").filter(pl.col("trial") == 4)
    last = int(str(results["task"].max()))
    theirs = said(catalog, "forgetting").filter(pl.col("trial") == 4)
    assert len(theirs) == 15
    for row in theirs.iter_rows(named=True):
        by_task = {
            task: value
            for task, dataset, metric, value in results.select(
                "task", "dataset", "metric", "value"
            ).iter_rows()
            if (dataset, metric) == (row["dataset"], row["metric"])
        }
        assert len(by_task) == last + 1 == 6
        best = max(value for task, value in by_task.items() if task < last)
        assert (
            row["forgotten"] == pytest.approx(best - by_task[last])
            and by_task[row["best_task"]] == best
        )
    for role, rows in theirs.group_by("role"):
        assert rows["role_mean"].to_list() == pytest.approx(
            [rows["forgotten"].mean()] * len(rows)
        ), role


def test_the_paired_difference_and_the_cost(
    catalog: duckdb.DuckDBPyConnection, ended: pl.DataFrame
) -> None:
    """`decide`, whose pairs share everything but the method.

    On the demo, one recipe has both methods, with replay.
    """
    gm = ended.with_columns(gm=(pl.col("adapt_last") * pl.col("retain_last")).sqrt()).filter(
        (pl.col("mixture") == "replay_thirds") & (pl.col("recipe") == "tiny_lr_2e-3")
    )
    by_seed = gm.pivot("method", index="seed", values="gm").with_columns(
        difference=pl.col("finetune") - pl.col("ema_merge")
    )
    (row,) = said(catalog, "decide").filter(pl.col("pairs") == 3).to_dicts()
    assert row["difference"] == pytest.approx(by_seed["difference"].mean())
    assert row["win_rate"] == pytest.approx((by_seed["difference"] > 0).mean())
    costs = (
        pl.read_parquet(DEMO.folder / "cost.parquet")
        .filter(pl.col("phase") != "evaluate")
        .group_by("trial")
        .agg(pl.col("flops").sum())
    )
    theirs = said(catalog, "anytime").select("trial", "spent_gflops").join(costs, on="trial")
    assert len(theirs) == 19
    assert theirs["spent_gflops"].to_list() == pytest.approx((theirs["flops"] / 1e9).to_list())
