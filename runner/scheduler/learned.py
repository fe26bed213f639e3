"""Draw recipes by a sampler that learns from what a search has finished: Optuna's TPE.

The Tree-structured Parzen Estimator (Bergstra et al. 2011, "Algorithms for Hyper-Parameter
Optimization") is used through Optuna's own library (https://arxiv.org/abs/1907.10902). What it may
know stands in the column `drawn_from` of the question `suggested`, so a draw is a function of the
catalog: the same finished trials give the same recipes, whoever asks and however often.
"""

import json
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from schema.checks.standing import DRAW, WORDS, RuleError

# Optuna's words for one number, and how often another is drawn where the first ones are there
COLUMNS = {"lr": "lr", "weight_decay": "decay"}
TRIES = 100


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """A recipe that a rule asks for: the recipe `base` with other numbers, where they are named."""

    name: str
    base: str
    lr: float | None
    weight_decay: float | None
    note: str


def draw(
    columns: Sequence[str], rows: Sequence[Sequence[Any]]
) -> tuple[list[str], list[list[Any]], list[Drawn]]:
    """Return the columns and rows of trials at drawn recipes, and these recipes.

    The trials given are at their bases and say with `DRAW` what to draw. Those with the same words,
    but for the seed, and the same history are one batch.

    Raises:
        RuleError: what to draw from is not what `suggested` writes, or holds nothing new.
    """
    seed = WORDS.index("seed")
    sources: dict[str, Iterator[Drawn]] = {}
    batches: dict[str, list[Drawn]] = {}
    trials = []
    for row in rows:
        named = dict(zip(columns, row, strict=True))
        number, text = (named.pop(name) for name in DRAW)
        history = _history(number, text)
        key = json.dumps([*row[:seed], text])
        if key not in sources:
            sources[key] = _draws(named["recipe"], history)
            batches[key] = []
        place = number - len(history["tried"])
        while len(batches[key]) < place:
            batches[key].append(next(sources[key]))
        named["recipe"] = batches[key][place - 1].name
        trials.append(list(named.values()))
    # Two methods may come to the same recipe, which is made once
    recipes = {recipe.name: recipe for batch in batches.values() for recipe in batch}
    return [name for name in columns if name not in DRAW], trials, list(recipes.values())


def _history(number: int, text: str) -> dict[str, Any]:
    """Return what a draw of this number is made from.

    Raises:
        RuleError: it is not what `suggested` writes.
    """
    keys = {"sampler_seed", "lr", "weight_decay", "taken", "tried"}
    try:
        history = json.loads(text)
    except (TypeError, json.JSONDecodeError):
        history = None
    fits = isinstance(history, dict) and set(history) == keys
    if not fits or number is None or number <= len(history["tried"]):
        raise RuleError(
            f"its columns {' and '.join(DRAW)} must be what the question suggested returns: a rule "
            "that draws is SELECT * FROM suggested(...), with a WHERE if it likes."
        )
    return dict(history)


def _draws(base: str, history: dict[str, Any]) -> Iterator[Drawn]:
    """Return the recipes of a batch, one after the other.

    Raises:
        RuleError: `TRIES` draws in turn are recipes that there are.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    ranges = {column: history[column] for column in COLUMNS if history[column] is not None}
    spaces: dict[str, optuna.distributions.BaseDistribution] = {}
    for column, (low, high) in ranges.items():
        spaces[column] = optuna.distributions.FloatDistribution(low, high, log=True)
    number = len(history["tried"])
    # Another stream of random numbers for each batch; the trials that a search begins with are its
    # start, so that none is drawn blindly after them
    seed = zlib.crc32(f"{history['sampler_seed']} {number}".encode())
    sampler = optuna.samplers.TPESampler(seed=seed, n_startup_trials=1)
    study = optuna.create_study(direction="maximize", sampler=sampler)
    for tried in history["tried"]:
        study.add_trial(_finished(tried, ranges, spaces))
    taken = set(history["taken"])
    while True:
        for _ in range(TRIES):
            # Never told its value: Optuna keeps the next of the batch away from one that runs
            values = study.ask(spaces).params
            texts = {column: f"{values[column]:.2e}" for column in ranges}
            name = base + "".join(f"_{COLUMNS[column]}_{text}" for column, text in texts.items())
            if name not in taken:
                break
        else:
            raise RuleError(
                f"{TRIES} draws around {base} are recipes that there are: its ranges hold too few "
                "numbers of three digits. Widen them, or ask for fewer draws."
            )
        taken.add(name)
        number += 1
        drawn = {column: float(text) for column, text in texts.items()}
        yield Drawn(
            name=name,
            base=base,
            lr=drawn.get("lr"),
            weight_decay=drawn.get("weight_decay"),
            note=f"draw {number} of a search around {base} (TPE of Optuna {optuna.__version__})",
        )


def _finished(tried: dict[str, Any], ranges: dict[str, Any], spaces: dict[str, Any]) -> Any:
    """Return a recipe that was tried, as a trial of Optuna's."""
    import optuna

    numbers = {}
    for column, (low, high) in ranges.items():
        # Three digits of a number at the end of a range may lie outside
        numbers[column] = min(max(tried[column], low), high)
    if tried["value"] is None:
        # Without a value it is ranked behind all that have one
        state = optuna.trial.TrialState.PRUNED
        return optuna.trial.create_trial(state=state, params=numbers, distributions=spaces)
    return optuna.trial.create_trial(value=tried["value"], params=numbers, distributions=spaces)
