"""Write docs/guide.md and draw its figures: `python -m docpages.guide`.

It reads what is kept of grids/guide.sql in `docpages/kept/guide`. Each number is an answer of one
of the queries of `guide_compared`, on settings that `guide_asked` names. A comparison is judged at
looks of 3, 6 and 12 seeds by a rule that holds over all of them.
"""

from pathlib import Path
from typing import Any

import duckdb
import polars as pl

from docpages import guide_text
from docpages.guide_asked import DEFAULT, FAMILIES, FINDINGS, Family, Finding
from docpages.guide_compared import AXIS, FACTS, HALVED, MEASURES, compare
from docpages.kept import GUIDE
from docpages.markdown import DOCS, code
from docpages.markdown import table as markdown_table
from queries import answer, figure, named
from queries.figures.printing import png
from queries.numbers import decimals, signed

# One choice alone is no comparison
FEWEST_CHOICES = 2


# ---------------------------------------------------------------- the page


def page() -> str:
    """Return the guide from the kept results."""
    with GUIDE.catalog() as connection:
        return written(connection)


def written(connection: duckdb.DuckDBPyConnection) -> str:
    """Return the guide from a catalog in which some or all of it ran."""
    rows = compare(connection)
    text = guide_text.TEXT
    parts = {"facts": facts(connection), "findings": findings(rows), "halving": halving(connection)}
    for family in FAMILIES:
        parts[family.name] = family_table(rows, family)
    for name, part in parts.items():
        text = text.replace("{" + name + "}", part)
    return text


def facts(connection: duckdb.DuckDBPyConnection) -> str:
    """Return a sentence of how much ran, from `FACTS`."""
    row = connection.sql(FACTS).pl().row(0, named=True)
    return (
        f"{row['of_guide']} trials of the guide and the base they begin from, "
        f"{row['hours']:.2f} hours of one process in all, which is {row['hours'] / 2:.2f} hours "
        f"of two cores, with seeds up to {row['last_seed']}."
    )


def findings(rows: pl.DataFrame) -> str:
    """Return the table of the published findings, with what is true of each here."""
    head = ("finding", "here", "measure", "difference, with its interval", "seeds", "look")
    lines = [_finding(rows, finding) for finding in FINDINGS]
    return markdown_table(head, lines)


def _finding(rows: pl.DataFrame, finding: Finding) -> list[str]:
    """Return the cells of a finding; the difference is that of `better` over `worse`."""
    asked = rows.filter(pl.col("backbone") == finding.claim)
    claim = f"{finding.claim}, a question of ours"
    if finding.source is not None:
        claim = f"[{finding.claim}]({finding.source})"
    if finding.recalled:
        claim += " †"
    claim += f": {code(finding.better)}, {code(finding.worse)}"
    if finding.words:
        claim += f" ({', '.join(map(code, finding.words.values()))})"
    seeds = {row["choice"]: row["seeds"] for row in asked.iter_rows(named=True)}
    others = asked.filter(pl.col("verdict").is_in(["tie", "behind", "ahead"]))
    if others.is_empty():
        # Before the first look there is nothing to say
        ran = min(seeds.get(finding.better, 0), seeds.get(finding.worse, 0))
        return [
            claim,
            "not run yet" if ran == 0 else "undecided",
            finding.measure,
            "-",
            str(ran),
            "-",
        ]
    row = others.row(0, named=True)
    # `behind` is how much the best is ahead of this row
    sign = 1 if row["choice"] == finding.worse else -1
    ends = sorted((sign * row["behind_low"], sign * row["behind_high"]))
    numbers = f"{signed(sign * row['behind'])} ({signed(ends[0])} to {signed(ends[1])})"
    return [
        claim,
        verdict(finding, *ends),
        finding.measure,
        numbers,
        str(row["pairs"]),
        str(row["look"]),
    ]


def verdict(finding: Finding, low: float, high: float) -> str:
    """Return what the interval of a difference says of a finding."""
    if finding.margin is None:
        if low > 0:
            return "holds"
        return "**does not hold**" if high < 0 else "undecided"
    if -finding.margin < low and high < finding.margin:
        return f"holds, within {finding.margin}"
    if low > finding.margin or high < -finding.margin:
        return "**does not hold**"
    return "undecided"


def family_table(rows: pl.DataFrame, family: Family) -> str:
    """Return a row for each choice of a family, the best first."""
    asked = rows.filter(pl.col("backbone") == family.name)
    by_measure = {}
    for measure in MEASURES:
        for row in asked.filter(pl.col("stream") == measure).iter_rows(named=True):
            by_measure[row["choice"], measure] = row
    ranked = [row for (_, measure), row in by_measure.items() if measure == "gm"]
    ranked.sort(key=lambda row: (-row["mean"], row["choice"]))
    if len(ranked) < FEWEST_CHOICES:
        return "*Not run yet.*"
    first = AXIS.get(family.axis, family.axis)
    head = (first, "recipe", *MEASURES, "seeds", "against the best", "look")
    lines = []
    for row in ranked:
        cells = [code(row["choice"]), code(row["at_recipe"].removeprefix("guide_"))]
        cells += [_mean(by_measure[row["choice"], measure]) for measure in MEASURES]
        cells += [str(row["seeds"]), str(row["verdict"]), _look(row)]
        lines.append(cells)
    return markdown_table(head, lines)


def _mean(row: dict[str, Any]) -> str:
    """Return a mean with the half width of its t-interval, if it has one."""
    if row["mean_high"] is None:
        return decimals(row["mean"])
    return f"{decimals(row['mean'])} ± {decimals(row['mean_high'] - row['mean'])}"


def _look(row: dict[str, Any]) -> str:
    """Return at which look a choice was judged; the best is what others are judged against."""
    return "-" if row["verdict"] == "best" else str(row["look"])


def halving(connection: duckdb.DuckDBPyConnection) -> str:
    """Return what halving and the full sweep choose, from `HALVED`."""
    rows = connection.sql(HALVED).pl()
    if rows.is_empty():
        return "The full sweep has not run yet."
    head = ("method", "full sweep", "its gm", "halving", "its gm", "FLOPs of halving over full")
    lines = []
    for row in rows.iter_rows(named=True):
        full, halved = (
            row[key].removeprefix("guide_lr_") for key in ("full_recipe", "halved_recipe")
        )
        means = [decimals(row[key]) for key in ("full_value", "halved_value")]
        lines.append([code(row["method"]), full, means[0], halved, means[1], f"{row['share']:.2f}"])
    same = (rows["full_recipe"] == rows["halved_recipe"]).sum()
    return f"{markdown_table(head, lines)}\n\nThe same rate for {same} of {len(rows)} methods."


# ---------------------------------------------------------------- figures

FIGURES = {"mixtures": "mixture", "orders": "ordering", "tasks": "tasks", "schedules": "recipe"}


def draw(connection: duckdb.DuckDBPyConnection, folder: Path = DOCS / "images") -> None:
    """Write the figures: one of dots for each family in `FIGURES`, and one of all methods."""
    rows = compare(connection)
    for name, axis in FIGURES.items():
        asked = rows.filter((pl.col("backbone") == name) & (pl.col("stream") == "gm"))
        if len(asked) < FEWEST_CHOICES:
            continue
        words = pl.lit(DEFAULT["method"])
        frame = asked.sort("mean", descending=True).with_columns(method=words, backbone=pl.lit(""))
        (folder / f"guide_{axis}.png").write_bytes(png(figure("effect", frame, measure="gm")))
    learned = answer(
        connection,
        named("comparison"),
        {"stream": "guide", "budget": "guide_100", "backbone": "tiny_base"},
        where={"mixture": "replay_thirds"},
    )
    (folder / "guide_method.png").write_bytes(png(figure("comparison", learned)))


def main() -> None:
    """Write the page and its figures from the kept results."""
    with GUIDE.catalog() as connection:
        (DOCS / "guide.md").write_text(written(connection))
        draw(connection)


if __name__ == "__main__":
    main()
