"""The first page: which setting is best, how certain that is, and the trials behind the answer.

Menus are beside the answer, and on a narrow screen below it.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import polars as pl
import streamlit as st

from queries import figures, named
from queries.figures import Palette
from queries.sentences import missing, sentence
from screens import showing, words
from screens.reading import (
    DRAWN,
    PARTS,
    SHOWN,
    Given,
    Snapshot,
    columns_of,
    declared,
    given,
    matching,
    palette,
    parts,
    read,
)

TITLE = "Answer"
COLUMNS: tuple[str, ...] = (
    "rank",
    "method",
    "mixture",
    "recipe",
    "mean",
    "low",
    "high",
    "seeds",
    "missing",
)
COLUMNS += ("behind", "behind_low", "behind_high", "verdict", "ka_gain", "zs_loss")
# What a figure may be coloured by
COLOURINGS = ("method", *PARTS, "mixture", "recipe")
# How many rows the ranking draws
ROWS = ("20", "40", "100", "all")
READING = (
    "A row is a method with its mixture; the dot is the mean over seeds, the line its 95 % "
    "interval. Filled: the best and what cannot be told from it, paired by seed. Hollow: behind, "
    "or too few seeds to say. Dashed: the backbone before any update (untouched)."
)
PATHS = (
    "Right: kept more of what it knew (retention, a_zs). Up: learned more of what it was taught "
    "(accumulation, a_ka). A line leads from the untouched backbone through the tasks to the end; "
    "whiskers are 95 % intervals. The dashed line joins those that nobody beats in both (the "
    "Pareto front)."
)


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """The choices that a person made in the menus beside the answer."""

    measure: str
    setting: dict[str, str]
    # The words and parts of methods by which rows are filtered
    narrowed: dict[str, str | None]
    colours: Palette
    # How many rows the ranking draws
    rows: int

    @property
    def where(self) -> Given:
        """Return the chosen words that are columns of every answer about settings."""
        open_words = {name: self.narrowed[name] for name in ("mixture", "method", "recipe")}
        return given(**self.setting, **open_words)

    @property
    def chosen_methods(self) -> Given:
        """Return the chosen parts by which methods are filtered."""
        return given(**{part: self.narrowed[part] for part in PARTS})


def page(snapshot: Snapshot) -> None:
    """Show the answer and its figures, with the menus beside them."""
    main, side = showing.beside()
    with main:
        st.header("Which method is best?")
    # The answer's column comes first, as columns are stacked on a narrow screen; the menus are read
    # before it is filled.
    with side:
        chosen = menus(snapshot)
    with main:
        if chosen is None:
            st.info("The catalog has no trials yet. Declare some: python -m schema my_grid.sql")
            return
        answered(snapshot, chosen)


def menus(snapshot: Snapshot) -> Chosen | None:
    """Show the menus, and return the choices; None without trials."""
    st.caption("What is compared")
    measure = words.measure()
    st.caption(f"{measure}: {words.MEANING[measure]}.")
    setting = words.setting(snapshot)
    if setting is None:
        return None
    st.caption("Only those with")
    narrowed: dict[str, str | None] = {}
    for word in ("mixture", "method", "recipe", "study"):
        narrowed[word] = words.choose(word, declared(snapshot, word), word)
    for part in PARTS:
        narrowed[part] = words.choose(part, parts(snapshot, part), part)
    st.caption("How it is drawn")
    by = words.chosen("colour by", COLOURINGS, "colour", COLOURINGS[0])
    rows = words.chosen("rows in the ranking", ROWS, "top", ROWS[1])
    sought = st.text_input(
        "find a method in the figures",
        key="find",
        placeholder="part of a name",
        bind="query-params",
        help="Methods whose names hold this text stand out; all others are pale.",
    )
    count = len(declared(snapshot, "method"))
    if sought:
        found = len(matching(declared(snapshot, "method"), sought))
        st.caption(f"{found} of {count} methods are called so.")
    return Chosen(
        measure=measure,
        setting=setting,
        narrowed=narrowed,
        colours=palette(snapshot, by, sought or ""),
        rows=DRAWN if rows == "all" else int(rows),
    )


def answered(snapshot: Snapshot, chosen: Chosen) -> None:
    """Show the answer in words, the chosen figure, and the trials behind it."""
    # Figure, table and sentence come from one query, so they cannot disagree.
    parameters = given(measure=chosen.measure, **chosen.setting, **chosen.narrowed)
    frame = read(snapshot, "ranked", parameters, rows=DRAWN)
    if frame.is_empty():
        st.info(
            "No trial fits these words. Clear one of them, or declare such trials "
            "on the page Declare."
        )
        return
    # Rows without a result are in the table, which says what is missing, but in no figure.
    known = frame.drop_nulls("mean")
    # The best rows get colours, the same in each figure of the page.
    chosen = replace(chosen, colours=chosen.colours.before(known["method"].to_list()))
    with st.container(border=True):
        # The sentence has Markdown of its own; names of the catalog are shown as they are.
        plain = known.with_columns(in_markdown(word) for word in ("method", "mixture", "recipe"))
        setting = {word: words.literal(name) for word, name in chosen.setting.items()}
        st.markdown(f"#### {sentence(plain, chosen.measure, setting)}")
        settings = frame.filter(pl.col("method") != "untouched")
        st.caption(missing(settings))
    name = words.one_of("Figure", list(FIGURES), "figure", hide=True)
    if name != RANKING:
        FIGURES[name](snapshot, chosen)
    elif len(known):
        ranking(snapshot, frame, known, chosen, parameters)
    behind(snapshot, frame, chosen.setting)


def in_markdown(word: str) -> pl.Expr:
    """Return a column of names as Markdown that shows them as they are."""
    return pl.col(word).map_elements(words.literal, return_dtype=pl.String)


def ranking(
    snapshot: Snapshot, frame: pl.DataFrame, known: pl.DataFrame, chosen: Chosen, asked: Given
) -> None:
    """Show the ranking, both axes at once, and the table of all rows."""
    title = figures.TITLES[chosen.measure]
    chart = figures.dots(known, "mean", chosen.colours, title, chosen.rows)
    showing.figure(chart, f"Ranking by {title}.")
    st.caption(READING)
    showing.files(snapshot, "ranked", asked, chart=chart)
    trade(snapshot, chosen)
    st.subheader("All rows")
    meanings = columns_of(snapshot, "ranked")
    showing.table(frame.select(COLUMNS), key="ranked", meanings=meanings)
    showing.sql(named("ranked"), asked)


def trade(snapshot: Snapshot, chosen: Chosen) -> None:
    """Show accumulation against retention."""
    course = courses(snapshot, chosen)
    course = course.drop_nulls(["a_ka", "a_zs"])
    if course.is_empty():
        nothing()
        return
    st.subheader("Learned against kept")
    # The Pareto front is of final means, as in `comparison`; the lines show how they were reached.
    where = given(**chosen.setting)
    front = read(snapshot, "comparison", where, rows=DRAWN).filter(pl.col("best_trade"))
    published = read(snapshot, "published", where=given(backbone=chosen.setting["backbone"]))
    published = published.drop_nulls(["a_ka", "a_zs"])
    chart = figures.trade(course, front, published, chosen.colours)
    showing.drawn(snapshot, chart, "course", where=chosen.where)
    st.caption(PATHS)


def courses(snapshot: Snapshot, chosen: Chosen) -> pl.DataFrame:
    """Return each chosen setting's values after every task.

    Shows a note where there are more rows than a figure draws.
    """
    course = read(snapshot, "course", where=chosen.where, rows=DRAWN + 1)
    if len(course) > DRAWN:
        st.caption(f"Drawn of the first {DRAWN:,} rows; choose fewer methods to see them all.")
    return of_parts(snapshot, course.head(DRAWN), chosen)


def of_parts(snapshot: Snapshot, frame: pl.DataFrame, chosen: Chosen) -> pl.DataFrame:
    """Return the rows of the chosen study whose methods have the chosen parts."""
    if chosen.chosen_methods or chosen.narrowed["study"]:
        asked = given(measure="gm", **chosen.setting, **chosen.narrowed)
        rows = read(snapshot, "ranked", asked, rows=DRAWN)
        keys = [word for word in ("method", "mixture", "recipe") if word in frame.columns]
        return frame.join(rows.select(keys).unique(), on=keys, how="semi")
    return frame


def nothing() -> None:
    """Show a note that there is nothing to draw."""
    st.info("Nothing is measured for these words yet.")


def over_budget(snapshot: Snapshot, chosen: Chosen) -> None:
    """Show the measure against the cost spent."""
    unit = words.in_words("spent in", figures.SPENT, "spent")
    measure = chosen.measure
    # `course` has no differences between methods; measures of the same axis replace them.
    measure = {"d_ka": "a_ka", "d_zs": "a_zs"}.get(measure, measure)
    course = courses(snapshot, chosen).drop_nulls(measure)
    if course.is_empty():
        nothing()
        return
    chart = figures.over_budget(course, measure, unit, chosen.colours)
    showing.drawn(snapshot, chart, "course", where=chosen.where)
    st.caption(
        "A line is a setting, from the untouched backbone through its tasks; the band is its 95 % "
        "interval. Steeper is cheaper."
    )


def lost(snapshot: Snapshot, chosen: Chosen) -> None:
    """Show what was lost on each dataset."""
    setting = chosen.setting
    parameters = given(stream=setting["stream"], backbone=setting["backbone"])
    open_words = {name: chosen.narrowed[name] for name in ("mixture", "method", "recipe")}
    where = given(budget=setting["budget"], **open_words)
    frame = read(snapshot, "lost", parameters, where, rows=DRAWN + 1).drop_nulls("lost")
    if len(frame) > DRAWN:
        st.caption(f"Drawn of the first {DRAWN:,} rows; choose fewer methods to see them all.")
    frame = of_parts(snapshot, frame.head(DRAWN), chosen)
    if frame.is_empty():
        nothing()
        return
    roles = frame["role"].unique(maintain_order=True).to_list()
    role = words.one_of("datasets", roles, "role")
    st.caption(
        "adapt: what the stream teaches; retain: what should stay; probe: looked at besides."
    )
    chart = figures.forgetting(frame.filter(pl.col("role") == role), chosen.colours)
    showing.drawn(snapshot, chart, "lost", parameters, where)


def cost(snapshot: Snapshot, chosen: Chosen) -> None:
    """Show costs by phase."""
    value = words.one_of("in", ("gflops", "seconds"), "in")
    frame = of_parts(snapshot, read(snapshot, "phases", where=chosen.where, rows=DRAWN), chosen)
    if frame.is_empty():
        nothing()
        return
    showing.drawn(snapshot, figures.costs(frame, value, chosen.rows), "phases", where=chosen.where)


def published(snapshot: Snapshot, chosen: Chosen) -> None:
    """Show published numbers beside ours."""
    frame = read(snapshot, "reproduced", rows=DRAWN)
    # Some published numbers are ranks or counts, which do not lie between 0 and 1.
    both = frame.drop_nulls("ours").filter(pl.col("published").is_between(0, 1))
    if both.is_empty():
        st.info(
            f"None of the {len(frame)} published numbers has been measured here yet; "
            "the table says which there are."
        )
        showing.table(frame)
        showing.files(snapshot, "reproduced")
        showing.sql(named("reproduced"))
        return
    showing.drawn(snapshot, figures.reproduced(both), "reproduced")


def behind(snapshot: Snapshot, frame: pl.DataFrame, setting: dict[str, str]) -> None:
    """Show the trials of one row of the table."""
    rows = {}
    for row in frame.head(SHOWN).iter_rows(named=True):
        rows[f"{row['method']} · {row['mixture']} · {row['recipe']}"] = row
    name = words.choose("The trials behind", list(rows), "row", empty="a row of the table")
    if name is None:
        return
    row = rows[name]
    where = given(**setting, method=row["method"], mixture=row["mixture"], recipe=row["recipe"])
    trials = read(snapshot, "seeds", where=where)
    # All trials of a row share these words, which are shown above the table.
    shared = ("backbone", "stream", "budget", "method", "mixture", "recipe")
    showing.table(trials.drop(shared), key="behind", meanings=columns_of(snapshot, "seeds"))
    showing.files(snapshot, "seeds", where=where)
    showing.sql(named("seeds"), where=where)


RANKING = "Ranking"
FIGURES: dict[str, Callable[[Snapshot, Chosen], None]] = {
    RANKING: trade,
    "Over budget": over_budget,
    "Lost per dataset": lost,
    "Cost": cost,
    "Published": published,
}
