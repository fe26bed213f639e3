"""`python -m runner.sync --dry-run`: show the next trials, and the cost of all pending ones.

It changes nothing, except that `--profile` adds rows to the table `profile`.
"""

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import duckdb
from rich.console import Console

from runner.backends import Backend
from runner.scheduler import (
    forecast_tables,
    measured_forecast,
    merge_forecast,
    profiles,
    retrained_forecast,
    rule_forecast,
    rules,
)
from runner.scheduler.attempts import Live, jobs, live_attempts
from runner.scheduler.estimates import Outlook, Sum, total
from runner.scheduler.fact_rows import named_rows
from runner.scheduler.forecast_remarks import remarks
from runner.scheduler.memory import raised
from runner.scheduler.sharing import shares
from schema.catalog import Catalog
from schema.site import Site

# The most trials that are printed one by one
SHOWN = 20
# The width of a terminal that does not report one
PLAIN_WIDTH = 200


@dataclass(frozen=True)
class Concurrency:
    """The number of trials that a forecast expects to run at once, with the reason."""

    trials: int
    why: str


def dry_run(
    site: Site,
    backend: Backend,
    limit: int | None,
    profile: bool = False,
    as_json: bool = False,
) -> int:
    """Print the trials that would be submitted now, and the cost of all pending trials.

    `limit` is the most trials that the pass would submit. With `profile`, missing rows of the table
    `profile` are measured first. With `as_json`, one JSON document is printed instead of tables.
    Returns the exit code: 1 where a rule fails, else 0.
    """
    catalog = Catalog(site.catalog, site.lock_wait_s)
    if profile:
        _fill_profiles(catalog)
    answers = rules.ask(catalog, rules.read(catalog))
    with catalog.open() as connection:
        answers, additions = rule_forecast.priced(connection, answers)
        live = live_attempts(site, connection)
        room = _room(site, backend, live, limit)
        outlooks = named_rows(connection, "SELECT * FROM outlook")
        common = in_common(connection, sum(outlook["trials"] for outlook in outlooks))
        notes = [*raised(site, connection), *merge_forecast.remarks(connection)]
        first = _next_trials(connection, room)
        measured = measured_forecast.pending(site, connection)
        again = retrained_forecast.pending(site, connection)
    whole = total(site, outlooks)
    if as_json:
        answer = document(first, room, whole, outlooks) | measured.document() | again.document()
        answer["rules"] = rule_forecast.rows(answers)
        print(json.dumps(answer, ensure_ascii=False, indent=1))
        return rule_forecast.exit_code(answers)
    # Printed after the catalog is closed, as an open pager must not lock it
    console = Console(highlight=False, width=None if sys.stdout.isatty() else PLAIN_WIDTH)
    _show_next(console, first, outlooks)
    console.print(f"would submit {len(first)} now (room for {room}); {whole.trials} pending in all")
    for line in [*filter(None, [common]), *notes, *measured.lines(), *again.lines()]:
        console.print(line, soft_wrap=True)
    if outlooks:
        concurrency = concurrent(site, live, min(len(first), room))
        console.print(forecast_tables.studies(site, outlooks, concurrency.trials))
        for line in [f"end: {concurrency.why}", *remarks(site, outlooks, whole)]:
            console.print(line, soft_wrap=True)
    return rule_forecast.show(console, site, answers, additions)


def _room(site: Site, backend: Backend, live: Sequence[Live], limit: int | None) -> int:
    """Return how many trials the next pass would submit at most."""
    room = backend.room(jobs(live)) * site.needs.trials_per_job
    return room if limit is None else min(limit, room)


def _next_trials(connection: duckdb.DuckDBPyConnection, room: int) -> list[dict[str, Any]]:
    """Return the trials that the next pass would train, at most `room`."""
    columns = ", ".join(forecast_tables.KEY)
    return named_rows(
        connection,
        f"SELECT trial, seed, {columns} FROM todo "
        f"WHERE measures IS NULL AND retrains IS NULL LIMIT {room}",
    )


def _show_next(console: Console, first: Sequence[Outlook], outlooks: Sequence[Outlook]) -> None:
    """Print the number of trials that come next, and the first of them in a table."""
    if first:
        console.print(forecast_tables.next_trials(first[:SHOWN], outlooks))
    if len(first) > SHOWN:
        console.print(f"... and {len(first) - SHOWN} more")


def _fill_profiles(catalog: Catalog) -> None:
    """Measure the rows of the table `profile` that pending trials lack."""
    with catalog.open() as connection:
        pending = connection.execute(
            "SELECT DISTINCT backbone, mixture, method, recipe FROM outlook"
        ).fetchall()
    profiles.fill(catalog, pending)


def document(
    first: Sequence[Outlook], room: int, whole: Sum, outlooks: Sequence[Outlook]
) -> dict[str, object]:
    """Return the JSON document: what the next pass would submit, and the cost of all pending."""
    return {
        "format": 1,
        "would_submit": list(map(dict, first)),
        "room": room,
        "pending": whole.trials,
        "hours": whole.hours,
        "gpu_hours": whole.gpu_hours,
        "pflops": whole.pflops,
        # The number of trials left out of the sums, since nothing similar has been measured
        "without_hours": whole.timeless,
        "without_flops": whole.flopless,
        "settings": list(map(dict, outlooks)),
    }


def in_common(connection: duckdb.DuckDBPyConnection, trials: int) -> str | None:
    """Return in words how much of the pending training is distinct; None where all of it is."""
    ((repeated, waiting),) = connection.execute(
        "SELECT count(*) - count(DISTINCT trunk), count(after) FROM mates"
    ).fetchall()
    if not repeated:
        return None
    line = f"{trials} pending trials train {trials - repeated} distinct trunks"
    if not shares(connection):
        return f"{line}, each its own: share_trunks is 0 in the policy"
    return (
        f"{line}: {waiting} wait to take over what others train; "
        "times and FLOPs below are as if each trained alone"
    )


def concurrent(site: Site, live: Sequence[Live], next_pass: int) -> Concurrency:
    """Return how many trials will run at once.

    These are the trials that run now, plus those that the next pass would start (`next_pass`
    trials, of which a job runs some at once), unless some are already waiting for others to end.
    """
    current = [attempt for attempt in live if not attempt.lost]
    # A worker claims its folder when it starts
    started = sum(attempt.run.claimed for attempt in current)
    if started and started < len(current):
        return Concurrency(started, f"{started} run side by side now, as the queue lets them")
    side_by_side = -(-next_pass // site.needs.trials_per_job) * site.needs.trials_side_by_side
    more = min(next_pass, side_by_side)
    return Concurrency(
        started + more, f"{started} run now and {more} would start with the next pass"
    )
