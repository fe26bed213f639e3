"""The attempts that sync still has to do with.

They are those without an end, and those given up whose late results would still count.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import duckdb

from runner.backends import Place
from runner.run_folder import RunFolder, attempt_folder
from runner.scheduler.report import Report
from runner.submission import Submission, answer_of, submission_folder, was_asked
from schema.site import Site

# What is done, and what a worker itself said to be over, is not looked at again
LOOKED_AT = """
WITH
guessed AS (
    SELECT trial, attempt, measures, retrains, spec_id
    FROM (
        FROM outcome WHERE state = 'lost' OR (state = 'cancelled' AND kind = 'killed')
    ) ended
    JOIN attempt USING (trial, attempt)
),
given_up AS (
    -- a trial that is done wants nothing more; of what it measures later each attempt is its own
    SELECT trial, attempt FROM guessed
    ANTI JOIN (SELECT trial FROM trained WHERE state = 'done') done USING (trial)
    WHERE measures IS NULL AND retrains IS NULL
    UNION ALL
    SELECT trial, attempt FROM guessed
    ANTI JOIN (SELECT trial, retrains FROM outcome JOIN attempt USING (trial, attempt)
               WHERE state = 'done' AND retrains IS NOT NULL) done USING (trial, retrains)
    WHERE retrains IS NOT NULL
    UNION ALL
    SELECT trial, attempt FROM guessed
    ANTI JOIN (SELECT trial, spec_id FROM outcome JOIN attempt USING (trial, attempt)
               WHERE state = 'done' AND measures IS NOT NULL) done USING (trial, spec_id)
    WHERE measures IS NOT NULL
),
looked_at AS (
    SELECT trial, attempt, false AS lost FROM attempt ANTI JOIN outcome USING (trial, attempt)
    UNION ALL
    SELECT trial, attempt, true FROM given_up
),
wish AS (
    SELECT a.trial, a.attempt, arg_max(r.wish, r.serial) AS wish
    FROM request r
    JOIN attempt a ON a.trial = r.trial AND (r.suite IS NULL OR r.suite = a.measures)
    SEMI JOIN looked_at l ON l.trial = a.trial AND l.attempt = a.attempt
    GROUP BY a.trial, a.attempt
)
SELECT trial, attempt, a.spec_id, a.batch, s.backend, l.lost, coalesce(w.wish = 'withdraw', false),
       a.position, s.job_id, epoch(a.created_at), a.code, a.measures
FROM looked_at l
JOIN attempt a USING (trial, attempt)
LEFT JOIN submission s USING (trial, attempt)
LEFT JOIN wish w USING (trial, attempt)
ORDER BY trial, attempt
"""


@dataclass(frozen=True, kw_only=True)
class Live:
    """An attempt without an outcome, or one given up whose late results still count."""

    trial: int
    attempt: int
    spec_id: str
    # The name of its submission
    batch: str
    # The backend that has it, or may have it
    backend: str | None
    # Its submission is ready, and is offered (again): the backend said no to it, or was not asked
    waits: bool
    lost: bool
    withdrawn: bool
    # The snapshot of code that it runs
    code: str
    # The suite that it measures, without training; None: it trains
    measures: str | None
    place: Place

    @property
    def run(self) -> RunFolder:
        """Its files."""
        return RunFolder(self.place.folder)


def jobs(attempts: Sequence[Live]) -> int:
    """Return how many jobs these attempts are in."""
    return len({(live.batch, live.place.position) for live in attempts if not live.lost})


def live_attempts(
    site: Site, connection: duckdb.DuckDBPyConnection, report: Report | None = None
) -> list[Live]:
    """Return all of them; files of a submission that cannot be read are noted in `report`."""
    rows = connection.execute(LOOKED_AT).fetchall()
    unrecorded = dict.fromkeys(row[3] for row in rows if row[4] is None and not row[5])
    notes = report or Report()
    sent = {name: _sent(site, name, notes) for name in unrecorded}
    return [_live(site, row, sent) for row in rows]


def _live(site: Site, row: tuple[Any, ...], sent: dict[str, tuple[str | None, bool]]) -> Live:
    trial, attempt, spec_id, batch, taken_by, lost, withdrawn, position, *others = row
    job_id, since_s, code, measures = others
    # By DuckDB's own conversion a pass would import pytz, and wait for it
    since = datetime.fromtimestamp(since_s, UTC)
    folder = attempt_folder(site.runs, trial, attempt)
    backend, waits = sent.get(batch, (None, False))
    return Live(
        trial=trial,
        attempt=attempt,
        spec_id=spec_id,
        batch=batch,
        backend=taken_by or backend,
        waits=waits,
        lost=lost,
        withdrawn=withdrawn,
        code=code,
        measures=measures,
        place=Place(batch, position, folder, job_id, since),
    )


def _sent(site: Site, name: str, report: Report) -> tuple[str | None, bool]:
    """Return which backend may have a submission that is not recorded, and whether to offer it.

    It is offered when the backend certainly has none of it: it refused, or was never asked.
    """
    folder = submission_folder(site.runs, name)
    answer, manifest = None, None
    with report.one(folder, "whether it was refused is not known, and its jobs are looked for"):
        answer = answer_of(site.runs, name)
    with report.one(folder, "its attempts are made anew unless their jobs are found"):
        manifest = Submission.read(folder)
    if answer is not None and answer.refused is not None:
        return None, True
    if not was_asked(site.runs, name):
        return None, manifest is not None
    if manifest is not None:
        return manifest.backend, False
    # Without a manifest nobody knows who was asked: most likely the backend of today, and a job
    # that runs must be found before its attempt is given up
    return site.backend, False


def unreadable(lives: Sequence[Live]) -> str | None:
    """Return why a submission that waits cannot be offered as it is; None: it can."""
    for live in lives:
        try:
            live.run.spec()
            live.run.assignment()
        except ValueError as error:
            return str(error)
    return None
