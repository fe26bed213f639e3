"""`python -m runner.sync --dry-run`: what the next pass would submit and what it would cost. Changes nothing."""

import sys

from rich.console import Console
from rich.table import Table

from runner.backend import Backend
from runner.live import live_attempts
from schema.catalog import Catalog
from schema.site import Site

SHOWN = 20


def dry_run(site: Site, place: Backend, limit: int | None) -> int:
    """Print the trials that would be submitted now, and the totals of all that are pending."""
    with Catalog(site.catalog, site.lock_wait_s).open() as connection:
        room = (
            place.room(len({(live.batch, live.place.position) for live in live_attempts(site, connection) if not live.lost}))
            * site.needs.trials_per_job
        )
        room = room if limit is None else min(limit, room)
        found = connection.execute(
            "SELECT trial, study, backbone, stream, mixture, method, recipe, budget, seed, steps, seconds, based_on "
            "FROM forecast LIMIT ?",
            [room],
        ).fetchall()
        total = connection.execute(
            "SELECT count(*), sum(steps), sum(seconds), count(*) - count(seconds) FROM forecast"
        ).fetchone()
    assert total is not None
    trials, steps, seconds, unknown = total
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 200)
    if found:
        sentence = ("backbone", "stream", "mixture", "method", "recipe", "budget", "seed")
        table = Table("trial", "study", *sentence, "steps", "expected", box=None, pad_edge=False)
        for *words, trial_steps, expected_s, based_on in found[:SHOWN]:
            expected = f"{duration(expected_s)} (of {based_on})" if expected_s else "unknown"
            table.add_row(*("" if word is None else str(word) for word in words), _count(trial_steps), expected)
        console.print(table)
        if len(found) > SHOWN:
            console.print(f"... and {len(found) - SHOWN} more")
    console.print(f"would submit {len(found)} now (room for {room}); {trials} pending in all")
    if trials:
        console.print(f"steps of what is pending: {_count(steps)}")
        rest = f" and {unknown} trials of which none alike has finished" if unknown else ""
        console.print(f"expected worker time of what is pending: {duration(seconds)}{rest}")
    return 0


def duration(seconds: float | None) -> str:
    """`2 h 05 min`, `3 min 20 s`, `12 s`."""
    if seconds is None:
        return "unknown"
    whole = round(seconds)
    hours, minutes = divmod(whole // 60, 60)
    if hours:
        return f"{hours} h {minutes:02d} min"
    return f"{minutes} min {whole % 60:02d} s" if minutes else f"{whole} s"


def _count(number: float | None) -> str:
    return "unknown" if number is None else f"{int(number):,}"
