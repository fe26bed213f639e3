"""Everything a trial needs to go on bit for bit, in files that cannot run code: tensors in safetensors, the rest in JSON.

`checkpoint-0003-000040` is the state after 40 steps of task 3; step 0 is a task that has not begun. The JSON is written last
and holds the sha256 of the tensors: it is the receipt, and without it the checkpoint is not there.
"""

import errno
import hashlib
import os
import shutil
from pathlib import Path
from typing import Any, TypeGuard

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from runner.run_folder import RunFolder, crash_point, read_json, sha256, whole, write_json
from schema.spec import canonical

State = dict[str, Any]
# The newest checkpoint of an attempt, and the one before it
KEPT = 2
# Room for the results of a task beside a checkpoint
MARGIN_BYTES = 2**20


def save(folder: RunFolder, spec_id: str, task: int, step: int, state: State) -> None:
    """Write a checkpoint, whole or not at all; the one before it stays, older ones go.

    Raises:
        OSError: the disk has no room for it (ENOSPC), said before anything is written.
    """
    require_room(folder.path, state)
    write(
        folder.path / f"checkpoint-{task:04d}-{step:06d}",
        {"spec_id": spec_id, "task": task, "step": step},
        state,
    )
    drop_older(folder)


def require_room(path: Path, state: State) -> None:
    """Look whether the disk has room for a state.

    Raises:
        OSError: it has not (ENOSPC). A worker that says so ends as `disk_full`, which is tried again.
    """
    tensors: dict[str, torch.Tensor] = {}
    _sizes(state, tensors)
    size = sum(tensor.numel() * tensor.element_size() for tensor in tensors.values())
    free = shutil.disk_usage(path).free
    if free < size + MARGIN_BYTES:
        words = f"{os.strerror(errno.ENOSPC)}: a checkpoint takes {size / 1e6:.0f} MB"
        raise OSError(errno.ENOSPC, f"{words}, {free / 1e6:.0f} MB are free", str(path))


def _sizes(value: Any, tensors: dict[str, torch.Tensor], name: str = "") -> None:
    if isinstance(value, torch.Tensor):
        tensors[name] = value
    elif isinstance(value, dict):
        for key, item in value.items():
            _sizes(item, tensors, f"{name}/{key}")
    elif isinstance(value, list | tuple):
        for number, item in enumerate(value):
            _sizes(item, tensors, f"{name}/{number}")


def drop_older(folder: RunFolder) -> None:
    """Remove all but the newest two checkpoints of this attempt: the newest may not stay whole."""
    paths = sorted(folder.path.glob("checkpoint-[0-9]*.json"), reverse=True)
    for path in paths[KEPT:]:
        # The receipt goes first: tensors without one are no checkpoint
        path.unlink(missing_ok=True)
        path.with_suffix(".safetensors").unlink(missing_ok=True)


def write(path: Path, about: dict[str, Any], state: State, point: str = "checkpoint") -> None:
    """Put a state into `path`.safetensors and, with what is to be said `about` it, into `path`.json, its receipt."""
    tensors: dict[str, torch.Tensor] = {}
    tree = _pack(state, "", tensors)
    with whole(path.with_suffix(".safetensors")) as aside:
        save_file(tensors, aside)
    crash_point(point)
    sums = {"sha256": sha256(path.with_suffix(".safetensors")), "state_sha256": _sum(tree)}
    write_json(path.with_suffix(".json"), about | sums | {"state": tree})


def read(path: Path, receipt: dict[str, Any]) -> State | None:
    """The state that a receipt vouches for; None when it is gone, or not what was written."""
    tensors, tree = path.with_suffix(".safetensors"), receipt.get("state")
    try:
        if sha256(tensors) != receipt.get("sha256") or receipt.get(
            "state_sha256", _sum(tree)
        ) != _sum(tree):
            return None
        return dict(_unpack(tree, load_file(tensors)))
    except (OSError, SafetensorError, ValueError, KeyError, TypeError, RecursionError):
        return None


def digest(state: State) -> str:
    """sha256 over a nested state: equal for states that are equal to the bit."""
    tensors: dict[str, torch.Tensor] = {}
    found = hashlib.sha256(canonical(_pack(state, "", tensors)).encode())
    for name, tensor in sorted(tensors.items()):
        found.update(f"{name}\0{tensor.dtype}\0{tuple(tensor.shape)}\0".encode())
        found.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return found.hexdigest()


def newest(folders: list[RunFolder], spec_id: str, done: set[int]) -> tuple[int, int, State] | None:
    """The furthest valid checkpoint of these attempts whose earlier tasks all have receipts; None: begin at the beginning."""
    found = []
    for folder in folders:
        for path in folder.path.glob("checkpoint-[0-9]*.json"):
            receipt = read_json(path)
            if not _is_receipt(receipt, path, spec_id):
                continue
            if done >= set(range(receipt["task"])):
                found.append((receipt["task"], receipt["step"], path, receipt))
    for task, step, path, receipt in sorted(found, key=lambda entry: entry[:2], reverse=True):
        state = read(path, receipt)
        if state is not None:  # else an older one will do
            return task, step, state
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
    for path in sorted(folder.path.glob("checkpoint-[0-9]*.json")):
        if int(path.stem.split("-")[1]) < task:
            path.unlink()
            path.with_suffix(".safetensors").unlink(missing_ok=True)


def save_weights(path: Path, weights: dict[str, torch.Tensor]) -> None:
    """A state dict, whole or not at all."""
    with whole(path) as aside:
        save_file(
            {name: tensor.detach().cpu().contiguous() for name, tensor in weights.items()}, aside
        )


def _sum(tree: Any) -> str:
    return hashlib.sha256(canonical(tree).encode()).hexdigest()


def _pack(value: Any, name: str, tensors: dict[str, torch.Tensor]) -> Any:
    """The JSON of a nested state; its tensors go to `tensors` under their path."""
    if isinstance(value, torch.Tensor):
        tensors[name] = value.detach().cpu().contiguous().clone()
        return {"$tensor": name}
    if isinstance(value, dict):
        return {
            "$dict": [[key, _pack(item, f"{name}/{key}", tensors)] for key, item in value.items()]
        }
    if isinstance(value, list | tuple):
        kind = "$tuple" if isinstance(value, tuple) else "$list"
        return {kind: [_pack(item, f"{name}/{n}", tensors) for n, item in enumerate(value)]}
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TypeError(
        f"a checkpoint holds tensors, numbers, text, lists and dicts; {name} is a {type(value).__name__}"
    )


def _unpack(tree: Any, tensors: dict[str, torch.Tensor]) -> Any:
    if not isinstance(tree, dict):
        return tree
    ((kind, said),) = tree.items()
    if kind == "$tensor":
        return tensors[said]
    if kind == "$dict":
        return {key: _unpack(item, tensors) for key, item in said}
    items = [_unpack(item, tensors) for item in said]
    return tuple(items) if kind == "$tuple" else items
