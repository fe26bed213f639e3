"""What a task costs, phase by phase: whose it is, and how stages are added up."""

import pytest

from runner.worker.costs import Entry, Ledger


def test_what_a_trial_spends_is_its_own_until_another_is_known_to_have_spent_it() -> None:
    books = Ledger()
    with books.timed("train") as entry:
        entry.steps += 3
    books.put("fisher", Entry(flops=2.0))
    assert {row["phase"]: row["shared"] for row in books.rows(1)} == {
        "train": False,
        "fisher": False,
    }
    for shared in (True, False):
        books.mark(shared)
        assert {row["shared"] for row in books.rows(1)} == {shared}


@pytest.mark.parametrize(("one", "other", "most"), [(None, 5, 5), (7, 5, 7), (None, None, None)])
def test_stages_of_a_phase_are_added_up_and_the_higher_peak_stays(
    one: int | None, other: int | None, most: int | None
) -> None:
    books, stage = Ledger(), Ledger()
    books.put("train", Entry(flops=1.0, seconds=2.0, steps=3, pairs=4, peak_bytes=one))
    stage.put("train", Entry(flops=10.0, seconds=20.0, steps=30, pairs=40, peak_bytes=other))
    books.add(stage)
    (row,) = books.rows(2)
    assert (row["task"], row["flops"], row["seconds"], row["steps"]) == (2, 11.0, 22.0, 33)
    assert (row["pairs"], row["peak_bytes"], row["energy_j"]) == (44, most, None)
