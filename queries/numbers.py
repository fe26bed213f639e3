"""Write the values of an answer as text, for tables that people read."""

from collections.abc import Callable
from datetime import datetime

import polars as pl

# The text for NULL
NOTHING = "-"
# Columns of numbers below this have three decimals; larger ones have thousands separators.
THOUSAND = 1_000.0
# From this value on, numbers are in scientific notation, as in 1.499e+12.
POWERS = 1e9
# The smallest value that three decimals can show
LEAST = 5e-3
# A number this near to 0 is what rounding left of a difference of fractions, and is written as 0.
ROUNDING = 1e-15
# To so many decimals, or digits, a mean is the same in whichever order SQL adds the values. Numbers
# are rounded to these first: otherwise the last bit would decide whether 0.3725 is written as 0.372
# or as 0.373.
SURE_DECIMALS = 12
# Columns of whole numbers that are identifiers, without thousands separators.
NAMES: tuple[str, ...] = (
    "trial",
    "seed",
    "attempt",
    "task",
    "step",
    "year",
    "place",
    "position",
    "after",
)
NAMES += ("example_trial", "example_attempt", "first_trial", "last_trial", "trunk", "stem")


def writer(column: pl.Series) -> Callable[[object], str]:
    """Return a function that formats the values of a column; NULL becomes a dash.

    Booleans become yes or no. The numbers of a column have three decimals where all are below a
    thousand (12.706), else as many as show three digits (1,499 and 0.42). Times are to the second.
    """
    if column.dtype == pl.Boolean:
        return _or_nothing(lambda value: "yes" if value else "no")
    if column.dtype.is_integer():
        plain = column.name in NAMES
        return _or_nothing(str if plain else lambda value: f"{value:,}")
    if column.dtype.is_float() or column.dtype.is_decimal():
        return _or_nothing(_number(column))
    return _or_nothing(_plain)


def decimals(value: object) -> str:
    """Return a number with three decimals; what rounds to 0 has no sign."""
    return f"{_sure(value):z.3f}"


def signed(value: object) -> str:
    """Return a number with three decimals and its sign; what rounds to 0 has none."""
    text = f"{_sure(value):+z.3f}"
    return text.lstrip("+") if not text.strip("+0.") else text


def _sure(value: object) -> float:
    """Return a number as far as it does not depend on the order in which values were added."""
    return round(float(str(value)), SURE_DECIMALS)


def largest(column: pl.Series) -> float:
    """Return the largest size of a column's finite numbers that are not 0; 0 where none is."""
    sizes = column.cast(pl.Float64).abs().drop_nulls()
    sizes = sizes.filter(sizes.is_finite() & (sizes > ROUNDING))
    return float(str(sizes.max() or 0))


def without_noise(column: pl.Series) -> pl.Series:
    """Return a column of numbers as it is shown: without -0, nor what would be written as -0.000.

    Numbers that are within rounding of 0 are 0; so are negative ones that three decimals show as 0,
    where the column is written with three decimals.
    """
    least = ROUNDING
    if LEAST <= largest(column) < THOUSAND:
        least = 5e-4
    negligible = (column.abs() <= ROUNDING) | ((column <= 0) & (column > -least))
    return pl.select(pl.when(negligible).then(0.0).otherwise(column).alias(column.name)).to_series()


def _number(column: pl.Series) -> Callable[[object], str]:
    """Return a function that formats the floating-point numbers of a column."""
    most = largest(column)
    if most >= THOUSAND:
        return _large
    if 0 < most < LEAST:
        return _short
    return decimals


def _large(value: object) -> str:
    """Format a number of a column with large ones: thousands separators, at least three digits."""
    number = float(f"{float(str(value)):.{SURE_DECIMALS}g}")
    if abs(number) >= POWERS:
        return f"{number:.4g}"
    if abs(number) >= THOUSAND / 10:
        return f"{number:,.0f}"
    return _short(number)


def _short(value: object) -> str:
    """Format a number with three digits; what is within rounding of 0 is 0."""
    number = float(f"{float(str(value)):.{SURE_DECIMALS}g}")
    return "0" if abs(number) <= ROUNDING else f"{number:.3g}"


def _or_nothing(write_value: Callable[[object], str]) -> Callable[[object], str]:
    """Return a function that formats NULL as a dash, and other values by `write_value`."""

    def written(value: object) -> str:
        return NOTHING if value is None else write_value(value)

    return written


def _plain(value: object) -> str:
    """Return a value as text; times to the second."""
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S}"
    return str(value)
