"""The checks of rows of `backbone`, `method`, `recipe`, `dataset` and `mixture`.

Each check takes a row as DuckDB or a definition gives it: JSON columns as text or parsed. `where`
in a message names the row and the column.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any

from schema.checks import parts
from schema.checks.addresses import check_addresses
from schema.checks.augmentation import PILLOW, Augmentation, AugmentationError
from schema.checks.compute import Compute, ComputeError
from schema.checks.dataset_rows import RowError, check_words
from schema.checks.mixing import check_mixing
from schema.checks.parts import (
    CARRY,
    DECAY,
    DECAYS,
    MEMBERS,
    OVER,
    PartError,
    averages_steps,
    declared,
    names,
)
from schema.checks.preprocessing import Preprocessing, PreprocessingError
from schema.words import nearest

Row = Mapping[str, Any]
# The keys that `backbone.pretrained_with` may have
PRETRAINED_KEYS = ("optimizer", "loss")
# The contrastive losses, and the terms that may be added to one
LOSSES = ("softmax", "sigmoid")
# What stands between the name of a method and who ran it, where that was not Weir
ELSEWHERE = "@"
# The part of a method that was run elsewhere, where no part of Weir is like it
OTHER = "other"
BESIDE = ("captioning", "distillation")


def check_method(row: Row) -> None:
    """Refuse a `method` row with an unknown part or key, or with incompatible parts.

    Raises:
        PartError: the message says what is wrong, what is allowed and what to do.
    """
    where = f"method {row['name']!r}"
    if ELSEWHERE in row["name"]:
        _check_method_elsewhere(row, where)
        return
    parts.check("methods/tuning", row["tuning"], _object(row["tuning_params"]), f"{where}, tuning")
    check_merging(row["merging"], _object(row["merging_params"]), f"{where}, merging")
    _check_objectives(row, where)
    if "merged" in (row["start"], row["deploy"]) and row["merging"] == "none":
        raise PartError(
            f"{where}: start or deploy is 'merged' but merging is 'none'. "
            "Name a merging, or use 'last'."
        )
    _check_use_of_merging(row, where)
    # Definitions older than repairs have no repair_params
    params = _object(row.get("repair_params", {}))
    if row["repair"] is not None:
        parts.check("methods/repair", row["repair"], params, f"{where}, repair")
    elif params:
        listed = ", ".join(names("methods/repair"))
        raise PartError(f"{where}: repair_params without a repair. Name one of {listed}.")
    _check_ensemble(row, where)


def _check_method_elsewhere(row: Row, where: str) -> None:
    """Refuse a method that was run elsewhere with parts that are neither Weir's nor `OTHER`.

    Weir never runs it, so how its parts go together is nobody's affair.
    """
    for folder, part in (("tuning", "tuning"), ("objectives", "objective"), ("merging", "merging")):
        if row[part] == OTHER:
            continue
        try:
            for name in row[part].split("+"):
                parts.check(f"methods/{folder}", name, {}, f"{where}, {part}")
        except PartError as error:
            raise PartError(
                f"{error} Of a method that was run elsewhere {part} may also be {OTHER!r}: no part "
                "of Weir is like it."
            ) from error


def check_merging(name: str, params: Mapping[str, Any], where: str) -> None:
    """Refuse an unknown merging, an unknown key, or an invalid value of a reserved key.

    Raises:
        PartError: as `parts.check`.
    """
    parts.check("methods/merging", name, {}, where)
    reserved: tuple[str, ...] = ("over", "start_over", "lines")
    if name == "none":
        reserved = ()
    elif averages_steps(name):
        # An average over steps does not combine tasks, but may continue over several of them
        reserved = ("lines", "restart")
    parts.check("methods/merging", name, params, where, reserved)
    for key in ("over", "start_over"):
        value = params.get(key, OVER[0])
        if value not in OVER:
            raise PartError(
                f"{where}: unknown {key} {value!r}. "
                f"Allowed: {', '.join(OVER)}.{nearest(str(value), OVER)}"
            )
    if not isinstance(params.get("restart", True), bool):
        raise PartError(
            f"{where}: restart is true (the average begins anew in each task) or false, "
            f"not {params['restart']!r}"
        )
    _check_lines(params.get("lines"), where)


def check_recipe(row: Row) -> None:
    """Refuse a `recipe` row with an invalid optimizer, schedule, augmentation or computation.

    Raises:
        PartError: the message says what is wrong and what is allowed.
    """
    where = f"recipe {row['name']!r}"
    params = _object(row["optimizer_params"])
    reserved = (CARRY, DECAY)
    parts.check("methods/optimizers.py", row["optimizer"], params, f"{where}, optimizer", reserved)
    if not isinstance(params.get(CARRY, False), bool):
        raise PartError(
            f"{where}: {CARRY} is true (its state goes on in the next task) or false, "
            f"not {params[CARRY]!r}"
        )
    if params.get(DECAY, "all") not in DECAYS:
        raise PartError(
            f"{where}: {DECAY} is 'all' (weight decay acts on all that moves), 'matrices' (not on "
            "gains, biases and temperature) or 'open_clip' (as its training loop, which goes by "
            f"names, too), not {params[DECAY]!r}"
        )
    schedule_params = _object(row["schedule_params"])
    parts.check("methods/schedules.py", row["schedule"], schedule_params, f"{where}, schedule")
    try:
        augmentation = Augmentation.of(_object(row["augmentation_params"]), where)
        # Definitions from before computation could be chosen have no compute_params
        compute = Compute.of({**row, "compute_params": _object(row.get("compute_params", {}))})
    except (AugmentationError, ComputeError) as error:
        raise PartError(str(error)) from error
    if compute.decode_on_device and augmentation.decoder != PILLOW:
        raise PartError(
            f"{where}: decoder {augmentation.decoder!r} of augmentation_params decodes JPEGs on "
            "the host, and decode_on_device of compute_params on the device. Leave one of the two "
            "out."
        )


def check_backbone(row: Row) -> None:
    """Refuse a `backbone` row with an invalid `preprocessing` or `pretrained_with`.

    Raises:
        PartError: the message says what is wrong and what is allowed.
    """
    # Older definitions lack the column
    given = _object(row.get("preprocessing") or {})
    try:
        Preprocessing().with_keys(given, f"backbone {row['name']!r}")
    except PreprocessingError as error:
        raise PartError(str(error)) from error
    _check_pretrained_with(row)


def _check_pretrained_with(row: Row) -> None:
    """Refuse a `pretrained_with` with an unknown key or an unknown loss."""
    # Definitions lack the column, and in a row it may be NULL
    known = _object(row.get("pretrained_with") or {})
    where = f"backbone {row['name']!r}, pretrained_with"
    for key, value in known.items():
        if key not in PRETRAINED_KEYS:
            listed = ", ".join(PRETRAINED_KEYS)
            raise PartError(
                f"{where}: unknown key {key!r}. Allowed: {listed}.{nearest(key, PRETRAINED_KEYS)}"
            )
        if not isinstance(value, str) or not value:
            raise PartError(f"{where}: {key} is a name, such as 'adamw', not {value!r}.")
    contrastive, *others = known.get("loss", LOSSES[0]).split("+")
    if contrastive not in LOSSES or not set(others) <= set(BESIDE):
        raise PartError(
            f"{where}: a loss is {' or '.join(LOSSES)}, with +{' or +'.join(BESIDE)} where that "
            f"was asked for as well, not {known['loss']!r}."
        )


def check_dataset(row: Row) -> None:
    """Refuse a `dataset` row with an unknown format, an unknown key of it, or a number below 0.

    Raises:
        PartError: the message says what is wrong and what is allowed.
    """
    where, params = f"dataset {row['name']!r}, format", _object(row["params"])
    parts.check("streams/formats", row["format"], params, where)
    for key, value in params.items():
        if isinstance(value, int | float) and value < 0:
            raise PartError(f"{where}: {key} of {row['format']} must be 0 or more, not {value}.")
    try:
        check_words(row)
        check_addresses(row["name"], row.get("location"), params)
    except RowError as error:
        raise PartError(str(error)) from error


def check_mixture(row: Row) -> None:
    """Refuse a `mixture` row with an unknown buffer policy, selection or mixing, or a key of one.

    Raises:
        PartError: the message says what is wrong and what is allowed.
    """
    check_mixing(row)
    # Definitions older than buffer policies lack the column
    if row.get("buffer_policy") is not None:
        where = f"mixture {row['name']!r}, buffer_policy"
        parts.check("streams/buffers.py", row["buffer_policy"], {}, where)
    where, params = f"mixture {row['name']!r}, selection", _object(row["selection_params"])
    if row["selection"] != "none":
        where = f"{where} (none, or one that chooses)"
        parts.check("methods/selection", row["selection"], params, where)
    elif params:
        raise PartError(
            f"{where}: none has no parameter {next(iter(params))!r}. "
            "Allowed: none: it takes no parameters."
        )


CHECKS: Mapping[str, Callable[[Row], None]] = {
    "backbone": check_backbone,
    "method": check_method,
    "recipe": check_recipe,
    "dataset": check_dataset,
    "mixture": check_mixture,
}


def _check_objectives(row: Row, where: str) -> None:
    """Check one objective, or a sum of objectives, whose params are keyed by name."""
    params, objectives = _object(row["objective_params"]), row["objective"].split("+")
    if len(objectives) == 1:
        parts.check("methods/objectives", objectives[0], params, f"{where}, objective")
        return
    for name in params:
        if name not in objectives:
            raise PartError(
                f"{where}, objective_params: several objectives are summed, so params are keyed by "
                f"objective; {name!r} is none of {', '.join(objectives)}."
                f"{nearest(name, objectives)}"
            )
    for name in objectives:
        own = _object(params.get(name, {}))
        parts.check("methods/objectives", name, own, f"{where}, objective")


def _check_use_of_merging(row: Row, where: str) -> None:
    """Refuse a merging whose result is not used, or a key of it that has no effect."""
    params, start, deploy = _object(row["merging_params"]), row["start"], row["deploy"]
    if _merges_for_ensemble(row):
        deploy = "merged"
    if row["merging"] != "none" and "merged" not in (start, deploy):
        raise PartError(
            f"{where}: nothing uses merging {row['merging']!r}: neither start nor deploy is "
            "'merged'. Set one to 'merged', or merging to 'none'."
        )
    if "start_over" in params and start != "merged":
        raise PartError(
            f"{where}: start_over says what start = 'merged' begins from, but start is {start!r}. "
            "Leave it out."
        )
    if "over" in params and "start_over" in params and deploy != "merged":
        raise PartError(
            f"{where}: over says what is deployed, but deploy is {deploy!r}, and start has "
            "start_over. Leave it out."
        )


def _check_ensemble(row: Row, where: str) -> None:
    """Refuse an ensemble that is unknown or not deployed, or has unknown members."""
    # Definitions older than ensembles have neither column
    ensemble, params = row.get("ensemble"), _object(row.get("ensemble_params") or {})
    known = ", ".join(names("methods/ensembles"))
    if (row["deploy"] == "ensemble") != (ensemble is not None):
        raise PartError(
            f"{where}: deploy is {row['deploy']!r} and ensemble is {ensemble!r}. To deploy several "
            f"models, set deploy to 'ensemble' and name one of {known}; else leave ensemble NULL."
        )
    if ensemble is None:
        if params:
            raise PartError(f"{where}: ensemble_params without an ensemble. Name one of {known}.")
        return
    parts.check("methods/ensembles", ensemble, params, f"{where}, ensemble", ("members",))
    # A rule may allow only some of them
    allowed = declared("methods/ensembles", ensemble, ("members",)) or MEMBERS
    members = params.get("members", allowed[0])
    if members not in allowed:
        raise PartError(
            f"{where}, ensemble: {ensemble} has no members {members!r}. "
            f"Allowed: {', '.join(allowed)}.{nearest(str(members), allowed)}"
        )
    if members == "merged" and row["merging"] == "none":
        raise PartError(
            f"{where}, ensemble: members is 'merged' but merging is 'none'. "
            "Name a merging, or take members 'all' or 'ends'."
        )


def _merges_for_ensemble(row: Row) -> bool:
    """Return whether the merged model is a member of an ensemble."""
    params = _object(row.get("ensemble_params") or {})
    return row.get("ensemble") is not None and params.get("members") == "merged"


def _check_lines(lines: Any, where: str) -> None:
    """Refuse `lines`, the scaling by depth, unless it has the numbers alpha and beta."""
    message = f'{where}: lines is {{"alpha": number, "beta": number}} or null, not '
    if lines is None:
        return
    if not isinstance(lines, Mapping) or not set(lines) <= {"alpha", "beta"}:
        raise PartError(message + json.dumps(lines))
    if not all(isinstance(value, int | float) for value in lines.values()):
        raise PartError(message + json.dumps(lines))


def _object(value: Any) -> Mapping[str, Any]:
    """Return a JSON object, parsed if DuckDB gave it as text."""
    parsed = json.loads(value) if isinstance(value, str) else value
    if not isinstance(parsed, Mapping):
        raise PartError(f"params must be a JSON object, not {parsed!r}")
    return parsed
