"""Remove what nobody needs any more of attempts that have ended: their checkpoints, and torn files.

A checkpoint is there so that another attempt of the trial can go on from it. When the trial is over
(done, or given up by a person), no attempt will; of an attempt that ended otherwise the newest two
stay, since the newest may not be whole.
"""

import contextlib
from pathlib import Path

import duckdb

from runner.run_folder import attempt_folder
from runner.scheduler.report import Report
from schema.site import Site

KEPT = 2
# Attempts that ended since the last time; the marks of an older version are none
ENDED = """
SELECT o.trial, o.attempt, coalesce(d.done, false)
FROM outcome o
LEFT JOIN (SELECT trial, true AS done FROM outcome WHERE state = 'done' GROUP BY trial) d USING (trial)
WHERE o.trial IN (SELECT unnest(?::BIGINT[]))
"""


def tidy(site: Site, connection: duckdb.DuckDBPyConnection, report: Report) -> int:
    """Remove checkpoints of the trials whose attempts ended in this pass; return how many."""
    if not report.over:
        return 0
    removed = 0
    for trial, attempt, done in connection.execute(ENDED, [sorted(report.over)]).fetchall():
        folder = attempt_folder(site.runs, trial, attempt)
        with report.one(folder, "its checkpoints stay"):
            removed += drop_checkpoints(folder, 0 if done else KEPT)
            drop_torn(folder)
    return removed


def drop_checkpoints(folder: Path, keep: int) -> int:
    """Remove all but the newest `keep` checkpoints of an attempt that ended; return how many went."""
    receipts = sorted(folder.glob("checkpoint-[0-9]*.json"), reverse=True)
    stems = {path.stem for path in receipts[:keep]}
    gone = 0
    for path in receipts[keep:]:
        # The receipt first: tensors without one are no checkpoint, a receipt without them a broken one
        path.unlink(missing_ok=True)
        gone += 1
    for path in folder.glob("checkpoint-[0-9]*.safetensors"):
        if path.stem not in stems:
            path.unlink(missing_ok=True)
    return gone


def drop_torn(folder: Path) -> None:
    """Remove what a killed worker was writing aside: files whose name begins with a dot."""
    for path in folder.glob(".*.[0-9]*"):
        with contextlib.suppress(IsADirectoryError, PermissionError):
            path.unlink(missing_ok=True)
