"""How a step is computed: what may be said of it, and that it changes a number by rounding alone."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

import methods
from methods import Task
from methods.compute.distributed import ALONE, Ranks
from methods.compute.towers import Towers
from runner.worker import backbone as backbones
from runner.worker.outcome import DivergedError
from runner.worker.profiler.step_cost import Memory, profile
from runner.worker.training import Training
from schema.checks import parts, rows
from schema.checks.compute import Compute
from tests.runner.worker.test_step_cost import RECIPE, TINY, Real, spec_of
from tests.tiny_clip import batches, build, learn, names, objective_of, task, tuning

PLAIN = Compute()
CHUNKED = Compute(chunk_pairs=4)
WAYS = {
    "chunks": CHUNKED,
    "checkpointing": Compute(checkpointing=True),
    "both": Compute(chunk_pairs=8, checkpointing=True),
}


@pytest.mark.parametrize(
    ("params", "words"),
    [
        (
            {"chunk_pair": 4},
            r"recipe 'r', compute_params: unknown key 'chunk_pair'. Allowed: chunk_pairs, .* mean 'chunk_pairs'",
        ),
        ({"chunk_pairs": 0}, "chunk_pairs is a whole number of pairs, 1 or more, not 0"),
        ({"ranks": 0}, "ranks is a whole number of processes, 1 or more, not 0"),
        ({"ranks": True}, "ranks is a whole number of processes, 1 or more, not True"),
        ({"checkpointing": 1}, "checkpointing is true or false, not 1"),
        ({"channels_last": "yes"}, "channels_last is true or false, not 'yes'"),
        ({"decode_on_device": "yes"}, "decode_on_device is true or false, not 'yes'"),
        ({"decode_on_device": 1}, "decode_on_device is true or false, not 1"),
        (
            {"decode_on_device": True, "cache_frozen": True},
            "cache_frozen knows an image by its pixels, .* Leave one of the two out",
        ),
        ({"compile": "yes"}, "compile is one of off, on, auto, not 'yes'"),
        ({"compile": ["on"]}, r"compile is one of off, on, auto, not \['on'\]"),
        (
            {"chunk_pairs": 5},
            "1 ranks with chunks of 5 pairs do not share out batch_pairs 32 evenly. .* a multiple of 5",
        ),
        (
            {"chunk_pairs": 16, "ranks": 4},
            "4 ranks with chunks of 16 pairs .* multiple of 64, or change ranks or chunk_pairs",
        ),
        ({"ranks": 3}, "3 ranks with chunks of 10 pairs .* Make batch_pairs a multiple of 3"),
    ],
)
def test_what_cannot_be_done_is_refused_with_the_row(params: dict[str, Any], words: str) -> None:
    with pytest.raises(parts.PartError, match=words):
        rows.check_recipe(RECIPE | {"compute_params": json.dumps(params)})


def test_a_recipe_that_says_nothing_is_computed_plainly() -> None:
    assert Compute.of(RECIPE) == Compute.of(RECIPE | {"compute_params": {}}) == PLAIN
    assert Compute.of(RECIPE | {"compute_params": {"chunk_pairs": 8, "ranks": 2}}) == Compute(
        chunk_pairs=8, ranks=2
    )


def gradients(
    model: nn.Module, towers: Towers, what: methods.Objective, moving: list[nn.Parameter]
) -> list[Tensor]:
    """The loss and its gradients in the second task, the same draws for every way."""
    torch.manual_seed(7)
    batch = next(batches(2))
    batch = type(batch)(batch.images.double(), batch.texts, batch.sources)
    with parametrize.cached():
        loss = what.loss(model, batch, towers)
        found = torch.autograd.grad(loss, moving, allow_unused=True, materialize_grads=True)
    return [loss.detach(), *found]


@pytest.fixture
def double() -> Iterator[None]:
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", names("methods/objectives"))
@pytest.mark.usefixtures("double")
def test_every_objective_is_that_of_the_whole_batch(name: str, way: str) -> None:
    """Under low-rank updates, whose weights in use are computed; a penalty counts once, however many chunks there are."""
    model, what, how = build().double(), objective_of(name), tuning("lora")
    learn(model, tuning("full"), what, 2)
    what.begin(model, task(2))
    moving = how.begin(model, task(2))
    with torch.no_grad():
        for parameter in moving:
            parameter.add_(0.01)
    whole, other = (
        gradients(model, Towers(compute=each), what, moving) for each in (PLAIN, WAYS[way])
    )
    for one, two in zip(whole, other, strict=True):
        torch.testing.assert_close(two, one, rtol=1e-10, atol=1e-12)
    assert any(bool(gradient.any()) for gradient in whole[1:])


class Layers(nn.Sequential):
    """A tower."""

    def encode_image(self, rows: Tensor) -> Tensor:
        made: Tensor = self(rows)
        return made


def test_a_chunk_is_run_again_with_the_random_state_it_had() -> None:
    """Dropout: the gradient is that of the very pass whose embeddings the loss saw."""
    layers = Layers(nn.Linear(6, 6), nn.Dropout(0.5), nn.Linear(6, 3))
    rows, weights = torch.randn(16, 6), torch.randn(16, 3)
    found = []
    for how in (PLAIN, CHUNKED):
        torch.manual_seed(3)
        towers = Towers(compute=how)
        pieces = [rows] if how.chunk_pairs else rows.split(4)
        made = torch.cat([towers.encode_image(layers, piece) for piece in pieces])
        loss = (made * weights).sum().square()
        torch.rand(5)
        found.append([loss, *torch.autograd.grad(loss, list(layers.parameters()))])
    for one, two in zip(*found, strict=True):
        torch.testing.assert_close(two, one)


def test_statistics_of_a_batch_are_not_those_of_its_chunks() -> None:
    layers = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    Towers.of(PLAIN, layers)
    Towers.of(Compute(checkpointing=True), layers)
    for how, ranks in ((CHUNKED, ALONE), (Compute(ranks=2), ALONE), (PLAIN, Ranks(2, 0))):
        with pytest.raises(
            ValueError, match="1 is a batch normalisation, .* use checkpointing, or a ViT backbone"
        ):
            Towers.of(how, layers, ranks)


def test_a_profile_counts_what_is_computed_again_and_what_is_not_held() -> None:
    """One forward pass more, a third of a step and a little (pixels get no gradient); and less memory."""
    rows = {
        name: profile(spec_of(pairs=512, recipe={"compute_params": params}))["train"]
        for name, params in {
            "plain": {},
            "chunks": {"chunk_pairs": 64},
            "checkpointing": {"checkpointing": True},
        }.items()
    }
    for name in ("chunks", "checkpointing"):
        assert 1.2 < rows[name][0] / rows["plain"][0] < 1.4
        assert rows[name][1] < rows["plain"][1]
    assert (
        rows["chunks"][1] < 0.75 * rows["plain"][1]
    )  # of so small a model much of it is weights and logits


class Diverges(Real):
    """Steps on the CPU that are looked at as late as on a GPU, or at once."""

    look = Training.look
    takes = 0

    def take(self, step: int, batch: Any) -> None:
        self.takes += 1
        super().take(step, batch)


def diverging(at_once: bool) -> Diverges:
    spec = spec_of(recipe={"lr": 1e30, "clip_norm": None, "schedule": "cosine"})
    backbone = backbones.build(TINY, 0, "cpu")
    initial = {name: tensor.clone() for name, tensor in backbone.model.state_dict().items()}
    made = Diverges(spec, backbone, methods.method(spec.method), Task(1, 100, initial), Memory())
    made.at_once = at_once
    made.begin(None)
    return made


def test_a_loss_that_is_looked_at_late_names_the_step_that_it_was_lost_at() -> None:
    said, taken = [], []
    for at_once in (True, False):
        training = diverging(at_once)
        with pytest.raises(
            DivergedError, match="the loss is not finite at step 2 of task 1"
        ) as error:
            for _ in training.steps_from(0):
                pass
        said.append(str(error.value))
        taken.append(training.takes)
    assert said[0] == said[1] and taken == [2, 5], "a point of the curve every five steps"


def test_no_checkpoint_is_made_of_what_diverged() -> None:
    training = diverging(at_once=False)
    steps = training.steps_from(0)
    for _ in range(3):
        next(steps)
    with pytest.raises(DivergedError, match="step 2 of task 1"):
        training.state_dict()
