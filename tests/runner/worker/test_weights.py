"""Which weights of earlier tasks stay in a run folder once a task is done, and what is merged of them."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from methods import merge, merger
from runner.run_folder import RunFolder
from runner.worker.deployment import _merged
from runner.worker.weights import DEPLOYED, LAST, RUNNING, History, drop_before, weights_file


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


class Kept(History):
    """A history whose files are those of one attempt, whatever its receipts say."""

    def _holder(self, finished: dict[int, Any], task: int) -> RunFolder:
        return self.run


@pytest.mark.parametrize("over", ["all", "running", "ends"])
@pytest.mark.parametrize("name", ["task_arithmetic", "ties", "wudi", "tsv_m"])
def test_what_is_merged_after_each_task_is_the_merge_of_all_weights_so_far(
    name: str, over: str, tmp_path: Path
) -> None:
    """Whether a running merge, a running form or all weights lie on the disk."""
    generator = torch.Generator().manual_seed(0)
    initial, *learned = (
        {
            "weight": torch.randn(5, 4, generator=generator),
            "bias": torch.randn(4, generator=generator),
        }
        for _ in range(4)
    )
    method = SimpleNamespace(merging=merger(name, {"over": over}, "last", "merged"), ensemble=None)
    history = Kept(initial, RunFolder(tmp_path), [])
    trial: Any = SimpleNamespace(
        learner=SimpleNamespace(method=method), history=history, initial=initial
    )
    for task, last in enumerate(learned, 1):
        merged = _merged(trial, task, last)[over]
        expected = merge(name, [initial, *learned[:task]], {"over": over})
        for key, tensor in expected.items():
            torch.testing.assert_close(merged[key], tensor, msg=f"task {task}: {key}")
