"""The tables of a dry run: the trials that come next, and a line per study."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from rich.table import Table

from runner.scheduler.estimates import Outlook, Sum, by_study, total
from schema.site import Site

SETTING = ("backbone", "stream", "mixture", "method", "recipe", "budget")
# The columns that tell the rows of `outlook` apart
KEY = ("study", *SETTING)


def next_trials(trials: Sequence[Outlook], outlooks: Sequence[Outlook]) -> Table:
    """Return a table of trials, each with what is expected of its study and setting."""
    known = {tuple(row[word] for word in KEY): row for row in outlooks}
    table = Table("trial", "study", *SETTING, "seed", "steps", "expected", box=None, pad_edge=False)
    for trial in trials:
        outlook = known[tuple(trial[word] for word in KEY)]
        cells = []
        for column in ("trial", *KEY, "seed"):
            cells.append("" if trial[column] is None else str(trial[column]))
        steps = _partial(outlook["steps"] or 0, outlook["steps"] is None, 1)
        table.add_row(*cells, steps, _expected(outlook))
    return table


def studies(site: Site, outlooks: Sequence[Outlook], workers: int) -> Table:
    """Return a line per study, in the order in which they would end, and one of all.

    `workers`: how many trials run side by side.
    """
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
    # Of this study and those before it, since one ends after the other
    hours, known = 0.0, True
    for study, sum_ in by_study(site, outlooks).items():
        hours += sum_.hours
        known = known and not sum_.timeless
        end = _end(hours, workers, None) if known else "unknown"
        table.add_row(study or "(none)", *_cells(sum_), end)
    whole = total(site, outlooks)
    end = _end(whole.hours, workers, whole.relative_error) if known else "unknown"
    table.add_row("in all", *_cells(whole), end)
    return table


def duration(seconds: float | None) -> str:
    """Return a time in words: `2 h 05 min`, `3 min 20 s`, `12 s`."""
    if seconds is None:
        return "unknown"
    whole = round(seconds)
    hours, minutes = divmod(whole // 60, 60)
    if hours:
        return f"{hours} h {minutes:02d} min"
    return f"{minutes} min {whole % 60:02d} s" if minutes else f"{whole} s"


def _expected(outlook: Outlook) -> str:
    """Return the time that is expected of a trial, and from which finished trials."""
    if not outlook["seconds"]:
        return "unknown"
    return f"{duration(outlook['seconds'])} ({outlook['by_what']}, {outlook['based_on']})"


def _cells(sum_: Sum) -> list[str]:
    """Return what a line says between the name and the end."""
    gpu_hours = _partial(sum_.gpu_hours, sum_.timeless, sum_.trials)
    if sum_.gpu_hours:
        gpu_hours += _interval(sum_.gpu_hours, sum_)
    return [
        f"{sum_.trials:,}",
        _partial(sum_.steps, sum_.stepless, sum_.trials),
        _partial(sum_.pflops, sum_.flopless, sum_.trials),
        "unknown" if sum_.peak_gb is None else f"{sum_.peak_gb:.2f}",
        _partial(sum_.hours, sum_.timeless, sum_.trials) + _interval(sum_.hours, sum_),
        gpu_hours,
    ]


def _partial(value: float, unknown: int, trials: int) -> str:
    """Return a sum over trials; `over` what is known of it where it is not known of some."""
    if unknown >= trials:
        return "unknown"
    if isinstance(value, int):
        text = f"{value:,}"
    else:
        text = f"{value:,.3g}" if value < 100 else f"{value:,.0f}"
    return f"over {text}" if unknown else text


def _interval(value: float, sum_: Sum) -> str:
    """Return in brackets the range in which a value with a sum's relative error lies."""
    if sum_.relative_error is None or sum_.timeless:
        return ""
    low, high = value * (1 - sum_.relative_error), value * (1 + sum_.relative_error)
    return f" ({max(0.0, low):,.3g} to {high:,.3g})"


def _end(hours: float, workers: int, relative_error: float | None) -> str:
    """Return when so many hours of work are over, to the minute, and how much later that may be."""
    if not workers:
        return "unknown"
    end = datetime.now() + timedelta(hours=hours / workers)
    text = f"{end:%Y-%m-%d %H:%M}"
    if relative_error:
        text += f" +- {duration(hours / workers * relative_error * 3600)}"
    return text
