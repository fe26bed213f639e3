"""Choosing from the sentence: one widget per word, kept in the address under the word's name; and a grid as SQL."""

from collections.abc import Mapping, Sequence

import streamlit as st

from screens.reading import Snapshot, declared, largest

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
    """One of the options or, where none must be chosen, None."""
    index = options.index(first) if first in options else None
    return st.selectbox(
        label, options, index=index, key=key, placeholder=empty, bind="query-params"
    )


def setting(snapshot: Snapshot) -> dict[str, str] | None:
    """Backbone, stream and budget: only within one of each are methods compared. None without trials.

    The largest comes first; the words of another are chosen freely, and a combination without trials shows so.
    """
    start = largest(snapshot)
    chosen: dict[str, str] = {}
    for column, (word, label) in zip(
        st.columns(3),
        {"backbone": "when", "stream": "learns", "budget": "within"}.items(),
        strict=True,
    ):
        with column:
            value = choose(f"{label} … ({word})", declared(snapshot, word), word, start.get(word))
        chosen[word] = value or start.get(word, "")
    return chosen if start else None


def measure() -> str:
    """What methods are ranked by; the address says it in words."""
    by_words = {said: name for name, said in MEASURES.items()}
    return by_words[
        st.selectbox("Which method … (measure)", list(by_words), key="measure", bind="query-params")
    ]


def quoted(value: object) -> str:
    """A SQL literal."""
    return str(value) if isinstance(value, int) else "'" + str(value).replace("'", "''") + "'"


def insert(
    words: Mapping[str, Sequence[str]], seeds: int, first_seed: int = 0, study: str = ""
) -> str:
    """The INSERT of the product of all words, for `python -m schema -`; what is there already is left alone."""
    tables = [
        f"(VALUES {', '.join(f'({quoted(name)})' for name in names)}) AS {word}s({word})"
        for word, names in words.items()
    ]
    tables.append(f"range({first_seed}, {first_seed + seeds}) AS seeds(seed)")
    extra = (", study", f", {quoted(study)}") if study else ("", "")
    listed = ", ".join(words)
    return (
        f"INSERT INTO trial ({listed}, seed{extra[0]})\nSELECT {listed}, seed{extra[1]}\nFROM "
        + ",\n     ".join(tables)
        + "\nON CONFLICT DO NOTHING;"
    )
