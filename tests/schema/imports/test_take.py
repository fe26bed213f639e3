"""Results of runs that were made elsewhere: what is taken in, how they count, what is refused, what survives a lost catalog."""

import csv
import itertools
import json
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest

from runner.scheduler.rebuild import rebuild
from schema import grid, summaries
from schema.__main__ import main
from schema.catalog import Catalog
from schema.checks.standing import Rule, RuleError, check_rule
from schema.declared import export
from schema.grid import GridError
from schema.imports import kept
from schema.imports.rows import COLUMNS, ImportRefusedError
from schema.imports.take import take
from schema.site import Site
from tests.filled import DATASETS, PAPER, Filled
from tests.template import fresh
from tests.toy import toy_grid

WORDS = {
    "source": "fomo",
    "backbone": "tiny",
    "stream": "world",
    "mixture": "plain",
    "method": "finetune",
    "recipe": "usual",
    "budget": "small",
    "seed": "0",
}
FACTS = ("trial", "attempt", "outcome", "result", "cost", "imported", "method")


def results(matrix: list[list[float]] = PAPER, **words: str) -> list[dict[str, str]]:
    """Rows of a file: one row of values (birds, ships, dogs, cats) per task, task 0 first."""
    rows = []
    for task, values in enumerate(matrix):
        for dataset, value in zip(DATASETS, values, strict=False):
            rows.append(
                WORDS
                | {"task": str(task), "dataset": dataset, "metric": "top1", "value": str(value)}
                | {"examples": "50"}
                | words
            )
    return rows


def cost(task: int, **words: str) -> dict[str, str]:
    row = {"task": str(task), "phase": "train", "flops": "2e9", "seconds": "7"}
    return WORDS | row | {"steps": "10", "pairs": "160"} | words


def written(path: Path, rows: list[dict[str, str]]) -> Path:
    """The rows as a file of the kind that its name says."""
    filled = [{name: row.get(name, "") for name in COLUMNS} for row in rows]
    if path.suffix == ".parquet":
        frame = pl.DataFrame(filled).with_columns(
            pl.when(pl.all() == "").then(None).otherwise(pl.all()).name.keep()
        )
        frame.with_columns(
            pl.col("value").cast(float), pl.col("seed", "task").cast(int)
        ).write_parquet(path)
        return path
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(filled)
    return path


def counts(connection: duckdb.DuckDBPyConnection) -> dict[str, int]:
    found = {}
    for table in FACTS:
        ((found[table],),) = connection.execute(f"SELECT count(*) FROM {table}").fetchall()
    return found


def number(filled: Filled) -> int:
    """The number of the only trial that was imported."""
    return int(filled.row("imported")["trial"])


def taken(filled: Filled, tmp_path: Path, rows: list[dict[str, str]], name: str = "r.csv") -> Any:
    return take(filled.connection, written(tmp_path / name, rows), tmp_path / "imports")


@pytest.mark.parametrize("name", ["results.csv", "results.parquet"])
def test_a_file_becomes_trials_of_their_own_kind(filled: Filled, tmp_path: Path, name: str) -> None:
    own = filled.done(PAPER)
    brought = taken(filled, tmp_path, [*results(study="paper"), cost(1), cost(2)], name)
    assert (brought.trials, brought.there, brought.results, brought.costs) == (1, 0, 12, 2)
    assert brought.remarks == ()
    (row,) = filled.rows("imports")
    assert (row["source"], row["method"], row["study"]) == ("fomo", "finetune@fomo", "paper")
    assert (row["measured"], row["tasks"], row["costs"]) == (3, 2, True)
    assert (row["own"], row["own_same"], row["file"]) == (1, 1, name)
    end = filled.row("trajectory", trial=row["trial"], task=2)
    assert end["a_ka"] == pytest.approx(0.575) and end["spent_flops"] == 4e9
    state = filled.row("trial_state", trial=row["trial"])
    assert (state["state"], state["reason"]) == ("done", "run elsewhere (fomo), imported")
    assert filled.row("trial_state", trial=own)["reason"] is None
    (method,) = filled.rows("method", name="finetune@fomo")
    assert method["note"] == "finetune as fomo ran it: imported" and method["tuning"] == "full"
    for audit in ("audit_imports", "audit_tasks", "audit_orphans", "audit_values", "todo"):
        assert filled.rows(audit) == [], audit


def test_the_same_file_changes_nothing_and_another_is_refused_by_name(
    filled: Filled, tmp_path: Path
) -> None:
    rows = results()
    taken(filled, tmp_path, rows)
    trial = number(filled)
    before = counts(filled.connection)
    again = taken(filled, tmp_path, rows[::-1], "the same rows in another order.csv")
    assert (again.trials, again.there, again.results) == (0, 1, 0)
    assert counts(filled.connection) == before
    changed = [rows[0] | {"value": "0.21"}, *rows[1:], *results(seed="1")]
    with pytest.raises(ImportRefusedError) as refused:
        taken(filled, tmp_path, changed)
    words = "finetune@fomo of tiny, world, plain, usual, small, seed 0"
    assert f"trial {trial} ({words}), from r.csv" in str(refused.value)
    assert "never changed" in str(refused.value) and counts(filled.connection) == before
    # More trials beside those that are there are new
    grown = taken(filled, tmp_path, [*rows, *results(seed="1")])
    assert (grown.trials, grown.there) == (1, 1)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"value": "1.5"}, "row 2: value 1.5 must be in [0, 1]: divide percents by 100"),
        ({"value": "nan"}, "row 2: value 'nan' is no number"),
        ({"backbone": "tinny"}, "row 2: unknown backbone 'tinny'. Known: tiny. Did you mean 'tiny'?"),
        ({"method": "finetun"}, "Did you mean 'finetune'? Of a method that Weir does not have insert"),
        ({"method": "finetune@other"}, "says another source than 'fomo'"),
        ({"source": ""}, "row 2: source is empty"),
        ({"source": "a@b"}, "must be a word without @"),
        ({"task": "3"}, "row 2: task 3: stream 'world' has 2 tasks"),
        ({"seed": "-1"}, "row 2: seed '-1' must be a whole number, 0 or more"),
        ({"seed": "1.5"}, "row 2: seed '1.5' must be a whole number"),
        ({"dataset": "bird"}, "unknown dataset 'bird'"),
        ({"metric": "top2"}, "metric 'top2' of 'ships', which is of kind classification"),
        ({"weights": "best"}, "weights 'best' must be one of deployed, last, merged"),
        ({"label_space": "some"}, "label_space 'some' must be one of all, task, union"),
        ({"fraction": "0"}, "fraction 0 must be above 0"),
        ({"examples": ""}, "examples is empty, and dataset 'ships' does not say its test_pairs"),
        ({"phase": "train"}, "is a result, or a phase, and is a cost: one of the two"),
        ({"dataset": "birds"}, "row 2: says the same as row 1"),
        ({"study": "other"}, "study is 'other' here and 'mine' in other rows"),
    ],
)  # fmt: skip
def test_a_bad_row_is_refused_with_its_number_and_nothing_is_taken_in(
    filled: Filled, tmp_path: Path, change: dict[str, str], reason: str
) -> None:
    rows = results(study="mine")
    rows[1] |= change
    before = counts(filled.connection)
    with pytest.raises(ImportRefusedError) as refused:
        taken(filled, tmp_path, rows)
    assert reason in str(refused.value) and "nothing was taken in" in str(refused.value)
    assert counts(filled.connection) == before and not (tmp_path / "imports").exists()


def test_every_bad_row_is_named(filled: Filled, tmp_path: Path) -> None:
    rows = results()
    for row in rows:
        row["value"] = "2"
    with pytest.raises(ImportRefusedError) as refused:
        taken(filled, tmp_path, rows)
    assert "because of 12 of its rows" in str(refused.value)
    assert "row 10:" in str(refused.value) and "and 2 more" in str(refused.value)


def test_costs_are_checked_too(filled: Filled, tmp_path: Path) -> None:
    for row, reason in (
        (cost(1, flops=""), "row 13: flops '' is no number"),
        (cost(1, seconds="-1"), "row 13: seconds -1 must be 0 or more"),
        (cost(1, value="0.5"), "row 13: value is given in a row of costs"),
        (cost(1, seed="1"), "row 13: a cost of task 1, which has no result in the file"),
    ):
        with pytest.raises(ImportRefusedError) as refused:
            taken(filled, tmp_path, [*results(), row])
        assert reason in str(refused.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "lacks the columns source, backbone"),
        ("source,backbone\n", "lacks the columns stream, mixture"),
        (",".join(COLUMNS) + "\n", "has no rows"),
        (",".join(COLUMNS) + ",vlaue\n", "unknown column 'vlaue'. Allowed: .* Did you mean 'value'"),
        (",".join([*COLUMNS, "value"]) + "\n", "the column 'value' is there twice"),
        (",".join(COLUMNS) + "\na,b\n", "row 1 has 2 cells and there are 25 columns"),
    ],
)  # fmt: skip
def test_a_file_that_is_no_table_of_results_is_refused(
    filled: Filled, tmp_path: Path, text: str, message: str
) -> None:
    path = tmp_path / "results.csv"
    path.write_text(text)
    with pytest.raises(ImportRefusedError, match=message):
        take(filled.connection, path, tmp_path / "imports")


def test_a_pickle_and_what_is_not_there_are_refused(filled: Filled, tmp_path: Path) -> None:
    (tmp_path / "results.pkl").write_bytes(b"cos\nsystem\n")
    with pytest.raises(ImportRefusedError, match="nothing is ever unpickled"):
        take(filled.connection, tmp_path / "results.pkl", tmp_path / "imports")
    with pytest.raises(ImportRefusedError, match="cannot be read"):
        take(filled.connection, tmp_path / "gone.csv", tmp_path / "imports")
    (tmp_path / "no.parquet").write_text("no")
    with pytest.raises(ImportRefusedError, match="cannot be read as Parquet"):
        take(filled.connection, tmp_path / "no.parquet", tmp_path / "imports")


def test_what_is_not_known_of_costs_is_not_zero(filled: Filled, tmp_path: Path) -> None:
    """Without costs nobody calls it the cheapest, and it is on no front of costs."""
    for seed in (0, 1, 2):
        filled.done(PAPER, seed=seed)
        taken(filled, tmp_path, results(seed=str(seed)), f"{seed}.csv")
    for stored in (False, True):
        if stored:
            summaries.renew(filled.connection)
        (mine,) = filled.rows("trajectory", method="finetune", seed=0, task=2)
        (theirs,) = filled.rows("trajectory", method="finetune@fomo", seed=0, task=2)
        assert mine["spent_flops"] == 2e9
        assert [theirs[name] for name in ("spent_flops", "spent_s", "spent_steps")] == [None] * 3
        assert filled.rows("audit_kept") == []
    cheapest = filled.rows("cheapest(max_loss := 1)")
    assert [(row["method"], row["gflops"]) for row in cheapest] == [
        ("finetune", 2.0),
        ("finetune@fomo", None),
    ]
    fronts = {row["method"]: row["pareto"] for row in filled.rows("trade_off()")}
    assert fronts == {"finetune": True, "finetune@fomo": False}
    fronts = {row["method"]: row["pareto"] for row in filled.rows("bigger()")}
    assert fronts["finetune@fomo"] is False
    there = {row["method"]: row for row in filled.rows("cost_to_target(target := 0.5)")}
    assert there["finetune@fomo"]["seeds_there"] == 3
    assert there["finetune@fomo"]["gflops"] is None


def test_it_is_a_method_of_its_own_in_every_comparison(filled: Filled, tmp_path: Path) -> None:
    """Three own seeds and three of elsewhere: means are apart, a decision names both, no grid asks for more."""
    better = [[value + 0.1 for value in row] for row in PAPER]
    for seed in (0, 1, 2):
        filled.done(PAPER, seed=seed)
        taken(filled, tmp_path, results(better, seed=str(seed)), f"{seed}.csv")
    means = {row["method"]: row["mean"] for row in filled.rows("spread", measure="a_zs")}
    assert means == {"finetune": pytest.approx(0.55), "finetune@fomo": pytest.approx(0.65)}
    effect = {row["choice"]: row["verdict"] for row in filled.rows("effect()")}
    assert effect == {"finetune@fomo": "best", "finetune": "behind"}
    (decided,) = filled.rows("decide(a := 'finetune', b := 'finetune@fomo')")
    assert decided["verdict"] == "finetune@fomo is better" and decided["pairs"] == 3
    # The backbone as it was is the one that was measured here
    (untouched,) = filled.rows("ranked(measure := 'a_zs')", method="untouched")
    assert untouched["mean"] == pytest.approx(0.7)
    with pytest.raises(duckdb.Error, match="was run elsewhere: decide compares them"):
        filled.rows("decided(a := 'finetune', b := 'finetune@fomo')")
    with pytest.raises(duckdb.Error, match="method finetune@fomo was run elsewhere"):
        filled.rows("best_of(methods := 'finetune,finetune@fomo')")
    for source in ("best_of()", "next", "halving(study := 'first', on_test := TRUE)", "tuned()"):
        declared = [row for row in filled.rows(source) if "@" in str(row)]
        assert declared == [], source
    assert filled.rows("finished", method="finetune@fomo") == []
    assert filled.rows("reproduced()") == []


def test_a_published_number_is_compared_with_own_runs_alone(filled: Filled, tmp_path: Path) -> None:
    filled.connection.execute(
        "INSERT INTO reference_result (source, setting, metric, value, provenance) "
        "VALUES ('a paper', '{\"backbone\": \"tiny\"}', 'a_zs', 0.55, 'seen')"
    )
    filled.done(PAPER)
    taken(filled, tmp_path, results([[value / 2 for value in row] for row in PAPER]))
    (row,) = filled.rows("reproduced()")
    assert (row["trials"], row["verdict"]) == (1, "reproduced")


def test_nobody_runs_it_here(filled: Filled, tmp_path: Path) -> None:
    """Not by a trial, a rule, a request or a measurement."""
    taken(filled, tmp_path, results())
    connection = filled.connection
    insert = (
        "INSERT INTO trial (backbone, stream, mixture, method, recipe, budget, seed) "
        "VALUES ('tiny', 'world', 'plain', 'finetune@fomo', 'usual', 'small', 5)"
    )
    with pytest.raises(GridError, match="was run elsewhere, by what stands behind the @"):
        grid.apply(connection, insert, "more.sql")
    trial = number(filled)
    with pytest.raises(GridError, match=rf"trial {trial} was run elsewhere \(fomo\) and imported"):
        grid.apply(
            connection, f"INSERT INTO measurement (trial, suite) VALUES ({trial}, 'five')", "x"
        )
    query = "SELECT backbone, stream, mixture, method, recipe, budget, seed + 1 AS seed FROM trial"
    with pytest.raises(RuleError, match="method 'finetune@fomo', which was run elsewhere"):
        check_rule(connection, Rule(name="more", query=query, remaining=5))
    connection.execute("INSERT INTO request (trial, wish) VALUES (?, 'retry')", [trial])
    assert filled.rows("todo") == [] and filled.rows("startable") == []
    assert filled.rows("status", study="(none)")[0]["hours"] == 0


def test_a_method_that_weir_does_not_have_comes_with_its_row(
    filled: Filled, tmp_path: Path
) -> None:
    rows = results(method="promptune")
    with pytest.raises(ImportRefusedError, match="insert a row named 'promptune@fomo' first"):
        taken(filled, tmp_path, rows)
    text = "INSERT INTO method (name, tuning, objective) VALUES ('promptune@fomo', '{}', 'contrastive')"
    with pytest.raises(GridError, match="may also be 'other'"):
        grid.apply(filled.connection, text.format("prompts"), "rows.sql")
    grid.apply(filled.connection, text.format("other"), "rows.sql")
    assert taken(filled, tmp_path, rows).trials == 1
    with pytest.raises(GridError, match="unknown 'other'"):
        grid.apply(
            filled.connection, "INSERT INTO method (name, tuning) VALUES ('x', 'other')", "x"
        )


def test_what_answers_will_lack_is_said(filled: Filled, tmp_path: Path) -> None:
    brought = taken(filled, tmp_path, results(PAPER[:2]))
    (remark,) = brought.remarks
    assert remark == (
        f"trials {number(filled)} have no result of the last task, so most answers leave them out"
    )
    rows = [row for row in results(seed="1") if row["task"] == "2"]
    brought = taken(filled, tmp_path, rows, "last.csv")
    (remark,) = brought.remarks
    assert remark.endswith("have no result of task 0, so what they gained and lost is not known")


def test_a_definition_that_changes_afterwards_is_seen(filled: Filled, tmp_path: Path) -> None:
    taken(filled, tmp_path, results())
    assert filled.rows("definition_drift") == []
    filled.connection.execute("UPDATE recipe SET lr = 0.5")
    (drift,) = filled.rows("definition_drift")
    assert (drift["trial"], drift["words"]) == (number(filled), ["recipe"])


def test_an_edited_import_is_seen(filled: Filled, tmp_path: Path) -> None:
    taken(filled, tmp_path, results())
    filled.connection.execute("DELETE FROM result WHERE task = 1 AND dataset = 'cats'")
    assert filled.rows("audit_imports") == [
        {"trial": number(filled), "problem": "has 11 results and costs of 12"}
    ]


def test_an_import_that_was_killed_is_completed_by_the_same_command(
    filled: Filled, tmp_path: Path
) -> None:
    """The folder is there, the commit is not."""
    taken(filled, tmp_path, results())
    (folder,) = kept.folders(tmp_path / "imports")
    for table in FACTS[:-1]:
        filled.connection.execute(f"DELETE FROM {table}")
    assert taken(filled, tmp_path, results()).trials == 1
    assert kept.folders(tmp_path / "imports") == [folder]
    (trial,) = kept.read(folder).trials
    assert trial.trial == filled.row("imports")["trial"]


TOY = (
    WORDS
    | dict.fromkeys(("backbone", "stream", "mixture", "budget", "recipe"), "toy")
    | {"method": "toy_ema"}
)


def toy_results(shift: float = 0.0, **words: str) -> list[dict[str, str]]:
    """Rows of a file about the toy grid."""
    rows = []
    for task, dataset in itertools.product(range(3), ("toy_blobs", "toy_colour", "toy_scenes")):
        metric = "r5" if dataset == "toy_scenes" else "top1"
        row = {"task": str(task), "dataset": dataset, "metric": metric, "examples": "20"}
        rows.append(TOY | row | {"value": str(0.25 + 0.125 * task + shift)} | words)
    return rows


def test_the_command_takes_rows_and_results_together(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "rows.sql").write_text(
        toy_grid(1) + "INSERT INTO method (name, tuning) VALUES ('new@lab', 'other') "
        "ON CONFLICT DO NOTHING;"
    )
    words = {"source": "lab", "method": "new"}
    written(folder / "theirs.csv", toy_results(**words))
    assert main(["rows.sql", "--import", "theirs.csv"]) == 0
    assert "theirs.csv: 1 trials imported with 9 results and 0 costs" in capsys.readouterr().out
    assert main(["--import", "theirs.csv", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert {"file": "theirs.csv", "table": "trial", "new": 0, "there": 1} in document["rows"]
    assert document["remarks"] == []
    site = Site.load(folder)
    with duckdb.connect(str(site.current), read_only=True) as connection:
        assert connection.execute("SELECT method FROM imports").fetchall() == [("new@lab",)]
    written(folder / "theirs.csv", toy_results(0.1, **words))
    assert main(["--import", "theirs.csv"]) == 2
    assert "have other rows in this file" in capsys.readouterr().err


def site_with(folder: Path) -> Site:
    """A catalog on the disk with the toy grid and three trials of elsewhere."""
    site = Site.load(folder)
    rows = [*toy_results(study="paper"), *toy_results(seed="1"), cost(1) | TOY]
    path = written(folder / "theirs.csv", rows)
    with fresh(site.catalog).open() as connection:
        grid.apply(connection, toy_grid(2), "toy.sql")
        taken = take(connection, path, site.imports)
        assert (taken.trials, taken.costs) == (2, 1)
    return site


@pytest.mark.parametrize("declared", [True, False])
def test_a_lost_catalog_keeps_what_was_imported(folder: Path, declared: bool) -> None:
    """By what sync exported of the declared rows, and by the receipt alone."""
    site = site_with(folder)
    questions = (
        "SELECT * EXCLUDE (imported_at, own, own_same) FROM imports",
        "SELECT * FROM trajectory WHERE contains(method, '@') ORDER BY ALL",
        "FROM audit_imports",
        "FROM definition_drift",
    )
    with Catalog(site.catalog).open() as connection:
        if declared:
            export(connection, site.declared)
        before = [connection.execute(text).fetchall() for text in questions]
    assert len(before[0]) == 2 and len(before[1]) == 6 and before[2:] == [[], []]
    site.catalog.unlink()
    found, problems = rebuild(site)
    assert problems == [] and (found["imported"], found["result"], found["cost"]) == (2, 18, 1)
    with Catalog(site.catalog).open() as connection:
        assert [connection.execute(text).fetchall() for text in questions] == before
        ((following,),) = connection.execute("SELECT nextval('trial_id')").fetchall()
    assert following > max(row[0] for row in before[0])


def test_a_damaged_import_is_left_out_by_name(folder: Path) -> None:
    site = site_with(folder)
    (kept_folder,) = kept.folders(site.imports)
    (kept_folder / "result.parquet").write_bytes(b"other")
    site.catalog.unlink()
    found, (problem,) = rebuild(site)
    assert "result.parquet: gone, or not as it was written; this import is left out" in problem
    assert found["imported"] == 0
