"""Checkpoints: everything a trial needs to go on bit for bit, in files that cannot run code.

Tensors are in safetensors, the rest in JSON. `checkpoint-0003-000040` is the state after 40 steps
of task 3; step 0 is a task that has not begun. The JSON is written last and holds the sha256 of the
tensors: it is the receipt, and without it the checkpoint is not there.
"""

import errno
import hashlib
import os
import shutil
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeGuard

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from methods.compute import distributed
from runner.run_folder import RunFolder, crash_point, read_json, sha256, whole, write_json
from schema.spec import canonical

# Nested dicts, lists and tuples of tensors, numbers and text
State = dict[str, Any]
NAME = "checkpoint-[0-9]*.json"
# The newest checkpoint of an attempt stays, and the one before it
KEPT = 2
# Room for the results of a task beside a checkpoint
MARGIN_BYTES = 2**20


@dataclass(frozen=True, kw_only=True)
class Position:
    """Where a trial stands: so many steps into a task, with the state to go on from.

    The state is None where nothing is on disk: the task begins with the model as it is in memory.
    """

    task: int
    step: int = 0
    state: State | None = None


def save(folder: RunFolder, spec_id: str, position: Position) -> None:
    """Write a checkpoint, whole or not at all; the one before it stays, older ones go.

    The first of several processes writes, as all are in the same state, and none ends before the
    checkpoint is there.

    Raises:
        OSError: the disk has no room for it (ENOSPC), said before anything is written.
    """
    assert position.state is not None
    if distributed.rank() == 0:
        require_room(folder.path, position.state)
        path = folder.path / f"checkpoint-{position.task:04d}-{position.step:06d}"
        about = {"spec_id": spec_id, "task": position.task, "step": position.step}
        write(path, about, position.state)
        drop_older(folder)
    distributed.agreed()


def require_room(path: Path, state: State) -> None:
    """Look whether the disk has room for a state.

    Raises:
        OSError: it has not (ENOSPC). A worker that says so ends as `disk_full`, which is tried again.
    """
    size = sum(tensor.numel() * tensor.element_size() for tensor in _tensors(state))
    free = shutil.disk_usage(path).free
    if free < size + MARGIN_BYTES:
        words = f"{os.strerror(errno.ENOSPC)}: a checkpoint takes {size / 1e6:.0f} MB"
        raise OSError(errno.ENOSPC, f"{words}, {free / 1e6:.0f} MB are free", str(path))


def _tensors(value: Any) -> Iterator[torch.Tensor]:
    """Return every tensor in nested dicts, lists and tuples."""
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from _tensors(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _tensors(item)


def drop_older(folder: RunFolder) -> None:
    """Remove all but the newest two checkpoints of this attempt: the newest may not stay whole."""
    paths = sorted(folder.path.glob(NAME), reverse=True)
    for path in paths[KEPT:]:
        # The receipt goes first: tensors without one are no checkpoint
        path.unlink(missing_ok=True)
        path.with_suffix(".safetensors").unlink(missing_ok=True)


def write(path: Path, about: dict[str, Any], state: State, point: str = "checkpoint") -> None:
    """Put a state into `path`.safetensors and then `path`.json, its receipt.

    `about` is written into the receipt, too; `point` names where tests interrupt between the two.
    """
    tensors: dict[str, torch.Tensor] = {}
    tree = _pack(state, "", tensors)
    with whole(path.with_suffix(".safetensors")) as aside:
        save_file(tensors, aside)
    crash_point(point)
    # The receipt comes last: from here on the checkpoint counts
    sums = {"sha256": sha256(path.with_suffix(".safetensors")), "state_sha256": _sum(tree)}
    write_json(path.with_suffix(".json"), about | sums | {"state": tree})


def read(path: Path, receipt: Mapping[str, Any]) -> State | None:
    """Return the state that a receipt vouches for; None when it is gone, or not as written."""
    tensors, tree = path.with_suffix(".safetensors"), receipt.get("state")
    tree_sum = _sum(tree)
    # A receipt of older code has no sum of its own tree
    if receipt.get("state_sha256", tree_sum) != tree_sum:
        return None
    try:
        if sha256(tensors) != receipt.get("sha256"):
            return None
        return dict(_unpack(tree, load_file(tensors)))
    except (OSError, SafetensorError, ValueError, KeyError, TypeError, RecursionError):
        return None


def digest(state: State) -> str:
    """Return the sha256 of a nested state: equal for states that are equal to the bit."""
    tensors: dict[str, torch.Tensor] = {}
    digester = hashlib.sha256(canonical(_pack(state, "", tensors)).encode())
    for name, tensor in sorted(tensors.items()):
        digester.update(f"{name}\0{tensor.dtype}\0{tuple(tensor.shape)}\0".encode())
        digester.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digester.hexdigest()


def newest(folders: list[RunFolder], spec_id: str, finished: Collection[int]) -> Position | None:
    """Return the furthest valid checkpoint of these attempts whose earlier tasks all have receipts.

    `finished` are the tasks with a receipt. None: the trial begins at the beginning.
    """
    candidates = []
    for folder in folders:
        for path in folder.path.glob(NAME):
            receipt = read_json(path)
            if _is_receipt(receipt, path, spec_id):
                candidates.append((receipt["task"], receipt["step"], path, receipt))
    candidates.sort(key=lambda candidate: candidate[:2], reverse=True)
    for task, step, path, receipt in candidates:
        if not set(finished) >= set(range(task)):
            continue
        state = read(path, receipt)
        # A torn checkpoint is passed over: an older one is as good, only further back
        if state is not None:
            return Position(task=task, step=step, state=state)
    return None


def _is_receipt(receipt: Any, path: Path, spec_id: str) -> TypeGuard[dict[str, Any]]:
    """Whether what a file holds is the receipt of this checkpoint, of this definition."""
    if not isinstance(receipt, dict) or receipt.get("spec_id") != spec_id:
        return False
    place = (receipt.get("task"), receipt.get("step"))
    return all(type(each) is int for each in place) and path.stem.split("-")[1:] == [
        f"{place[0]:04d}",
        f"{place[1]:06d}",
    ]


def drop_before(folder: RunFolder, task: int) -> None:
    """Remove this attempt's checkpoints that a receipt has made useless."""
    for path in sorted(folder.path.glob(NAME)):
        if int(path.stem.split("-")[1]) < task:
            path.unlink()
            path.with_suffix(".safetensors").unlink(missing_ok=True)


def save_weights(
    path: Path, weights: Mapping[str, torch.Tensor], metadata: dict[str, str] | None = None
) -> None:
    """Write a state dict, with texts beside it if there are any, whole or not at all."""
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in weights.items()}
    with whole(path) as aside:
        save_file(tensors, aside, metadata)


def _sum(tree: Any) -> str:
    return hashlib.sha256(canonical(tree).encode()).hexdigest()


def _pack(value: Any, name: str, tensors: dict[str, torch.Tensor]) -> Any:
    """Return the JSON of a nested state, and put its tensors into `tensors` under their path.

    Raises:
        TypeError: it holds something else than tensors, numbers, text, lists and dicts.
    """
    if isinstance(value, torch.Tensor):
        tensors[name] = value.detach().cpu().contiguous().clone()
        return {"$tensor": name}
    if isinstance(value, dict):
        pairs = [[key, _pack(item, f"{name}/{key}", tensors)] for key, item in value.items()]
        return {"$dict": pairs}
    if isinstance(value, list | tuple):
        kind = "$tuple" if isinstance(value, tuple) else "$list"
        return {kind: [_pack(item, f"{name}/{n}", tensors) for n, item in enumerate(value)]}
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TypeError(
        "a checkpoint holds tensors, numbers, text, lists and dicts; "
        f"{name} is a {type(value).__name__}"
    )


def _unpack(tree: Any, tensors: Mapping[str, torch.Tensor]) -> Any:
    """Undo `_pack`."""
    if not isinstance(tree, dict):
        return tree
    ((kind, content),) = tree.items()
    if kind == "$tensor":
        return tensors[content]
    if kind == "$dict":
        return {key: _unpack(item, tensors) for key, item in content}
    items = [_unpack(item, tensors) for item in content]
    return tuple(items) if kind == "$tuple" else items
