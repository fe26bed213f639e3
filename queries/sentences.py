"""Describe in words which setting is best, and how certain that is, from the rows of `ranked`."""

from typing import Any

import polars as pl

from queries.numbers import decimals

# For each measure, the phrase that describes the method ranked first by it.
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
# The most settings tied with the best that are named; the others are counted.
NAMED = 3


def sentence(known: pl.DataFrame, measure: str, setting: dict[str, str]) -> str:
    """Return the answer and its confidence, in words.

    `known` are the rows of `ranked` with a mean, the best first.
    """
    where = f"When {setting['backbone']} learns {setting['stream']} within {setting['budget']}"
    ended = known.filter(pl.col("verdict") != "untouched")
    if ended.is_empty():
        return f"{where}: no trial has reached the end of its stream yet."
    best, *others = ended.iter_rows(named=True)
    value = f"**{decimals(best['mean'])}**{sure(best)}"
    claim = f"{where}, **{called(best)}** {MEASURES[measure]}: {value}."
    for row in known.filter(pl.col("verdict") == "untouched").iter_rows(named=True):
        claim += f" The untouched backbone has {decimals(row['mean'])}."
    # Both axes are reported, as the method that keeps the most may have learned nothing, and vice
    # versa
    if best["ka_gain"] is not None:
        claim += f" In knowledge accumulation it gained {decimals(best['ka_gain'])}"
        verb, lost = "lost", best["zs_loss"]
        if round(lost, 3) < 0:
            verb, lost = "gained", -lost
        claim += f", in zero-shot retention it {verb} {decimals(lost)}."
    return claim + followers(others)


def followers(others: list[dict[str, Any]]) -> str:
    """Return, in words, which other settings are tied with the best, and which are behind."""
    if not others:
        return " There is nothing to compare it with."
    claim = ""
    ties = [called(row) for row in others if row["verdict"] in ("tie", "ahead")]
    if ties:
        claim += f" It cannot be told from {listed(ties)}."
    elif others[0]["verdict"] == "behind":
        second = others[0]
        interval = f"{decimals(second['behind_low'])} to {decimals(second['behind_high'])}"
        claim += f" {called(second)} follows, {decimals(second['behind'])} behind ({interval})."
    unsure = sum(row["verdict"] == "too few seeds" for row in others)
    if unsure:
        have = "s have" if unsure > 1 else " has"
        claim += f" {unsure} other{have} too few common seeds to say."
    return claim


def listed(names: list[str]) -> str:
    """Return the first names, and the number of the others."""
    text = ", ".join(names[:NAMED])
    if len(names) > NAMED:
        text += f" and {len(names) - NAMED} more"
    return text


def called(row: dict[str, Any]) -> str:
    """Return the name of a row: method and mixture."""
    return f"{row['method']} with {row['mixture']}"


def sure(row: dict[str, Any]) -> str:
    """Return the interval of a row in words, or why there is none."""
    if row["low"] is not None:
        light = ", so hold it lightly" if row["seeds"] < 3 else ""
        interval = f"{decimals(row['low'])} to {decimals(row['high'])}"
        return f" (95 % interval {interval}, {row['seeds']} seeds{light})"
    if row["seeds"] == 1:
        return " (one seed, so no interval: hold it lightly)"
    return ""


def missing(frame: pl.DataFrame) -> str:
    """Return, in words, how many rows are incomplete."""
    holes = frame.filter(pl.col("missing") > 0)
    if holes.is_empty():
        counted = "1 setting is" if len(frame) == 1 else f"{len(frame)} settings are"
        return f"{counted} compared. No seed is missing."
    verb = "waits" if len(holes) == 1 else "wait"
    return f"{len(holes)} of {len(frame)} rows {verb} for seeds."
