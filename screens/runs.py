"""A table of all trials to search, filter, sort and select, with people's tags and remarks.

A row links to its trial's page. Selected trials can be compared, and the page shows the SQL that
tags, remarks, withdraws or retries them.
"""

import urllib.parse
from collections.abc import Sequence

import polars as pl
import streamlit as st

from queries import named
from queries.figures import STATES
from screens import showing, words
from screens.reading import Search, Snapshot, columns_of, declared, given, search, tags

TITLE = "Runs"
PAGE = 100
ORDERS = (
    "trial",
    "gm",
    "a_ka",
    "a_zs",
    "zs_ratio",
    "d_ka",
    "d_zs",
    "spent_gflops",
    "spent_s",
    "state",
    "method",
    "mixture",
    "study",
    "seed",
)
WAYS = ("rising", "falling")
# Columns in order: those that identify trials and their results, then everything else
COLUMNS: tuple[str, ...] = ("trial", "state", "method", "mixture", "seed", "gm", "a_ka", "a_zs")
COLUMNS += ("tags", "remarks", "study", "recipe", "budget", "stream", "backbone", "zs_ratio")
COLUMNS += ("d_ka", "d_zs", "spent_gflops", "spent_s", "reason")
FILTERS = ("study", "backbone", "stream", "budget", "method", "mixture", "recipe")


def page(snapshot: Snapshot) -> None:
    """Show the search, the table, and the actions on the selected rows."""
    main, side = showing.beside()
    with main:
        st.header("Runs: every trial")
    with side:
        sought = menus(snapshot)
    with main:
        found, total = search(snapshot, sought)
        if not total and not sought.text and not sought.where and sought.tag is None:
            st.info("The catalog has no trials yet. Declare some: python -m schema my_grid.sql")
            return
        numbers = table(snapshot, found, total, sought)
        if found.is_empty():
            return
        act(numbers)
        showing.sql(named("labelled"), where=sought.where)


def menus(snapshot: Snapshot) -> Search:
    """Show the search menus, and return the search."""
    text = st.text_input(
        "search",
        key="search",
        placeholder="words, numbers, remarks",
        bind="query-params",
        help="Every word must be in some column: a name, a state, a tag, a remark, a reason.",
    )
    state = words.choose("state", list(STATES), "state")
    where = {"state": state}
    for word in FILTERS:
        where[word] = words.choose(word, declared(snapshot, word), word)
    tag = words.choose("tag", tags(snapshot), "tag")
    order = words.chosen("sorted by", ORDERS, "sort", ORDERS[0])
    way = words.chosen("which is", WAYS, "way", WAYS[1])
    number = words.number("page", "page", 1, 1, 1_000_000)
    return Search(
        text=text or "",
        where=given(**where),
        tag=tag,
        order=order,
        descending=way == WAYS[1],
        rows=PAGE,
        offset=PAGE * (number - 1),
    )


def table(snapshot: Snapshot, found: pl.DataFrame, total: int, sought: Search) -> list[int]:
    """Show one page of trials, and return the numbers of the selected ones."""
    if found.is_empty():
        text = f"No trial fits: {total} do, on {-(-total // PAGE)} pages."
        st.info(text if total else "No trial fits. Clear the search, or one of the words.")
        return []
    first = sought.offset + 1
    st.caption(
        f"{total:,} trials fit; these are {first:,} to {first + len(found) - 1:,}. Select rows at "
        "their left to compare, tag or retry them; a number opens its trial."
    )
    shown = showing.table(
        found,
        key="runs",
        column_order=COLUMNS,
        meanings=columns_of(snapshot, "labelled"),
        on_select="rerun",
        selection_mode="multi-row",
        height=520,
    )
    showing.files(snapshot, "labelled", where=sought.where)
    if sought.text or sought.tag:
        st.caption("The files hold all trials of the words chosen, whatever is searched or tagged.")
    numbers = found["trial"].to_list()
    return [numbers[place] for place in shown.selection.rows]


def act(numbers: Sequence[int]) -> None:
    """Show the actions on trials: a link that compares them, and SQL to copy."""
    if not numbers:
        st.caption("Nothing is selected.")
        return
    listed = ", ".join(map(str, numbers))
    st.subheader(f"{len(numbers)} selected: {listed}")
    address = urllib.parse.urlencode({"what": "trials", "trials": ",".join(map(str, numbers))})
    st.markdown(f"[Compare them](/compare?{address})")
    left, right = st.columns(2)
    tag = left.text_input("tag", key="new_tag", placeholder="a word")
    text = right.text_input("remark", key="new_remark", placeholder="a sentence")
    st.caption("Apply with python -m schema - (this app writes nothing)")
    st.code(statements(numbers, tag or "", text or ""), language="sql")


def statements(numbers: Sequence[int], tag: str, remark: str) -> str:
    """Return the SQL that tags or remarks trials; with neither, the requests for them."""
    listed = ", ".join(map(str, numbers))
    lines = []
    if tag:
        word = words.quoted(tag.strip())
        lines.append(
            f"INSERT INTO tag (trial, tag) SELECT unnest([{listed}]), {word} "
            "ON CONFLICT DO NOTHING;"
        )
        off = f"DELETE FROM tag WHERE trial IN ({listed}) AND tag = {word};"
        lines.append(f"-- to take it off: {off}")
    if remark:
        text = words.quoted(remark.strip())
        lines.append(f"INSERT INTO remark (trial, remark) SELECT unnest([{listed}]), {text};")
    if not lines:
        for wish in ("retry", "withdraw"):
            lines.append(f"INSERT INTO request (trial, wish) SELECT unnest([{listed}]), '{wish}';")
        lines.insert(1, "-- or")
    return "\n".join(lines)
