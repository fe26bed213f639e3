"""The attempts that sync still has to do with: those without an end, and those given up whose late results would still count."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from runner.backends import Place
from runner.run_folder import RunFolder, attempt_folder
from runner.submission import Batch, batch_folder, refused, was_asked
from schema.site import Site


@dataclass(frozen=True)
class Live:
    """An attempt without an outcome, or one given up whose late results still count."""

    trial: int
    attempt: int
    spec_id: str
    batch: str
    backend: str | None  # that has it, or may have it
    waits: bool  # its batch is ready, and is offered (again): the backend said no to it, or was not asked yet
    lost: bool
    withdrawn: bool
    place: Place

    @property
    def run(self) -> RunFolder:
        """Its files."""
        return RunFolder(self.place.folder)


def jobs(attempts: Sequence[Live]) -> int:
    """How many jobs they are in."""
    return len({(live.batch, live.place.position) for live in attempts if not live.lost})


def live_attempts(site: Site, connection: duckdb.DuckDBPyConnection) -> list[Live]:
    """All of them. What is done, and what a worker itself said to be over, is not looked at again."""
    found = connection.execute(
        """
        WITH
        given_up AS (
            SELECT trial, attempt
            FROM (FROM outcome WHERE state = 'lost' OR (state = 'cancelled' AND kind = 'killed')) guessed
            ANTI JOIN (SELECT trial FROM outcome WHERE state = 'done') done USING (trial)
        ),
        looked_at AS (
            SELECT trial, attempt, false AS lost FROM attempt ANTI JOIN outcome USING (trial, attempt)
            UNION ALL
            SELECT trial, attempt, true FROM given_up
        ),
        wish AS (
            SELECT trial, arg_max(wish, serial) AS wish FROM request GROUP BY trial
        )
        SELECT trial, attempt, a.spec_id, a.batch, s.backend, l.lost, coalesce(w.wish = 'withdraw', false),
               a.position, s.job_id, epoch(a.created_at)
        FROM looked_at l
        JOIN attempt a USING (trial, attempt)
        LEFT JOIN submission s USING (trial, attempt)
        LEFT JOIN wish w USING (trial)
        ORDER BY trial, attempt
        """
    ).fetchall()
    sent = {row[3]: _sent(site.runs, row[3]) for row in found if row[4] is None and not row[5]}
    lives = []
    for (
        trial,
        attempt,
        spec_id,
        batch,
        taken_by,
        lost,
        withdrawn,
        position,
        job_id,
        since_s,
    ) in found:
        since = datetime.fromtimestamp(
            since_s, UTC
        )  # by DuckDB's own conversion a pass would import pytz, and wait for it
        place = Place(batch, position, attempt_folder(site.runs, trial, attempt), job_id, since)
        asked, waits = sent.get(batch, (None, False))
        lives.append(
            Live(trial, attempt, spec_id, batch, taken_by or asked, waits, lost, withdrawn, place)
        )
    return lives


def _sent(runs: Path, batch: str) -> tuple[str | None, bool]:
    """Which backend may have a batch whose submission is not recorded, and whether it certainly has none and can be offered."""
    if refused(runs, batch) is not None:
        return None, True
    manifest = Batch.read(batch_folder(runs, batch))
    if manifest is None:
        return None, False
    return (manifest.backend, False) if was_asked(runs, batch) else (None, True)
