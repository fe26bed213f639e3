"""What trials have in common is done once, and every one of them comes to the same, to the last bit, as alone."""

import json
import mmap
import shutil
import threading
from functools import cache
from itertools import product
from pathlib import Path

import polars as pl
import pytest

from runner.run_files import Assignment
from runner.run_folder import RunFolder, attempt_folder, trunks_folder
from runner.trial import learn
from schema.spec import Spec
from tests.journey import LOCAL, STANDING, ask, declare, settle, tell
from tests.processes import run_trial
from tests.runner.test_trial import brought, spec_of
from tests.toy import DATA

pytestmark = pytest.mark.slow
TECHNIQUES = {
    "interpolate": {"shares": "uniform"},
    "ties": {"keep": 0.3},
    "task_arithmetic": {"scale": 0.3},
}
STARTS, DEPLOYS = ("initial", "last", "merged"), ("last", "all", "running")


@cache
def base() -> str:
    """A method whose tuning adds weights, and whose objective remembers; its optimizer's memory goes on, too."""
    said = json.loads(spec_of("toy_lora_ewc").to_json())
    said["recipe"] |= {"optimizer_params": {"carry": True}}
    return json.dumps(said)


def spec(technique: str, start: str, deploy: str) -> Spec:
    """A toy trial of the grid of TIME (https://arxiv.org/abs/2412.06712)."""
    said = json.loads(base())
    over = {"over": "running" if deploy == "last" else deploy, "start_over": "running"}
    said["method"] |= {
        "name": f"{technique}_{start}_{deploy}",
        "merging": technique,
        "merging_params": TECHNIQUES[technique] | over,
        "start": start,
        "deploy": "last" if deploy == "last" else "merged",
    }
    return Spec.from_row(said)


def tried(
    runs: Path,
    wanted: Spec,
    store: Path | None,
    trial: int = 1,
    attempt: int = 1,
    crash_at: str | None = None,
) -> int:
    """An attempt at a trial that goes by the number `trial` in the store; its exit code. Only what dies has its own process."""
    folder = attempt_folder(runs, trial, attempt)
    place = (str(store), "toy") if store else ("", "")
    job = Assignment(
        trial=trial,
        attempt=attempt,
        batch="batch",
        position=0,
        data=str(DATA),
        checkpoint_minutes=0.0,
        store=place[0],
        stem=place[1],
    )
    RunFolder(folder).create(wanted, job)
    return run_trial(folder, crash_at) if crash_at else learn(RunFolder(folder), mmap.mmap(-1, 1))


def trained_flops(runs: Path, shared: bool) -> float:
    """What the newest attempt is charged for training, of its own or taken over."""
    # Beside the trial's folder lies the store of tensors
    (of_trial,) = runs.glob("[0-9]*")
    newest = max(of_trial.iterdir())
    costs = pl.concat(
        [pl.read_parquet(path) for path in sorted(newest.glob("task-*.cost.parquet"))]
    )
    return float(
        costs.filter(~pl.col("phase").is_in(["evaluate", "merge"]), shared=shared)["flops"].sum()
    )


def test_a_grid_of_merges_costs_its_distinct_work_and_changes_no_bit(tmp_path: Path) -> None:
    """3 techniques by 3 starts by 3 deploy rules, held against those trials alone in which each meets each: the untouched backbone
    and the last weights are begun from once, what was merged once per technique, and the first task is everyone's."""
    store, charged, done = tmp_path / "store", 0.0, 0.0
    for number, chosen in enumerate(product(TECHNIQUES, STARTS, DEPLOYS), 1):
        together, alone = tmp_path / f"together {number}", tmp_path / "alone" / str(number)
        assert tried(together, spec(*chosen), store, number) == 0
        shared, own = trained_flops(together, True), trained_flops(together, False)
        charged, done = charged + shared + own, done + own
        technique, start, deploy = divmod(number - 1, 9)[0], (number - 1) // 3 % 3, (number - 1) % 3
        if (technique + start + deploy) % 3 == 0:
            assert tried(alone, spec(*chosen), None) == 0
            assert brought(together) == brought(alone), chosen
            assert (trained_flops(alone, True), trained_flops(alone, False)) == (0, shared + own)
    assert done <= charged / 3
    assert len(list(trunks_folder(store).glob("toy/*"))) == 1 + (2 + 3), (
        "the first task, and the second of each trunk"
    )
    assert len(list((store / "untouched").iterdir())) == 1


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    """A trial that shared nothing."""
    runs = tmp_path_factory.mktemp("alone")
    assert tried(runs, spec("ties", "merged", "all"), None) == 0
    return brought(runs)


def test_killed_where_it_leaves_and_takes_over_and_resumed(
    alone: dict[str, object], tmp_path: Path
) -> None:
    """Within the writing of an entry, before a receipt, in the middle of a task: the next attempt finds its own work, or does it
    anew; and another trial takes all of it over."""
    wanted, store = spec("ties", "merged", "all"), tmp_path / "store"
    for attempt, point in enumerate(("leaving", "leaving:2", "stored", "step:2", "stored"), 1):
        assert tried(tmp_path / "killed", wanted, store, 1, attempt, point) == -9, point
    assert tried(tmp_path / "killed", wanted, store, 1, 6) == 0
    assert brought(tmp_path / "killed") == alone
    assert trained_flops(tmp_path / "killed", True) == 0, "its own work is not another's"
    assert tried(tmp_path / "other", wanted, store, 2, 1, "receipt:2") == -9
    assert tried(tmp_path / "other", wanted, store, 2, 2) == 0
    assert brought(tmp_path / "other") == alone and trained_flops(tmp_path / "other", False) == 0


def test_what_the_disk_has_changed_is_trained_again(
    alone: dict[str, object], tmp_path: Path
) -> None:
    wanted, store = spec("ties", "merged", "all"), tmp_path / "store"
    assert tried(tmp_path / "first", wanted, store, 1) == 0
    for path in trunks_folder(store).glob("toy/*/state.safetensors"):
        held = path.read_bytes()
        path.write_bytes(held[:-5] + bytes([held[-5] ^ 1]) + held[-4:])
    assert tried(tmp_path / "second", wanted, store, 2) == 0
    assert brought(tmp_path / "second") == alone and trained_flops(tmp_path / "second", True) == 0
    assert tried(tmp_path / "third", wanted, store, 3) == 0
    assert brought(tmp_path / "third") == alone and trained_flops(tmp_path / "third", False) == 0


def test_the_store_may_be_deleted_at_any_time(alone: dict[str, object], tmp_path: Path) -> None:
    """Again and again, while a trial runs."""
    store, over = tmp_path / "store", threading.Event()

    def delete() -> None:
        while not over.wait(0.005):
            shutil.rmtree(store, ignore_errors=True)

    thread = threading.Thread(target=delete)
    thread.start()
    try:
        assert tried(tmp_path / "runs", spec("ties", "merged", "all"), store) == 0
    finally:
        over.set()
        thread.join()
    assert brought(tmp_path / "runs") == alone


MERGED_AFTERWARDS = """
INSERT INTO method (name, merging, merging_params, "start", deploy)
VALUES ('all', 'ties', '{"over": "all"}', 'initial', 'merged'), ('running', 'slerp', '{}', 'initial', 'merged');
INSERT INTO trial (backbone, stream, mixture, method, recipe, budget, seed, study)
SELECT 'toy', 'toy', 'toy', unnest(['all', 'running']), 'toy', 'toy', 7, 'shared'
"""


def test_sync_sends_one_of_a_trunk_and_the_other_takes_over_what_it_left(tmp_path: Path) -> None:
    """With and without sharing the same rows stand; in the end nobody wants what was left, and it is gone (I2, I3)."""
    found = []
    for share in (1, 0):
        folder = tmp_path / str(share)
        folder.mkdir()
        site = declare(
            folder, f"{LOCAL}trials_per_job = 2\n[retries]\nshare_trunks = {share}\n", seeds=0
        )
        tell(site, MERGED_AFTERWARDS)
        settle(site)
        found.append(ask(site, f"FROM ({STANDING}) WHERE seed = 7"))
        ((trunks, charged, done),) = ask(
            site, "SELECT trunks, charged_pflops, done_pflops FROM sharing WHERE study = 'shared'"
        )
        assert (trunks, done) == (1, charged / 2 if share else charged)
        overlap = "SELECT count(*) FROM outcome a, outcome b WHERE a.trial < b.trial AND a.finished_at > b.started_at"
        assert not share or ask(site, overlap) == [(0,)], "one after the other"
        assert not list(trunks_folder(site.store).glob("*"))
        assert (site.store / "untouched").exists() == bool(share)
    assert found[0] == found[1] and found[0]
