"""The first page: which sentence is best, in words, with how sure that is, and everything behind it one click away."""

from typing import Any

import polars as pl
import streamlit as st

from queries import named
from screens import charts, showing, words
from screens.reading import SHOWN, Snapshot, declared, given, parts, read

TITLE = "Which method is best?"
COLUMNS = (
    "rank",
    "method",
    "mixture",
    "recipe",
    "mean",
    "low",
    "high",
    "seeds",
    "missing",
    "behind",
    "behind_low",
    "behind_high",
    "verdict",
    "ka_gain",
    "zs_loss",
)


def page(snapshot: Snapshot) -> None:
    """Filters as the words of the sentence, the answer in one sentence, figure, table, files, SQL and trials."""
    st.header(TITLE)
    measure = words.measure()
    setting = words.setting(snapshot)
    if setting is None:
        st.info("The catalog has no trials yet. Declare some: python -m schema my_grid.sql")
        return
    asked = given(measure=measure, **setting, **narrowed(snapshot))
    frame = read(snapshot, "ranked", asked)
    if frame.is_empty():
        st.info(
            "No trial fits these words. Clear one of them, or declare such trials on the page Declare."
        )
        return
    known = frame.drop_nulls("mean")
    with st.container(border=True):
        st.markdown(f"#### {sentence(known, measure, setting)}")
        st.caption(
            f"{measure}: {words.MEANING[measure]}. {missing(frame.filter(pl.col('method') != 'untouched'))}"
        )
    chart = (
        charts.dots(known, "mean", declared(snapshot, "method"), charts.TITLES[measure])
        if len(known)
        else None
    )
    if chart is not None:
        st.altair_chart(chart, width="stretch", theme=None)
        st.caption(
            "Means over seeds, 95 % intervals. Filled: the best and what cannot be told from it, paired by seed; hollow: behind."
        )
    showing.table(frame.select(COLUMNS), key="ranked")
    showing.files(snapshot, "ranked", asked, chart=chart)
    showing.sql(named("ranked"), asked)
    behind(snapshot, frame, setting)


def narrowed(snapshot: Snapshot) -> dict[str, str | None]:
    """The words that may stay open: mixture, method and its parts, recipe, study."""
    offers = {word: declared(snapshot, word) for word in ("mixture", "method", "recipe", "study")}
    offers |= {part: parts(snapshot, part) for part in ("tuning", "objective", "merging")}
    columns = st.columns(len(offers))
    chosen = {}
    for column, (word, names) in zip(columns, offers.items(), strict=True):
        with column:
            chosen[word] = words.choose(word, names, word)
    return chosen


def sentence(known: pl.DataFrame, measure: str, setting: dict[str, str]) -> str:
    """The answer and its confidence; `known`: rows of `ranked` with a mean, the best first."""
    where = f"When {setting['backbone']} learns {setting['stream']} within {setting['budget']}"
    ended = known.filter(pl.col("verdict") != "untouched")
    if ended.is_empty():
        return f"{where}: no trial has reached the end of its stream yet."
    best, *others = ended.iter_rows(named=True)
    claim = f"{where}, **{called(best)}** {words.MEASURES[measure]}: **{best['mean']:.3f}**{sure(best)}."
    for row in known.filter(pl.col("verdict") == "untouched").iter_rows(named=True):
        claim += f" The untouched backbone has {row['mean']:.3f}."
    if measure in ("zs_ratio", "a_zs", "d_zs") and best["ka_gain"] is not None:
        claim += f" In knowledge accumulation it gained {best['ka_gain']:.3f}."
    ties = [row for row in others if row["verdict"] in ("tie", "ahead")]
    open_ = [row for row in others if row["verdict"] == "too few seeds"]
    if not others:
        return f"{claim} There is nothing to compare it with."
    if ties:
        listed = ", ".join(called(row) for row in ties[:3]) + (
            f" and {len(ties) - 3} more" if len(ties) > 3 else ""
        )
        claim += f" It cannot be told from {listed}."
    elif others[0]["verdict"] == "behind":
        low, high = others[0]["behind_low"], others[0]["behind_high"]
        claim += f" {called(others[0])} follows, {others[0]['behind']:.3f} behind ({low:.3f} to {high:.3f})."
    if open_:
        claim += f" {len(open_)} other{'s have' if len(open_) > 1 else ' has'} too few common seeds to say."
    return claim


def called(row: dict[str, Any]) -> str:
    """Method and mixture."""
    return f"{row['method']} with {row['mixture']}"


def sure(row: dict[str, Any]) -> str:
    """The interval, or why there is none."""
    if row["low"] is None:
        return " (one seed, so no interval: hold it lightly)" if row["seeds"] == 1 else ""
    light = ", so hold it lightly" if row["seeds"] < 3 else ""
    return f" (95 % interval {row['low']:.3f} to {row['high']:.3f}, {row['seeds']} seeds{light})"


def missing(frame: pl.DataFrame) -> str:
    """How many cells are incomplete."""
    holes = frame.filter(pl.col("missing") > 0)
    return (
        f"{len(holes)} of {len(frame)} rows wait for seeds."
        if len(holes)
        else "No seed is missing."
    )


def behind(snapshot: Snapshot, frame: pl.DataFrame, setting: dict[str, str]) -> None:
    """The trials of one row of the table."""
    rows = {
        f"{r['method']} · {r['mixture']} · {r['recipe']}": r
        for r in frame.head(SHOWN).iter_rows(named=True)
    }
    chosen = words.choose("The trials behind", list(rows), "row", empty="a row of the table")
    if chosen is None:
        return
    row = rows[chosen]
    where = given(**setting, method=row["method"], mixture=row["mixture"], recipe=row["recipe"])
    trials = read(snapshot, "seeds", where=where)
    showing.table(
        trials.drop("backbone", "stream", "budget", "method", "mixture", "recipe"), key="behind"
    )
    showing.files(snapshot, "seeds", where=where)
    showing.sql(named("seeds"), where=where)
