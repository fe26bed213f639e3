"""Compose a grid from chosen rows: the INSERT to copy or download, and its forecast cost.

The app itself writes nothing to the catalog.
"""

import polars as pl
import streamlit as st

from queries import AXES, named
from screens import showing, words
from screens.reading import DRAWN, Snapshot, columns_of, given, largest, offered, read

TITLE = "Declare"


def page(snapshot: Snapshot) -> None:
    """Show a menu per word, the seeds and the study; then the INSERT and its forecast cost."""
    st.header("Declare a grid")
    st.caption(
        "Choose rows of each word. Every combination becomes a trial per seed; "
        "what is there already is left alone."
    )
    chosen = menus(snapshot)
    left, middle, right = st.columns(3)
    with left:
        seeds = words.number("seeds", "seeds", 3, 1, 1000)
    with middle:
        first_seed = words.number("first seed", "first_seed", 0, 0, 1_000_000)
    study = right.text_input("study", key="study", placeholder="none", bind="query-params")
    # A trial needs a name for each word, so without one there is no INSERT.
    empty = [word for word, names in chosen.items() if not names]
    if empty:
        st.info(f"Choose at least one {', '.join(empty)}.")
        return
    text = words.insert(chosen, seeds, first_seed, study)
    st.code(text, language="sql")
    st.download_button("Download SQL", text, "grid.sql", "text/plain", on_click="ignore")
    st.caption("Apply it with: python -m schema grid.sql")
    price(snapshot, chosen, seeds, first_seed)


def menus(snapshot: Snapshot) -> dict[str, list[str]]:
    """Show the menus, and return the chosen names of each word, by default the largest grid's."""
    start = largest(snapshot)
    columns = st.columns(3)
    chosen = {}
    for place, word in enumerate(AXES):
        names = offered(snapshot, word) or []
        if word == "method":
            # What somebody else's code ran is imported; declaring it is refused.
            names = [name for name in names if not words.is_imported(name)]
        first = [name for name in names if name == start.get(word)]
        with columns[place % 3]:
            chosen[word] = words.several(word, names, word, first, words.ABOUT[word])
    return chosen


def price(snapshot: Snapshot, chosen: dict[str, list[str]], seeds: int, first_seed: int) -> None:
    """Show what the grid would cost, by the cost of finished trials of the same kind."""
    # The query takes names as one text with commas between them.
    lists = {f"{word}s": ",".join(names) for word, names in chosen.items()}
    parameters = given(**lists, seeds=str(seeds), first_seed=str(first_seed))
    frame = read(snapshot, "grid_cost", parameters, rows=DRAWN)
    total = read(snapshot, "grid_total", parameters).row(0, named=True)
    # Without a finished trial of the same kind, a number would be a guess.
    hours = "unknown"
    if total["hours"] is not None:
        hours = f"{total['hours']:,.2f}"
    columns = st.columns(4)
    columns[0].metric("combinations", f"{total['combinations']:,}")
    columns[1].metric("new trials", f"{total['new']:,}")
    columns[2].metric("worker hours", hours)
    columns[3].metric("trials without a forecast", f"{total['unknown']:,}")
    rows = frame.with_columns(pl.col("new").cast(pl.Int64))
    showing.table(rows, key="grid_cost", meanings=columns_of(snapshot, "grid_cost"))
    showing.files(snapshot, "grid_cost", parameters)
    showing.sql(named("grid_cost"), parameters)
