"""Within a step the host does not wait for a GPU.

Nothing asks a tensor of the device for a number, or where it is true. The device is one of tensors
without contents, as profiles have it; what is real is the host's.
"""

from typing import Any

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensor

import methods
from methods import Task
from runner.worker.profiler.fake_steps import BlankBatches, ProfileError, fake_backbone
from runner.worker.profiler.fake_tensors import ATEN, Memory
from runner.worker.profiler.sampling import Books
from runner.worker.training import Options, Training
from schema.spec import Spec
from streams import Batch
from tests.runner.worker.test_step_cost import spec_of
from tests.tiny_clip import PARAMS, build, learn, names, objective_of, tuning, whole

WAITS = (
    ATEN._local_scalar_dense.default,
    ATEN.nonzero.default,
    ATEN.equal.default,
    ATEN.masked_select.default,
)


class Waiting(Memory):
    """Notes what makes the host wait: a number, or a size, that only a GPU knows."""

    def __init__(self) -> None:
        super().__init__()
        self.waits: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        there = [each for each in args if isinstance(each, FakeTensor)]
        masks = (
            [each for each in args[1] if isinstance(each, FakeTensor)]
            if func is ATEN.index.Tensor
            else []
        )
        if (there and func in WAITS) or any(mask.dtype is torch.bool for mask in masks):
            self.waits.append(str(func))
        return super().__torch_dispatch__(func, types, args, kwargs)


class SourcesThere(BlankBatches):
    """Batches whose sources are on the device, too."""

    def draw(self) -> Batch:
        blank = super().draw()
        return Batch(blank.images, blank.texts, torch.zeros(blank.sources.shape))


def unheard(optimizer: torch.optim.Optimizer, seen: Waiting) -> None:
    """Let steps of an optimizer go unseen.

    Its own numbers lie on the host, whatever they do here.
    """
    step = optimizer.step

    def unseen() -> None:
        before = len(seen.waits)
        step()
        del seen.waits[before:]

    optimizer.step = unseen  # type: ignore[method-assign, assignment]


def waits(spec: Spec, batches: type[BlankBatches] = BlankBatches) -> list[str]:
    """What of the steps of two tasks would, on batches of such a source."""
    method, seen, found = methods.method(spec.method), Waiting(), list[str]()
    with fake_backbone(spec) as backbone, torch.random.fork_rng():
        initial = {name: tensor.clone() for name, tensor in backbone.model.state_dict().items()}
        with seen:
            for number in (1, 2):
                task = Task(number, number, initial)
                options = Options(ledger=Books(seen), has_values=False)
                source = batches(spec, backbone, task)
                training = Training(spec, backbone, method, task, source, options)
                unheard(training.update.optimizer, seen)
                seen.waits.clear()
                for _ in training.steps_from(0):
                    found += seen.waits
                    seen.waits.clear()
                training.fold()
                method.merging.end()
    return found


def of_objective(name: str) -> Spec:
    params = {term: PARAMS.get(term, {}) for term in whole(name).split("+")}
    return spec_of(
        objective=whole(name), objective_params=params if len(params) > 1 else params[name]
    )


@pytest.mark.parametrize("name", [name for name in names("methods/objectives") if name != "gere"])
def test_no_objective_waits(name: str) -> None:
    """But gere, while it fills its set of pairs."""
    assert waits(of_objective(name)) == []


WATCHED = (
    "lora",
    "galore",
    "osf",
    "migu",
    "coso",
    "olora",
    "inflora",
    "keeplora",
    "gnsp",
    "nusa",
    "spu",
)


@pytest.mark.parametrize("name", WATCHED)
def test_no_tuning_waits(name: str) -> None:
    """Try one tuning of each kind."""
    assert waits(spec_of(tuning=name)) == []


def test_what_would_wait_is_seen() -> None:
    with pytest.raises(ProfileError, match="it asks aten.nonzero"):
        waits(of_objective("zscl"), batches=SourcesThere)


def test_a_scale_that_is_a_tensor_is_divided_by_alike() -> None:
    """What `si` has of its path under fp16, whose scale is never asked for."""
    found = []
    for scale in (2.0**16, torch.tensor(2.0**16)):
        model, what, how = build(), objective_of("si"), tuning("full")
        stepping = what.stepping
        what.stepping = lambda model, _, scale=scale, stepping=stepping: stepping(model, scale)  # type: ignore[method-assign, misc]
        torch.manual_seed(1)
        learn(model, how, what, 3)
        found.append(what.state_dict())
    assert found[0].keys() == found[1].keys() and any(
        bool(tensor.any()) for tensor in found[0].values()
    )
    assert all(torch.equal(tensor, found[1][name]) for name, tensor in found[0].items())
