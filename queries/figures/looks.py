"""The colours, fonts and titles of all figures, and the names of their rows.

Colours are those of Okabe and Ito (https://jfly.uni-koeln.de/color/), which colour-blind people can
distinguish and which print well; `palette` assigns them. In a figure of more methods than colours
the best have colours, all others are grey, and a note says so.
"""

import textwrap
from collections.abc import Sequence
from typing import Any

import altair as alt
import polars as pl

from queries.figures.palette import FAINT, INK, SOFT, columns_for

DIVERGING = ("#0072B2", "#F7F7F7", "#D55E00")
# Characters per line of notes in the app; a figure for print wraps them at its own width.
NOTE_WIDTH = 110
# Half the width of the longest number at an axis, in pixels
HALF_A_NUMBER = 24
# The column of the choices compared along an axis (`effect`, `ordering`, `granularity`)
CHOICES = ("choice", "sequence", "tasks")
WORDS = ("method", "mixture", "recipe", "budget", "stream", "backbone")
PROVENANCE = {
    "seen": "diamond",
    "compared": "square",
    "told": "triangle-down",
    "derived": "triangle-up",
    "unverified": "cross",
}
# Axis titles: a number without a unit is a fraction, such as an accuracy, in [0, 1].
TITLES = {
    "a_ka": "accumulation a_ka (accuracy)",
    "a_zs": "retention a_zs (accuracy)",
    "gm": "geometric mean of accumulation and retention (accuracy)",
    "zs_ratio": "share of zero-shot accuracy kept",
    "d_ka": "change of accumulation a_ka (accuracy)",
    "d_zs": "change of retention a_zs (accuracy)",
    "ka_gain": "gain in accumulation (accuracy)",
    "zs_loss": "loss of retention (accuracy)",
    "behind": "behind the best",
    "lost": "lost since the untouched backbone (accuracy)",
    "gflops": "spent outside evaluation (GFLOPs)",
    "rank": "average rank (1 is best)",
    "probability": "probability of being ahead on a dataset",
    "interquartile_mean": "interquartile mean (accuracy)",
    "share": "share of seeds and datasets at or above it",
    "level": "value (accuracy)",
}
LOOKS: dict[str, Any] = {
    "axis": {
        "labelFontSize": 13,
        "titleFontSize": 13,
        "labelLimit": 320,
        "labelColor": INK,
        "titleColor": INK,
        "titleFontWeight": "normal",
        "gridColor": "#ececec",
        "domainColor": FAINT,
        "tickColor": FAINT,
    },
    # A number this near to an end, in pixels, is written inside of it: on a narrow page a figure is
    # laid out for the ticks of a wider one, and half of its last number would be cut
    "axisXQuantitative": {"labelFlush": HALF_A_NUMBER},
    "axisXTemporal": {"labelFlush": HALF_A_NUMBER},
    "legend": {
        "labelFontSize": 13,
        "titleFontSize": 13,
        "symbolSize": 110,
        # The colour of shapes in legends, whose default is black on any page
        "symbolBaseFillColor": INK,
        "labelLimit": 300,
        "labelColor": INK,
        "titleColor": INK,
    },
    "view": {"stroke": None},
    "font": "Source Sans, Arial, sans-serif",
    "background": "white",
}


def dressed(
    *layers: alt.Chart,
    height: int | alt.Step = 420,
    notes: Sequence[str] = (),
    **properties: Any,
) -> alt.LayerChart:
    """Return layers as one figure, with the fonts and lines of every figure.

    `notes` are sentences shown above it, for example on what lies beyond an axis.
    """
    if notes:
        properties["title"] = noted(notes)
    return alt.LayerChart(
        layer=list(layers), height=height, width="container", config=LOOKS, **properties
    )


def noted(notes: Sequence[str], title: str | None = None) -> alt.TitleParams:
    """Return notes as a figure's title, or as the subtitle where it has a title."""
    lines = textwrap.wrap(" ".join(notes), NOTE_WIDTH)
    if title is None:
        return alt.TitleParams(lines, fontSize=12, fontWeight="normal", color=SOFT, anchor="start")
    return alt.TitleParams(title, subtitle=lines, anchor="start")


def untouched_rule(
    before: pl.DataFrame, x: alt.X | None = None, y: alt.Y | None = None
) -> alt.Chart:
    """Return a dashed line at the untouched backbone's value; `before` holds its row."""
    line = alt.Chart(before.with_columns(label=pl.lit("untouched backbone")))
    line = line.mark_rule(color=INK, strokeDash=[4, 3], strokeWidth=1.4, opacity=0.8)
    place = y if x is None else x
    drawn: alt.Chart = line.encode(place, tooltip="label:N")
    return drawn


def below(rows: pl.DataFrame, column: str) -> alt.Legend | None:
    """Return a legend below the figure; None where all rows have the same value."""
    names = rows[column].drop_nulls().unique().to_list()
    if len(names) < 2:
        return None
    return alt.Legend(title=None, orient="bottom", columns=columns_for(names))


def named(frame: pl.DataFrame) -> pl.DataFrame:
    """Return the frame with a column `row` that holds each row's name.

    A name consists of the choice (where choices are compared), method and mixture, and those other
    words without which two rows would have the same name. A word that is left open (`*`) is not
    part of it.
    """
    words = [word for word in WORDS if word in frame.columns]
    first = [word for word in words if word in ("method", "mixture")]
    if "others" in frame.columns:
        compared = [word for word in CHOICES if word in frame.columns]
        words, first = compared + words, compared + first
    # Names are computed for distinct settings, not for rows, as a setting may have a row per task.
    parts = [_unless_open(word) for word in first]
    short = pl.concat_str(parts, separator=" · ", ignore_nulls=True)
    names = frame.select(words).unique(maintain_order=True).with_columns(row=short)
    for word in words:
        if word in first:
            continue
        alike = pl.col("row").is_duplicated() & (pl.col(word).n_unique().over("row") > 1)
        longer = pl.concat_str("row", _unless_open(word), separator=" · ", ignore_nulls=True)
        names = names.with_columns(row=pl.when(alike).then(longer).otherwise("row"))
    return frame.join(names, on=words, how="left", nulls_equal=True, maintain_order="left")


def _unless_open(word: str) -> pl.Expr:
    """Return an expression for a word as text; NULL where it is left open, or missing."""
    text = pl.col(word).cast(pl.String)
    return pl.when(~text.is_in(["*", "-"])).then(text)


def told_apart(frame: pl.DataFrame) -> pl.DataFrame:
    """Return the frame with a column `item`, which names what is measured.

    It consists of the dataset, and of the metric and label space where the dataset has several.
    """
    item = pl.col("dataset")
    for word in ("metric", "label_space"):
        several = pl.col(word).n_unique().over("dataset") > 1
        item = pl.when(several).then(pl.concat_str(item, word, separator=" ")).otherwise(item)
    return frame.with_columns(item=item)


def in_order(frame: pl.DataFrame, column: str) -> list[str]:
    """Return the values of a column in the order in which they first appear."""
    return frame[column].unique(maintain_order=True).to_list()


def longest(frame: pl.DataFrame, column: str) -> int:
    """Return the number of characters of the longest value of a column."""
    return int(str(frame[column].str.len_chars().max() or 0))


def provenance(legend: alt.Legend) -> alt.Shape:
    """Return the encoding of published numbers' shapes, by their source."""
    scale = alt.Scale(domain=list(PROVENANCE), range=list(PROVENANCE.values()))
    return alt.Shape("provenance:N", scale=scale, legend=legend)
