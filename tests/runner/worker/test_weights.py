"""Which weights of earlier tasks stay in a run folder once a task is done."""

from pathlib import Path

import pytest

from runner.run_folder import RunFolder
from runner.worker.weights import DEPLOYED, LAST, RUNNING, drop_before, weights_file


@pytest.mark.parametrize(
    ("keep", "deployed"),
    [
        ("last", [6]),
        ("all", [1, 2, 3, 4, 5, 6]),
        ("every:2", [2, 4, 6]),
        ("every:4", [4, 6]),
        ("every:9", [6]),
    ],
)
def test_earlier_weights_stay_by_the_rule(tmp_path: Path, keep: str, deployed: list[int]) -> None:
    """A running merge is asked for by the next task alone, whatever people keep; all that a merging combines stays."""
    run = RunFolder(tmp_path)
    for task in range(1, 7):
        for kind in (DEPLOYED, LAST, RUNNING):
            weights_file(run, task, kind).touch()
        drop_before(run, task, keep)
    for kind, tasks in ((DEPLOYED, deployed), (RUNNING, [6]), (LAST, [1, 2, 3, 4, 5, 6])):
        names = sorted(path.name for path in tmp_path.glob(f"*.{kind}.safetensors"))
        assert names == [weights_file(run, task, kind).name for task in tasks]
