"""The first page: which setting is best, in words, how sure that is, and what is behind it."""

from typing import Any

import polars as pl
import streamlit as st

from queries import figures, named
from screens import showing, words
from screens.reading import SHOWN, Snapshot, declared, given, parts, read

TITLE = "Which method is best?"
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
# So many settings that cannot be told from the best are named; of the others it says how many.
NAMED = 3


def page(snapshot: Snapshot) -> None:
    """Show filters by the words of the sentence, the answer, and everything behind it."""
    st.header(TITLE)
    measure = words.measure()
    setting = words.setting(snapshot)
    if setting is None:
        st.info("The catalog has no trials yet. Declare some: python -m schema my_grid.sql")
        return
    # One question answers all of it, so figure, table and sentence cannot disagree.
    parameters = given(measure=measure, **setting, **narrowed(snapshot))
    frame = read(snapshot, "ranked", parameters)
    if frame.is_empty():
        st.info(
            "No trial fits these words. Clear one of them, or declare such trials "
            "on the page Declare."
        )
        return
    # Rows without a result are in the table, where they say what is missing, and in no figure.
    known = frame.drop_nulls("mean")
    with st.container(border=True):
        st.markdown(f"#### {sentence(known, measure, setting)}")
        settings = frame.filter(pl.col("method") != "untouched")
        st.caption(f"{measure}: {words.MEANING[measure]}. {missing(settings)}")
    chart = None
    if len(known):
        title = figures.TITLES[measure]
        chart = figures.dots(known, "mean", declared(snapshot, "method"), title)
        st.altair_chart(chart, width="stretch", theme=None)
        st.caption(
            "Means over seeds, 95 % intervals. Filled: the best and what cannot be told from it, "
            "paired by seed; hollow: behind."
        )
    showing.table(frame.select(COLUMNS), key="ranked")
    showing.files(snapshot, "ranked", parameters, chart=chart)
    showing.sql(named("ranked"), parameters)
    behind(snapshot, frame, setting)


def narrowed(snapshot: Snapshot) -> dict[str, str | None]:
    """Return the words that may stay open: mixture, method and its parts, recipe, study."""
    offers = {word: declared(snapshot, word) for word in ("mixture", "method", "recipe", "study")}
    for part in ("tuning", "objective", "merging"):
        offers[part] = parts(snapshot, part)
    chosen = {}
    for column, (word, names) in zip(st.columns(len(offers)), offers.items(), strict=True):
        with column:
            chosen[word] = words.choose(word, names, word)
    return chosen


def sentence(known: pl.DataFrame, measure: str, setting: dict[str, str]) -> str:
    """Return the answer and its confidence.

    known: rows of `ranked` with a mean, the best first.
    """
    where = f"When {setting['backbone']} learns {setting['stream']} within {setting['budget']}"
    ended = known.filter(pl.col("verdict") != "untouched")
    if ended.is_empty():
        return f"{where}: no trial has reached the end of its stream yet."
    best, *others = ended.iter_rows(named=True)
    value = f"**{best['mean']:.3f}**{sure(best)}"
    claim = f"{where}, **{called(best)}** {words.MEASURES[measure]}: {value}."
    for row in known.filter(pl.col("verdict") == "untouched").iter_rows(named=True):
        claim += f" The untouched backbone has {row['mean']:.3f}."
    # Who keeps the most may have learned nothing, so the price of keeping is said, too
    if measure in ("zs_ratio", "a_zs", "d_zs") and best["ka_gain"] is not None:
        claim += f" In knowledge accumulation it gained {best['ka_gain']:.3f}."
    if not others:
        return f"{claim} There is nothing to compare it with."
    ties = [called(row) for row in others if row["verdict"] in ("tie", "ahead")]
    if ties:
        claim += f" It cannot be told from {listed(ties)}."
    elif others[0]["verdict"] == "behind":
        second = others[0]
        interval = f"{second['behind_low']:.3f} to {second['behind_high']:.3f}"
        claim += f" {called(second)} follows, {second['behind']:.3f} behind ({interval})."
    unsure = sum(row["verdict"] == "too few seeds" for row in others)
    if unsure:
        have = "have" if unsure > 1 else "has"
        claim += f" {unsure} other{'s' * (unsure > 1)} {have} too few common seeds to say."
    return claim


def listed(names: list[str]) -> str:
    """Return the first names, and how many there are besides."""
    text = ", ".join(names[:NAMED])
    if len(names) > NAMED:
        text += f" and {len(names) - NAMED} more"
    return text


def called(row: dict[str, Any]) -> str:
    """Return what a row is called: method and mixture."""
    return f"{row['method']} with {row['mixture']}"


def sure(row: dict[str, Any]) -> str:
    """Return the interval of a row, or why there is none."""
    if row["low"] is not None:
        light = ", so hold it lightly" if row["seeds"] < 3 else ""
        interval = f"{row['low']:.3f} to {row['high']:.3f}"
        return f" (95 % interval {interval}, {row['seeds']} seeds{light})"
    if row["seeds"] == 1:
        return " (one seed, so no interval: hold it lightly)"
    return ""


def missing(frame: pl.DataFrame) -> str:
    """Return how many rows are incomplete, in words."""
    holes = frame.filter(pl.col("missing") > 0)
    if holes.is_empty():
        return "No seed is missing."
    return f"{len(holes)} of {len(frame)} rows wait for seeds."


def behind(snapshot: Snapshot, frame: pl.DataFrame, setting: dict[str, str]) -> None:
    """Show the trials of one row of the table."""
    rows = {}
    for row in frame.head(SHOWN).iter_rows(named=True):
        rows[f"{row['method']} · {row['mixture']} · {row['recipe']}"] = row
    chosen = words.choose("The trials behind", list(rows), "row", empty="a row of the table")
    if chosen is None:
        return
    row = rows[chosen]
    where = given(**setting, method=row["method"], mixture=row["mixture"], recipe=row["recipe"])
    trials = read(snapshot, "seeds", where=where)
    # All trials of a row share these words, which stand above the table.
    shared = ("backbone", "stream", "budget", "method", "mixture", "recipe")
    showing.table(trials.drop(shared), key="behind")
    showing.files(snapshot, "seeds", where=where)
    showing.sql(named("seeds"), where=where)
