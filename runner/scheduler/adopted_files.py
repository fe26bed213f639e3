"""The copy of a run folder of another lab, under this lab's number of its trial.

Every byte that a receipt vouches for stays as it is. What names the trial by its number is written
anew: the assignment, the receipts, the words of the worker and the judgement of that lab's sync.
"""

import shutil
from pathlib import Path
from typing import Any

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


def _rewrite(path: Path, value: dict[str, Any]) -> None:
    """Write JSON over a file of a copy that nobody reads yet."""
    path.write_text(canonical(value))
