"""The parts that a training method is made of, and how each is found.

A method is a row that names parts, and a part is a file: `methods/tuning/lora.py` holds the
dataclass `Lora`, its fields are the keys that `tuning_params` may set, and nothing is registered
anywhere. What a part must do is in `methods/protocols.py`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from inspect import Parameter, signature
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from methods.ensembling import Ensemble, Rule
from methods.foldings import Folding
from methods.mergings import STEPS, Merging
from methods.protocols import (
    FreshPairs,
    Mixing,
    Objective,
    Repair,
    Segment,
    Selection,
    Sum,
    Task,
    Tuning,
    Weights,
)
from schema.checks.parts import RESERVED, PartError, averages_steps
from schema.checks.rows import check_merging
from schema.words import nearest

__all__ = [
    "FreshPairs",
    "Method",
    "Mixing",
    "Objective",
    "Repair",
    "Segment",
    "Selection",
    "Sum",
    "Task",
    "Tuning",
    "Weights",
    "arguments",
    "merge",
    "merger",
    "method",
    "objective",
    "part",
]


@dataclass
class Method:
    """The parts of a method row that live as long as a trial does."""

    tuning: Tuning
    objective: Objective
    merging: Merging
    # How several models are deployed as one, and which models; None where one is deployed
    ensemble: Ensemble | None = None

    def state_dict(self) -> dict[str, dict[str, Tensor]]:
        """Return what the parts remember."""
        return {
            "tuning": self.tuning.state_dict(),
            "objective": self.objective.state_dict(),
            "merging": self.merging.state_dict(),
        }

    def load_state_dict(self, state: Mapping[str, dict[str, Tensor]]) -> None:
        """Restore what each part remembers from the result of `state_dict`."""
        self.tuning.load_state_dict(state["tuning"])
        self.objective.load_state_dict(state["objective"])
        self.merging.load_state_dict(state["merging"])


def method(row: Mapping[str, Any]) -> Method:
    """Return the parts that a `method` row names.

    Raises:
        PartError: as `part` and `objective`.
    """
    together = ensemble(row)
    # An ensemble with what was merged as a member needs what `merged` would deploy
    merges = together is not None and together.members == "merged"
    deploy = "merged" if merges else row["deploy"]
    return Method(
        part("tuning", row["tuning"], row["tuning_params"]),
        objective(row["objective"], row["objective_params"]),
        merger(row["merging"], row["merging_params"], row["start"], deploy),
        together,
    )


def ensemble(row: Mapping[str, Any]) -> Ensemble | None:
    """Return the ensemble of a `method` row; None where one model is deployed.

    Raises:
        PartError: as `part`.
        ValueError: a value that the rule refuses.
    """
    # Definitions from before there were ensembles have neither column
    name = row.get("ensemble")
    if name is None:
        return None
    params = dict(row.get("ensemble_params") or {})
    members = params.pop("members", None)
    rule: Rule = part("ensembles", name, params)
    return Ensemble(rule=rule, members=members or rule.members[0])


def part(kind: str, name: str, params: Mapping[str, Any]) -> Any:
    """Return a part by the name of its file, its fields set from a row's JSON.

    `kind` is the folder: tuning, objectives, repair, selection, mixing or ensembles.

    Raises:
        PartError: no such file, or a key that is no field; names what is allowed and what is
            nearest.
        ValueError: a value that the part refuses.
    """
    class_name = "".join(word.capitalize() for word in name.split("_"))
    factory = getattr(_module(kind, name), class_name)
    return factory(**arguments(f"{kind} {name!r}", factory, params))


def objective(name: str, params: Mapping[str, Any]) -> Objective:
    """Return one objective, or several joined by `+` and summed, whose `params` are keyed by name.

    Raises:
        PartError: as `part`; also a name twice, params for an objective that is not in the sum, or
            nothing but penalties.
    """
    names = name.split("+")
    if len(set(names)) < len(names):
        raise PartError(
            f"objective {name!r} names a term twice; each may stand once, with its weight in "
            "objective_params"
        )
    keyed = {name: params} if len(names) == 1 else params
    for key in keyed:
        if key not in names:
            raise PartError(
                f"objective {name!r} is a sum, so its params are keyed by objective; {key!r} is "
                f"none of {', '.join(names)}.{nearest(key, names)}"
            )
    terms: dict[str, Objective] = {}
    for term in names:
        terms[term] = part("objectives", term, keyed.get(term, {}))
    if all(term.penalty for term in terms.values()):
        raise PartError(
            f"objective {name!r} only holds weights back and has nothing to learn; write "
            f"'contrastive+{name}'"
        )
    return terms[name] if len(terms) == 1 else Sum(terms)


def merger(name: str, params: Mapping[str, Any], start: str, deploy: str) -> Merging:
    """Return a merging by the name of its file, as a row wants it.

    Its own keys and the reserved ones are set from the row's JSON; `start` and `deploy` are the
    columns of that name. The merging is run once on tiny tensors, so that an invalid value is
    refused before anything is trained.

    Raises:
        PartError: no such file, a key that it does not take, or a value of a reserved key; names
            what is allowed.
        ValueError: a value that the merging refuses.
    """
    check_merging(name, params, f"merging {name!r}")
    module = _module("merging", name)
    own = {key: value for key, value in params.items() if key not in RESERVED}
    if averages_steps(name):
        share = partial(module.share, **own)
        lengths = (1,) if "steps" in signature(share).parameters else ()
        share(1, *lengths)
        over = start_over = STEPS
        merging = Merging(share=share, restart=params.get("restart", True))
    else:
        folding, technique = _technique(module, own)
        technique([{"tried": torch.zeros(2)}] * 2)
        over = params.get("over", "running")
        start_over = params.get("start_over", over)
        merging = Merging(technique, folding)
    merging.lines = params.get("lines")
    merging.start = start_over if start == "merged" else None
    merging.deploy = over if deploy == "merged" else None
    return merging


def _technique(
    module: Any, own: Mapping[str, Any]
) -> tuple[Folding | None, Callable[..., Weights]]:
    """Return a merging's running form, None where it has none, and its function over a history."""
    folding: Folding | None = module.folding(**own) if hasattr(module, "folding") else None
    if hasattr(module, "merge"):
        return folding, partial(module.merge, **own)
    # A file without `merge` has a running form for all of its keys
    assert folding is not None
    return folding, folding.merge


def merge(name: str, history: Sequence[Weights], params: Mapping[str, Any]) -> Weights:
    """Return the merge of a history, computed as a trial computes it.

    `history[0]` is the untouched backbone, `history[i]` the weights as trained in task i. See
    `Merging.merge`.

    Raises:
        PartError: as `merger`.
    """
    merging = merger(name, params, "last", "merged")
    return merging.merge(merging.deploy or STEPS, history)


def arguments(what: str, factory: Callable[..., Any], params: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row's params as arguments of a part, JSON's lists as tuples.

    `factory` is a dataclass, which takes its fields, or a function, which takes its keyword-only
    arguments. `what` names the part in an error.

    Raises:
        PartError: a key that is not among them; names what is allowed and what is nearest.
    """
    allowed = []
    for argument in signature(factory).parameters.values():
        if isinstance(factory, type) or argument.kind is Parameter.KEYWORD_ONLY:
            allowed.append(argument.name)
    values = {}
    for key, value in params.items():
        if key not in allowed:
            listed = ", ".join(allowed) or "none: it takes no parameters"
            raise PartError(
                f"{what} has no parameter {key!r}. Allowed: {listed}.{nearest(key, allowed)}"
            )
        values[key] = tuple(value) if isinstance(value, list) else value
    return values


def _module(kind: str, name: str) -> Any:
    """Return the file `name` of a folder of parts as a module."""
    files = sorted((Path(__file__).parent / kind).glob("*.py"))
    names = [file.stem for file in files if not file.stem.startswith("_")]
    if name not in names:
        raise PartError(
            f"unknown {name!r}. Files in methods/{kind}: {', '.join(names)}.{nearest(name, names)}"
        )
    return import_module(f"methods.{kind}.{name}")
