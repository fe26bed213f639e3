"""A rule whose recipes a sampler draws: recipes and trials come together, once, whoever kills what."""

import os
from pathlib import Path

import pytest

from runner.backends import backend
from runner.scheduler.dry_run import dry_run
from runner.sync import main
from schema.catalog import Catalog
from tests.faults.stage import Stage
from tests.journey import Rows
from tests.processes import SPAWN

# Trials of the toy grid (two seeds of recipe `toy`) are the start of the search
LEARN = (
    "SELECT * FROM suggested(base := 'toy', study := 'toy', draws := {draws}, at_once := 2, "
    "lr_low := 1e-4, lr_high := 1e-1, measure := 'a_ka', on_test := {on_test})"
)


def declare(stage: Stage, draws: int = 4, most: int = 100, on_test: bool = True) -> None:
    """A rule that learns, as a person inserts it."""
    query = LEARN.format(draws=draws, on_test=on_test)
    with Catalog(stage.site.catalog).transaction() as connection:
        connection.execute(
            "INSERT INTO rule (name, query, most_trials) VALUES ('learn', ?, ?)", [query, most]
        )


def recipes(stage: Stage) -> Rows:
    return stage.ask("SELECT name, lr, note FROM recipe WHERE name LIKE 'toy_lr_%' ORDER BY name")


def searched(stage: Stage) -> Rows:
    return stage.ask("SELECT recipe, seed, rule, study FROM trial ORDER BY id")


def test_a_search_grows_by_batches_until_it_has_tried_its_draws(stage: Stage) -> None:
    """Each batch waits for the last trial of the one before; every draw has the seeds of the first."""
    declare(stage)
    assert stage.sync().by_rules == [], "the search has only begun"
    assert recipes(stage) == []
    stage.settle()
    made = recipes(stage)
    assert len(made) == 3
    for name, lr, note in made:
        assert name == f"toy_lr_{lr:.2e}" and 1e-4 <= lr <= 1e-1
        assert " of a search around toy (TPE of Optuna " in note
    assert {note.partition(" of")[0] for _, _, note in made} == {"draw 2", "draw 3", "draw 4"}
    rows = searched(stage)
    assert rows[:2] == [("toy", 0, None, "toy"), ("toy", 1, None, "toy")]
    assert sorted(rows[2:]) == sorted(
        (name, seed, "learn", "toy") for name, _, _ in made for seed in (0, 1)
    )
    assert len(stage.ran) == 8
    ((state,),) = stage.ask("SELECT state FROM rules")
    assert state == "standing" and stage.ask("FROM problem") == []


def test_the_same_catalog_gives_the_same_draws(stage: Stage) -> None:
    """A pass that is killed leaves nothing of a batch, and the next draws the same (I2, I8)."""
    stage.settle()
    declare(stage, draws=3)
    stage.sync_dies(crash_at="rule")
    assert recipes(stage) == [] and len(searched(stage)) == 2
    stage.sync_dies(after="runner.scheduler.rules:ask")
    assert recipes(stage) == []
    stage.sync_dies(after="runner.scheduler.rules:add")
    first = recipes(stage)
    assert len(first) == 2
    # Without what it added, it is the catalog as it was
    stage.tell("DELETE FROM trial WHERE rule = 'learn' AND id NOT IN (SELECT trial FROM attempt)")
    stage.tell("DELETE FROM recipe WHERE name LIKE 'toy_lr_%'")
    assert stage.sync().by_rules == ["rule learn: 4 trials added, 96 more allowed"]
    assert recipes(stage) == first


def _sync(folder: str, environment: dict[str, str]) -> None:
    os.environ |= environment
    os.chdir(folder)
    raise SystemExit(main([]))


def test_two_syncs_at_once_draw_once(stage: Stage) -> None:
    stage.settle()
    declare(stage, draws=3)
    both = []
    for _ in range(2):
        both.append(SPAWN.Process(target=_sync, args=(str(stage.folder), dict(os.environ))))
        both[-1].start()
    for process in both:
        process.join()
    assert [process.exitcode for process in both] == [0, 0]
    assert len(recipes(stage)) == 2 and len(searched(stage)) == 6
    stage.settle()
    assert len(stage.ran) == 6


def test_it_adds_no_more_than_it_may(stage: Stage) -> None:
    """Only recipes that trials use are made."""
    stage.settle()
    declare(stage, draws=9, most=2)
    assert stage.sync().by_rules == ["rule learn: 2 trials added, 0 more allowed"]
    assert len(recipes(stage)) == 1


def test_test_images_are_learned_from_only_where_it_is_said(stage: Stage) -> None:
    declare(stage, on_test=False)
    (problem,) = stage.sync().problems
    assert problem[0] == "rule learn"
    assert "chooses on validation images, and no stream names toy as its validation" in problem[1]


def test_a_recipe_of_that_name_that_is_another_is_left_alone(stage: Stage) -> None:
    """F41: nothing is added, and health says why."""
    stage.settle()
    declare(stage, draws=2)
    stage.sync_dies(after="runner.scheduler.rules:add")
    ((name, lr, _),) = recipes(stage)
    stage.tell("DELETE FROM trial WHERE rule = 'learn'")
    stage.tell(f"UPDATE recipe SET batch_pairs = 4 WHERE name = '{name}'")
    (problem,) = stage.sync().problems
    assert f"it draws recipe '{name}', and there is another recipe of that name" in problem[1]
    assert recipes(stage) == [(name, lr, recipes(stage)[0][2])] and len(searched(stage)) == 2


def test_a_range_without_other_numbers_is_a_problem(stage: Stage) -> None:
    stage.settle()
    declare(stage)
    stage.tell("UPDATE rule SET query = replace(replace(query, '1e-4', '0.002'), '1e-1', '0.002')")
    (problem,) = stage.sync().problems
    # One name is new (the base has none of its numbers), and the next of the batch is not
    assert "its ranges hold too few numbers of three digits" in problem[1]
    assert recipes(stage) == []


def test_a_rule_that_says_itself_what_to_draw_from_is_refused(stage: Stage) -> None:
    words = "backbone, stream, mixture, method, recipe, budget, seed"
    with Catalog(stage.site.catalog).transaction() as connection:
        for name, columns in (
            ("half", "2 AS draw"),
            ("empty", "2 AS draw, '{}' AS drawn_from"),
            ("none", "2 AS draw, NULL AS drawn_from"),
        ):
            query = f"SELECT {words}, {columns} FROM trial"
            connection.execute("INSERT INTO rule VALUES (?, ?, 9, NULL, now())", [name, query])
    problems = dict(stage.sync().problems)
    assert "it lacks drawn_from" in problems["rule half"]
    for name in ("empty", "none"):
        assert "must be what the question suggested returns" in problems[f"rule {name}"]


def test_without_optuna_the_rule_says_what_to_install(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from schema.checks import standing

    monkeypatch.setattr(standing.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(standing.RuleError, match=r'pip install "weir\[optuna\]", or draw'):
        standing.check_sampler(standing.DRAW)


def test_a_dry_run_prices_what_would_be_drawn(
    stage: Stage, capsys: pytest.CaptureFixture[str]
) -> None:
    """Recipes that are not there yet are priced with the trials, and nothing is left of them."""
    stage.settle()
    declare(stage, draws=3)
    before = stage.site.catalog.read_bytes()
    assert dry_run(stage.site, backend("slurm", stage.site), None) == 0
    printed = capsys.readouterr().out
    assert "rule learn would add 4 trials\n" in printed
    assert stage.site.catalog.read_bytes() == before
