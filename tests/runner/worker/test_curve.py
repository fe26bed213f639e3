"""The points of a task's curve."""

import pytest

from runner.worker.curve import Curve


@pytest.mark.parametrize(
    ("steps", "points"),
    [
        (1, [1]),
        (4, [1, 2, 3, 4]),
        (100, list(range(5, 101, 5))),
        (107, [*range(5, 106, 5), 107]),
    ],
)
def test_a_point_about_every_twentieth_and_at_the_end(steps: int, points: list[int]) -> None:
    curve = Curve(1, steps)
    assert [step for step in range(1, steps + 1) if curve.is_due(step)] == points


def test_the_speed_is_that_since_the_last_point() -> None:
    curve = Curve(3, 100)
    curve.count(8)
    curve.count(8)
    assert curve.pairs == 16 and curve.pairs_per_s > 0
    before = curve.pairs_per_s
    curve.add(5, 0.5, 1e-3)
    (row,) = curve.rows
    assert row.pop("written_at") and row == {
        "task": 3,
        "step": 5,
        "loss": 0.5,
        "lr": 1e-3,
        "pairs_per_s": before,
    }
    assert curve.pairs == 0
    resumed = Curve(3, 100)
    resumed.load_rows(curve.rows)
    resumed.add(10, 0.4, 1e-3)
    assert [each["step"] for each in resumed.rows] == [5, 10]
