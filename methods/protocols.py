"""Protocols of the parts of a method (`Tuning`, `Repair`, `Objective`) and of the parts that a
mixture names (`Selection`, `Mixing`).

A part subclasses one of these as a dataclass. Between tasks the model is a plain CLIP: whatever a
part adds in `begin` is folded into the weights or moved to the part's own state by `end`, so code
outside `methods/` does not depend on which part ran.

A tuning that computes a weight from others (low-rank updates, masks) does so with
`torch.nn.utils.parametrize`, because then the weight in use stays one differentiable tensor under
its own name, and penalties on weights work under every tuning.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import ClassVar

from torch import Tensor, nn
from torch.optim import Optimizer

from methods.compute.distributed import Ranks, joined
from methods.compute.towers import Towers
from streams import Batch
from streams.shares import Shares

# A plain CLIP's state dict
Weights = Mapping[str, Tensor]


@dataclass(frozen=True)
class Task:
    """The facts about a beginning task that a part is given."""

    # The number of the task, from 1
    number: int
    # How many optimizer steps the task will take
    steps: int
    # The untouched backbone, on the CPU
    initial: Weights
    # The processes that take each step together
    ranks: Ranks = field(default_factory=joined)


class Tuning:
    """A choice of the parameters that are trained in a task, and of how gradients change them."""

    # What the rest of the sentence must have: see schema.checks.parts.NEEDS
    needs: ClassVar[tuple[str, ...]] = ()
    # The tower, `image` or `text`, that the tuning never changes; None: no such tower
    leaves: ClassVar[tuple[str, ...]] = ()

    def begin(self, model: nn.Module, task: Task) -> list[nn.Parameter]:
        """Prepare a plain CLIP, in place, and return the parameters to train.

        They are those of `methods.parameters.moving`, all on the model's device. Where there are
        none, the task takes no steps.

        It may add parameters and draw random numbers from torch's global generator, which is seeded
        for each task before this call, also when the task is resumed. It must not change the
        function that the model computes. The keys of the state dict must not depend on the weights:
        a checkpoint from within a task is loaded into a plain CLIP on which `begin` has been
        called.
        """
        raise NotImplementedError

    @contextmanager
    def stepping(self, model: nn.Module, optimizer: Optimizer) -> Iterator[None]:
        """Return a context around each optimizer step, with gradients unscaled and clipped.

        Gradients may be changed before the step, and weights after it: this is the place for
        gradient transforms and masks.
        """
        yield

    def end(self, model: nn.Module) -> None:
        """Turn the model back into a plain CLIP, in place.

        The state dict keys, their order, and `requires_grad` are as `begin` found them.
        """

    def state_dict(self) -> dict[str, Tensor]:
        """Return the tuning's state beside the model's parameters; tensors only.

        It covers both state within a task and state across tasks.
        """
        return {}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Go on from a state; the tensors may lie on the CPU.

        Where a task is resumed this is called both before `begin` (for the state of earlier tasks)
        and after it.
        """


class Repair(Tuning):
    """A training stage after a task, on pairs of earlier tasks alone.

    It says which parameters are trained. The first task has no earlier ones, and no repair.
    """

    # The share of the task's steps taken here instead of in training, at least one step
    share: float
    # The factor of the recipe's peak learning rate
    lr_scale: float


class Selection:
    """A choice of the pairs that a step learns from, among many candidates."""

    needs: ClassVar[tuple[str, ...]] = ("teacher",)
    # Whether scores use the model's losses; False: those of the untouched backbone alone
    asks_model: ClassVar[bool] = True
    # The share of the candidates that is left out
    filter_ratio: float
    # How many chunks a batch is chosen in
    chunks: int
    # The bias of the sigmoid loss that scores pairs
    bias: float

    def __post_init__(self) -> None:
        if not 0 <= self.filter_ratio < 1 or self.chunks < 1:
            raise ValueError(
                "a selection takes a filter_ratio of at least 0 and below 1 and chunks >= 1, "
                f"not {self}"
            )

    def scores(self, model: Tensor, reference: Tensor) -> Tensor:
        """Return scores (N, N) of every image with every text; higher is chosen sooner.

        `model` and `reference` are the pairwise losses (N, N) of the model and of the untouched
        backbone.
        """
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True)
class Segment:
    """What a mixing is told of a segment that has ended."""

    # The shares that its batches had, by source
    shares: Shares
    # Of each source that was drawn from, the contrastive loss of its held-out pairs after the
    # segment, over that at chance; empty where nothing is measured
    losses: Mapping[str, float]


class Mixing:
    """Who says which share of a batch each source has, segment after segment of a task.

    What it knows is what it is told, and the same is said again of the same: it has no state and
    draws nothing by chance. So an agent that was learned elsewhere is a file here: the segments so
    far are its state, the next shares its action.
    """

    needs: ClassVar[tuple[str, ...]] = ()
    # How many held-out pairs of each source are measured after a segment; 0: none, and all shares
    # are said before the task
    measured_pairs: int = 0

    @property
    def pieces(self) -> int:
        """Return how many segments a task is cut into."""
        raise NotImplementedError

    def shares(self, own: Shares, seen: Sequence[Segment]) -> Shares:
        """Return the shares of the next segment, of every source; they sum to 1.

        `own` are the mixture's, as they hold in this task: a source whose share is 0 there has none
        in any segment, and the others have some. `seen` are the segments of the task so far.
        """
        raise NotImplementedError


class FreshPairs:
    """Pairs of a task that has ended, for an objective that looks back at them.

    The calls of an objective determine what its look-back costs: all groups of one size cost the
    same, and so do all backward passes from the terms of one group. A profile runs only the first
    few of those, and extrapolates the cost of the rest.
    """

    def __init__(self, draw: Callable[[], Batch]) -> None:
        """Take batches of the task's mixture from `draw`."""
        self.draw = draw

    def batch(self) -> Batch:
        """Return a batch of the task's mixture; can be called any number of times."""
        return self.draw()

    def groups(self, pairs: int, group_pairs: int) -> Iterator[Batch]:
        """Yield groups of at most `group_pairs` pairs until `pairs` have been yielded.

        The number is rounded up to whole groups. A batch is cut into groups of nearly equal size,
        each with its share of every source; where `group_pairs` is 0 a batch is one group.
        """
        given_pairs = 0
        while given_pairs < pairs:
            for group in cut(self.draw(), group_pairs):
                if given_pairs >= pairs:
                    break
                yield group
                given_pairs += len(group.texts)

    def passes(self, terms: int) -> Iterator[int]:
        """Yield the index of each of a group's terms, from the last to the first.

        The caller takes a backward pass from each, and frees the group's graph at index 0.
        """
        yield from reversed(range(terms))


class Objective:
    """A loss, and what it remembers from task to task."""

    # What the rest of the sentence must have: see schema.checks.parts.NEEDS
    needs: ClassVar[tuple[str, ...]] = ()
    # True: it only penalises changes of weights, so it cannot be a method's whole objective
    penalty: ClassVar[bool] = False
    # True: its loss depends on the `logit_bias` of a backbone that has one
    uses_bias: ClassVar[bool] = False

    def begin(self, model: nn.Module, task: Task) -> None:
        """Prepare for a task, given the plain CLIP it starts from, before the tuning's `begin`.

        It is also called for a task that is resumed, on a plain CLIP with other weights;
        `load_state_dict` follows.
        """

    def loss(self, model: nn.Module, batch: Batch, towers: Towers) -> Tensor:
        """Return the mean over pairs, () float32 on the model's device.

        It is called once before every optimizer step. All towers, a teacher's too, must be run
        through `towers`. A weight that the tuning computes is cached for the whole loss: never read
        it under `no_grad` here, which would cache it without a gradient.
        """
        raise NotImplementedError

    @contextmanager
    def stepping(self, model: nn.Module, loss_scale: float | Tensor) -> Iterator[None]:
        """Return a context around each optimizer step.

        Gradients of tensors that are not parameters are still multiplied by `loss_scale` (fp16). It
        may be a tensor on the model's device: divide by it, and do not read its value, which would
        wait for the device.
        """
        yield

    def end(self, model: nn.Module, fresh: FreshPairs, towers: Towers) -> None:
        """Finish a task, given the trained plain CLIP, after the tuning's `end`.

        `fresh` draws any number of new pairs of the task's mixture.
        """

    def state_dict(self) -> dict[str, Tensor]:
        """Return the objective's whole state, that within a task included.

        It holds tensors only, because it is stored as safetensors.
        """
        return {}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Go on from a state; the tensors may lie on the CPU."""


class Sum(Objective):
    """A sum of objectives; each keeps its state under its name.

    A `logit_bias` that no term depends on is frozen from `begin` to `end`: a penalty on all weights
    would give it a gradient of 0, and the optimizer's weight decay would then shrink it.
    """

    def __init__(self, terms: Mapping[str, Objective]) -> None:
        self.terms = terms
        self._frozen: nn.Parameter | None = None

    def begin(self, model: nn.Module, task: Task) -> None:
        bias: nn.Parameter | None = getattr(model, "logit_bias", None)
        used = any(term.uses_bias for term in self.terms.values())
        if bias is not None and bias.requires_grad and not used:
            bias.requires_grad_(False)
            self._frozen = bias
        for term in self.terms.values():
            term.begin(model, task)

    def loss(self, model: nn.Module, batch: Batch, towers: Towers) -> Tensor:
        """Return the sum of the terms, which share one forward pass over the batch."""
        shared = towers.sharing()
        first, *rest = [term.loss(model, batch, shared) for term in self.terms.values()]
        return sum(rest, first)

    @contextmanager
    def stepping(self, model: nn.Module, loss_scale: float | Tensor) -> Iterator[None]:
        with ExitStack() as stack:
            for term in self.terms.values():
                stack.enter_context(term.stepping(model, loss_scale))
            yield

    def end(self, model: nn.Module, fresh: FreshPairs, towers: Towers) -> None:
        for term in self.terms.values():
            term.end(model, fresh, towers)
        if self._frozen is not None:
            self._frozen.requires_grad_(True)
            self._frozen = None

    def state_dict(self) -> dict[str, Tensor]:
        """Return the terms' states, their keys `<term>.<key>`."""
        state = {}
        for name, term in self.terms.items():
            for key, tensor in term.state_dict().items():
                state[f"{name}.{key}"] = tensor
        return state

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        for name, term in self.terms.items():
            own = {}
            for key, tensor in state.items():
                if key.startswith(f"{name}."):
                    own[key.removeprefix(f"{name}.")] = tensor
            term.load_state_dict(own)


def cut(batch: Batch, pairs: int) -> Iterator[Batch]:
    """Yield groups of at most `pairs` pairs, each with its share of every source.

    Where `pairs` is 0 the batch itself is yielded.
    """
    count = -(-len(batch.texts) // pairs) if pairs else 1
    if count == 1:
        yield batch
        return
    for first in range(count):
        yield Batch(
            images=batch.images[first::count],
            texts=batch.texts[first::count],
            sources=batch.sources[first::count],
        )
