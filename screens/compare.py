"""Compare two or more settings or trials: which is better, their curves, their definitions."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import polars as pl
import streamlit as st

from queries import figures, named
from queries.numbers import signed
from screens import showing, words
from screens.reading import (
    DRAWN,
    Snapshot,
    columns_of,
    definitions,
    given,
    palette,
    read,
    sentences,
)

TITLE = "Compare"
WHAT = ("settings", "trials")
KINDS = ("method", "mixture", "recipe")
# The most curves that can be distinguished in a figure.
MOST = 8
# A task of a heat map has no role; a dataset has one.
TASKS = "task × task"


def page(snapshot: Snapshot) -> None:
    """Show the choice of settings or trials, and their comparison."""
    st.header("Compare settings or trials")
    what = words.one_of("Compare", WHAT, "what", hide=True)
    if what == "trials":
        of_trials(snapshot)
        return
    main, side = showing.beside()
    with side:
        measure = words.measure()
        st.caption(f"{measure}: {words.MEANING[measure]}.")
        setting = words.setting(snapshot)
    with main:
        if setting is None:
            st.info("The catalog has no trials yet. Declare some: python -m schema my_grid.sql")
            return
        of_settings(snapshot, setting, measure)


def of_settings(snapshot: Snapshot, setting: dict[str, str], measure: str) -> None:
    """Show settings beside one another: verdicts, pairs, curves, datasets, definitions."""
    # Only settings that finished are offered, so that each can be drawn.
    ranked = read(snapshot, "ranked", given(measure=measure, **setting), rows=DRAWN)
    ranked = figures.named(ranked.drop_nulls("mean").filter(pl.col("method") != "untouched"))
    if ranked.is_empty():
        st.info("Nothing is measured for these words yet.")
        return
    rows = {row["row"]: row for row in ranked.iter_rows(named=True)}
    names = words.several(
        f"Settings (at most {MOST}; the first two are paired)",
        list(rows),
        "setting",
        list(rows)[:2],
        "Method, mixture, and the recipe where a method has several.",
    )
    if len(names) > MOST:
        st.warning(f"The first {MOST} of the {len(names)} that are chosen are shown.")
    chosen = {name: rows[name] for name in names[:MOST]}
    if not chosen:
        st.info("Choose a setting, or two.")
        return
    columns = ["row", "mean", "low", "high", "seeds", "behind", "behind_low", "behind_high"]
    columns += ["verdict", "ka_gain", "zs_loss"]
    picked = ranked.filter(pl.col("row").is_in(list(chosen)))
    meanings = columns_of(snapshot, "ranked")
    showing.table(picked.select(columns), key="chosen", meanings=meanings)
    if len(chosen) > 1:
        first, second, *_ = chosen.values()
        paired(snapshot, setting, first, second, measure)
    curves(snapshot, setting, chosen, measure)
    heat(snapshot, setting, chosen)
    trials = [one_trial(snapshot, setting, row) for row in chosen.values()]
    differ(snapshot, dict(zip(chosen, trials, strict=True)))


def paired(
    snapshot: Snapshot,
    setting: dict[str, str],
    a: Mapping[str, Any],
    b: Mapping[str, Any],
    measure: str,
) -> None:
    """Show two methods, seed by seed, where they share every other word."""
    st.subheader(words.literal(f"Pair by pair: {a['row']} and {b['row']}"))
    if (a["mixture"], a["recipe"]) != (b["mixture"], b["recipe"]) or a["method"] == b["method"]:
        st.caption(
            "Pairs are of two methods that share every other word. These two differ in "
            f"{', '.join(word for word in KINDS if a[word] != b[word])}; their intervals stand "
            "above, and how they differ on each dataset below."
        )
        return
    parameters = given(a=a["method"], b=b["method"], measure=measure)
    where = given(**setting, mixture=a["mixture"], recipe=a["recipe"])
    # The verdict in words comes first; the lines below are its evidence.
    for row in read(snapshot, "decide", parameters, where).iter_rows(named=True):
        st.markdown(verdict(row, a["method"], b["method"]))
    frame = read(snapshot, "paired", parameters, where, rows=DRAWN).drop_nulls("difference")
    if frame.is_empty():
        st.info("No seed of the two shares every other word: nothing to pair.")
        return
    chart = figures.pairs(frame, a["method"], b["method"], measure)
    showing.drawn(snapshot, chart, "paired", parameters, where)
    st.caption("A line joins the two trials of one seed; its colour says which of them is better.")


def verdict(row: dict[str, object], a: str, b: str) -> str:
    """Return one line of a verdict: who is better, by how much, and the tally of seeds."""
    a, b = words.literal(a), words.literal(b)
    # The verdict names a method, too.
    where, outcome = f"{row['mixture']} · {row['recipe']}", str(row["verdict"])
    head = f"**{words.literal(where)}**: {words.literal(outcome)}"
    if row["difference"] is None:
        seeds = f"{row['seeds_a']} seeds of {a}, {row['seeds_b']} of {b}, none in common"
        return f"{head}; {seeds}."
    interval = ""
    if row["difference_low"] is not None:
        interval = f" ({signed(row['difference_low'])} to {signed(row['difference_high'])})"
    difference = f"{signed(row['difference'])}{interval} over {row['pairs']} pairs"
    tally = f"{row['wins']} won, {row['ties']} tied, {row['losses']} lost by {a}"
    return f"{head}. {a} − {b}: {difference}; {tally}."


def curves(
    snapshot: Snapshot, setting: dict[str, str], chosen: Mapping[str, Any], measure: str
) -> None:
    """Show the measure after every task, all settings in one figure."""
    st.subheader("Through the tasks")
    measure = {"d_ka": "a_ka", "d_zs": "a_zs"}.get(measure, measure)
    unit = words.in_words("over", figures.SPENT, "spent")
    where = given(**setting)
    course = read(snapshot, "course", where=where, rows=DRAWN)
    picked = pl.DataFrame([{word: row[word] for word in KINDS} for row in chosen.values()])
    course = course.join(picked, on=list(KINDS), how="semi").drop_nulls(measure)
    if course.is_empty():
        st.caption("No task of these has ended.")
        return
    # Settings may share a method, so each has its own colour; the first two have those of pairs.
    rows = picked.join(figures.named(course), on=list(KINDS), maintain_order="left")["row"]
    colours = replace(palette(snapshot, "row"), order=tuple(rows.unique(maintain_order=True)))
    chart = figures.over_budget(course, measure, unit, colours)
    showing.drawn(snapshot, chart, "course", where=where)


def heat(snapshot: Snapshot, setting: dict[str, str], chosen: Mapping[str, Any]) -> None:
    """Show every task or dataset after every task, of one setting or as the difference of two."""
    st.subheader("After every task")
    names = list(chosen)
    a = chosen[names[0]]
    if len(names) == 1:
        # For one setting a view is filtered; for two a macro takes both as parameters.
        where = given(**setting, **{word: a[word] for word in KINDS})
        name, parameters, value, title = "heat", given(), "value", names[0]
    else:
        b = chosen[names[1]]
        sides = {f"{word}_a": a[word] for word in KINDS}
        sides |= {f"{word}_b": b[word] for word in KINDS}
        where = given(**setting)
        name, parameters, value = "heat_difference", given(**sides), "difference"
        title = f"{names[0]}  −  {names[1]}"
    frame = read(snapshot, name, parameters, where, rows=DRAWN)
    if frame.is_empty():
        st.caption("No task of these has ended.")
        return
    named_roles = frame.with_columns(pl.col("role").fill_null(TASKS))
    roles = named_roles["role"].unique(maintain_order=True).to_list()
    role = words.one_of("rows", roles, "rows")
    cells = frame.filter(named_roles["role"] == role).drop_nulls(value)
    chart = figures.heat(cells, value, title, of_two=len(names) > 1)
    showing.drawn(snapshot, chart, name, parameters, where)


def one_trial(snapshot: Snapshot, setting: dict[str, str], row: Mapping[str, Any]) -> int:
    """Return one trial of a setting, whose trials have the same definition but for the seed."""
    where = given(**setting, **{word: row[word] for word in KINDS})
    return int(read(snapshot, "seeds", where=where, rows=1)["trial"][0])


def differ(snapshot: Snapshot, trials: Mapping[str, int]) -> None:
    """Show the keys of the definitions whose values differ, in a column per setting or trial."""
    st.subheader("What differs in their definitions")
    specs = definitions(snapshot, tuple(trials.values()))
    flat = {}
    for name, trial in trials.items():
        if trial in specs:
            flat[name] = flattened(json.loads(specs[trial]))
    if len(flat) < 2:
        st.caption("Two definitions are needed, and there is not as many.")
        return
    rows = differences(flat)
    if not rows:
        st.caption("Nothing: they are the same experiment.")
        return
    st.dataframe(pl.DataFrame(rows), hide_index=True, alt="Keys of definitions that differ")
    showing.sql(named("definition"))


def differences(specs: Mapping[str, Mapping[str, str]]) -> list[dict[str, str]]:
    """Return a row per key whose values differ between definitions; a missing key is `-`."""
    keys: dict[str, None] = {}
    for spec in specs.values():
        keys |= dict.fromkeys(spec)
    rows = []
    for key in keys:
        values = {name: spec.get(key, "-") for name, spec in specs.items()}
        if len(set(values.values())) > 1:
            rows.append({"key": key, **values})
    return rows


def flattened(value: Any, path: str = "") -> dict[str, str]:
    """Return the leaves of a JSON object as text, by their paths."""
    if isinstance(value, dict) and value:
        leaves: dict[str, str] = {}
        for key, each in value.items():
            leaves |= flattened(each, f"{path}.{key}".strip("."))
        return leaves
    return {path: json.dumps(value, ensure_ascii=False)}


def of_trials(snapshot: Snapshot) -> None:
    """Show a comparison of trials, which are entered by number."""
    text = st.text_input(
        "Trials, by number, with commas between them",
        key="trials",
        placeholder="2, 5",
        bind="query-params",
    )
    numbers, wrong = numbered(text or "")
    if wrong:
        st.warning(
            f"Not the number of a trial: {words.literal(', '.join(wrong))}. Allowed: whole "
            "numbers above 0, as the page Runs has them.",
            icon="🔎",
        )
    known = sentences(snapshot, tuple(numbers)) if numbers else {}
    absent = [str(number) for number in numbers if number not in known]
    if absent:
        st.warning(f"There is no trial {', '.join(absent)} in this catalog.", icon="🔎")
    trials = [number for number in numbers if number in known][:MOST]
    if not trials:
        st.info("Name trials, or select them on the page Runs.")
        return
    if len(known) > MOST:
        st.warning(f"The first {MOST} of {len(known)} are shown.")
    frames = [read(snapshot, "seeds", where=given(trial=number)) for number in trials]
    showing.table(pl.concat(frames), key="trials-table", meanings=columns_of(snapshot, "seeds"))
    losses(snapshot, {number: f"{number}: {known[number]}" for number in trials})
    differ(snapshot, {str(number): number for number in trials})


def numbered(text: str) -> tuple[list[int], list[str]]:
    """Return the trial numbers in a text with commas, and the words that are no number."""
    numbers, wrong = [], []
    for word in filter(None, (part.strip() for part in text.split(","))):
        if word.isdecimal() and len(word) <= words.DIGITS and int(word) > 0:
            numbers.append(int(word))
        else:
            wrong.append(word)
    return list(dict.fromkeys(numbers)), wrong


def losses(snapshot: Snapshot, names: Mapping[int, str]) -> None:
    """Show the losses of trials in one figure."""
    st.subheader("Losses")
    frames = []
    for number, name in names.items():
        frame = read(snapshot, "curve", where=given(trial=number), rows=DRAWN // MOST)
        frames.append(frame.with_columns(row=pl.lit(name)))
    curves = pl.concat(frames)
    if curves.is_empty():
        st.caption("None of them has a curve yet.")
        return
    showing.figure(figures.losses(curves, by="row"), "Losses of trials over steps.")
    showing.sql(named("curve"))
