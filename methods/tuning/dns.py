"""DNS, dual-sided null space: only the projections into the common space are trained, and their
gradients leave the similarities of earlier pairs as they are (https://arxiv.org/abs/2503.14963;
code: https://github.com/Xiaohao-Liu/CMCL).

    G <- G - P G Q
    P: on the eigenvectors of E[z z^T] above `input_min`, z being what goes into the projection
    Q: on those of E[w w^T] above `output_min`, w being what comes out of the other projection

G (rows, columns) is the gradient of one projection, z W the embedding it gives. The similarity of
an earlier pair changes by z dW w, which is 0 where z lies in the span of P and w in that of Q. The
means are over the pairs of all earlier tasks; w is by the weights that each task ended with. The
towers are frozen, so z stays what it was.

The authors train linear layers on features of frozen encoders; here these are the last projections
of both towers. Departures: z is scaled to norm 1 for its mean, as are the features that the
released thresholds hold for; the means are taken in the training steps, not in a pass after the
task. As released, `output_min` is 0, so Q keeps every direction that rounding leaves above 0. A
projected gradient does not make a projected step: AdamW scales each entry by itself. With
`project_step` the whole change of a projection by a step is projected, too, decay included.

Memory: for each tower (rows, rows) and (columns, columns) numbers, twice, and optimizer states of
two matrices. FLOPs: two forward passes, next to nothing backward, and two eigendecompositions per
tower and task.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from methods import Task, Tuning
from methods.parameters import freeze, moving, thaw
from methods.tuning._pooled import Pooled
from methods.tuning._subspaces import wide

# The name of each tower's projection, and of the other tower's
PROJECTIONS = {"visual.proj": "text_projection", "text_projection": "visual.proj"}


@dataclass
class Dns(Tuning):
    """DNS, of `visual.proj` and `text_projection`; the thresholds are the released ones."""

    # The smallest eigenvalue of E[z z^T], whose trace is 1, that is protected
    input_min: float = 0.1
    # The same of E[w w^T]
    output_min: float = 0.0
    # Whether the step is projected, too, and not only the gradient
    project_step: bool = False
    # Sums over earlier tasks: of z z^T by the projection that z goes into, and of w w^T by the
    # projection that w is compared with
    _inputs: dict[str, Tensor] = field(default_factory=dict, init=False, repr=False)
    _outputs: dict[str, Tensor] = field(default_factory=dict, init=False, repr=False)
    # The sum of z z^T in this task so far
    _seen: dict[str, Tensor] = field(default_factory=dict, init=False, repr=False)
    # P and Q of each projection
    _left: dict[str, Tensor] = field(default_factory=dict, init=False, repr=False)
    _right: dict[str, Tensor] = field(default_factory=dict, init=False, repr=False)
    _pooled: Pooled = field(default_factory=Pooled, init=False, repr=False, compare=False)
    _frozen: list[str] = field(default_factory=list, init=False, repr=False)

    def __post_init__(self) -> None:
        if min(self.input_min, self.output_min) < 0:
            raise ValueError(f"dns takes thresholds >= 0, not {self}")

    def begin(self, model: nn.Module, task: Task) -> list[nn.Parameter]:
        """Freeze all other parameters, compute P and Q, and watch what goes into the projections.

        Raises:
            ValueError: the towers are not those of a ViT and a text transformer of open_clip, or
                their projections are frozen by the backbone itself.
        """
        self._pooled.watch(model, task.ranks, "dns")
        self._frozen = freeze(model, lambda name: name not in PROJECTIONS)
        self._seen, self._left, self._right = {}, {}, {}
        for name, moment in self._inputs.items():
            weight = model.get_parameter(name)
            seen_pairs = moment.trace()
            self._left[name] = protected((moment / seen_pairs).to(weight), self.input_min)
            output = self._outputs[name] / seen_pairs
            self._right[name] = protected(output.to(weight), self.output_min)
        return moving(model)

    @contextmanager
    def stepping(self, model: nn.Module, optimizer: Optimizer) -> Iterator[None]:
        """Project the gradients, and the step with `project_step`; add up the step's inputs."""
        for name, covariance in self._pooled.taken().items():
            earlier = self._seen.get(name)
            # Tensors loaded from a checkpoint are on the CPU
            self._seen[name] = (
                covariance if earlier is None else earlier.to(covariance) + covariance
            )
        before = {}
        with torch.no_grad():
            for name in self._left:
                parameter = model.get_parameter(name)
                if parameter.grad is not None:
                    parameter.grad = self._outside(name, parameter.grad)
                    before[name] = parameter.detach().clone() if self.project_step else None
        yield
        with torch.no_grad():
            for name, was in before.items():
                if was is not None:
                    parameter = model.get_parameter(name)
                    parameter.copy_(was + self._outside(name, parameter - was))

    def _outside(self, name: str, change: Tensor) -> Tensor:
        """Return a change (rows, columns) of a projection without what earlier pairs would see."""
        left = self._left[name] = self._left[name].to(change)
        right = self._right[name] = self._right[name].to(change)
        return change - left @ change @ right

    def end(self, model: nn.Module) -> None:
        """Add this task's inputs and outputs to the sums, and make all parameters trainable."""
        self._pooled.stop()
        for name, covariance in self._seen.items():
            weight = wide(model.get_parameter(name).detach())
            covariance = covariance.to(weight)
            _add(self._inputs, name, covariance)
            _add(self._outputs, PROJECTIONS[name], weight.T @ covariance @ weight)
        self._seen, self._left, self._right = {}, {}, {}
        thaw(model, self._frozen)

    def state_dict(self) -> dict[str, Tensor]:
        """Return `inputs.`, `outputs.`, `seen.`, `left.` and `right.<projection>`."""
        state = {}
        for kind, tensors in self._kinds().items():
            for name, tensor in tensors.items():
                state[f"{kind}.{name}"] = tensor
        return state

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Go on from what `state_dict` returned."""
        kinds = self._kinds()
        for tensors in kinds.values():
            tensors.clear()
        for key, tensor in state.items():
            kind, _, name = key.partition(".")
            kinds[kind][name] = tensor

    def _kinds(self) -> dict[str, dict[str, Tensor]]:
        """Return all that is remembered, by the word that its keys begin with."""
        return {
            "inputs": self._inputs,
            "outputs": self._outputs,
            "seen": self._seen,
            "left": self._left,
            "right": self._right,
        }


def protected(moment: Tensor, least: float) -> Tensor:
    """Return the projection on the eigenvectors of a moment (N, N) whose values exceed `least`."""
    vectors, values, _ = torch.linalg.svd(wide(moment))
    kept = vectors * (values > least).to(vectors)
    projection: Tensor = kept @ kept.T
    return projection.to(moment)


def _add(sums: dict[str, Tensor], name: str, matrix: Tensor) -> None:
    """Add a matrix to a sum, which may lie on the CPU."""
    earlier = sums.get(name)
    sums[name] = matrix if earlier is None else earlier.to(matrix) + matrix
