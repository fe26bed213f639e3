"""Read the names and keys of a method's parts from their files, without importing them.

A folder is the registry: `methods/tuning/lora.py` is the tuning `lora`, and the fields of its
dataclass (or the keyword-only arguments of its function) are the keys that a row's JSON may set.
The database half must know this to refuse a typo at the INSERT, and must not import torch to know
it, so the source is parsed instead. What whole rows are refused for is in `schema.checks.rows`.
"""

import ast
import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from schema.checks.kinds import fits, worded
from schema.words import nearest

ROOT = Path(__file__).resolve().parents[2]
# The needs that a part may declare, with the column of `mixture` that must then be above 0; None:
# the part provides it itself
NEEDS = {
    # a second copy of the model
    "teacher": None,
    # passes over pairs at the end of a task
    "fisher_pass": None,
    # pairs that the part stores
    "own_buffer": None,
    # the weights of every task, on disk
    "every_task": None,
    "buffer": "buffer_share",
    "pretraining": "pretraining_share",
    "held_out": "held_out_share",
}
# The first argument of the functions that are parts, in a module that is a registry; this
# distinguishes them from helpers
FIRST_ARGUMENTS = ("parameters", "at", "earlier", "concepts")
# The values of `over` and `start_over`, see methods/mergings.py
OVER = ("running", "all", "ends")
# Keys of merging_params that every merging has, beside those of its technique
RESERVED = ("over", "start_over", "lines", "restart")
# The values of `members` of ensemble_params, see methods/ensembling.py
MEMBERS = ("all", "ends", "merged")
# The file of a merging defines one of these functions, or two with the same keys
MERGES = ("merge", "folding", "share")
# The key of optimizer_params that says whether the optimizer's state is kept for the next task
CARRY = "carry"
# The key of optimizer_params that says which parameters decay, a word of DECAYS
DECAY = "decay"
DECAYS = ("all", "matrices", "open_clip")

Definition = ast.ClassDef | ast.FunctionDef


class PartError(ValueError):
    """A row names an unknown part or key, or has a value of the wrong type."""


def names(registry: str) -> list[str]:
    """Return the names of the parts of a registry, sorted.

    A registry is a folder (`methods/tuning`: its files) or a module (`methods/schedules.py`: its
    public functions); files whose names begin with an underscore are no parts.
    """
    path = ROOT / registry
    if path.is_dir():
        return sorted(f.stem for f in path.glob("*.py") if not f.stem.startswith("_"))
    return sorted(_functions(path))


def keys(registry: str, name: str) -> tuple[str, ...]:
    """Return the keys that the params of a part may set."""
    return tuple(annotations(registry, name))


@cache
def annotations(registry: str, name: str) -> Mapping[str, ast.expr]:
    """Return the keys that the params of a part may set, with their type annotations.

    Raises:
        PartError: the file of the part defines neither its class nor its function.
    """
    path = ROOT / registry
    if not path.is_dir():
        return _keyword_only(_functions(path)[name])
    tree = ast.parse((path / f"{name}.py").read_text())
    class_name = "".join(word.capitalize() for word in name.split("_"))
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and node.name == class_name:
            return _fields(node)
        if isinstance(node, ast.FunctionDef) and node.name in MERGES:
            return _keyword_only(node)
    raise PartError(
        f"{registry}/{name}.py defines neither class {class_name} nor function "
        f"{' or '.join(MERGES)}"
    )


def averages_steps(merging: str) -> bool:
    """Return whether a merging averages over the steps of a task; others combine whole tasks."""
    return merging in step_averages()


@cache
def step_averages() -> tuple[str, ...]:
    """Return the mergings that average over the steps of a task, by their function `share`."""
    found = []
    for name in names("methods/merging"):
        text = (ROOT / "methods/merging" / f"{name}.py").read_text()
        if re.search(r"^def share\(", text, re.MULTILINE):
            found.append(name)
    return tuple(found)


def needs(registry: str, name: str) -> tuple[str, ...]:
    """Return the needs that a part declares, which are keys of `NEEDS`.

    A class declares it as its attribute `needs`, a function by `NEEDS` beside it in its module.
    """
    return declared(registry, name, ("needs", "NEEDS"))


@cache
def steps_itself(tuning: str) -> bool:
    """Return whether a tuning changes gradients or weights around each step, by its `stepping`."""
    folder = ROOT / "methods/tuning"
    text = (folder / f"{tuning}.py").read_text()
    # What it inherits is in a module that it imports
    bases = re.findall(r"^from methods\.tuning\.(\w+) import", text, re.MULTILINE)
    texts = [text, *((folder / f"{base}.py").read_text() for base in bases)]
    return any("def stepping(" in each for each in texts)


@cache
def declared(registry: str, name: str, attributes: tuple[str, ...]) -> tuple[str, ...]:
    """Return the literal that a part's file assigns to one of these names, or ()."""
    tree = ast.parse((ROOT / registry / f"{name}.py").read_text())
    for node in _assignments(tree):
        target = node.target if isinstance(node, ast.AnnAssign) else node.targets[0]
        if isinstance(target, ast.Name) and target.id in attributes:
            assert node.value is not None
            return tuple(ast.literal_eval(node.value))
    return ()


def check(
    registry: str,
    name: str,
    params: Mapping[str, Any],
    where: str,
    reserved: tuple[str, ...] = (),
) -> None:
    """Refuse an unknown part, an unknown key or a value of the wrong type.

    `where` names the column of the row in messages. `reserved` keys are allowed beside the part's
    own; the caller checks their values.

    Raises:
        PartError: the message names what is allowed, and the nearest of it.
    """
    known = names(registry)
    if name not in known:
        raise PartError(
            f"{where}: unknown {name!r}. "
            f"Known in {registry}: {', '.join(known)}.{nearest(name, known)}"
        )
    own = annotations(registry, name)
    allowed = (*own, *reserved)
    for key, value in params.items():
        if key not in allowed:
            listed = ", ".join(allowed) or "none: it takes no parameters"
            raise PartError(
                f"{where}: {name} has no parameter {key!r}. "
                f"Allowed: {listed}.{nearest(key, allowed)}"
            )
        if key in own and not fits(value, own[key]):
            raise PartError(
                f"{where}: {key} of {name} must be {worded(own[key])}, not {json.dumps(value)}."
            )


def _assignments(tree: ast.Module) -> Iterator[ast.AnnAssign | ast.Assign]:
    """Yield the assignments of a module and of its classes, in order."""
    for item in tree.body:
        nodes = item.body if isinstance(item, ast.ClassDef) else [item]
        for node in nodes:
            if isinstance(node, ast.AnnAssign | ast.Assign):
                yield node


@cache
def _functions(path: Path) -> dict[str, ast.FunctionDef]:
    """Return the functions of a module that are parts, such as optimizers and schedules."""
    functions = {}
    for node in ast.parse(path.read_text()).body:
        if not isinstance(node, ast.FunctionDef) or node.name.startswith("_"):
            continue
        if node.args.args and node.args.args[0].arg in FIRST_ARGUMENTS:
            functions[node.name] = node
    return functions


def _keyword_only(node: ast.FunctionDef) -> dict[str, ast.expr]:
    """Return the keyword-only arguments of a function with their annotations."""
    arguments = node.args.kwonlyargs
    return {argument.arg: argument.annotation or ast.Name("Any") for argument in arguments}


def _fields(node: ast.ClassDef) -> dict[str, ast.expr]:
    """Return the fields that the constructor of a dataclass takes, with their annotations."""
    taken = {}
    for item in node.body:
        if not isinstance(item, ast.AnnAssign) or not isinstance(item.target, ast.Name):
            continue
        # State and class attributes are annotated too, but a row may not set them
        if item.target.id.startswith("_") or "ClassVar" in ast.unparse(item.annotation):
            continue
        if not _not_in_init(item.value):
            taken[item.target.id] = item.annotation
    return taken


def _not_in_init(value: ast.expr | None) -> bool:
    """Return whether a field is `field(init=False)`, which is no argument of the constructor."""
    if not isinstance(value, ast.Call):
        return False
    for keyword in value.keywords:
        if keyword.arg == "init" and isinstance(keyword.value, ast.Constant):
            return keyword.value.value is False
    return False
