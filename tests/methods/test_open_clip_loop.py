"""A recipe that names open_clip's own choices is its training loop, step for step."""

import math
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from open_clip import ClipLoss
from open_clip_train.scheduler import cosine_lr
from open_clip_train.train import train_one_epoch
from torch import Tensor, nn

import methods
from methods import Task
from runner.worker import backbone as backbones
from runner.worker.profiler.fake_steps import BlankBatches
from runner.worker.training import Options, Training
from schema.spec import Spec
from streams import Batch
from tests.runner.worker.test_step_cost import TINY, spec_of
from tests.tiny_clip import batches

STEPS, WARM = 60, 6
LR, DECAY, CLIP = 2e-3, 0.2, 1.0
OWN = {"optimizer_params": {"decay": "open_clip"}, "schedule": "cosine_open_clip"}


def drawn() -> list[Batch]:
    stream = batches(1)
    return [next(stream) for _ in range(STEPS)]


class Given(BlankBatches):
    """Batches that are given, one after the other."""

    def __init__(self, given: list[Batch], *about: Any) -> None:
        super().__init__(*about)
        self.given: Iterator[Batch] = iter(given)

    def draw(self) -> Batch:
        return next(self.given)


def losses_of_weir(recipe: dict[str, Any]) -> list[float]:
    """Learn with Weir's loop; returns the loss of each step."""
    about = {
        "lr": LR,
        "weight_decay": DECAY,
        "clip_norm": CLIP,
        "schedule_params": {"warmup": WARM},
    }
    spec: Spec = spec_of(recipe=about | recipe)
    backbone = backbones.build(TINY, 0, "cpu")
    task = Task(1, STEPS, dict(backbone.model.state_dict()))
    source = Given(drawn(), spec, backbone, task)
    training = Training(spec, backbone, methods.method(spec.method), task, source, Options())
    return [training.look() for _ in training.steps_from(0)]


class Noted(ClipLoss):  # type: ignore[misc]
    """open_clip's loss, which keeps what it comes to."""

    def __init__(self) -> None:
        super().__init__()
        self.losses: list[float] = []

    def forward(self, *args: Any, **kwargs: Any) -> dict[str, Tensor]:
        found: dict[str, Tensor] = super().forward(*args, **kwargs)
        self.losses.append(float(found["contrastive_loss"].detach()))
        return found


class Epoch:
    """What open_clip asks of its data."""

    num_batches, num_samples = STEPS, 16 * STEPS

    def __init__(self) -> None:
        self.dataloader = self

    def set_epoch(self, epoch: int) -> None:
        """There is only one."""

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        for batch in drawn():
            yield batch.images, batch.texts


def is_spared(name: str, parameter: nn.Parameter) -> bool:
    """Say, as open_clip_train.main does, which parameters have no weight decay."""
    words = ("bn", "ln", "bias", "logit_scale")
    return parameter.ndim < 2 or any(word in name for word in words)


def losses_of_open_clip() -> list[float]:
    """Learn with open_clip's loop, optimizer groups and schedule; returns the loss of each step."""
    model = backbones.build(TINY, 0, "cpu").model
    model.output_dict = True
    named = list(model.named_parameters())
    spared = [parameter for name, parameter in named if is_spared(name, parameter)]
    others = [parameter for name, parameter in named if not is_spared(name, parameter)]
    groups = [{"params": spared, "weight_decay": 0.0}, {"params": others, "weight_decay": DECAY}]
    optimizer = torch.optim.AdamW(groups, lr=LR)
    arguments = SimpleNamespace(
        device="cpu", precision="fp32", distill=False, accum_freq=1, skip_scheduler=False, horovod=False, grad_clip_norm=CLIP,
        log_every_n_steps=1000, rank=0, batch_size=16, world_size=1, wandb=False,
    )  # fmt: skip
    noted, scheduler = Noted(), cosine_lr(optimizer, LR, WARM, STEPS)
    train_one_epoch(
        model, {"train": Epoch()}, noted, 0, optimizer, None, scheduler, None, arguments
    )
    return noted.losses


def apart(one: list[float], other: list[float]) -> float:
    return max(abs(mine - its) / its for mine, its in zip(one, other, strict=True))


@pytest.mark.slow
def test_the_losses_of_its_loop_are_these_to_rounding() -> None:
    """In 60 steps they part by 5e-6 where both choices are open_clip's, and else by a tenth."""
    theirs = losses_of_open_clip()
    assert len(theirs) == STEPS and all(map(math.isfinite, theirs))
    assert apart(losses_of_weir(OWN), theirs) < 1e-4
    for missing in OWN:
        others = {key: value for key, value in OWN.items() if key != missing}
        assert apart(losses_of_weir(others), theirs) > 1e-2, missing
