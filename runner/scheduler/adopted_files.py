"""The copy of a run folder of another lab, under this lab's number of its trial.

Every byte that a receipt vouches for stays as it is. What names the trial by its number is written
anew: the assignment, the receipts, the words of the worker and the judgement of that lab's sync.
"""

import shutil
from pathlib import Path
from typing import Any

from runner import tensor_store
from runner.records import opened, read_object, sealed
from runner.run_files import Assignment
from runner.run_folder import write_json
from runner.scheduler import receipts
from schema.files import fsync
from schema.spec import canonical

# What is of no use where nothing of the attempt runs
LEFT = shutil.ignore_patterns("checkpoint-*", ".*", "alive", "stop.json", "doubt.json")
# Files that carry a seal and the number of the trial, where they are there
SEALED = ("outcome.json", "verdict.json")


def copy_attempt(source: Path, place: Path, assignment: Assignment) -> None:
    """Copy the folder of an attempt; its files are flushed to the disk.

    assignment: of the copy, with the number of its trial here.

    Raises:
        OSError: the disk is full, or a file cannot be read.
        DamagedFileError: a file that is written anew is not what was written.
    """
    shutil.copytree(source, place, ignore=LEFT, ignore_dangling_symlinks=True)
    for path in sorted(source.glob("task-*.safetensors")):
        _copy_tensors(path, place / path.name)
    write_json(place / "job.json", sealed(vars(assignment)))
    for path in receipts.of(place):
        value = read_object(path)
        if value is not None:
            _rewrite(path, value | {"trial": assignment.trial})
    for name in SEALED:
        path = place / name
        value = read_object(path)
        if value is not None:
            bare = opened(path, value) | {"trial": assignment.trial}
            _rewrite(path, sealed(bare))
    for path in place.iterdir():
        fsync(path)
    fsync(place)


def _copy_tensors(source: Path, copy: Path) -> None:
    """Put the tensors that a file of weights names into the store of the lab of its copy.

    What is missing or damaged in that lab's store is missing here, too, and is named when the
    weights are wanted.
    """
    theirs, ours = tensor_store.folder_of(source), tensor_store.folder_of(copy)
    for sha256 in sorted(tensor_store.named_by(source)):
        if tensor_store.is_whole(theirs, sha256):
            ours.mkdir(exist_ok=True)
            tensor_store.put(ours, sha256, (theirs / sha256).read_bytes())


def _rewrite(path: Path, value: dict[str, Any]) -> None:
    """Write JSON over a file of a copy that nobody reads yet."""
    path.write_text(canonical(value))
