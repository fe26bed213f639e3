"""Choose the ends of an axis so that one outlier does not flatten all other values.

An axis leaves out values far outside of the interquartile range that would stretch it several
times. It also cuts intervals that would stretch it far beyond the values. What is left out is drawn
at the edge of the figure and named, with its value, in a note above it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import altair as alt
import polars as pl

# With fewer values than this, none is an outlier.
FEWEST = 5
# Interquartile ranges beyond which a value is an outlier (3 is Tukey's "far out").
FAR = 6.0
# The factor by which a value must stretch the axis to be left out
STRETCH = 4.0
# The part of an axis that is left empty at either end
MARGIN = 0.04
# The most rows that a note names
NAMED = 3


@dataclass(frozen=True, kw_only=True)
class Reach:
    """The ends of an axis, None where Vega chooses them, and a note on what lies beyond."""

    domain: tuple[float, float] | None = None
    notes: tuple[str, ...] = ()

    def scale(self, **options: Any) -> alt.Scale:
        """Return the scale of the axis, which need not include zero."""
        if self.domain is None:
            return alt.Scale(zero=False, **options)
        # Clamped, so that values beyond the ends are drawn at the edge.
        return alt.Scale(domain=list(self.domain), clamp=True, zero=False, nice=False)


def reach(frame: pl.DataFrame, value: str, ends: tuple[str, str] | None = None) -> Reach:
    """Return the reach of an axis of `value`; `ends` are the columns of its interval.

    The column `row` of the frame names the rows in the note on what lies beyond.
    """
    rows = frame.filter(pl.col(value).is_finite())
    if rows.is_empty():
        return Reach()
    inner = _inner(rows[value])
    low, high = _least(inner), _most(inner)
    if ends is not None:
        low, high = _with_intervals(rows, ends, low, high)
    outside = rows.filter(~pl.col(value).is_between(low, high))
    notes = []
    if len(outside):
        notes.append(_beyond(outside, value))
    if ends is not None:
        cut = rows.filter((pl.col(ends[0]) < low) | (pl.col(ends[1]) > high))
        if len(cut):
            notes.append(f"Intervals that go on beyond the axis: {len(cut)}.")
    if not notes:
        return Reach()
    margin = MARGIN * (high - low)
    return Reach(domain=(low - margin, high + margin), notes=tuple(notes))


def _inner(values: pl.Series) -> pl.Series:
    """Return the values without the outliers that would stretch the axis several times."""
    if len(values) < FEWEST:
        return values
    first, third = _quantile(values, 0.25), _quantile(values, 0.75)
    far = FAR * (third - first)
    near = values.filter(values.is_between(first - far, third + far))
    width = _most(near) - _least(near)
    if far == 0 or _most(values) - _least(values) <= STRETCH * width:
        return values
    return near


def _with_intervals(
    rows: pl.DataFrame, ends: tuple[str, str], low: float, high: float
) -> tuple[float, float]:
    """Return the ends of an axis extended to intervals, as far as values stay readable."""
    bounded = rows.drop_nulls(list(ends))
    bounded = bounded.filter(pl.col(ends[0]).is_finite() & pl.col(ends[1]).is_finite())
    if bounded.is_empty():
        return low, high
    width = bounded[ends[1]] - bounded[ends[0]]
    # On either side intervals may extend the axis by at most the range of the values.
    room = max(high - low, 1.5 * _quantile(width, 0.5))
    lowest = max(_least(bounded[ends[0]]), low - room)
    highest = min(_most(bounded[ends[1]]), high + room)
    return min(low, lowest), max(high, highest)


def _beyond(outside: pl.DataFrame, value: str) -> str:
    """Return a note that names the rows beyond the axis."""
    names: Sequence[str] = [f"{len(outside)} rows"]
    if "row" in outside.columns:
        # A row with a value per task is named once, with its last value.
        pairs = outside.select("row", value).unique("row", keep="last", maintain_order=True).rows()
        names = [f"{name} ({_written(number)})" for name, number in pairs[:NAMED]]
        if len(pairs) > NAMED:
            names = [*names, f"and {len(pairs) - NAMED} more"]
    return f"Beyond the axis, drawn at its edge: {', '.join(names)}."


def _written(number: float) -> str:
    """Return a number with three digits; a large one whole, with thousands separators."""
    return f"{number:,.0f}" if abs(number) >= 1000 else f"{number:.3g}"


def _least(values: pl.Series) -> float:
    return float(str(values.min()))


def _most(values: pl.Series) -> float:
    return float(str(values.max()))


def _quantile(values: pl.Series, share: float) -> float:
    return float(str(values.quantile(share, "linear")))
