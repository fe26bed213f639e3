"""Decide: which trials and measurements of `todo` start in this pass, in which jobs, and with what
needs.
"""

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import duckdb

from runner.scheduler.base_weights import Bases
from runner.scheduler.job_needs import job_needs
from runner.scheduler.measured_specs import MeasuredSpecs
from runner.scheduler.memory import short_of_memory
from runner.scheduler.resolve import RefusedError, Resolver
from runner.scheduler.retrained import RetrainedSpecs
from runner.scheduler.sharing import shares, stems
from runner.scheduler.tidy import without_room
from schema.site import Needs, Site
from schema.spec import Spec

# Looked at beyond the room there is, so that trials that cannot run do not hide those that can
REFUSALS_PER_PASS = 100


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """An attempt about to be made."""

    trial: int
    attempt: int
    spec: Spec
    # What has the definition of a trial as the catalog's own text
    resolver: Resolver
    study: str | None
    priority: int
    # The file of the trial whose model it begins from
    weights: str | None
    # `trial:7` -> its file, of the trials whose weights its tasks are given
    given_weights: Mapping[str, str]
    # Where it finds and leaves work in common; "": nowhere
    store: str = ""
    # The name that the trials with that work have in common
    stem: str = ""
    # The suite that it measures, without training; None: it trains
    measures: str | None = None
    # The first attempt at training the trial again; None: it is not done yet, or measured
    retrains: int | None = None
    # The definition as the catalog has it, where it is that of an earlier attempt
    ran: str | None = None

    @property
    def row(self) -> dict[str, Any]:
        """Its row of `attempt`, without where and when it runs."""
        return {
            "trial": self.trial,
            "attempt": self.attempt,
            "spec": self.text,
            "spec_id": self.spec.id,
            "measures": self.measures,
            "retrains": self.retrains,
        }

    @property
    def text(self) -> str:
        """The definition as the catalog has it."""
        if self.ran is not None:
            return self.ran
        if self.measures is not None:
            return self.spec.text
        return self.resolver.text(self.trial)


@dataclass(frozen=True, kw_only=True)
class Refused:
    """An attempt that cannot run, and why."""

    trial: int
    attempt: int
    message: str
    measures: str | None
    retrains: int | None


@dataclass
class Chosen:
    """The jobs that this pass will start, in the order of `todo`.

    Each has the needs and the attempts that share it.
    """

    # Trials and measurements that were ready before these were taken
    pending: int
    jobs: list[tuple[Needs, list[Wanted]]] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)
    # Trials that met a full disk, which has no room for them yet
    without_room: list[int] = field(default_factory=list)

    @property
    def attempts(self) -> int:
        """Return how many attempts there are in all."""
        return sum(len(job) for _, job in self.jobs)


def choose(
    site: Site,
    connection: duckdb.DuckDBPyConnection,
    room: int,
    limit: int | None,
    refused: Collection[Needs] = (),
) -> Chosen:
    """Return the first trials of `todo` that fit into `room` jobs, but none of `refused` needs.

    Those that cannot run as declared are named with the reason.
    """
    count = pending(connection)
    # Of nothing `todo` makes nothing, and to plan it takes DuckDB longer than to count
    todo = _candidates(site, connection, room, limit, refused) if count else []
    trials = [row.trial for row in todo if row.measures is None]
    chosen = Chosen(count, without_room=without_room(site, connection, trials))
    completer = Completer(site, connection, todo)
    open_jobs: dict[tuple[Needs, str | None], list[Wanted]] = {}
    for row in todo:
        if limit is not None and chosen.attempts == limit:
            break
        if row.measures is None and row.trial in chosen.without_room:
            continue
        full = len(chosen.jobs) == room
        # Where no job may be added, a trial may still share one; how much memory one wants that ran
        # out of it is known only after a look at it
        known = (site.needs_of(row.backbone), row.company) in open_jobs
        if full and not known and (row.trial, row.measures) not in completer.short:
            continue
        try:
            needs, attempt = completer.complete(row)
        except RefusedError as error:
            chosen.refused.append(completer.refused(row, str(error)))
            continue
        job = (needs, row.company)
        if needs in refused or (full and job not in open_jobs):
            continue
        if job not in open_jobs:
            open_jobs[job] = []
            chosen.jobs.append((needs, open_jobs[job]))
        open_jobs[job].append(completer.numbered(attempt))
        if len(open_jobs[job]) == row.most_in_job(site, needs):
            del open_jobs[job]
    return chosen


def pending(connection: duckdb.DuckDBPyConnection) -> int:
    """Return how many trials, trainings of trials again, and measurements could start."""
    ((measures, retrains),) = connection.execute(
        "SELECT EXISTS (FROM measurement), EXISTS (FROM request WHERE wish = 'retrain')"
    ).fetchall()
    sources = ["startable"]
    # DuckDB needs longer to plan these two than for all else, so they are asked only where a person
    # has ever wished for such a thing
    if measures:
        sources.append("measurable")
    if retrains:
        sources.append("(FROM retraining WHERE NOT live AND NOT over)")
    counts = " + ".join(f"(SELECT count(*) FROM {source})" for source in sources)
    ((count,),) = connection.execute(f"SELECT {counts}").fetchall()
    return int(count)


@dataclass(frozen=True)
class Candidate:
    """A row of `todo`."""

    trial: int
    attempt: int
    study: str | None
    priority: int
    backbone: str
    # The suite that is to be measured, without training; None: the trial trains
    measures: str | None
    # The first attempt at training the trial again; None: it is not done yet, or measured
    retrains: int | None

    @property
    def company(self) -> str | None:
        """The name of what the attempts of its job have in common; None: they train.

        Measurements of one backbone and suite open the test sets once.
        """
        return None if self.measures is None else f"{self.backbone} on {self.measures}"

    def most_in_job(self, site: Site, needs: Needs) -> int:
        """Return how many attempts share its job."""
        return needs.trials_per_job if self.measures is None else site.measurements_per_job


def _candidates(
    site: Site,
    connection: duckdb.DuckDBPyConnection,
    room: int,
    limit: int | None,
    refused: Collection[Needs],
) -> list[Candidate]:
    """Return the rows of `todo` to look at, some more than there is room for."""
    widths = [needs.trials_per_job for needs in (site.needs, *site.by_backbone.values())]
    most = room * max(*widths, site.measurements_per_job)
    if limit is not None:
        most = min(most, limit)
    rows = connection.execute(
        "SELECT trial, attempt, study, priority, backbone, measures, retrains FROM todo "
        "WHERE NOT list_contains(?, backbone) "
        "ORDER BY priority DESC, trial, measures NULLS FIRST LIMIT ?",
        [_backbones(site, connection, refused), most + REFUSALS_PER_PASS],
    ).fetchall()
    return [Candidate(*row) for row in rows]


class Completer:
    """The needs of attempts of some trials beside their rows of `todo`, fetched together."""

    def __init__(
        self, site: Site, connection: duckdb.DuckDBPyConnection, todo: list[Candidate]
    ) -> None:
        self.site = site
        trials = [row.trial for row in todo if row.measures is None and row.retrains is None]
        again = [row.trial for row in todo if row.retrains is not None]
        self.retrained = RetrainedSpecs(site, connection, again)
        self.resolver = Resolver(connection, trials, site.data)
        pairs = [(row.trial, row.measures) for row in todo if row.measures is not None]
        self.measured = MeasuredSpecs(site, connection, pairs)
        # By trial: how many attempts of it this pass has numbered
        self.numbers: Counter[int] = Counter()
        self.bases = Bases(site)
        self.stems = stems(site, connection, trials)
        self.store = str(site.store) if shares(connection) else ""
        # How often a trial, or a measurement of it, ran out of the host's memory
        self.short = short_of_memory(connection, [row.trial for row in todo])

    def refused(self, row: Candidate, message: str) -> Refused:
        """Return the attempt of a candidate that cannot run, with the next number of its trial."""
        number = row.attempt + self.numbers[row.trial]
        self.numbers[row.trial] += 1
        return Refused(
            trial=row.trial,
            attempt=number,
            message=message,
            measures=row.measures,
            retrains=row.retrains,
        )

    def numbered(self, attempt: Wanted) -> Wanted:
        """Return an attempt that will be made, with the next number of its trial.

        Several suites may be measured of one trial at once.
        """
        number = attempt.attempt + self.numbers[attempt.trial]
        self.numbers[attempt.trial] += 1
        return replace(attempt, attempt=number)

    def complete(self, row: Candidate) -> tuple[Needs, Wanted]:
        """Return the needs of a trial's job, and the attempt.

        Raises:
            RefusedError: the trial cannot run as it is declared.
        """
        needs, ran = self.site.needs_of(row.backbone), None
        if row.retrains is not None:
            # As it was trained, whatever its rows say today
            again = self.retrained.again(row.trial, row.study)
            spec, ran = again.spec, again.text
            needs = job_needs(spec, needs, self.site.backend)
        elif row.measures is None:
            spec = self.resolver.spec(row.trial)
            needs = job_needs(spec, needs, self.site.backend)
        else:
            # One process measures, however many have trained
            spec = self.measured.spec(row.trial, row.measures)
        attempt = Wanted(
            trial=row.trial,
            attempt=row.attempt,
            spec=spec,
            resolver=self.resolver,
            study=row.study,
            priority=row.priority,
            weights=self.bases.weights(spec),
            given_weights=self.bases.given(spec),
            store=self.store,
            stem=self.stems.get(row.trial, ""),
            measures=row.measures,
            retrains=row.retrains,
            ran=ran,
        )
        return needs.raised(self.short.get((row.trial, row.measures), 0)), attempt


def _backbones(
    site: Site, connection: duckdb.DuckDBPyConnection, refused: Collection[Needs]
) -> list[str]:
    """Return the backbones whose trials have needs that the backend refuses."""
    if not refused:
        return []
    names = connection.execute("SELECT name FROM backbone").fetchall()
    return [name for (name,) in names if site.needs_of(name) in refused]
