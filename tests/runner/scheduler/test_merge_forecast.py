"""What merging will read over pending trials, against pencil and paper."""

import pytest

from runner.scheduler.merge_forecast import remarks
from tests.filled import TASKS, Filled

GB = 10**9


def declare(filled: Filled) -> None:
    """One method that reads every task, one that keeps a running form, one that reads little."""
    filled.clear()
    filled.connection.execute(
        "INSERT INTO method (name, merging, merging_params, deploy) VALUES "
        "('reads', 'tsv_m', '{\"over\": \"all\"}', 'merged'), "
        "('folds', 'ties', '{\"over\": \"all\"}', 'merged'), "
        "('small', 'ties', '{}', 'merged') ON CONFLICT DO NOTHING"
    )
    filled.profile("reads", merge_read=(0, 600 * GB), train=(1e9, GB))
    filled.profile("folds", merge_form=(0, 3 * GB), train=(1e9, GB))
    filled.profile("small", merge_form=(0, GB // 1000), train=(1e9, GB))


def test_what_is_read_of_each_earlier_task_grows_with_the_square(filled: Filled) -> None:
    declare(filled)
    for method in ("reads", "folds", "small", "finetune"):
        filled.trial(method)
    read = 600 * GB * (TASKS * (TASKS - 1) // 2)
    size = f"{read / 1e12:.3g} TB" if read >= 1e12 else f"{read / 1e9:.3g} GB"
    unknown = "for a time not known until a trial of it has merged"
    assert remarks(filled.connection) == [
        f"merging: reads of tiny reads {size} over the {TASKS} tasks of world, {unknown}",
        f"merging: folds of tiny reads {3 * (TASKS - 1)} GB over the {TASKS} tasks of world, "
        f"{unknown}",
    ]


def test_the_time_is_that_of_trials_that_have_merged(filled: Filled) -> None:
    """Ten seconds for each model combined: at task t these are t; a running form is one a task."""
    declare(filled)
    for method in ("reads", "folds"):
        over = filled.trial(method, seed=1)
        filled.attempt(over)
        for task in range(1, TASKS + 1):
            filled.cost(over, task, "merge", seconds=600.0 * (task if method == "reads" else 1))
        filled.trial(method, seed=2)
    reads, folds = remarks(filled.connection)
    minutes = 10 * (TASKS * (TASKS + 1) // 2)
    assert f"and merges for {minutes} min (as 1 trials did)" in reads
    assert f"and merges for {10 * TASKS} min (as 1 trials did)" in folds


def test_nothing_is_said_where_nothing_is_pending_or_profiled(filled: Filled) -> None:
    declare(filled)
    assert remarks(filled.connection) == []
    filled.connection.execute("DELETE FROM profile")
    filled.trial("reads")
    assert remarks(filled.connection) == []


@pytest.mark.parametrize(("count", "lines"), [(5, 5), (7, 6)])
def test_the_largest_are_named_and_the_others_counted(
    filled: Filled, count: int, lines: int
) -> None:
    declare(filled)
    for number in range(count):
        name = f"reads_{number}"
        filled.connection.execute(
            "INSERT INTO method (name, merging, deploy) VALUES (?, 'tsv_m', 'merged') "
            "ON CONFLICT DO NOTHING",
            [name],
        )
        filled.profile(name, merge_read=(0, (number + 2) * GB), train=(1e9, GB))
        filled.trial(name)
    shown = remarks(filled.connection)
    assert len(shown) == lines
    assert f"reads_{count - 1} of tiny" in shown[0]
    if count > 5:
        assert shown[-1] == "merging: 2 more settings read more than 1 GB each"
