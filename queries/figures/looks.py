"""Give all figures the same colours, fonts and titles, and rows their names.

Colours are those of Okabe and Ito (https://jfly.uni-koeln.de/color/), which the colour-blind can
tell apart and which print well. They are given out in the order in which methods first appeared in
the catalog, so a method keeps its colour when others are added. The ninth method has the first
colour again while there are few; in a figure of more methods than colours the best have colours,
all others are grey, and a note says so.
"""

import textwrap
from collections.abc import Sequence
from typing import Any

import altair as alt
import polars as pl

OKABE_ITO = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#F0E442")
DIVERGING = ("#0072B2", "#F7F7F7", "#D55E00")
INK, SOFT, FAINT = "#222222", "#555555", "#9a9a9a"
# Characters of a line of notes in the app; a figure for print breaks them at its own width.
NOTE_WIDTH = 110
# What is compared along an axis (`effect`, `ordering`, `granularity`)
CHOICES = ("choice", "sequence", "tasks")
WORDS = ("method", "mixture", "recipe", "budget", "stream", "backbone")
PROVENANCE = {"seen": "diamond", "derived": "triangle-up", "unverified": "cross"}
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
    "legend": {"labelFontSize": 13, "titleFontSize": 13, "symbolSize": 110, "labelLimit": 300},
    "view": {"stroke": None},
    "font": "Source Sans, Arial, sans-serif",
    "background": "white",
}


def of(
    methods: Sequence[str],
    frame: pl.DataFrame,
    legend: bool = True,
    ahead: Sequence[str] = (),
) -> alt.Color:
    """Return the colours of the methods of a frame.

    Args:
        methods: all methods there are, oldest first; a method that is not among them comes last.
        frame: the rows that are drawn, with a column `method`.
        legend: whether the figure names the methods.
        ahead: the methods that have a colour where there are more of them than colours.
    """
    colours = paints(methods, frame, ahead)
    shown = None
    if legend:
        # The legend names what has a colour; a note counts the grey ones.
        names = [name for name, colour in colours.items() if colour != FAINT]
        shown = alt.Legend(title=None, orient="top", columns=6, symbolOpacity=1, values=names)
    scale = alt.Scale(domain=list(colours), range=list(colours.values()))
    return alt.Color("method:N", scale=scale, legend=shown)


def paints(
    methods: Sequence[str], frame: pl.DataFrame, ahead: Sequence[str] = ()
) -> dict[str, str]:
    """Return the colour of each method of a frame, as `of` gives them out."""
    here = frame["method"].unique(maintain_order=True).to_list()
    # A method has the colour of its place among all, whoever else is drawn.
    order = [*methods, *(name for name in here if name not in methods)]
    places = {name: place for place, name in enumerate(order)}
    known = [name for name in order if name in here]
    if len(known) <= len(OKABE_ITO) or not ahead:
        return {name: OKABE_ITO[places[name] % len(OKABE_ITO)] for name in known}
    coloured = list(dict.fromkeys(ahead))[: len(OKABE_ITO)]
    colours = dict.fromkeys([*coloured, *known], FAINT)
    return colours | dict(zip(coloured, OKABE_ITO, strict=False))


def in_front(frame: pl.DataFrame, ahead: Sequence[str]) -> pl.DataFrame:
    """Return the rows in the order in which they are drawn: those ahead last, above the others."""
    places = {name: place for place, name in enumerate(dict.fromkeys(ahead))}
    place = pl.col("method").replace_strict(places, default=len(places))
    return frame.sort(place, descending=True, maintain_order=True)


def greyed(colours: dict[str, str]) -> list[str]:
    """Return the note on methods that are grey, if any are."""
    grey = list(colours.values()).count(FAINT)
    if not grey:
        return []
    return [f"Grey: the other {grey} methods, which are further behind."]


def dressed(
    *layers: alt.Chart,
    height: int | alt.Step = 420,
    notes: Sequence[str] = (),
    **properties: Any,
) -> alt.LayerChart:
    """Return layers as one figure, with the fonts and lines of every figure.

    notes: sentences that stand above it, such as what lies beyond an axis.
    """
    if notes:
        properties["title"] = noted(notes)
    return alt.LayerChart(
        layer=list(layers), height=height, width="container", config=LOOKS, **properties
    )


def noted(notes: Sequence[str], title: str | None = None) -> alt.TitleParams:
    """Return notes as what stands above a figure, below its title where it has one."""
    lines = textwrap.wrap(" ".join(notes), NOTE_WIDTH)
    if title is None:
        return alt.TitleParams(lines, fontSize=12, fontWeight="normal", color=SOFT, anchor="start")
    return alt.TitleParams(title, subtitle=lines, anchor="start")


def on_top() -> alt.Legend:
    """Return a legend above the figure, without a title."""
    return alt.Legend(title=None, orient="top")


def named(frame: pl.DataFrame) -> pl.DataFrame:
    """Return the frame with a column `row`: what each row is called.

    That is what was chosen (where choices are compared), method and mixture, and of the other words
    those without which two rows would be called alike. A word that is left open (`*`) is no name.
    """
    words = [word for word in WORDS if word in frame.columns]
    first = [word for word in words if word in ("method", "mixture")]
    if "others" in frame.columns:
        compared = [word for word in CHOICES if word in frame.columns]
        words, first = compared + words, compared + first
    # Names are made for distinct settings, not for rows: a setting may have a row per task.
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
    """Return a word as text; NULL where it is left open."""
    text = pl.col(word).cast(pl.String)
    return pl.when(text != "*").then(text)


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
