"""F22: a file of an earlier task is damaged while a merging trial is on its way."""

from pathlib import Path

import pytest

from runner.run_folder import RunFolder, attempt_folder
from tests.methods.test_merging_time import CASES, spec_with
from tests.processes import attempt, run_trial
from tests.runner.test_trial import brought
from tests.toy import DATA

CASE = "all deployed, running begun from"


@pytest.mark.slow
def test_f22_costs_of_an_earlier_task_are_emptied(tmp_path: Path) -> None:
    """The attempt that needs that task's weights ends as no_result, which is tried again; the next
    one measures the task again, and comes to the same (I5).
    """
    spec = spec_with(**CASES[CASE])
    assert run_trial(attempt(tmp_path / "undisturbed", spec, 1, DATA)) == 0
    runs = tmp_path / "damaged"
    assert run_trial(attempt(runs, spec, 1, DATA), crash_at="receipt:4") == -9
    damaged = attempt_folder(runs, 1, 1) / "task-0002.cost.parquet"
    damaged.write_bytes(b"")
    assert 2 not in RunFolder(damaged.parent).receipts()
    number, codes = 2, []
    while not codes or codes[-1]:
        codes.append(run_trial(attempt(runs, spec, number, DATA)))
        outcome = RunFolder(attempt_folder(runs, 1, number)).outcome()
        assert outcome is not None
        assert (outcome.state, outcome.kind) in (("done", None), ("failed", "no_result"))
        number += 1
        assert number < 5
    assert brought(runs) == brought(tmp_path / "undisturbed")
