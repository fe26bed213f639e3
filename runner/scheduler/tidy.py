"""Remove what nobody needs any more of attempts that have ended: their checkpoints, and torn files.

A checkpoint is there so that another attempt of the trial can go on from it. When the trial is done
none will; until then the newest one that is whole stays, and the one before it, whichever attempt
wrote them. What a running attempt writes is its own affair (`runner.worker.checkpoint`).
"""

import contextlib
import shutil
from pathlib import Path

import duckdb

from runner.records import DamagedFileError, read_object
from runner.run_folder import attempt_folder, sha256
from runner.scheduler.report import Report
from schema.site import Site

KEPT = 2
# Attempts with an end, of trials of which some attempt ended in this pass. One that is trained
# again is not over, although it was done before
ENDED = """
SELECT o.trial, o.attempt,
       o.trial IN (SELECT trial FROM trained WHERE state = 'done')
       AND o.trial NOT IN (SELECT trial FROM retraining WHERE NOT over)
FROM outcome o
WHERE o.trial IN (SELECT unnest(?::BIGINT[]))
ORDER BY o.trial, o.attempt
"""
# Trials whose last attempt ended because the disk was full
FULL = """
SELECT trial FROM outcome JOIN attempt USING (trial, attempt)
WHERE measures IS NULL AND trial IN (SELECT unnest(?::BIGINT[]))
GROUP BY trial HAVING arg_max(kind, attempt) = 'disk_full'
"""


def tidy(site: Site, connection: duckdb.DuckDBPyConnection, report: Report) -> int:
    """Remove checkpoints of the trials of which attempts ended in this pass; return how many."""
    trials: dict[int, list[Path]] = {}
    done_trials = set()
    rows = connection.execute(ENDED, [sorted(report.over)]).fetchall() if report.over else []
    for trial, attempt, is_done in rows:
        trials.setdefault(trial, []).append(attempt_folder(site.runs, trial, attempt))
        if is_done:
            done_trials.add(trial)
    removed = 0
    for trial, folders in trials.items():
        with report.one(folders[0].parent, "its checkpoints stay"):
            removed += drop_checkpoints(folders, 0 if trial in done_trials else KEPT)
            for folder in folders:
                drop_torn(folder)
    return removed


def drop_checkpoints(folders: list[Path], keep: int) -> int:
    """Remove the checkpoints of attempts of one trial but the newest whole one and those after it.

    `keep` is how many stay from the newest whole one on, 0: none. Returns how many went.
    """
    paths = [path for folder in folders for path in folder.glob("checkpoint-[0-9]*.json")]
    # The names tell the place: task, then step; of one place the newest attempt's comes first
    paths.sort(key=lambda path: (path.name, path.parent.name), reverse=True)
    staying, whole, gone = set[Path](), False, 0
    for path in paths:
        if len(staying) < keep or (keep and not whole):
            staying.add(path.with_suffix(""))
            whole = whole or is_whole(path)
            continue
        # The receipt first: tensors without one are no checkpoint
        path.unlink(missing_ok=True)
        gone += 1
    for folder in folders:
        for path in folder.glob("checkpoint-[0-9]*.safetensors"):
            if path.with_suffix("") not in staying:
                path.unlink(missing_ok=True)
    return gone


def is_whole(path: Path) -> bool:
    """Return whether the tensors of a checkpoint are those that its receipt `path` vouches for."""
    try:
        receipt = read_object(path)
        tensors = path.with_suffix(".safetensors")
        return receipt is not None and sha256(tensors) == receipt.get("sha256")
    except (DamagedFileError, OSError):
        return False


def drop_torn(folder: Path) -> None:
    """Remove what a killed worker was writing aside: files whose name begins with a dot."""
    for path in folder.glob(".*.[0-9]*"):
        with contextlib.suppress(IsADirectoryError, PermissionError):
            path.unlink(missing_ok=True)


def without_room(site: Site, connection: duckdb.DuckDBPyConnection, trials: list[int]) -> list[int]:
    """Return those of the trials that met a full disk and for which there is still no room.

    Room is what two of the trial's largest checkpoint take.
    """
    full = [trial for (trial,) in connection.execute(FULL, [trials]).fetchall()] if trials else []
    waiting = []
    for trial in full:
        sizes = [0]
        for path in attempt_folder(site.runs, trial, 1).parent.glob("*/*.safetensors"):
            with contextlib.suppress(OSError):
                sizes.append(path.stat().st_size)
        if shutil.disk_usage(site.runs).free < 2 * max(sizes) + 2**20:
            waiting.append(trial)
    return waiting
