"""`python -m runner.sync --dry-run`: what the next pass would submit, and what all that is pending would cost. Changes nothing,
but for what `--profile` adds to the table `profile`."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import duckdb
from rich.console import Console
from rich.table import Table

from runner.backends import Backend
from runner.scheduler import profiles
from runner.scheduler.attempts import Live, jobs, live_attempts
from runner.scheduler.estimates import Kind, Sum, by_study, too_large, total
from runner.scheduler.sharing import shares
from schema.catalog import Catalog
from schema.site import Site

SHOWN = 20
SENTENCE = ("backbone", "stream", "mixture", "method", "recipe", "budget")
KIND = ("study", *SENTENCE)


@dataclass(frozen=True)
class Concurrency:
    """How many trials run side by side, and why that many are reckoned with."""

    trials: int
    why: str


def dry_run(site: Site, place: Backend, limit: int | None, profile: bool = False) -> int:
    """Print the trials that would be submitted now, and what all that are pending would cost.

    `profile`: first measure what the table `profile` lacks of the pending trials.
    """
    catalog = Catalog(site.catalog, site.lock_wait_s)
    if profile:
        with catalog.open() as connection:
            pending = connection.execute(
                "SELECT DISTINCT backbone, mixture, method, recipe FROM outlook"
            ).fetchall()
        profiles.fill(catalog, pending)
    with catalog.open() as connection:
        live = live_attempts(site, connection)
        room = place.room(jobs(live)) * site.needs.trials_per_job
        room = room if limit is None else min(limit, room)
        kinds = _rows(connection, "SELECT * FROM outlook")
        common = in_common(connection, sum(kind["trials"] for kind in kinds))
        first = _rows(connection, f"SELECT trial, seed, {', '.join(KIND)} FROM todo LIMIT {room}")
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 200)
    if first:
        console.print(_first(first[:SHOWN], kinds))
        if len(first) > SHOWN:
            console.print(f"... and {len(first) - SHOWN} more")
    whole = total(site, kinds)
    console.print(f"would submit {len(first)} now (room for {room}); {whole.trials} pending in all")
    if common:
        console.print(common, soft_wrap=True)
    if kinds:
        concurrency = concurrent(site, live, min(len(first), room))
        console.print(_studies(site, kinds, concurrency))
        for line in [f"end: {concurrency.why}", *remarks(site, kinds, whole)]:
            console.print(line, soft_wrap=True)
    return 0


def in_common(connection: duckdb.DuckDBPyConnection, trials: int) -> str | None:
    """How much of what is pending, so many trials, is distinct, where it is not all; None where it is."""
    ((again, waiting),) = connection.execute(
        "SELECT count(*) - count(DISTINCT trunk), count(after) FROM mates"
    ).fetchall()
    if not again:
        return None
    said = f"{trials} pending trials train {trials - again} distinct trunks"
    if not shares(connection):
        return f"{said}, each its own: share_trunks is 0 in the policy"
    return f"{said}: {waiting} wait to take over what others train; times and FLOPs below are as if each trained alone"


def concurrent(site: Site, live: Sequence[Live], next_pass: int) -> Concurrency:
    """What runs now; and what the next pass would start, unless some wait already for others to end."""
    current = [each for each in live if not each.lost]
    started = sum((each.place.folder / "claim").exists() for each in current)
    if started and started < len(current):
        return Concurrency(started, f"{started} run side by side now, as the queue lets them")
    side_by_side = -(-next_pass // site.needs.trials_per_job) * site.needs.trials_side_by_side
    more = min(next_pass, side_by_side)
    return Concurrency(
        started + more, f"{started} run now and {more} would start with the next pass"
    )


def remarks(site: Site, kinds: Sequence[Kind], whole: Sum) -> list[str]:
    """What will not work, and what is not known and how to make it known."""
    said = []
    for (backbone, gpu_gb), found in too_large(site, kinds).items():
        count, peak_gb = (
            sum(kind["trials"] for kind in found),
            max(kind["peak_bytes"] for kind in found) / 1e9,
        )
        names = sorted({kind["method"] for kind in found})
        listed = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
        said.append(
            f"WILL NOT FIT: {count} trials of {backbone} ({listed}) need up to {peak_gb:.2f} GB and its GPUs have {gpu_gb:g} GB; "
            "use smaller batches, bf16, or gpu_memory_gb and a larger GPU for [backbone] in site.toml"
        )
    broke = sum(kind["trials"] for kind in kinds if kind["steps"] == 0)
    if broke:
        said.append(
            f"WILL BE REFUSED: {broke} trials whose budget buys no step per task; SELECT * FROM steps WHERE steps < 1"
        )
    unprofiled = {
        tuple(kind[word] for word in profiles.WORDS) for kind in kinds if not kind["profiled"]
    }
    if unprofiled:
        count = sum(kind["trials"] for kind in kinds if not kind["profiled"])
        said.append(
            f"not profiled: {count} trials, {len(unprofiled)} combinations of backbone, mixture, method and recipe. "
            "To know their memory, FLOPs and (budgets in FLOPs) steps: python -m runner.sync --dry-run --profile"
        )
    if whole.timeless:
        said.append(
            f"time unknown: {whole.timeless} trials, since none of their backbone and recipe has finished on this device"
        )
    elif whole.about is None:
        said.append(
            "no interval: of too few kinds of trials more than one has finished on this device"
        )
    if not any(site.needs_of(kind["backbone"]).gpu_memory_gb for kind in kinds) and whole.gpu_hours:
        said.append("whether trials fit is not checked: set gpu_memory_gb in site.toml")
    return said


def duration(seconds: float | None) -> str:
    """`2 h 05 min`, `3 min 20 s`, `12 s`."""
    if seconds is None:
        return "unknown"
    whole = round(seconds)
    hours, minutes = divmod(whole // 60, 60)
    if hours:
        return f"{hours} h {minutes:02d} min"
    return f"{minutes} min {whole % 60:02d} s" if minutes else f"{whole} s"


def _rows(connection: duckdb.DuckDBPyConnection, query: str) -> list[Kind]:
    found = connection.execute(query)
    names = [column[0] for column in found.description or []]
    return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


def _first(trials: Sequence[Kind], kinds: Sequence[Kind]) -> Table:
    """The next trials, with what is expected of their kind."""
    known = {tuple(kind[word] for word in KIND): kind for kind in kinds}
    table = Table(
        "trial", "study", *SENTENCE, "seed", "steps", "expected", box=None, pad_edge=False
    )
    for trial in trials:
        kind = known[tuple(trial[word] for word in KIND)]
        expected = (
            f"{duration(kind['seconds'])} ({kind['by_what']}, {kind['based_on']})"
            if kind["seconds"]
            else "unknown"
        )
        words = (trial[word] for word in ("trial", *KIND, "seed"))
        table.add_row(
            *("" if word is None else str(word) for word in words),
            _partial(kind["steps"] or 0, kind["steps"] is None, 1),
            expected,
        )
    return table


def _studies(site: Site, kinds: Sequence[Kind], concurrency: Concurrency) -> Table:
    """A line per study, in the order in which they would end, and one of all."""
    table = Table(
        "study",
        "trials",
        "steps",
        "PFLOPs",
        "peak GB",
        "hours",
        "GPU-hours",
        "expected end",
        box=None,
        pad_edge=False,
    )
    hours, known, whole = 0.0, True, total(site, kinds)
    for study, each in by_study(site, kinds).items():
        hours, known = (
            hours + each.hours,
            known and not each.timeless,
        )  # of this study and those before it
        table.add_row(
            study or "(none)",
            *_cells(each),
            _end(hours, concurrency.trials, None) if known else "unknown",
        )
    end = _end(whole.hours, concurrency.trials, whole.about) if known else "unknown"
    table.add_row("in all", *_cells(whole), end)
    return table


def _cells(each: Sum) -> list[str]:
    """What a line says between the name and the end."""
    return [
        f"{each.trials:,}",
        _partial(each.steps, each.stepless, each.trials),
        _partial(each.pflops, each.flopless, each.trials),
        "unknown" if each.peak_gb is None else f"{each.peak_gb:.2f}",
        _partial(each.hours, each.timeless, each.trials) + _interval(each.hours, each),
        _partial(each.gpu_hours, each.timeless, each.trials)
        + (_interval(each.gpu_hours, each) if each.gpu_hours else ""),
    ]


def _partial(value: float, unknown: int, trials: int) -> str:
    """A sum; `over` what is known of it where some of it is not."""
    said = (
        f"{value:,}"
        if isinstance(value, int)
        else f"{value:,.3g}"
        if value < 100
        else f"{value:,.0f}"
    )
    return said if not unknown else "unknown" if unknown >= trials else f"over {said}"


def _interval(value: float, each: Sum) -> str:
    if each.about is None or each.timeless:
        return ""
    low, high = max(0.0, value * (1 - each.about)), value * (1 + each.about)
    return f" ({low:,.3g} to {high:,.3g})"


def _end(hours: float, workers: int, about: float | None) -> str:
    """When so many hours of work are over, to the minute; `about`: and how much later it may be."""
    if not workers:
        return "unknown"
    end = datetime.now() + timedelta(hours=hours / workers)
    return f"{end:%Y-%m-%d %H:%M}" + (
        f" +- {duration(hours / workers * about * 3600)}" if about else ""
    )
