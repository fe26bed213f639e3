"""Say in words which setting is best and how sure that is, of the rows of `ranked`."""

from typing import Any

import polars as pl

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
# So many settings that cannot be told from the best are named; of the others it says how many.
NAMED = 3


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
    claim = f"{where}, **{called(best)}** {MEASURES[measure]}: {value}."
    for row in known.filter(pl.col("verdict") == "untouched").iter_rows(named=True):
        claim += f" The untouched backbone has {row['mean']:.3f}."
    # Both axes: who keeps the most may have learned nothing, and the other way round
    if best["ka_gain"] is not None:
        claim += f" In knowledge accumulation it gained {best['ka_gain']:.3f}"
        verb, lost = "lost", best["zs_loss"]
        if lost < 0:
            verb, lost = "gained", -lost
        claim += f", in zero-shot retention it {verb} {lost:.3f}."
    return claim + followers(others)


def followers(others: list[dict[str, Any]]) -> str:
    """Return how the other settings stand to the best, in words."""
    if not others:
        return " There is nothing to compare it with."
    claim = ""
    ties = [called(row) for row in others if row["verdict"] in ("tie", "ahead")]
    if ties:
        claim += f" It cannot be told from {listed(ties)}."
    elif others[0]["verdict"] == "behind":
        second = others[0]
        interval = f"{second['behind_low']:.3f} to {second['behind_high']:.3f}"
        claim += f" {called(second)} follows, {second['behind']:.3f} behind ({interval})."
    unsure = sum(row["verdict"] == "too few seeds" for row in others)
    if unsure:
        have = "s have" if unsure > 1 else " has"
        claim += f" {unsure} other{have} too few common seeds to say."
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
        counted = "1 setting is" if len(frame) == 1 else f"{len(frame)} settings are"
        return f"{counted} compared. No seed is missing."
    return f"{len(holes)} of {len(frame)} rows wait for seeds."
