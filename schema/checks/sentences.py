"""Checks of a sentence whose rows are valid: whether its words are compatible."""

from collections.abc import Iterator, Mapping
from typing import Any

from schema.checks.augmentation import Augmentation
from schema.checks.compute import Compute
from schema.checks.parts import CARRY, NEEDS, PartError, declared, names, needs, steps_itself
from schema.checks.stream_rows import BETWEEN

Row = Mapping[str, Any]
# The optimizer whose steps are averaged
AVERAGING = "adamw_schedule_free"


def check_needs(method: Row, mixture: Row) -> None:
    """Refuse a mixture that lacks a source that one of the method's parts needs.

    Raises:
        PartError: the message names the part, what it needs, and what to change.
    """
    for registry, name in _parts(method):
        for need in needs(registry, name):
            share = NEEDS[need]
            if share is not None and not mixture[share]:
                raise PartError(
                    f"method {method['name']!r} with mixture {mixture['name']!r}: {name} learns "
                    f"from the pairs that {share} puts into each batch, and it is 0. "
                    "Use a mixture where it is above 0, or another method."
                )


def check_cache(method: Row, mixture: Row, recipe: Row) -> None:
    """Refuse a recipe that caches embeddings (`cache_frozen`) which change during training.

    Raises:
        PartError: the message says why they would change, and what to do.
    """
    if not Compute.of(recipe).cache_frozen:
        return
    reason = _why_embeddings_change(method, mixture, recipe)
    if reason is not None:
        raise PartError(
            f"method {method['name']!r} with mixture {mixture['name']!r} and recipe "
            f"{recipe['name']!r}: cache_frozen keeps the embeddings of a tower that does not move, "
            f"and {reason}, or use a recipe without it."
        )


def check_average(method: Row, recipe: Row) -> None:
    """Refuse what the average of `adamw_schedule_free` would not know of.

    Raises:
        PartError: the message names it, and what to do.
    """
    if recipe["optimizer"] != AVERAGING:
        return
    where = f"method {method['name']!r} with recipe {recipe['name']!r}: {AVERAGING}"
    if recipe["optimizer_params"].get(CARRY):
        raise PartError(
            f"{where} begins each task anew, as it averages the steps of one task. Leave {CARRY} "
            "out, or use adamw"
        )
    if steps_itself(method["tuning"]):
        able = [name for name in names("methods/tuning") if not steps_itself(name)]
        raise PartError(
            f"{where} averages its own steps, and tuning {method['tuning']!r} changes gradients or "
            f"weights around each. Use adamw, or one of {', '.join(able)}"
        )


def check_line(method: Row, stream: Row) -> None:
    """Refuse metrics on a line between weights (`evals.between`) where several models answer.

    Raises:
        PartError: the message names the method, the metric, and what to do.
    """
    if method.get("ensemble") is None:
        return
    suite = stream["suite"]
    for member in suite["members"]:
        if member["metric"].startswith(BETWEEN):
            raise PartError(
                f"method {method['name']!r} with stream {stream['name']!r}: metric "
                f"{member['metric']!r} of suite {suite['name']!r} is measured on the line between "
                "the weights that two tasks deployed, and an ensemble deploys several models. "
                "Leave such metrics out of the suite, or use a method that deploys one model"
            )


def _parts(method: Row) -> Iterator[tuple[str, str]]:
    """Yield the registry and the name of each part of a method that may declare needs."""
    yield "methods/tuning", method["tuning"]
    for name in method["objective"].split("+"):
        yield "methods/objectives", name
    yield "methods/merging", method["merging"]


def _why_embeddings_change(method: Row, mixture: Row, recipe: Row) -> str | None:
    """Return why an item's embedding changes between steps, with a remedy; None if it does not."""
    towers = {}
    for name in names("methods/tuning"):
        # A tuning declares the tower that it does not change
        towers[name] = declared("methods/tuning", name, ("leaves",))
    untouched = towers.get(method["tuning"], ())
    if not untouched:
        able = ", ".join(name for name in towers if towers[name])
        return f"tuning {method['tuning']!r} moves both towers. Use one of {able}"
    if "image" in untouched and _changes_by_chance(recipe):
        return "augmentation_params make another image of an item each time. Leave them out"
    if mixture["selection"] != "none":
        return (
            f"selection {mixture['selection']!r} passes all candidates through both towers. "
            "Use a mixture without one"
        )
    return None


def _changes_by_chance(recipe: Row) -> bool:
    """Tell whether a recipe makes another image of an item each time."""
    where = f"recipe {recipe['name']!r}"
    return Augmentation.of(recipe["augmentation_params"] or {}, where).changes_by_chance
