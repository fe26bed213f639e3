"""Widgets for the words of a sentence, whose values are kept in the page's address.

A link must show the same page later, so all choices of a page are in its address, its defaults too.
A value in the address that is not in the catalog is reported, and not silently replaced.
"""

import re
from collections.abc import Mapping, Sequence

import streamlit as st

from queries.sentences import MEANING, MEASURES
from schema.checks.rows import ELSEWHERE
from schema.words import nearest
from screens.reading import Snapshot, declared, largest

__all__ = ["MEANING", "MEASURES", "begin", "check", "choose", "chosen", "in_words", "insert"]
__all__ += ["literal", "measure", "number", "one_of", "quoted", "setting", "several"]
# Characters that Markdown, or Streamlit's additions to it, would take for marks
MARKS = re.compile(r"[\\`*~$\[\]]|:(?=\w+[\[:])|(?<![^\W_])_|_(?![^\W_])")
# The help text beside each menu.
ABOUT = {
    "backbone": "The CLIP that a trial begins with.",
    "stream": "What is learned, in which order: tasks, one after another, and what is measured.",
    "budget": "The most that a trial may spend over the whole stream.",
    "mixture": "Of what a batch is drawn: pairs of the task, replayed ones, pretraining ones.",
    "method": "How a task changes the weights: tuning, objective and merging together.",
    "recipe": "How a task is optimised: optimizer, learning rate, batch, schedule.",
    "study": "The question for which somebody inserted a trial.",
    "tuning": "Which parameters move.",
    "objective": "What the loss asks for.",
    "merging": "How weights of several moments are combined into one.",
    "tag": "A word that somebody has put on a trial or on its study.",
}
# The most digits of a number in an address
DIGITS = 18
# The most names that a message lists
LISTED = 12


def literal(text: object) -> str:
    """Return a text of the catalog or the address as Markdown that shows it as it is."""
    return MARKS.sub(r"\\\g<0>", str(text))


def begin(key: str, first: object, options: Sequence[object] = ()) -> None:
    """Put a widget's first value into the address, unless one is there already.

    Streamlit leaves a default out of the address, so widgets have none, and the first value is put
    there as if somebody had chosen it. A page that is opened from the menu starts with an empty
    address, and keeps earlier choices. Of a wrong value Streamlit would clear the address, so it is
    remembered for the warning, and the page runs again with the first value.
    """
    there = key in st.query_params
    if there and (not options or key in st.session_state or st.query_params[key] in options):
        return
    kept = st.session_state.get(key)
    start = first
    if kept is not None and (not options or kept in options):
        start = kept
    if there:
        st.session_state[_wrong(key)] = (st.query_params[key], str(start))
    st.query_params[key] = str(start)
    st.session_state[key] = start
    if there:
        st.rerun()


def _wrong(key: str) -> str:
    """Return where a wrong value of the address is remembered, with what is shown instead."""
    return f"{key} was asked for"


def choose(
    label: str,
    options: Sequence[str],
    key: str,
    first: str | None = None,
    empty: str = "any",
) -> str | None:
    """Return the chosen option, or None where the choice may be left empty."""
    if first is not None:
        return chosen(label, options, key, first)
    check(key, options, empty)
    return st.selectbox(
        label,
        options,
        index=None,
        key=key,
        placeholder=empty,
        bind="query-params",
        help=ABOUT.get(key),
    )


def chosen(label: str, options: Sequence[str], key: str, first: str, quiet: bool = False) -> str:
    """Return the chosen option, which is in the address even if it is the first.

    With `quiet` the caller reports a wrong value in the address.
    """
    if not quiet:
        check(key, options, first)
    begin(key, first, options)
    value = st.selectbox(
        label,
        options,
        index=None,
        key=key,
        bind="query-params",
        help=ABOUT.get(key),
    )
    return value or first


def one_of(label: str, options: Sequence[str], key: str, hide: bool = False) -> str:
    """Return the chosen one of a few options shown side by side; the first where none is chosen."""
    first = options[0]
    check(key, options, first)
    begin(key, first, options)
    value = st.segmented_control(
        label,
        options,
        key=key,
        bind="query-params",
        label_visibility="collapsed" if hide else "visible",
    )
    return value or first


def several(
    label: str, options: Sequence[str], key: str, first: Sequence[str] = (), about: str = ""
) -> list[str]:
    """Return the chosen options; they are in the address, in the order of choosing."""
    known = st.query_params.get_all(key)
    for value in known:
        _warn(key, value, options, "the others")
    if not known and key not in st.session_state and first:
        st.query_params[key] = list(first)
        st.session_state[key] = list(first)
    elif known and key not in st.session_state:
        st.session_state[key] = [value for value in known if value in options]
    return st.multiselect(label, options, key=key, bind="query-params", help=about or None)


def number(label: str, key: str, first: int, least: int, most: int) -> int:
    """Return the chosen whole number between two bounds, which is in the address."""
    text = st.query_params.get(key)
    # Python refuses to read a number of thousands of digits.
    is_number = text is not None and text.isdecimal() and len(text) <= DIGITS
    if text is not None and not (is_number and least <= int(text) <= most):
        st.warning(
            f"The address asks for {key} {literal(repr(text))}. Allowed: a whole number from "
            f"{least} to {most:,}. Shown instead: {first}.",
            icon="🔎",
        )
        st.session_state[f"{key} was wrong"] = True
    if f"{key} was wrong" in st.session_state:
        # A bound box would go on from the address, of which Streamlit makes a number where it can:
        # 1000 of `1e3`, infinity of too many digits. This one writes the address itself.
        own = st.number_input(label, least, most, value=first, key=f"{key} anew")
        st.query_params[key] = str(int(own))
        return int(own)
    if key not in st.query_params:
        kept = st.session_state.get(key) or first
        st.query_params[key] = str(kept)
        st.session_state[key] = kept
    value = st.number_input(label, least, most, value=None, key=key, bind="query-params")
    return first if value is None else int(value)


def check(key: str, options: Sequence[str], instead: str) -> None:
    """Show a warning if the address names something unknown; `instead` is shown in its place."""
    value = st.query_params.get(key)
    wrong, shown = st.session_state.get(_wrong(key), (None, None))
    if wrong is not None and st.session_state.get(key, shown) == shown:
        value, instead = wrong, shown
    else:
        # Something else has been chosen since.
        st.session_state.pop(_wrong(key), None)
    _warn(key, value, options, instead)


def _warn(key: str, value: str | None, options: Sequence[str], instead: str) -> None:
    if not value or value in options:
        return
    allowed = literal(", ".join(options[:LISTED])) or "none yet"
    if len(options) > LISTED:
        allowed += f" and {len(options) - LISTED} more"
    st.warning(
        f"The address asks for {key} {literal(repr(value))}, which this snapshot does not have. "
        f"Shown instead: {literal(instead)}. Allowed: {allowed}."
        f"{literal(nearest(value, list(options)))}",
        icon="🔎",
    )


def setting(snapshot: Snapshot) -> dict[str, str] | None:
    """Return the chosen backbone, stream and budget, within which methods are compared.

    Those of the most trials are the default. Any combination can be chosen; one without trials is
    reported as such. Returns None without trials.
    """
    start = largest(snapshot)
    if not start:
        return None
    labels = {"backbone": "When … (backbone)", "stream": "learns … (stream)"}
    labels["budget"] = "within … (budget)"
    values: dict[str, str] = {}
    for word, label in labels.items():
        values[word] = chosen(label, declared(snapshot, word), word, start[word])
    return values


def measure() -> str:
    """Return the measure that methods are ranked by, chosen in words."""
    return in_words("Which method … (measure)", MEASURES, "measure")


def in_words(label: str, names: Mapping[str, str], key: str) -> str:
    """Return the chosen one of the names; menu and address have the words that `names` maps it to.

    An address with the name itself, as somebody would type it, is understood too.
    """
    options = {words: name for name, words in names.items()}
    there = st.query_params.get(key)
    if there is not None and there in names and key not in st.session_state:
        st.query_params[key] = st.session_state[key] = names[there]
    return options[chosen(label, list(options), key, next(iter(options)))]


def is_imported(method: str) -> bool:
    """Return whether a method is of trials that were run elsewhere, as `finetune@fomo` is."""
    return ELSEWHERE in method


def quoted(value: object) -> str:
    """Return a value as a SQL literal."""
    if isinstance(value, (int, float)):
        return str(value)
    text = str(value).replace("'", "''")
    return f"'{text}'"


def insert(
    words: Mapping[str, Sequence[str]], seeds: int, first_seed: int = 0, study: str = ""
) -> str:
    """Return the INSERT of the product of all words; trials that exist already are left alone."""
    tables = []
    for word, names in words.items():
        values = ", ".join(f"({quoted(name)})" for name in names)
        tables.append(f"(VALUES {values}) AS {word}s({word})")
    tables.append(f"range({first_seed}, {first_seed + seeds}) AS seeds(seed)")
    listed = ", ".join(words)
    column, value = ("", "")
    if study:
        column, value = ", study", f", {quoted(study)}"
    lines = [
        f"INSERT INTO trial ({listed}, seed{column})",
        f"SELECT {listed}, seed{value}",
        "FROM " + ",\n     ".join(tables),
        "ON CONFLICT DO NOTHING;",
    ]
    return "\n".join(lines)
