"""Choose from the sentence: one widget per word, kept in the address under the word's name.

A link must mean the same later, so backbone, stream and budget always stand in the address, even
where they are those that a page begins with. A value of the address that is not in the catalog is
named, and not silently replaced.
"""

from collections.abc import Mapping, Sequence

import streamlit as st

from schema.words import nearest
from screens.reading import Snapshot, declared, largest

# A measure, and what the best method does that it ranks first.
MEASURES = {
    "gm": "balances learning and keeping best",
    "zs_ratio": "retains zero-shot accuracy best",
    "a_ka": "knows most of what it was taught",
    "d_ka": "gains most",
    "a_zs": "has the highest zero-shot accuracy",
    "d_zs": "loses least zero-shot accuracy",
}
MEANING = {
    "zs_ratio": "a_zs after the last task / a_zs of the untouched backbone",
    "gm": "sqrt(a_ka × a_zs) after the last task",
    "a_ka": "mean over the adaptation sets after the last task",
    "d_ka": "a_ka after the last task − a_ka of the untouched backbone",
    "a_zs": "mean over the retention sets after the last task",
    "d_zs": "a_zs after the last task − a_zs of the untouched backbone",
}


def choose(
    label: str, options: Sequence[str], key: str, first: str | None = None, empty: str = "any"
) -> str | None:
    """Return one of the options or, where none must be chosen, None."""
    check(key, options, first or empty)
    index = options.index(first) if first in options else None
    return st.selectbox(
        label, options, index=index, key=key, placeholder=empty, bind="query-params"
    )


def chosen(label: str, options: Sequence[str], key: str, first: str) -> str:
    """Return one of the options, which stands in the address even if it is the first."""
    # Streamlit leaves a default out of the address. So there is none, and the first value is put
    # into the address as if somebody had chosen it.
    # A page reached by its link starts with an empty address and keeps what was chosen.
    if key not in st.query_params or (
        key not in st.session_state and st.query_params[key] not in options
    ):
        kept = st.session_state.get(key)
        start = kept if isinstance(kept, str) and kept in options else first
        st.query_params[key] = start
        st.session_state[key] = start
    value = st.selectbox(label, options, index=None, key=key, bind="query-params")
    return value or first


def check(key: str, options: Sequence[str], instead: str) -> None:
    """Say so if the address names something that is not there; `instead`: what is shown."""
    value = st.query_params.get(key)
    if value and value not in options:
        st.warning(
            f"The address asks for {key} {value!r}, which this snapshot does not have. "
            f"Shown instead: {instead}.{nearest(value, list(options))}",
            icon="🔎",
        )


def setting(snapshot: Snapshot) -> dict[str, str] | None:
    """Return backbone, stream and budget, within which methods are compared; None without trials.

    Those of the most trials come first. The words of another are chosen freely, and a combination
    without trials shows so.
    """
    start = largest(snapshot)
    if not start:
        return None
    labels = {"backbone": "when", "stream": "learns", "budget": "within"}
    options = {word: declared(snapshot, word) for word in labels}
    # What is wrong in the address is said above the menus, where there is room for it.
    for word, names in options.items():
        check(word, names, start[word])
    values: dict[str, str] = {}
    for column, (word, label) in zip(st.columns(3), labels.items(), strict=True):
        with column:
            values[word] = chosen(f"{label} … ({word})", options[word], word, start[word])
    return values


def measure() -> str:
    """Return what methods are ranked by; the widget and the address say it in words."""
    names = {words: name for name, words in MEASURES.items()}
    options = list(names)
    check("measure", options, options[0])
    words = st.selectbox("Which method … (measure)", options, key="measure", bind="query-params")
    return names[words]


def quoted(value: object) -> str:
    """Return a value as a SQL literal."""
    if isinstance(value, (int, float)):
        return str(value)
    text = str(value).replace("'", "''")
    return f"'{text}'"


def insert(
    words: Mapping[str, Sequence[str]], seeds: int, first_seed: int = 0, study: str = ""
) -> str:
    """Return the INSERT of the product of all words; what is there already is left alone."""
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
