"""Work in common, done once: what names it, what is taken over, and what is not."""

import json
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runner import code_snapshot
from runner.run_files import Assignment
from runner.run_folder import trunks_folder
from runner.worker import checkpoint, shared_store
from runner.worker.shared_store import Shelf, open_store
from runner.worker.shared_work import learned_from, measured_on
from schema.spec import Spec

JOB = Assignment(
    trial=1, attempt=1, batch="batch", position=0, data="data", store="lab/store", stem="abc"
)
STATE: dict[str, Any] = {
    "last": {"a": torch.arange(6.0).reshape(2, 3), "b": torch.tensor(3)},
    "ledger": {"train": {"flops": 1e9, "seconds": 0.1}},
    "curve": [{"loss": 0.1 + 0.2}],
}
DATASETS = [
    {"name": name, "format": "world", "classes": ["x", "y"]}
    for name in ("learned", "later", "tested")
]
SPEC = Spec(
    backbone={"name": "b", "architecture": "{}", "pretrained": None, "parent": None},
    stream={
        "name": "s",
        "tasks": 2,
        "sequence": {"name": "q", "concepts": [["learned", "x"], ["later", "x"]]},
        "suite": {
            "name": "u",
            "members": [
                {
                    "dataset": "tested",
                    "role": "retain",
                    "metric": "top1",
                    "weight": 1,
                    "label_space": "all",
                }
            ],
        },
        "datasets": DATASETS,
    },
    mixture={"name": "m", "update_share": 1.0},
    method={
        "name": "me",
        "tuning": "full",
        "tuning_params": {},
        "objective": "contrastive",
        "objective_params": {},
        "repair": None,
        "repair_params": {},
        "merging": "ties",
        "merging_params": {"keep": 0.3},
        "start": "last",
        "deploy": "merged",
    },
    recipe={"name": "r", "lr": 1e-3, "batch_pairs": 8},
    budget={"name": "bu", "unit": "steps", "total": 8},
    seed=3,
)
TASKS = [[("learned", "x")], [("later", "x")]]


def same(left: Any, right: Any) -> bool:
    return checkpoint.digest(left) == checkpoint.digest(right)


def changed(word: str, **columns: Any) -> Spec:
    return replace(SPEC, **{word: getattr(SPEC, word) | columns})


# ---------------------------------------------------------------- what names work


@pytest.mark.parametrize(
    "other",
    [
        changed(
            "method",
            name="other",
            merging="slerp",
            merging_params={},
            start="initial",
            deploy="last",
        ),
        changed("budget", name="other"),
        changed("recipe", name="other"),
        changed("mixture", name="other"),
        changed("stream", name="other", suite={"name": "v", "members": []}, datasets=DATASETS[:1]),
        changed("backbone", name="other"),
    ],
    ids=["what is merged and deployed", "budget", "recipe", "mixture", "suite", "backbone"],
)
def test_what_training_does_not_read_does_not_part_it(other: Spec) -> None:
    assert learned_from(other, TASKS[:1]) == learned_from(SPEC, TASKS[:1])


@pytest.mark.parametrize(
    "other",
    [
        changed("method", tuning="lora"),
        changed("method", objective_params={"weight": 2}),
        changed("method", repair="fpf", repair_params={"share": 0.5}),
        changed("method", merging="ema_step", merging_params={"decay": 0.9}),
        changed("recipe", lr=2e-3),
        changed("recipe", compute_params={"compile": True}),
        changed("mixture", update_share=0.5),
        changed("stream", datasets=[DATASETS[0] | {"params": {"train": 5}}]),
        changed("backbone", architecture='{"a": 1}'),
        replace(SPEC, seed=4),
    ],
)
def test_what_training_reads_parts_it(other: Spec) -> None:
    assert learned_from(other, TASKS[:1]) != learned_from(SPEC, TASKS[:1])


def test_streams_with_the_same_beginning_share_it() -> None:
    """The first task's work is the same whatever follows; the second's is not."""
    other = [TASKS[0], [("tested", "y")]]
    assert learned_from(SPEC, TASKS[:1]) == learned_from(SPEC, other[:1])
    assert learned_from(SPEC, TASKS) != learned_from(SPEC, other)


def test_step_averages_of_other_values_train_apart() -> None:
    left, right = (
        changed("method", merging="ema_step", merging_params={"decay": decay})
        for decay in (0.9, 0.99)
    )
    assert learned_from(left, TASKS) != learned_from(right, TASKS)


def test_the_untouched_backbone_is_measured_once_per_suite() -> None:
    other = replace(changed("method", tuning="lora"), seed=9)
    assert measured_on(SPEC, TASKS) == measured_on(other, TASKS[:1])
    members = [member | {"label_space": "task"} for member in SPEC.stream["suite"]["members"]]
    by_task = changed("stream", suite={"name": "u", "members": members})
    assert measured_on(by_task, TASKS) != measured_on(by_task, TASKS[:1]), (
        "which task brings a class"
    )


def test_other_code_threads_or_devices_name_other_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf = Shelf(tmp_path, JOB)
    names = {
        shelf.key(task=1),
        Shelf(tmp_path, replace(JOB, threads=2)).key(task=1),
        shelf.key(task=2),
    }
    assert (
        shelf.key(task=1) in names and Shelf(tmp_path, replace(JOB, trial=2)).key(task=1) in names
    )
    monkeypatch.setattr(shared_store, "device", lambda: "another")
    names.add(shelf.key(task=1))
    monkeypatch.setattr(code_snapshot, "identity", lambda root: "edited")
    names.add(shelf.key(task=1))
    assert len(names) == 5 and None not in names


@settings(max_examples=30, deadline=None)
@given(st.data())
def test_one_flipped_bit_is_another_state(data: st.DataObject) -> None:
    values = data.draw(st.lists(st.floats(width=32, allow_nan=False), min_size=1, max_size=8))
    place, bit = data.draw(st.integers(0, len(values) * 4 - 1)), data.draw(st.integers(0, 7))
    left = torch.tensor(values, dtype=torch.float32)
    right = left.clone()
    right.view(torch.uint8)[place] ^= 1 << bit
    assert same({"w": left}, {"w": left.clone()}) and not same({"w": left}, {"w": right})
    assert not same({"w": left}, {"v": left}) and not same({"w": left}, {"w": left.reshape(1, -1)})


# ---------------------------------------------------------------- what is taken over


def test_what_was_left_is_found_to_the_bit(tmp_path: Path) -> None:
    mine, theirs = Shelf(tmp_path, JOB), Shelf(tmp_path, replace(JOB, trial=2))
    assert mine.get("k") is None
    mine.put("k", STATE)
    for shelf, shared in ((theirs, True), (mine, False)):
        entry = shelf.get("k")
        assert entry is not None and same(entry.state, STATE) and entry.shared is shared
    assert [path.name for path in tmp_path.iterdir()] == ["k"], "nothing is left aside"


def test_where_nothing_is_shared_nothing_is_written(tmp_path: Path) -> None:
    there = replace(JOB, store=str(tmp_path))
    for store in (open_store(replace(JOB, store="", stem="")), open_store(there, shared=False)):
        for shelf in (store.tasks, store.untouched, store.embeddings):
            assert shelf.folder is None and shelf.key(task=1) is None
            assert shelf.part("x").folder is None and shelf.names() == []
            shelf.keep(0)
            shelf.put("k", STATE)
            assert shelf.get(None) is None and shelf.get("k") is None
    assert not list(tmp_path.iterdir())
    without_stem = open_store(replace(there, stem=""))
    assert without_stem.tasks.folder is None
    assert without_stem.untouched.folder == tmp_path / "untouched"
    assert open_store(there).tasks.folder == trunks_folder(tmp_path) / "abc"


@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    file=st.sampled_from(["state.json", "state.safetensors"]),
    seed=st.integers(0, 10**6),
    cut=st.booleans(),
)
def test_what_a_disk_has_changed_is_not_taken_over(
    tmp_path: Path, file: str, seed: int, cut: bool
) -> None:
    """A cut or a changed byte anywhere: nothing is taken over, or what was left, to the bit; and it can be left again."""
    shelf, draw = Shelf(tmp_path, JOB), random.Random(seed)
    shelf.put("k", STATE)
    path = tmp_path / "k" / file
    held = bytearray(path.read_bytes())
    place = (
        draw.randrange(len(held)) if seed % 2 else held.rfind(b"sha256")
    )  # a key of the receipt, too
    held[place] ^= 1 << draw.randrange(8)
    path.write_bytes(held[:place] if cut else held)
    entry = shelf.get("k")
    assert entry is None or same(entry.state, STATE)
    shelf.put("k", STATE)
    entry = shelf.get("k")
    assert entry is not None and same(entry.state, STATE)


@pytest.mark.parametrize("file", ["state.json", "state.safetensors"])
def test_half_an_entry_is_none(tmp_path: Path, file: str) -> None:
    shelf = Shelf(tmp_path, JOB)
    shelf.put("k", STATE)
    (tmp_path / "k" / file).unlink()
    assert shelf.get("k") is None


def test_an_entry_under_another_name_is_none(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path, JOB)
    shelf.put("k", STATE)
    (tmp_path / "k").rename(tmp_path / "other")
    assert shelf.get("other") is None
    for said in (["not", "a", "receipt"], {"key": "other"}):
        (tmp_path / "other" / "state.json").write_text(json.dumps(said))
        assert shelf.get("other") is None


def test_a_store_that_cannot_be_written_ends_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("in the way")
    Shelf(tmp_path / "file" / "below", JOB).put("k", STATE)
    assert "not left in the store for others: " in caplog.text


def test_the_quicker_one_of_two_stays(tmp_path: Path) -> None:
    Shelf(tmp_path, replace(JOB, trial=7)).put("k", STATE)
    Shelf(tmp_path, JOB).put("k", STATE)
    assert json.loads((tmp_path / "k" / "state.json").read_text())["trial"] == 7
    assert [path.name for path in tmp_path.iterdir()] == ["k"]
