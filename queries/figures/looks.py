"""Give all figures the same colours, fonts and titles, and rows their names.

Colours are those of Okabe and Ito (https://jfly.uni-koeln.de/color/), which the colour-blind can
tell apart and which print well. They are given out in the order in which methods first appeared in
the catalog, so a method keeps its colour when others are added. The ninth method has the first
colour again; there, points differ by mixture in shape.
"""

from collections.abc import Sequence
from typing import Any

import altair as alt
import polars as pl

OKABE_ITO = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#F0E442")
DIVERGING = ("#0072B2", "#F7F7F7", "#D55E00")
INK, FAINT = "#222222", "#9a9a9a"
WORDS = ("method", "mixture", "recipe", "budget", "stream", "backbone")
PROVENANCE = {"seen": "diamond", "derived": "triangle-up", "unverified": "cross"}
TITLES = {
    "a_ka": "accumulation a_ka",
    "a_zs": "retention a_zs",
    "gm": "geometric mean of both",
    "zs_ratio": "share of zero-shot accuracy kept",
    "d_ka": "change of a_ka",
    "d_zs": "change of a_zs",
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
    "legend": {"labelFontSize": 13, "titleFontSize": 13, "symbolSize": 110, "labelLimit": 300},
    "view": {"stroke": None},
    "font": "Source Sans, Arial, sans-serif",
    "background": "white",
}


def of(methods: Sequence[str], frame: pl.DataFrame, legend: bool = True) -> alt.Color:
    """Return the colours of the methods of a frame; `methods` are all there are, oldest first."""
    here = set(frame["method"])
    colours = {}
    for place, name in enumerate(methods):
        if name in here:
            colours[name] = OKABE_ITO[place % len(OKABE_ITO)]
    shown = None
    if legend:
        shown = alt.Legend(title=None, orient="top", columns=6, symbolOpacity=1)
    scale = alt.Scale(domain=list(colours), range=list(colours.values()))
    return alt.Color("method:N", scale=scale, legend=shown)


def dressed(*layers: alt.Chart, height: int | alt.Step = 420, **properties: Any) -> alt.LayerChart:
    """Return layers as one figure, with the fonts and lines of every figure."""
    return alt.LayerChart(
        layer=list(layers), height=height, width="container", config=LOOKS, **properties
    )


def on_top() -> alt.Legend:
    """Return a legend above the figure, without a title."""
    return alt.Legend(title=None, orient="top")


def named(frame: pl.DataFrame) -> pl.DataFrame:
    """Return the frame with a column `row`: what each row is called.

    That is method and mixture, and of the other words those without which two rows would be called
    alike.
    """
    words = [word for word in WORDS if word in frame.columns]
    # Names are made for distinct settings, not for rows: a setting may have a row per task.
    short = pl.concat_str("method", "mixture", separator=" · ")
    names = frame.select(words).unique().with_columns(row=short)
    for word in words[2:]:
        alike = pl.col("row").is_duplicated() & (pl.col(word).n_unique().over("row") > 1)
        longer = pl.concat_str("row", word, separator=" · ")
        names = names.with_columns(row=pl.when(alike).then(longer).otherwise("row"))
    return frame.join(names, on=words, how="left", nulls_equal=True, maintain_order="left")


def told_apart(frame: pl.DataFrame) -> pl.DataFrame:
    """Return the frame with a column `item`: what is measured.

    That is the dataset, and of metric and label space those of which the dataset has several.
    """
    item = pl.col("dataset")
    for word in ("metric", "label_space"):
        several = pl.col(word).n_unique().over("dataset") > 1
        item = pl.when(several).then(pl.concat_str(item, word, separator=" ")).otherwise(item)
    return frame.with_columns(item=item)


def in_order(frame: pl.DataFrame, column: str) -> list[str]:
    """Return the values of a column in the order in which they first appear."""
    return frame[column].unique(maintain_order=True).to_list()


def provenance(legend: alt.Legend) -> alt.Shape:
    """Return the shapes of published numbers, by how they are known."""
    scale = alt.Scale(domain=list(PROVENANCE), range=list(PROVENANCE.values()))
    return alt.Shape("provenance:N", scale=scale, legend=legend)
