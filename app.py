"""The app: a page per question, from the published copy of the catalog (`streamlit run app.py`).

It never opens the live catalog and writes nothing: every number comes from a view or macro of
queries/, whose SQL stands on the page. The address holds what was chosen, so it can be sent to a
colleague; a new snapshot is picked up within seconds.
"""

from collections.abc import Callable
from functools import partial

import duckdb
import streamlit as st

from queries import AskError, SnapshotError, questions
from schema.site import Site
from screens import (
    answer,
    compare,
    console,
    declare,
    forgotten,
    operations,
    question,
    runs,
    showing,
    trial,
)
from screens import questions as questions_page
from screens.reading import Snapshot, age, newest, read
from screens.words import literal

REFRESH_S = 5.0
# Pixels of the menu
SIDEBAR = 210
# Streamlit's captions, and its white on the main colour of a dark page, have too little contrast.
# The browser chooses by the theme of the page, so that a change of it changes them at once. What is
# chosen from lists wraps where Streamlit would scroll it out of sight.
STYLE = """<style>
[data-testid=stApp] {
  --soft: light-dark(#575d66, #b4bac4); --on-primary: light-dark(#ffffff, #0e1117);
  --chosen: light-dark(#0b5e7d, #7cc7e3);
}
[data-testid=stMainBlockContainer] { padding-top: 3rem; }
[data-testid=stCaptionContainer] { color: var(--soft); opacity: 1; }
[data-testid=stCaptionContainer] * { color: var(--soft) !important; opacity: 1; }
[data-testid=stMultiSelect] span[title], button[kind=primary] p { color: var(--on-primary); }
[data-testid=stButtonGroup] :is([aria-checked=true], [data-selected]) p { color: var(--chosen); }
[data-testid=stButtonGroup] [role=radiogroup] { flex-wrap: wrap; mask-image: none; }
:has(> [data-testid=stMultiSelectTagsContainer]), [data-testid=stMultiSelectTagsContainer] {
  flex-wrap: wrap; mask-image: none; height: auto; max-height: none; overflow: visible;
  min-width: 0;
}
:has(> [data-testid=stMultiSelectTagsContainer]) { flex-wrap: nowrap; }
@media (max-width: 1000px) {
  .st-key-beside > * > [data-testid=stHorizontalBlock] { flex-wrap: wrap; }
  .st-key-beside > * > [data-testid=stHorizontalBlock] > [data-testid=stColumn] {
    min-width: 100%;
  }
}
@media (max-width: 767px) { [data-testid=stMainBlockContainer] { padding-top: 4.25rem; } }
@media (max-width: 640px) { [data-testid=stMain] h4 { font-size: 1.15rem; } }
</style>"""
# The address of a page, and its module.
OURS = {
    "": answer,
    "compare": compare,
    "runs": runs,
    "operations": operations,
    "declare": declare,
    "ask": questions_page,
    "console": console,
}
# Pages that other pages lead to, which are in no menu
HIDDEN = {"trial": trial, "forgotten": forgotten}
FIRST_STEPS = "python -m schema\npython -m schema my_grid.sql\npython -m runner.sync --watch"


def main() -> None:
    """Choose the page by its address and run it."""
    st.set_page_config(
        page_title="Weir", page_icon="🌊", layout="wide", initial_sidebar_state=SIDEBAR
    )
    st.html(STYLE)
    snapshot = newest()
    pages = [page(each.page, path, each.TITLE, snapshot) for path, each in OURS.items()]
    for path, each in HIDDEN.items():
        pages.append(page(each.page, path, each.TITLE, snapshot, hidden=True))
    # Each question has its address, and is found on the page of all of them.
    for one in questions():
        title = question.title(one)
        pages.append(page(question.page, one.name, title, snapshot, one.name, hidden=True))
    chosen = st.navigation(pages)
    with st.sidebar:
        watch(snapshot, showing.is_dark())
    chosen.run()


def page(
    show: Callable[..., None],
    path: str,
    title: str,
    snapshot: Snapshot | None,
    *words: str,
    hidden: bool = False,
) -> st.Page:
    """Return a page under its address; one that is hidden stands in no menu."""
    return st.Page(
        partial(guarded, show, snapshot, *words),
        title=title,
        url_path=path,
        default=not path,
        visibility="hidden" if hidden else "visible",
    )


@st.fragment(run_every=REFRESH_S)
def watch(seen: Snapshot | None, was_dark: bool) -> None:
    """Show the age of the snapshot; a newer one runs the page again.

    So does another theme, as figures are drawn in its colours. What was chosen stays, and so does
    the place to which the page was scrolled.
    """
    if newest() != seen or showing.is_dark() != was_dark:
        st.rerun()
    text = "nothing published yet"
    if seen is not None:
        text = f"{Site.load().current.resolve().stem}, published {age(seen)}"
    st.caption(text)


def guarded(show: Callable[..., None], snapshot: Snapshot | None, *words: str) -> None:
    """Show the page, or in words why there is none.

    What sync could not reach stands above every page.
    """
    # A new lab has no snapshot until its first pass.
    if snapshot is None:
        nothing_published()
        return
    try:
        for subject, message in read(snapshot, "health").select("subject", "message").rows():
            st.warning(literal(f"{subject}: {message}"), icon="⚠️")
        show(snapshot, *words)
    except SnapshotError as error:
        st.warning(str(error), icon="🕰️")
    except (AskError, duckdb.Error) as error:
        st.error(f"This question could not be answered. DuckDB or the question says:\n\n{error}")


def nothing_published() -> None:
    """Show what to do before the first snapshot."""
    st.header("Nothing published yet")
    st.write("This app reads a published copy of the catalog, and there is none at")
    st.code(str(Site.load().current), language=None)
    st.write("Make a catalog with its vocabulary, then declare trials and run them:")
    st.code(FIRST_STEPS, language="shell")


if __name__ == "__main__":
    main()
