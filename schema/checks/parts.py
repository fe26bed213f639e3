"""What the parts of a method are and which keys they take, read from their files without importing them.

A folder is the registry: `methods/tuning/lora.py` is the tuning `lora`, and the fields of its dataclass (or the
keyword-only arguments of its function) are the keys that a row's JSON may set. The database half must know this to refuse
a typo at the INSERT, and must not import torch to know it, so the source is parsed instead.
"""

import ast
import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from schema.checks.augmentation import Augmentation, AugmentationError
from schema.checks.compute import Compute, ComputeError
from schema.checks.dataset_rows import RowError, check_words
from schema.checks.kinds import fits, worded
from schema.words import nearest

ROOT = Path(__file__).resolve().parents[2]
OVER = ("running", "all", "ends")  # what a merging combines: see methods/mergings.py
CARRY = "carry"  # key of optimizer_params: whether what the optimizer remembers goes on in the next task
NEEDS = {  # what a part may say that it needs, and what a sentence must have for it (None: it sees to it itself)
    "teacher": None,  # a second copy of the model
    "fisher_pass": None,  # passes over pairs at the end of a task
    "own_buffer": None,  # pairs that it keeps
    "every_task": None,  # the weights of every task, on disk
    "buffer": "buffer_share",
    "pretraining": "pretraining_share",
}
FIRST = (
    "parameters",
    "step",
    "earlier",
    "concepts",
)  # what the functions of a module that is a registry take first
RESERVED = (
    "over",
    "start_over",
    "lines",
    "restart",
)  # keys of merging_params that are not the technique's


class PartError(ValueError):
    """A row names a part, or a key of a part, that does not exist, or gives it a value of another kind."""


def names(place: str) -> list[str]:
    """The parts of a folder (`methods/tuning`: its files) or of a module (`methods/schedules.py`: its public functions)."""
    path = ROOT / place
    if path.is_dir():
        return sorted(f.stem for f in path.glob("*.py") if not f.stem.startswith("_"))
    return sorted(_functions(path))


def keys(place: str, name: str) -> tuple[str, ...]:
    """The keys that the part's params may set."""
    return tuple(annotations(place, name))


@cache
def annotations(place: str, name: str) -> Mapping[str, ast.expr]:
    """The keys that the part's params may set, each with its annotation."""
    path = ROOT / place
    if not path.is_dir():
        return _keyword_only(_functions(path)[name])
    tree = ast.parse((path / f"{name}.py").read_text())
    wanted = "".join(word.capitalize() for word in name.split("_"))
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and node.name == wanted:
            return _fields(node)
        if isinstance(node, ast.FunctionDef) and node.name in ("merge", "share"):
            return _keyword_only(node)
    raise PartError(f"{place}/{name}.py defines neither class {wanted} nor function merge or share")


@cache
def averages_steps(merging: str) -> bool:
    """Whether a merging averages within a task, over steps, and not over tasks."""
    tree = ast.parse((ROOT / "methods/merging" / f"{merging}.py").read_text())
    return any(isinstance(node, ast.FunctionDef) and node.name == "share" for node in tree.body)


def check(
    place: str, name: str, params: Mapping[str, Any], where: str, reserved: tuple[str, ...] = ()
) -> None:
    """Refuse an unknown part, an unknown key or a value of another kind, naming the allowed and the nearest.

    `reserved` keys are not the part's own, and what they may be is checked by who reserves them.

    Raises:
        PartError: `where` says which column of which row is meant.
    """
    known = names(place)
    if name not in known:
        raise PartError(
            f"{where}: unknown {name!r}. Known in {place}: {', '.join(known)}.{nearest(name, known)}"
        )
    own = annotations(place, name)
    for key, value in params.items():
        allowed = (*own, *reserved)
        if key not in allowed:
            listed = ", ".join(allowed) or "none: it takes no parameters"
            raise PartError(
                f"{where}: {name} has no parameter {key!r}. Allowed: {listed}.{nearest(key, allowed)}"
            )
        if key in own and not fits(value, own[key]):
            raise PartError(
                f"{where}: {key} of {name} must be {worded(own[key])}, not {json.dumps(value)}."
            )


def check_method(row: Mapping[str, Any]) -> None:
    """Every part and key of a `method` row."""
    where = f"method {row['name']!r}"
    check("methods/tuning", row["tuning"], _object(row["tuning_params"]), f"{where}, tuning")
    check_merging(row["merging"], _object(row["merging_params"]), f"{where}, merging")
    params, objectives = _object(row["objective_params"]), row["objective"].split("+")
    if len(objectives) == 1:
        check("methods/objectives", objectives[0], params, f"{where}, objective")
    else:
        for name in params:
            if name not in objectives:
                raise PartError(
                    f"{where}, objective_params: several objectives are summed, so params are keyed by objective; "
                    f"{name!r} is none of {', '.join(objectives)}.{nearest(name, objectives)}"
                )
        for name in objectives:
            check("methods/objectives", name, _object(params.get(name, {})), f"{where}, objective")
    if "merged" in (row["start"], row["deploy"]) and row["merging"] == "none":
        raise PartError(
            f"{where}: start or deploy is 'merged' but merging is 'none'. Name a merging, or use 'last'."
        )
    _check_use(row, where)
    if row["repair"] is not None:
        check("methods/repair", row["repair"], _object(row["repair_params"]), f"{where}, repair")
    elif _object(row.get("repair_params", {})):
        raise PartError(
            f"{where}: repair_params without a repair. Name one of {', '.join(names('methods/repair'))}."
        )


def check_merging(name: str, params: Mapping[str, Any], where: str) -> None:
    """A merging, its keys, and the values of the reserved ones.

    Raises:
        PartError: as `check`; names what is allowed.
    """
    check("methods/merging", name, {}, where)
    merges = (
        ()
        if name == "none"
        else ("lines", "restart")
        if averages_steps(name)
        else ("over", "start_over", "lines")
    )
    check("methods/merging", name, params, where, merges)
    for key in ("over", "start_over"):
        if params.get(key, OVER[0]) not in OVER:
            said = params[key]
            raise PartError(
                f"{where}: unknown {key} {said!r}. Allowed: {', '.join(OVER)}.{nearest(str(said), OVER)}"
            )
    if not isinstance(params.get("restart", True), bool):
        raise PartError(
            f"{where}: restart is true (the average begins anew in each task) or false, not {params['restart']!r}"
        )
    lines = params.get("lines")
    wrong = lines is not None and (
        not isinstance(lines, Mapping) or not set(lines) <= {"alpha", "beta"}
    )
    if wrong or not all(isinstance(value, int | float) for value in (lines or {}).values()):
        raise PartError(
            f'{where}: lines is {{"alpha": number, "beta": number}} or null, not {json.dumps(lines)}'
        )


def _check_use(row: Mapping[str, Any], where: str) -> None:
    """A merging that nothing asks for, or a key that nothing reads, would be work or words for nothing."""
    params, start, deploy = _object(row["merging_params"]), row["start"], row["deploy"]
    if row["merging"] != "none" and "merged" not in (start, deploy):
        raise PartError(
            f"{where}: nothing uses merging {row['merging']!r}: neither start nor deploy is 'merged'. "
            "Set one to 'merged', or merging to 'none'."
        )
    if "start_over" in params and start != "merged":
        raise PartError(
            f"{where}: start_over says what start = 'merged' begins from, but start is {start!r}. Leave it out."
        )
    if "over" in params and "start_over" in params and deploy != "merged":
        raise PartError(
            f"{where}: over says what is deployed, but deploy is {deploy!r}, and start has start_over. Leave it out."
        )


def needs(place: str, name: str) -> tuple[str, ...]:
    """What a part says that it needs, of NEEDS: the `needs` of its class, or `NEEDS` beside its function."""
    return _said(place, name, ("needs", "NEEDS"))


@cache
def _said(place: str, name: str, words: tuple[str, ...]) -> tuple[str, ...]:
    """What a part's file says under one of these names, in its class or beside its function."""
    tree = ast.parse((ROOT / place / f"{name}.py").read_text())
    for node in [
        node
        for item in tree.body
        for node in (item.body if isinstance(item, ast.ClassDef) else [item])
    ]:
        target = (
            node.target
            if isinstance(node, ast.AnnAssign)
            else node.targets[0]
            if isinstance(node, ast.Assign)
            else None
        )
        if isinstance(target, ast.Name) and target.id in words:
            assert isinstance(node, ast.AnnAssign | ast.Assign) and node.value is not None
            return tuple(ast.literal_eval(node.value))
    return ()


def check_needs(method: Mapping[str, Any], mixture: Mapping[str, Any]) -> None:
    """What the parts of a method need of the mixture they are combined with.

    Raises:
        PartError: it is not there; names the part, the need, and what to change.
    """
    named = [
        ("tuning", method["tuning"]),
        *(("objectives", name) for name in method["objective"].split("+")),
    ]
    for kind, name in [*named, ("merging", method["merging"])]:
        for share in filter(None, (NEEDS[need] for need in needs(f"methods/{kind}", name))):
            if not mixture[share]:
                raise PartError(
                    f"method {method['name']!r} with mixture {mixture['name']!r}: {name} learns from the pairs that {share} puts "
                    f"into each batch, and it is 0. Use a mixture where it is above 0, or another method."
                )


def check_cache(
    method: Mapping[str, Any], mixture: Mapping[str, Any], recipe: Mapping[str, Any]
) -> None:
    """Whether embeddings can be kept where a recipe wants that.

    Raises:
        PartError: they would not stay what they are; says why, and what to change.
    """
    if not Compute.of(recipe).cache_frozen:
        return
    leaves = {name: _said("methods/tuning", name, ("leaves",)) for name in names("methods/tuning")}
    able, own = [name for name in leaves if leaves[name]], leaves.get(method["tuning"], ())
    why = None
    if not own:
        why = f"tuning {method['tuning']!r} moves both towers. Use one of {', '.join(able)}"
    elif "image" in own and recipe["augmentation_params"]:
        why = "augmentation_params make another image of an item each time. Leave them out"
    elif mixture["selection"] != "none":
        why = f"selection {mixture['selection']!r} passes all candidates through both towers. Use a mixture without one"
    if why is not None:
        where = f"method {method['name']!r} with mixture {mixture['name']!r} and recipe {recipe['name']!r}"
        raise PartError(
            f"{where}: cache_frozen keeps the embeddings of a tower that does not move, and {why}, or use a recipe without it."
        )


def check_recipe(row: Mapping[str, Any]) -> None:
    """Optimizer, schedule, augmentation, computation and their keys of a `recipe` row."""
    where = f"recipe {row['name']!r}"
    params = _object(row["optimizer_params"])
    check("methods/optimizers.py", row["optimizer"], params, f"{where}, optimizer", (CARRY,))
    if not isinstance(params.get(CARRY, False), bool):
        raise PartError(
            f"{where}: {CARRY} is true (its state goes on in the next task) or false, not {params[CARRY]!r}"
        )
    check(
        "methods/schedules.py",
        row["schedule"],
        _object(row["schedule_params"]),
        f"{where}, schedule",
    )
    try:
        Augmentation.of(_object(row["augmentation_params"]), where)
        Compute.of({**row, "compute_params": _object(row.get("compute_params", {}))})
    except (AugmentationError, ComputeError) as error:
        raise PartError(str(error)) from error


def check_dataset(row: Mapping[str, Any]) -> None:
    """Format and its keys of a `dataset` row, of which no number is below 0."""
    where, params = f"dataset {row['name']!r}, format", _object(row["params"])
    check("streams/formats", row["format"], params, where)
    for key, value in params.items():
        if isinstance(value, int | float) and value < 0:
            raise PartError(f"{where}: {key} of {row['format']} must be 0 or more, not {value}.")
    try:
        check_words(row)
    except RowError as error:
        raise PartError(str(error)) from error


def check_mixture(row: Mapping[str, Any]) -> None:
    """Buffer policy and selection of a `mixture` row."""
    if row.get("buffer_policy") is not None:
        check(
            "streams/buffers.py",
            row["buffer_policy"],
            {},
            f"mixture {row['name']!r}, buffer_policy",
        )
    where, params = f"mixture {row['name']!r}, selection", _object(row["selection_params"])
    if row["selection"] != "none":
        check("methods/selection", row["selection"], params, f"{where} (none, or one that chooses)")
    for key in params if row["selection"] == "none" else ():
        raise PartError(
            f"{where}: none has no parameter {key!r}. Allowed: none: it takes no parameters."
        )


CHECKS = {
    "method": check_method,
    "recipe": check_recipe,
    "dataset": check_dataset,
    "mixture": check_mixture,
}


def _object(said: Any) -> Mapping[str, Any]:
    """A JSON object, whether DuckDB gave it as text or it has been parsed."""
    value = json.loads(said) if isinstance(said, str) else said
    if not isinstance(value, Mapping):
        raise PartError(f"params must be a JSON object, not {value!r}")
    return value


@cache
def _functions(path: Path) -> dict[str, ast.FunctionDef]:
    """Public functions that take one of FIRST first: the optimizers, schedules, policies of a buffer, orderings."""
    found = [node for node in ast.parse(path.read_text()).body if isinstance(node, ast.FunctionDef)]
    return {
        node.name: node
        for node in found
        if not node.name.startswith("_") and node.args.args and node.args.args[0].arg in FIRST
    }


def _keyword_only(node: ast.FunctionDef) -> dict[str, ast.expr]:
    return {
        argument.arg: argument.annotation or ast.Name("Any") for argument in node.args.kwonlyargs
    }


def _fields(node: ast.ClassDef) -> dict[str, ast.expr]:
    """Annotated assignments of a dataclass that its constructor takes."""
    found = {}
    for item in node.body:
        if (
            not isinstance(item, ast.AnnAssign)
            or not isinstance(item.target, ast.Name)
            or item.target.id.startswith("_")
        ):
            continue
        hidden = isinstance(item.value, ast.Call) and any(
            word.arg == "init"
            and isinstance(word.value, ast.Constant)
            and word.value.value is False
            for word in item.value.keywords
        )
        if not hidden and "ClassVar" not in ast.unparse(item.annotation):
            found[item.target.id] = item.annotation
    return found
