"""A part that waits in a step, or leaves a tensor on the CPU, is found: one of each kind is given one."""

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from schema.spec import Spec
from tests.accelerator.trials import learn, on_device, spec, spec_with
from tests.accelerator.watching import Place, Wait, Watch, permissions

Fault = Callable[[Tensor], Any]


@dataclass(frozen=True, kw_only=True)
class Planted:
    """Where a fault is put into a part: before a method, with a tensor of its arguments."""

    definition: Callable[[], Spec]
    module: str
    owner: str
    method: str
    # A tensor of the device, of the method's arguments
    tensor: Callable[..., Tensor]
    # The task and step by which it has been met; None: a repair comes after the second task
    until: tuple[int, int] | None = (1, 1)


def parameter(_: Any, model: Any, *others: Any) -> Tensor:
    """Return a parameter of the model that a part steps."""
    found: Tensor = next(model.parameters())
    return found.detach()


PLACES = {
    "tuning": Planted(
        definition=lambda: spec_with("tuning", "full"),
        module="methods.tuning.full", owner="Full", method="stepping", tensor=parameter,
    ),
    "objective": Planted(
        definition=lambda: spec_with("objectives", "contrastive"),
        module="methods.objectives.contrastive", owner="Contrastive", method="loss",
        tensor=lambda _, model, batch, towers: batch.images,
    ),
    "merging": Planted(
        definition=lambda: spec_with("merging", "ema_step"),
        module="methods.mergings", owner="Merging", method="step",
        tensor=lambda _, used: next(iter(used().values())).detach(),
    ),
    "repair": Planted(
        definition=lambda: spec_with("repair", "fpf"),
        module="methods.repair.fpf", owner="Fpf", method="stepping", tensor=parameter, until=None,
    ),
    "selection": Planted(
        definition=lambda: spec_with("selection", "learnability"),
        module="methods.selection.learnability", owner="Learnability", method="scores",
        tensor=lambda _, model, reference: model,
    ),
    "optimizer": Planted(
        definition=lambda: spec(recipe={"optimizer": "muon"}),
        module="methods.optimizers", owner="Joined", method="step",
        tensor=lambda optimizer: optimizer.param_groups[0]["params"][0].detach(),
    ),
    "way to compute": Planted(
        definition=lambda: spec(recipe={"compute_params": {"chunk_pairs": 4}}),
        module="methods.compute.towers", owner="Towers", method="_pass",
        tensor=lambda _, model, encode, rows, normalize: rows,
    ),
}  # fmt: skip
# Measured between the steps, where the host may wait
EVALUATIONS = {
    "evaluation": ("retrieval", "r5", lambda near_images, *_: near_images),
    "probe": ("index", "index_r1", lambda near_images, *_: near_images),
}


def number(tensor: Tensor) -> Any:
    return tensor.sum().item()


def truth(tensor: Tensor) -> Any:
    return bool(tensor.any())


def numbers(tensor: Tensor) -> Any:
    return tensor.flatten()[:2].tolist()


def copy_to_the_host(tensor: Tensor) -> Any:
    return tensor.cpu()


def places(tensor: Tensor) -> Any:
    return tensor.nonzero()


def some(tensor: Tensor) -> Any:
    return tensor[tensor > 0]


def copy_to_the_device(tensor: Tensor) -> Any:
    return torch.ones(2).to(tensor.device)


def made_of_numbers(tensor: Tensor) -> Any:
    return torch.tensor([1.0, 2.0], device=tensor.device)


def left_on_the_cpu(tensor: Tensor) -> Any:
    return tensor.flatten()[:2] + torch.ones(2)


WAITS = [
    number,
    truth,
    numbers,
    copy_to_the_host,
    places,
    some,
    copy_to_the_device,
    made_of_numbers,
]


def run_with(fault: Fault, planted: Planted, folder: Path, patch: pytest.MonkeyPatch) -> Watch:
    """Learn a trial whose part has a fault; returns what was seen."""
    owner = getattr(importlib.import_module(planted.module), planted.owner)
    method = getattr(owner, planted.method)

    def faulty(*args: Any, **kwargs: Any) -> Any:
        fault(planted.tensor(*args, **kwargs))
        return method(*args, **kwargs)

    definition = planted.definition()
    with on_device() as watch:
        # Only now: a profile, which is made of the same parts, has no such device
        patch.setattr(owner, planted.method, faulty)
        learn(folder, definition, end_at=planted.until)
    return watch


def line_of(fault: Fault) -> str:
    """Return the line of a fault, as it is named."""
    return f"tests/accelerator/test_faults.py:{fault.__code__.co_firstlineno + 1}"


@pytest.mark.parametrize("kind", PLACES)
def test_a_part_of_each_kind_that_asks_for_a_number_is_found(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch = run_with(number, PLACES[kind], tmp_path, monkeypatch)
    assert watch.refused() == [
        f"{line_of(number)}: asks for a number (_local_scalar_dense): return tensor.sum().item()"
    ]


@pytest.mark.parametrize("kind", PLACES)
def test_a_part_of_each_kind_that_leaves_a_tensor_on_the_cpu_is_found(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = (
        rf"tensors on accel:0 and on cpu \(\(2,\)\) at {line_of(left_on_the_cpu)}: return tensor"
    )
    with pytest.raises(RuntimeError, match=words):
        run_with(left_on_the_cpu, PLACES[kind], tmp_path, monkeypatch)


@pytest.mark.parametrize("fault", WAITS)
def test_every_way_to_wait_is_found(
    fault: Fault, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch = run_with(fault, PLACES["objective"], tmp_path, monkeypatch)
    (refused,) = watch.refused()
    assert refused.startswith(f"{line_of(fault)}: ")


@pytest.mark.parametrize("kind", EVALUATIONS)
def test_an_evaluation_that_leaves_a_tensor_on_the_cpu_is_found(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, metric, tensor = EVALUATIONS[kind]
    module = importlib.import_module(f"evals.{name}")
    method = module.nearer_than_match

    def faulty(*args: Any) -> Any:
        left_on_the_cpu(tensor(*args))
        return method(*args)

    member = {
        "dataset": "toy_scenes",
        "role": "probe",
        "metric": metric,
        "weight": 1.0,
        "label_space": "all",
    }
    monkeypatch.setattr(module, "nearer_than_match", faulty)
    with on_device(), pytest.raises(RuntimeError, match=f"at {line_of(left_on_the_cpu)}"):
        learn(tmp_path, spec(members=[member]))


FILE = """def step(tensor):
    # Waits: the number is printed
    print(
        tensor.item()
    )
    if tensor.item():
        # Waits: nothing does
        return 1
"""


def test_a_comment_allows_the_statement_below_it_and_no_other(tmp_path: Path) -> None:
    path = tmp_path / "part.py"
    path.write_text(FILE)
    above = Place(file=str(path), line=2)
    watch = Watch()
    for line in (4, 6):
        watch.waits.append(Wait(place=Place(file=str(path), line=line), what="asks for a number"))
    assert watch.refused() == [f"{path}:6: asks for a number: if tensor.item():"]
    assert watch.used() == {above}
    assert permissions(path) - watch.used() == {Place(file=str(path), line=7)}
