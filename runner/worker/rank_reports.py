"""Reports of the processes of one trial on how each ended, and which of them is the cause.

The first process speaks for the attempt in `outcome.json`; another one that failed leaves
`rank-<n>.json`. One that dies makes the others fail, each with an error about its connection, so
the attempt's outcome is the one end that the others followed from.
"""

import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict

from runner.records import DamagedFileError
from runner.run_files import Outcome, RankReport
from runner.run_folder import RunFolder, write_json
from runner.worker.outcome import MESSAGE_CHARACTERS

log = logging.getLogger(__name__)
# Words of an error that is raised because another process is gone
CONNECTION_LOST = re.compile(
    r"gloo|nccl|onnection|Broken pipe|[Tt]imed out|Dist\w*Error", re.IGNORECASE
)


def write_report(run: RunFolder, rank: int, own: Outcome, failed_at: float) -> None:
    """Leave in the run folder how a process ended that failed at `failed_at`."""
    write_json(run.words(rank), asdict(own) | {"at": failed_at})


def read_reports(run: RunFolder, count: int) -> dict[int, RankReport]:
    """Return the reports that can be read, by rank, of all processes but the first."""
    reports = {}
    for rank in range(1, count):
        try:
            report = RankReport.read(run.words(rank))
        except DamagedFileError as error:
            # The attempt has ended all the same, and must say so
            log.warning("%s", error)
            continue
        if report is not None:
            reports[rank] = report
    return reports


def silent_ranks(run: RunFolder, count: int) -> list[int]:
    """Return the ranks that have left no report."""
    return [rank for rank in range(1, count) if not run.words(rank).exists()]


def cause_of_end(
    own: Outcome, failed_at: float, reports: Mapping[int, RankReport], missing: Sequence[int]
) -> Outcome:
    """Return the outcome of an attempt: the first process's own, or the one that it followed from.

    `own` failed with an error at `failed_at`, in seconds since the epoch; `missing` are ranks on
    other nodes from which no word came. A process that was killed explains more than one that
    failed, and an earlier failure more than a later one.
    """
    ordered = sorted(reports.values(), key=_explains_least)
    for report in ordered:
        if report.kind != "error" or report.at < failed_at:
            return report.outcome
    message = own.message or ""
    if missing and CONNECTION_LOST.search(message):
        count = len(reports) + len(missing) + 1
        words = f"of {count} processes on several nodes no word came from {list(missing)}"
        message = f"{words}: {message}"[:MESSAGE_CHARACTERS]
        return Outcome(state="lost", kind="killed", message=message)
    return own


def _explains_least(report: RankReport) -> tuple[bool, float]:
    return report.state != "lost", report.at
