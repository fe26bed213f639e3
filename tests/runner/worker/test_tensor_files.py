"""Files of weights with tensors in the lab's store: what is shared, read again, missed and collected."""

import os
import signal
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from runner import tensor_store
from runner.records import DamagedFileError
from runner.run_files import TABLES, Assignment, FileEntry, Receipt, TableEntry
from runner.run_folder import RunFolder, attempt_folder, sha256, write_json
from runner.scheduler import kept_weights, tensor_collection
from runner.scheduler.adopted_files import copy_attempt
from runner.scheduler.base_weights import deployed_weights
from runner.scheduler.kept_weights import NotKeptError
from runner.scheduler.resolve import RefusedError
from runner.worker import tensor_files, weight_files, weight_preprocessing
from runner.worker.weight_files import UnreadableWeightsError
from runner.worker.weights import DEPLOYED, LAST, RUNNING, History
from schema.site import Site
from schema.spec import Spec
from tests.processes import SPAWN

METADATA = {"preprocessing": '{"mean": [0, 0, 0]}'}
SPEC = Spec({"name": "tiny"}, {"tasks": 1}, {}, {}, {}, {}, seed=0)


def weights_of(seed: int, moved: str = "") -> dict[str, Tensor]:
    """Weights of a backbone, of whose large tensors at most one moved, and whose bias always does."""
    torch.manual_seed(0)
    weights = {
        "tower.weight": torch.randn(64, 65),
        "head.weight": torch.randn(64, 65).half().float().to(torch.bfloat16),
        "tower.bias": torch.randn(65),
        "logit_scale": torch.tensor(2.0),
        "positions": torch.arange(3000),
    }
    torch.manual_seed(seed + 1)
    weights["tower.bias"] = torch.randn(65)
    if moved:
        weights[moved] = weights[moved] + torch.randn(weights[moved].shape).to(weights[moved].dtype)
    # More elements than bytes would be, so that a tensor of the store is large by its bytes
    weights["head.weight"] = weights["head.weight"].repeat(3, 1)
    return weights


INITIAL = weights_of(0)


def history(runs: Path, trial: int, has_siblings: bool = False) -> History:
    run = RunFolder(attempt_folder(runs, trial, 1))
    run.path.mkdir(parents=True, exist_ok=True)
    return History(INITIAL, run, [run], has_siblings)


def in_store(runs: Path) -> set[str]:
    return set(tensor_store.present(runs))


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return set(one) == set(other) and all(
        tensor.dtype == other[name].dtype and torch.equal(tensor, other[name])
        for name, tensor in one.items()
    )


def test_what_did_not_move_is_kept_once(tmp_path: Path) -> None:
    """Read again it is the same, lazily too; the digest is that of a file that holds all itself."""
    first = history(tmp_path, 1).save(1, DEPLOYED, weights_of(1), METADATA)
    stored = in_store(tmp_path)
    assert len(stored) == 2, "the two large matrices; the integers are no weights"
    second = history(tmp_path, 2).save(1, DEPLOYED, weights_of(2), METADATA)
    assert in_store(tmp_path) == stored
    moved = history(tmp_path, 3).save(1, DEPLOYED, weights_of(3, "tower.weight"))
    assert in_store(tmp_path) == stored, "what moved is in its own file"
    whole = tmp_path / "whole.safetensors"
    for path, weights, metadata in (
        (first, weights_of(1), METADATA),
        (second, weights_of(2), METADATA),
        (moved, weights_of(3, "tower.weight"), None),
    ):
        assert same(tensor_files.load(path), weights)
        assert same(dict(tensor_files.OnDisk(path)), weights)
        assert len(tensor_files.OnDisk(path)) == len(weights)
        save_file(weights, whole, metadata)
        assert tensor_store.digest(path) == sha256(whole) == tensor_store.digest(whole)
        assert same(tensor_files.load(whole), weights), "files of versions before are whole"
    assert first.stat().st_size < whole.stat().st_size / 2
    assert weight_preprocessing.of_file(first) == {"mean": [0, 0, 0]}
    assert same(weight_files.read(first, lambda _: None).tensors, weights_of(1))


def test_bits_decide(tmp_path: Path) -> None:
    """-0 is another model's weight than 0, and so is another type."""
    zeros = {"a": torch.zeros(5000), "b": torch.zeros(5000), "c": torch.zeros(5000)}
    moved = {"a": torch.zeros(5000), "b": -torch.zeros(5000), "c": torch.zeros(5000).double()}
    assert tensor_files.unmoved(moved, zeros) == {"a"}


def test_siblings_share_what_they_learned_where_it_stays(tmp_path: Path) -> None:
    """Trials with tasks in common come to the same weights; what the next task removes is not shared."""
    learned = weights_of(4, "tower.weight")
    for trial in (1, 2):
        of_trial = history(tmp_path, trial, has_siblings=True)
        of_trial.save(1, RUNNING, learned)
        assert len(in_store(tmp_path)) == (1 if trial == 1 else 2)
        paths = [of_trial.save(1, LAST, learned, stays=True)]
        paths.append(of_trial.save(1, DEPLOYED, learned, METADATA, stays=True))
        assert len(in_store(tmp_path)) == 2
        for path in paths:
            assert same(tensor_files.load(path), learned)
    # A copy of a run folder has no lab around it, so its files are whole
    copy = RunFolder(tmp_path / "copy" / "of" / "it")
    copy.path.mkdir(parents=True)
    path = History(INITIAL, copy, []).save(1, DEPLOYED, INITIAL)
    assert tensor_store.layout(path) is None and not (tmp_path / "tensors.copy").exists()
    assert not (tmp_path / "copy" / "tensors").exists()


def vouched(site: Site, trial: int, weights: dict[str, Tensor]) -> tuple[RunFolder, FileEntry]:
    """A trial of one task that is done, with a receipt for what it deployed."""
    of_trial = history(site.runs, trial)
    run = of_trial.run
    path = of_trial.save(1, DEPLOYED, weights, METADATA)
    entry = FileEntry(file=path.name, sha256=tensor_store.digest(path))
    (run.path / "spec.json").write_text(SPEC.to_json())
    job = Assignment(trial=trial, attempt=1, batch="b", position=0, data="data", spec_id=SPEC.id)
    write_json(run.path / "job.json", asdict(job))
    for task in (0, 1):
        files = {}
        for table in TABLES:
            place = run.path / f"task-{task:04d}.{table}.parquet"
            place.write_text(table)
            files[table] = TableEntry(file=place.name, sha256=sha256(place), rows=0)
        receipt = Receipt(
            trial=trial,
            attempt=1,
            spec_id=SPEC.id,
            task=task,
            files=files,
            weights={"deployed": entry} if task else {},
        )
        write_json(run.path / f"task-{task:04d}.json", asdict(receipt))
    return run, entry


def test_a_tensor_that_is_damaged_or_gone(tmp_path: Path) -> None:
    """F44: it is named with what to do, only the trials that need it are concerned, and the next
    trial that has it mends it (I16, I17)."""
    site = Site.load(tmp_path)
    one, entry = vouched(site, 1, weights_of(1))
    other, other_entry = vouched(site, 2, weights_of(2, "tower.weight"))
    where = tensor_store.layout(one.path / entry.file)
    assert where is not None and set(where.stored) == {"tower.weight", "head.weight"}
    tensor = site.runs / "tensors" / str(where.stored["tower.weight"].sha256)
    content = tensor.read_bytes()
    assert one.holds(entry) and other.holds(other_entry)
    assert kept_weights.tasks_on_disk(site, 1, SPEC) == {1}
    for damage, words in (
        (lambda: tensor.write_bytes(content[:-1] + b"\0"), "is no longer as it was written"),
        (tensor.unlink, "is missing from the store"),
    ):
        damage()
        assert not one.holds(entry) and other.holds(other_entry)
        for find, error in (
            (lambda: kept_weights.find(site, 1, None), NotKeptError),
            (lambda: deployed_weights(site, 1), RefusedError),
        ):
            with pytest.raises(error, match=f"Its tensor 'tower.weight' {words}.*'retrain'"):
                find()
        assert kept_weights.find(site, 2, None).weights == str(other.path / other_entry.file)
        assert kept_weights.gone(site, 1, SPEC, "last") == [1]
        assert kept_weights.gone(site, 2, SPEC, "last") == []
    sizes = tensor_store.present(site.runs)
    assert kept_weights.tasks_on_disk(site, 1, SPEC) == set()
    assert not kept_weights.last_is_there(site, 1, 1, sizes)
    assert kept_weights.last_is_there(site, 2, 1, sizes)
    with pytest.raises(DamagedFileError, match="'tower.weight' in .* is missing. Put it back"):
        tensor_files.load(one.path / entry.file)
    with pytest.raises(UnreadableWeightsError, match="copied out of its run folder, .*export"):
        weight_files.read(one.path / entry.file, lambda _: None)
    tensor.write_bytes(b"torn")
    vouched(site, 3, weights_of(3))
    assert tensor.read_bytes() == content and one.holds(entry)


def test_of_many_damaged_tensors_some_are_named_and_all_are_counted(tmp_path: Path) -> None:
    run = RunFolder(attempt_folder(tmp_path, 1, 1))
    run.path.mkdir(parents=True)
    path = run.path / "task-0001.deployed.safetensors"
    weights = {f"layer{number}": torch.full((64, 65), float(number)) for number in range(5)}
    tensor_files.save(path, weights, None, set(weights))
    for file in (tmp_path / "tensors").iterdir():
        file.unlink()
    *named, others = tensor_store.damages(path)
    assert [sentence.split("'")[1] for sentence in named] == ["layer0", "layer1", "layer2"]
    assert others == "so are 2 other tensors of it"


def test_what_is_adopted_brings_its_tensors(tmp_path: Path) -> None:
    theirs, ours = Site.load(tmp_path / "theirs"), Site.load(tmp_path / "ours")
    run, entry = vouched(theirs, 1, weights_of(1))
    ours.runs.mkdir(parents=True)
    place = ours.runs / ".adopting-000007" / "01"
    copy_attempt(run.path, place, run.assignment())
    place.parent.rename(ours.runs / "000007")
    assert in_store(ours.runs) == in_store(theirs.runs)
    assert RunFolder(ours.runs / "000007" / "01").holds(entry)


def collected(runs: Path) -> int:
    return tensor_collection.collect(runs, young_s=-60.0)


def test_what_no_weights_name_goes(tmp_path: Path) -> None:
    """F44: each tensor counts once, and what is young or may be named by a damaged file stays."""
    first = history(tmp_path, 1).save(1, DEPLOYED, weights_of(1))
    second = history(tmp_path, 2).save(1, DEPLOYED, weights_of(2, "head.weight"))
    before = in_store(tmp_path)
    found = tensor_collection.contents(tmp_path)
    assert (found.files, found.unnamed, found.blocked) == (2, 0, "")
    assert collected(tmp_path) == 0 and in_store(tmp_path) == before
    first.unlink()
    spare = tensor_collection.contents(tmp_path).unnamed
    assert spare == 64 * 65 * 2 * 3
    assert tensor_collection.collect(tmp_path) == 0, "a worker may be about to name it"
    content = second.read_bytes()
    second.write_bytes(b"torn")
    with pytest.raises(DamagedFileError, match="no file of weights any more, .*no tensor of the"):
        collected(tmp_path)
    assert "is no file of weights" in tensor_collection.contents(tmp_path).blocked
    assert in_store(tmp_path) == before
    second.write_bytes(content)
    assert collected(tmp_path) == spare
    assert same(tensor_files.load(second), weights_of(2, "head.weight"))
    assert collected(tmp_path) == 0


def _save(runs: Path) -> None:
    history(runs, 2).save(1, DEPLOYED, weights_of(2))


def _in_child(act: Callable[[Path], object], runs: Path, point: str, by: str) -> None:
    os.environ |= {"WEIR_CRASH_AT": point, "WEIR_CRASH_BY": by}
    act(runs)


def _stopped(act: Callable[[Path], object], runs: Path, point: str) -> Any:
    """A process that has come to a point of what it does, and waits there."""
    process = SPAWN.Process(target=_in_child, args=(act, runs, point, "SIGSTOP"))
    process.start()
    assert process.pid is not None
    stat = Path(f"/proc/{process.pid}/stat")
    while stat.read_text().rpartition(")")[2].split()[0] != "T":
        process.join(0.01)
        assert process.is_alive()
    return process


def _go_on(process: Any) -> None:
    os.kill(process.pid, signal.SIGCONT)
    process.join()
    assert process.exitcode == 0


@pytest.mark.slow
@pytest.mark.parametrize("waits", ["tensors", "named", "tensors_going"])
def test_a_worker_meets_a_collection(tmp_path: Path, waits: str) -> None:
    """F44: one of them waits in the middle while the other does all of its work; no tensor is lost (I3)."""
    path = history(tmp_path, 1).save(1, DEPLOYED, weights_of(1))
    path.unlink()
    assert len(in_store(tmp_path)) == 2
    collects = waits == "tensors_going"
    process = _stopped(collected if collects else _save, tmp_path, waits)
    if collects:
        assert in_store(tmp_path) == set()
        _save(tmp_path)
    else:
        collected(tmp_path)
    _go_on(process)
    kept = attempt_folder(tmp_path, 2, 1) / "task-0001.deployed.safetensors"
    assert same(tensor_files.load(kept), weights_of(2))
    assert len(in_store(tmp_path)) == 2
    assert collected(tmp_path) == 0


@pytest.mark.slow
@pytest.mark.parametrize("point", ["tensors", "named", "tensors_going", "tensor_gone"])
def test_either_is_killed(tmp_path: Path, point: str) -> None:
    """F44: what a killed worker or collection has left is used, or goes with the next collection (I8)."""
    path = history(tmp_path, 1).save(1, DEPLOYED, weights_of(1))
    path.unlink()
    act = collected if point.startswith("tensor") and point != "tensors" else _save
    process = SPAWN.Process(target=_in_child, args=(act, tmp_path, point, "SIGKILL"))
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    kept = attempt_folder(tmp_path, 2, 1) / "task-0001.deployed.safetensors"
    collected(tmp_path)
    assert len(in_store(tmp_path)) == (2 if kept.exists() else 0)
    assert len(list((tmp_path / "tensors").iterdir())) == len(in_store(tmp_path))
    _save(tmp_path)
    assert same(tensor_files.load(kept), weights_of(2))
