"""The bootstrap interval and the stability gap, on numbers that are known."""

import math
import random
import statistics

import duckdb
import pytest

from tests.filled import PAPER, Filled, shifted


def test_the_bootstrap_holds_its_mean_and_is_the_same_every_time(filled: Filled) -> None:
    drawn = random.Random(1)
    values = [drawn.gauss(0, 0.04) for _ in range(20)]
    for seed, by in enumerate(values):
        filled.done(shifted(by), seed=seed)
    row = filled.row("bootstrap(measure := 'a_zs')")
    assert row == filled.row("bootstrap(measure := 'a_zs')")
    assert (row["seeds"], row["few_seeds"], row["mean"]) == (
        20,
        False,
        pytest.approx(0.55 + statistics.mean(values)),
    )
    error = statistics.pstdev(values) / math.sqrt(20)
    assert row["highest"] - row["mean"] == pytest.approx(1.96 * error, rel=0.15)
    assert row["mean"] - row["lowest"] == pytest.approx(1.96 * error, rel=0.15)


def test_the_bootstrap_of_few_or_equal_values(filled: Filled) -> None:
    for seed in range(2):
        filled.done(PAPER, seed=seed)
    assert (filled.row("bootstrap()")["few_seeds"], filled.row("bootstrap()")["lowest"]) == (
        True,
        None,
    )
    filled.done(PAPER, seed=2)
    row = filled.row("bootstrap(measure := 'a_zs', stream := 'world')")
    assert (row["lowest"], row["highest"]) == (pytest.approx(0.55), pytest.approx(0.55))
    with pytest.raises(duckdb.Error, match="measure is one of a_ka, .* not top1"):
        filled.rows("bootstrap(measure := 'top1')")


def test_stability_gap(filled: Filled) -> None:
    """dogs: 0.6, then 0.35 within task 1 and 0.5 at its end, then 0.45 within task 2 and 0.4 at its end."""
    trial = filled.done(PAPER)
    assert filled.rows("stability_gap") == [], "measured at the ends only"
    filled.results(trial, 1, {"dogs": 0.35}, step=5)
    filled.results(trial, 2, {"dogs": 0.45}, step=15)
    filled.results(trial, 2, {"cats": 0.1}, step=15, fraction=0.1)
    row = filled.row("stability_gap")
    assert (row["dataset"], row["tasks_watched"], row["gap"], row["task"]) == (
        "dogs",
        2,
        pytest.approx(0.6 - 0.35),
        1,
    )
    filled.results(trial, 1, {"cats": 0.3}, fraction=0.1)
    assert filled.row("stability_gap", dataset="cats")["gap"] == pytest.approx(0.2), (
        "a part is compared with the same part"
    )


def test_a_rise_has_no_gap(filled: Filled) -> None:
    trial = filled.done(PAPER)
    filled.results(trial, 1, {"birds": 0.4}, step=5)
    assert filled.row("stability_gap")["gap"] == pytest.approx(-0.2)


def test_a_ridge_between_two_tasks(filled: Filled) -> None:
    """0.8 before and 0.7 now: straight, it were 0.75 half way, where 0.6 was measured."""
    filled.probed([(0.3, 0.4, 0.7)] * 2, [0.8] * 2)
    (row,) = filled.rows("connectivity")
    assert (row["dataset"], row["metric"], row["task"], row["seeds"], row["few_seeds"]) == (
        "scenes",
        "r5",
        1,
        2,
        True,
    )
    assert [
        row[name] for name in ("before", "now", "ridge", "ridge_low", "ridge_high", "better")
    ] == (pytest.approx([0.8, 0.7, 0.15, 0.15, 0.15, 0.1]))
