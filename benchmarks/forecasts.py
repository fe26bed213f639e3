"""How far off are forecasts of a grid, and do their intervals cover? `python -m benchmarks.forecasts`

Takes grids that were really run (`docpages/kept`), says of most of their trials that they have not
run, and asks `outlook` what those will take. As many trials as there are kinds (trials that differ
in their seeds alone) count as finished, one of each kind, then a share of the others; which of them,
is drawn anew in each round. The forecast hours of the rest, added up as a dry run does
(`runner.scheduler.estimates`), are compared with what the rest took.

Prints a row per grid and share, as Markdown. It takes minutes of a core and changes nothing.
"""

import argparse
import random
import statistics
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import duckdb

from docpages.kept import EXAMPLES
from runner.scheduler.estimates import Sum
from runner.scheduler.fact_rows import named_rows
from schema.site import Needs

# The shares of the trials, beside the first one of each kind, that have finished
SHARES = (0.0, 0.1, 0.5, 0.8)
FACTS = ("cost", "result", "statistic", "outcome", "submission", "attempt")
KINDS = """
SELECT list(trial ORDER BY trial) FROM finished
WHERE trial IN (SELECT id FROM trial WHERE study = ?)
GROUP BY backbone, stream, mixture, method, recipe, budget
HAVING count(*) > 1
ORDER BY min(trial)
"""


@dataclass(frozen=True, kw_only=True)
class Forecast:
    """The hours that a dry run expects of the rest of a grid, beside the hours that it took."""

    expected: float
    # Half the width of the interval as a share of what is expected; None: no kind finished twice
    interval: float | None
    real: float

    @property
    def error(self) -> float:
        """Return by what share of the real hours the forecast is off."""
        return abs(self.expected / self.real - 1)

    @property
    def covers(self) -> bool:
        """Return whether the interval holds the real hours."""
        half = self.expected * (self.interval or 0.0)
        return abs(self.expected - self.real) <= half


@contextmanager
def forgotten(
    connection: duckdb.DuckDBPyConnection, trials: Sequence[int]
) -> Iterator[duckdb.DuckDBPyConnection]:
    """Forget for a while what came of these trials, and those that never finished altogether."""
    connection.execute("BEGIN")
    try:
        connection.execute("DELETE FROM trial WHERE id NOT IN (SELECT trial FROM finished)")
        connection.execute("CREATE TEMP TABLE away AS SELECT unnest(?) AS trial", [list(trials)])
        for table in FACTS:
            connection.execute(f"DELETE FROM {table} WHERE trial IN (FROM away)")
        yield connection
    finally:
        connection.execute("ROLLBACK")


def forecast(connection: duckdb.DuckDBPyConnection, rest: Sequence[int]) -> Forecast:
    """Return what is expected of the trials `rest` when all others of the catalog have finished."""
    hours = dict(connection.execute("SELECT trial, seconds / 3600 FROM finished").fetchall())
    sum_ = Sum()
    with forgotten(connection, rest):
        for row in named_rows(connection, "FROM outlook"):
            sum_.add(row, Needs())
    if sum_.trials != len(rest) or sum_.timeless:
        raise ValueError(
            f"{sum_.trials - sum_.timeless} trials were forecast, of {len(rest)}: each kind of "
            "these needs one trial that has finished"
        )
    return Forecast(
        expected=sum_.hours,
        interval=sum_.relative_error,
        real=sum(hours[trial] for trial in rest),
    )


def rounds(study: str, share: float, number: int, seed: int = 0) -> list[Forecast]:
    """Return forecasts of a kept grid, of which this share has run beside one of each kind."""
    connection = EXAMPLES[study].catalog()
    kinds = [trials for (trials,) in connection.execute(KINDS, [study]).fetchall()]
    draw = random.Random(seed)
    forecasts = []
    for _ in range(number):
        finished = [draw.choice(trials) for trials in kinds]
        rest = [trial for trials in kinds for trial in trials if trial not in finished]
        draw.shuffle(rest)
        more = round(share * len(rest))
        forecasts.append(forecast(connection, rest[more:]))
    return forecasts


def line(study: str, share: float, forecasts: Sequence[Forecast]) -> str:
    """Return a row of the table."""
    errors = sorted(each.error for each in forecasts)
    told = [each for each in forecasts if each.interval is not None]
    cells = [study, f"{share:.0%}", f"{statistics.median(errors):.1%}", f"{errors[-1]:.1%}"]
    if told:
        covered = sum(each.covers for each in told) / len(told)
        width = statistics.median(each.interval or 0.0 for each in told)
        cells += [f"{covered:.1%} of {len(told)}", f"{width:.1%}"]
    else:
        cells += ["no interval yet", ""]
    return f"| {' | '.join(cells)} |"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.forecasts",
        description=__doc__,
        formatter_class=argparse.RawTextHelpFormatter,
    )
    parser.add_argument("--grids", nargs="+", choices=sorted(EXAMPLES), default=sorted(EXAMPLES))
    parser.add_argument("--rounds", type=int, default=100, help="draws of what has finished")
    arguments = parser.parse_args()
    if arguments.rounds < 1:
        parser.error(f"--rounds {arguments.rounds}: at least one draw is needed")
    print("| grid | run, beside one of each kind | off, median | off, most | covered | +- |")
    print("|---|--:|--:|--:|--:|--:|")
    for study in arguments.grids:
        for share in SHARES:
            print(line(study, share, rounds(study, share, arguments.rounds)), flush=True)


if __name__ == "__main__":
    main()
