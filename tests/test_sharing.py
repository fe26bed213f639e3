"""What trials have in common is done once, and every one of them comes to the same, to the last bit, as alone."""

import json
from itertools import product
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from runner.folder import Job, RunFolder, attempt_folder, trunks_folder
from schema.spec import Spec
from tests.processes import run_trial
from tests.test_trial import brought, spec_of
from tests.toy import DATA

pytestmark = pytest.mark.slow
TECHNIQUES = {"interpolate": {"shares": "uniform"}, "ties": {"keep": 0.3}, "magmax": {}}
STARTS, DEPLOYS = ("initial", "last", "merged"), ("last", "all", "running")
EVALUATED = 3  # times, by a trial of two tasks


def grid_spec(technique: str, start: str, deploy: str, **recipe: Any) -> Spec:
    """A toy trial of the grid of TIME (https://arxiv.org/abs/2412.06712), after `toy_lora_ewc`, whose parts remember things."""
    said = json.loads(spec_of("toy_lora_ewc").to_json())
    said["method"] |= {
        "name": f"{technique}_{start}_{deploy}",
        "merging": technique,
        "merging_params": TECHNIQUES[technique] | {"over": "running" if deploy == "last" else deploy, "start_over": "running"},
        "start": start,
        "deploy": "last" if deploy == "last" else "merged",
    }
    said["recipe"] |= recipe
    return Spec.from_row(said)


def tried(runs: Path, spec: Spec, store: Path | None, trial: int = 1, attempt: int = 1, crash_at: str | None = None) -> int:
    """An attempt at a trial with folder 000001, that goes by the number `trial` in the store; its exit code."""
    folder, job = attempt_folder(runs, 1, attempt), Job(trial, attempt, "batch", 0, str(DATA), checkpoint_minutes=0.0)
    RunFolder(folder).create(spec, Job(**vars(job) | ({"store": str(store), "stem": "toy"} if store else {})))
    return run_trial(folder, crash_at)


def costs(runs: Path) -> pl.DataFrame:
    """What the newest attempt is charged."""
    newest = max((runs / "000001").iterdir())
    return pl.concat([pl.read_parquet(path) for path in sorted(newest.glob("task-*.cost.parquet"))])


def trained_flops(runs: Path, shared: bool) -> float:
    training = costs(runs).filter(~pl.col("phase").is_in(["evaluate", "merge"]), shared=shared)
    return float(training["flops"].sum())


def test_a_grid_of_merges_costs_its_distinct_work_and_changes_no_bit(tmp_path: Path) -> None:
    """3 techniques by 3 starts by 3 deploy rules: 5 trunks of two tasks, the first of which all have in common."""
    store, charged, done = tmp_path / "store", 0.0, 0.0
    for number, (technique, start, deploy) in enumerate(product(TECHNIQUES, STARTS, DEPLOYS), 1):
        alone, together = tmp_path / f"alone {number}", tmp_path / f"together {number}"
        spec = grid_spec(technique, start, deploy)
        assert tried(alone, spec, None) == tried(together, spec, store, number) == 0
        assert brought(together) == brought(alone), spec.method["name"]
        charged += trained_flops(alone, shared=False)
        done += trained_flops(together, shared=False)
        assert trained_flops(together, True) + trained_flops(together, False) == trained_flops(alone, False)
        assert costs(together)["shared"].sum() == costs(together).filter(shared=True).height >= (1 if number > 1 else 0)
    assert len(list(trunks_folder(store).glob("toy/*"))) == 1 + 5
    assert done <= charged / 3
    assert len(list((store / "untouched").iterdir())) == 1
