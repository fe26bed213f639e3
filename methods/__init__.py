"""What a method is made of, and how its parts are found: tunings, objectives, mergings, optimizers, schedules.

A method is a row that names parts, and a part is a file: `methods/tuning/lora.py` holds the dataclass `Lora`, its fields are
the keys that `tuning_params` may set, and nothing is registered anywhere. Between tasks the model is a plain CLIP: whatever a
part adds in `begin` is folded in or kept in the part's own state by `end`, so nothing outside this folder asks which ran.

A tuning that computes a weight from others (low-rank updates, masks) does so with `torch.nn.utils.parametrize`, because then
the weight in use stays one differentiable tensor under its own name, and a penalty on weights holds under every tuning.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from importlib import import_module
from inspect import Parameter, signature
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from methods.compute.distributed import Ranks, joined
from methods.compute.towers import Towers
from methods.mergings import STEPS, Merging
from schema.checks.parts import RESERVED, PartError, averages_steps
from schema.checks.rows import check_merging
from schema.words import nearest
from streams import Batch

Weights = Mapping[str, Tensor]  # a plain CLIP's state dict


@dataclass(frozen=True)
class Task:
    """What a part is told of the task that begins."""

    number: int  # from 1
    steps: int  # optimizer steps it will take
    initial: Weights  # the untouched backbone, on the CPU
    # The processes that take each step together
    ranks: Ranks = field(default_factory=joined)


class Tuning:
    """Which parameters move during a task, and how a gradient becomes their step. A file subclasses this as a dataclass."""

    needs: ClassVar[
        tuple[str, ...]
    ] = ()  # what the rest of the sentence must have: see schema.checks.parts.NEEDS
    leaves: ClassVar[
        tuple[str, ...]
    ] = ()  # of `image` and `text` the tower that it never moves, and nothing else in it does

    def begin(self, model: nn.Module, task: Task) -> list[nn.Parameter]:
        """Prepare a plain CLIP, in place; returns what may move (`moving`), all on the model's device. Where that is nothing,
        the task takes no steps.

        May add parameters and make random choices (from torch's global generator, which is seeded for the task before this,
        a resumed one too), and must not change the function that the model computes. On a model with any weights it makes the
        same state dict keys: a checkpoint from within a task is loaded into a plain CLIP on which `begin` has been called.
        """
        raise NotImplementedError

    @contextmanager
    def stepping(self, model: nn.Module, optimizer: Optimizer) -> Iterator[None]:
        """Around each step of the optimizer, gradients unscaled and clipped: before it they may be changed, and after it what
        it wrote. A gradient transform or a mask lives here."""
        yield

    def end(self, model: nn.Module) -> None:
        """Leave a plain CLIP behind: the state dict keys, their order, and `requires_grad` as `begin` found them."""

    def state_dict(self) -> dict[str, Tensor]:
        """What it remembers beside the model's parameters, within a task and across tasks; tensors only."""
        return {}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Go on from there; the tensors may lie on the CPU. Where a task is resumed, both before `begin` (what is remembered of
        earlier tasks) and after it."""


class Repair(Tuning):
    """A stage after a task: which parameters move then, on pairs of earlier tasks alone. A file subclasses this as a dataclass
    with these two fields. The first task has no earlier ones, and is not repaired."""

    share: float  # of the task's steps, at least one, which training goes without
    lr_scale: float  # of the recipe's peak learning rate


class Selection:
    """Which of many candidates a step learns from. A file subclasses this as a dataclass with these fields."""

    needs: ClassVar[tuple[str, ...]] = ("teacher",)
    asks_model: ClassVar[bool] = True  # False: the untouched backbone alone decides
    filter_ratio: float  # of the candidates that are left out
    chunks: int  # in which a batch is chosen
    bias: float  # of the sigmoid loss that scores

    def __post_init__(self) -> None:
        if not 0 <= self.filter_ratio < 1 or self.chunks < 1:
            raise ValueError(
                f"a selection takes a filter_ratio of at least 0 and below 1 and chunks >= 1, not {self}"
            )

    def scores(self, model: Tensor, reference: Tensor) -> Tensor:
        """(N, N) from the pairwise losses (N, N) of the model and of the untouched backbone; higher is chosen sooner."""
        raise NotImplementedError


class Objective:
    """What the loss asks for. A file subclasses this as a dataclass."""

    needs: ClassVar[
        tuple[str, ...]
    ] = ()  # what the rest of the sentence must have: see schema.checks.parts.NEEDS
    penalty: ClassVar[bool] = (
        False  # True: only holds weights back, so it cannot be a method's whole objective
    )

    def begin(self, model: nn.Module, task: Task) -> None:
        """Before the tuning's `begin`: sees the plain CLIP that the task starts from.

        A task that is resumed begins too, on a plain CLIP with other weights, and `load_state_dict` follows.
        """

    def loss(self, model: nn.Module, batch: Batch, towers: Towers) -> Tensor:
        """The mean over pairs, () float32 on the model's device; called once before every optimizer step.

        A weight that the tuning computes is computed once for the whole loss: never read it under `no_grad` here.
        """
        raise NotImplementedError

    @contextmanager
    def stepping(self, model: nn.Module, loss_scale: float | Tensor) -> Iterator[None]:
        """Around each step of the optimizer. Gradients of what is not a parameter are still times `loss_scale` (fp16), which may
        be on the model's device: divide by it, and do not ask what it is."""
        yield

    def end(self, model: nn.Module, batches: Iterator[Batch], towers: Towers) -> None:
        """After the tuning's `end`: sees the plain CLIP as trained, and fresh batches of the task's mixture without end."""

    def state_dict(self) -> dict[str, Tensor]:
        """All that it remembers, within a task too; tensors only, because it is stored as safetensors."""
        return {}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Go on from there; the tensors may lie on the CPU."""


class Sum(Objective):
    """Several objectives as one; each keeps its state under its name."""

    def __init__(self, terms: Mapping[str, Objective]) -> None:
        self.terms = terms

    def begin(self, model: nn.Module, task: Task) -> None:
        for term in self.terms.values():
            term.begin(model, task)

    def loss(self, model: nn.Module, batch: Batch, towers: Towers) -> Tensor:
        towers = towers.sharing()
        first, *rest = [term.loss(model, batch, towers) for term in self.terms.values()]
        return sum(rest, first)

    @contextmanager
    def stepping(self, model: nn.Module, loss_scale: float | Tensor) -> Iterator[None]:
        with ExitStack() as stack:
            for term in self.terms.values():
                stack.enter_context(term.stepping(model, loss_scale))
            yield

    def end(self, model: nn.Module, batches: Iterator[Batch], towers: Towers) -> None:
        for term in self.terms.values():
            term.end(model, batches, towers)

    def state_dict(self) -> dict[str, Tensor]:
        return {
            f"{name}.{key}": tensor
            for name, term in self.terms.items()
            for key, tensor in term.state_dict().items()
        }

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        for name, term in self.terms.items():
            own = {
                key.removeprefix(f"{name}."): tensor
                for key, tensor in state.items()
                if key.startswith(f"{name}.")
            }
            term.load_state_dict(own)


@dataclass
class Method:
    """The parts of a method row that live as long as a trial does."""

    tuning: Tuning
    objective: Objective
    merging: Merging

    def state_dict(self) -> dict[str, dict[str, Tensor]]:
        """What the parts remember."""
        return {
            "tuning": self.tuning.state_dict(),
            "objective": self.objective.state_dict(),
            "merging": self.merging.state_dict(),
        }

    def load_state_dict(self, state: Mapping[str, dict[str, Tensor]]) -> None:
        """Go on from there."""
        self.tuning.load_state_dict(state["tuning"])
        self.objective.load_state_dict(state["objective"])
        self.merging.load_state_dict(state["merging"])


def method(row: Mapping[str, Any]) -> Method:
    """The parts that a `method` row names.

    Raises:
        PartError: as `part` and `objective`.
    """
    return Method(
        part("tuning", row["tuning"], row["tuning_params"]),
        objective(row["objective"], row["objective_params"]),
        merger(row["merging"], row["merging_params"], row["start"], row["deploy"]),
    )


def part(kind: str, name: str, params: Mapping[str, Any]) -> Any:
    """A tuning (`kind` tuning) or one objective (`kind` objectives) by its file's name, its fields set from a row's JSON.

    Raises:
        PartError: no such file, or a key that is no field; names what is allowed and what is nearest.
        ValueError: a value that the part refuses.
    """
    made = getattr(_module(kind, name), "".join(word.capitalize() for word in name.split("_")))
    return made(**arguments(f"{kind} {name!r}", made, params))


def objective(name: str, params: Mapping[str, Any]) -> Objective:
    """One objective, or several joined by `+` and summed; then `params` is keyed by objective.

    Raises:
        PartError: as `part`; also a name twice, params for an objective that is not in the sum, or nothing but penalties.
    """
    names = name.split("+")
    if len(set(names)) < len(names):
        raise PartError(
            f"objective {name!r} names a term twice; each may stand once, with its weight in objective_params"
        )
    keyed = {name: params} if len(names) == 1 else params
    for key in keyed:
        if key not in names:
            raise PartError(
                f"objective {name!r} is a sum, so its params are keyed by objective; {key!r} is none of "
                f"{', '.join(names)}.{nearest(key, names)}"
            )
    terms: dict[str, Objective] = {
        term: part("objectives", term, keyed.get(term, {})) for term in names
    }
    if all(term.penalty for term in terms.values()):
        raise PartError(
            f"objective {name!r} only holds weights back and has nothing to learn; write 'contrastive+{name}'"
        )
    return terms[name] if len(terms) == 1 else Sum(terms)


def merger(name: str, params: Mapping[str, Any], start: str, deploy: str) -> Merging:
    """A merging by its file's name, its own keys and the reserved ones set from a row's JSON, and what the row wants of it.

    It is tried on next to nothing, so that a value that it refuses is refused before anything is trained.

    Raises:
        PartError: no such file, a key that it does not take, or a value of a reserved key; names what is allowed.
        ValueError: a value that the merging refuses.
    """
    check_merging(name, params, f"merging {name!r}")
    module = _module("merging", name)
    own = {key: said for key, said in params.items() if key not in RESERVED}
    if averages_steps(name):
        share = partial(module.share, **own)
        share(1)
        over, start_over, made = (
            STEPS,
            STEPS,
            Merging(share=share, restart=params.get("restart", True)),
        )
    else:
        technique = partial(module.merge, **own)
        technique([{"tried": torch.zeros(2)}] * 2)
        over = params.get("over", "running")
        start_over, made = params.get("start_over", over), Merging(technique)
    made.lines = params.get("lines")
    made.start, made.deploy = (
        start_over if start == "merged" else None,
        over if deploy == "merged" else None,
    )
    return made


def merge(name: str, history: Sequence[Weights], params: Mapping[str, Any]) -> Weights:
    """The weights that a merging makes of a history: `[0]` the untouched backbone, `[i]` the weights as trained in task i.

    As a trial comes to them, but from nothing but the history. See `Merging.merge`.

    Raises:
        PartError: as `merger`.
    """
    made = merger(name, params, "last", "merged")
    return made.merge(made.deploy or STEPS, history)


def arguments(what: str, made: Callable[..., Any], params: Mapping[str, Any]) -> dict[str, Any]:
    """A row's params as arguments of a part: fields of a dataclass or keyword-only arguments of a function; lists as tuples.

    Raises:
        PartError: a key that is not among them; names what is allowed and what is nearest.
    """
    takes = signature(made).parameters.values()
    allowed = [
        argument.name
        for argument in takes
        if isinstance(made, type) or argument.kind is Parameter.KEYWORD_ONLY
    ]
    for key in params:
        if key not in allowed:
            listed = ", ".join(allowed) or "none: it takes no parameters"
            raise PartError(
                f"{what} has no parameter {key!r}. Allowed: {listed}.{nearest(key, allowed)}"
            )
    return {
        key: tuple(value) if isinstance(value, list) else value for key, value in params.items()
    }


def _module(kind: str, name: str) -> Any:
    """The file `name` of a folder of parts."""
    known = sorted(
        file.stem
        for file in (Path(__file__).parent / kind).glob("*.py")
        if not file.stem.startswith("_")
    )
    if name not in known:
        raise PartError(
            f"unknown {name!r}. Files in methods/{kind}: {', '.join(known)}.{nearest(name, known)}"
        )
    return import_module(f"methods.{kind}.{name}")
