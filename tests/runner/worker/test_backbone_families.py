"""The vocabulary's backbones of 2023 to 2025: as open_clip has them, built, encoded with, profiled."""

import json
from pathlib import Path
from typing import Any

import duckdb
import pytest
import torch
from huggingface_hub import constants as hub

from methods import objective, optimizers, part
from runner.worker import architecture as architectures
from runner.worker import backbone as backbones
from runner.worker.architecture import ArchitectureError, tags_of
from runner.worker.clip_library import complete, open_clip
from runner.worker.profiler.step_cost import profile
from schema import ddl
from streams import Batch
from tests.methods.test_objectives_losses import with_bias
from tests.runner.worker.test_step_cost import spec_of
from tests.tiny_clip import (
    PLAINLY,
    batches,
    differing,
    fresh,
    learn,
    names,
    objective_of,
    snapshot,
    step,
    task,
    tuning,
)

ROWS = Path(__file__).parents[3] / "schema" / "rows"
# Of each family the smallest
SMALLEST = (
    "siglip_b16",
    "siglip2_b32",
    "pe_core_t16",
    "mobileclip2_s0",
    "metaclip_b32",
    "dfn_b16",
    "eva02_b16",
)
# Sizes of a family share their operations; these are the smallest of each that has its own
BUILT_DIFFERENTLY = (*(name for name in SMALLEST if name != "dfn_b16"), "mobileclip2_b")


def declared() -> dict[str, dict[str, Any]]:
    """The rows of schema/rows/backbones.sql, by name."""
    with duckdb.connect() as connection:
        connection.execute(
            "CREATE TABLE backbone (name VARCHAR PRIMARY KEY, architecture VARCHAR, "
            "pretrained VARCHAR, pretrained_with JSON, note VARCHAR)"
        )
        connection.execute((ROWS / "backbones.sql").read_text())
        found = connection.execute("SELECT * EXCLUDE (note) FROM backbone ORDER BY name").fetchall()
    rows = {}
    for name, architecture, pretrained, known in found:
        rows[name] = {
            "architecture": architecture,
            "pretrained": pretrained,
            "known": json.loads(known),
        }
    return rows


DECLARED = declared()


@pytest.mark.parametrize("name", DECLARED)
def test_open_clip_has_the_weights_and_the_loss_that_a_row_names(name: str) -> None:
    row = DECLARED[name]
    assert row["pretrained"] in tags_of(row["architecture"])
    config = open_clip.get_model_config(row["architecture"])
    assert ("init_logit_bias" in config) == row["known"]["loss"].startswith("sigmoid")


@pytest.mark.parametrize("name", SMALLEST)
def test_the_smallest_of_each_family_is_built_and_encodes(name: str) -> None:
    """With random weights that depend on the seed alone; a tokenizer of the hub is not asked for."""
    architecture = DECLARED[name]["architecture"]
    with torch.random.fork_rng():
        torch.manual_seed(1)
        complete(open_clip.get_model_config(architecture))
        model = open_clip.create_model(architecture, pretrained=None).eval()
    size = model.visual.image_size
    size = (size, size) if isinstance(size, int) else size
    with torch.no_grad():
        images = model.encode_image(torch.rand(1, 3, *size), normalize=True)
        texts = model.encode_text(torch.ones(1, model.context_length).long(), normalize=True)
    assert images.shape == texts.shape
    for rows in (images, texts):
        assert bool(rows.isfinite().all()) and float(rows.norm()) == pytest.approx(1, rel=1e-3)
    assert (getattr(model, "logit_bias", None) is not None) == name.startswith("siglip")


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=() if name == "siglip_b16" else pytest.mark.slow)
        for name in BUILT_DIFFERENTLY
    ],
)
def test_a_row_of_each_structure_can_be_profiled(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A step of full fine-tuning, on tensors without contents; of equal layers two are enough."""
    architecture = DECLARED[name]["architecture"]
    config = open_clip.get_model_config(architecture)
    for tower in ("vision_cfg", "text_cfg"):
        if isinstance(config[tower].get("layers"), int):
            config[tower]["layers"] = 2
    monkeypatch.setitem(open_clip.factory._MODEL_CONFIGS, architecture, config)
    flops, peak = profile(spec_of(architecture, pairs=4))["train"]
    with torch.device("meta"):
        model = open_clip.create_model(architecture, pretrained=None, device="meta")
    weights = sum(parameter.numel() for parameter in model.parameters())
    # Weights, gradients, and two numbers of AdamW for each
    assert peak > 4 * 4 * 0.99 * weights
    assert flops > 0


@pytest.mark.slow
def test_every_row_is_built_and_encodes() -> None:
    """On the meta device, as the large ones fit no test: pictures and texts meet in one width."""
    for name in {row["architecture"]: name for name, row in DECLARED.items()}.values():
        architecture = DECLARED[name]["architecture"]
        complete(open_clip.get_model_config(architecture))
        with torch.device("meta"):
            model = open_clip.create_model(architecture, pretrained=None, device="meta").eval()
            size = model.visual.image_size
            size = (size, size) if isinstance(size, int) else size
            images = model.encode_image(torch.empty(2, 3, *size), normalize=True)
            texts = model.encode_text(torch.ones(2, model.context_length, dtype=torch.long))
        assert images.shape == texts.shape and images.ndim == 2, name


def tiny() -> dict[str, str]:
    """The embedded default and its relatives: the architecture of each by its name."""
    with duckdb.connect() as connection:
        for statement in ddl.statements():
            connection.execute(statement)
        connection.execute((ROWS / "world.sql").read_text())
        found = connection.execute(
            "SELECT name, architecture FROM backbone ORDER BY name"
        ).fetchall()
    return dict(found)


TINY = tiny()


@pytest.mark.parametrize("name", TINY)
def test_relatives_of_the_default_are_built_and_learn(name: str) -> None:
    """In one common space, from weights that the seed alone decides."""
    backbone = backbones.build(TINY[name], 3, "cpu")
    again = backbones.build(TINY[name], 3, "cpu")
    assert not differing(backbone.model.state_dict(), again.model.state_dict())
    assert backbone.image_px == 32
    model, what, how = backbone.model, objective("contrastive", {}), tuning("full")
    texts = backbone.tokenize(["a red circle", "a blue star", "a green moon", "a pink heart"])
    torch.manual_seed(0)
    batch = Batch(torch.randn(4, 3, 32, 32), texts, torch.zeros(4, dtype=torch.int8))
    recipe = {"lr": 1e-3, "weight_decay": 0.0, "optimizer_params": {}}
    optimizer = optimizers.optimizer("adamw", how.begin(model, task()), recipe)
    losses = [step(model, how, what, optimizer, batch) for _ in range(8)]
    assert losses[-1] < 0.9 * losses[0]
    assert model.encode_image(batch.images).shape == (4, 64)


def test_relatives_grow_as_their_names_say() -> None:
    """Twice the width is about four times the weights of a tower, twice the depth about twice."""
    counts = {}
    for name, architecture in TINY.items():
        tower = backbones.build(architecture, 0, "cpu").model.visual
        counts[name] = sum(parameter.numel() for parameter in tower.parameters())
    for name, times in (("tiny_w2", 4), ("tiny_w4", 16), ("tiny_d2", 2), ("tiny_d4", 4)):
        assert counts[name] == pytest.approx(times * counts["tiny"], rel=0.12), name
    assert counts["tiny_conv"] == pytest.approx(counts["tiny"], rel=0.05)


def test_a_tokenizer_that_is_not_here_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(hub, "HF_HUB_CACHE", "/nowhere")
    with pytest.raises(ArchitectureError, match=r"tokenizer of ViT-B-16-SigLIP, .*`hf download"):
        architectures.tokenizer_of("ViT-B-16-SigLIP")


def test_a_model_without_contents_reads_no_texts() -> None:
    with torch.device("meta"):
        backbone = backbones.build("ViT-B-16-SigLIP", 0, "meta")
    with pytest.raises(ArchitectureError, match="reads no texts"):
        backbone.tokenize(["a cat"])


# ------------------------------------------------ backbones of a sigmoid, under every objective


@pytest.mark.parametrize("tuned", ["full", "lora"])
@pytest.mark.parametrize("name", names("methods/objectives"))
def test_every_objective_goes_on_with_a_backbone_of_a_sigmoid(name: str, tuned: str) -> None:
    """Only a sigmoid loss moves the bias; under a softmax it changes nothing, and does not decay."""
    model, what, how = with_bias(-10.0), objective_of(name), tuning(tuned)
    plain = list(model.state_dict())
    for number in (1, 2):
        torch.manual_seed(number)
        about = task(number)
        about.initial["logit_bias"] = torch.tensor(-10.0)  # type: ignore[index]
        what.begin(model, about)
        recipe = {"lr": 3e-3, "weight_decay": 0.2, "optimizer_params": {}}
        optimizer = optimizers.optimizer("adamw", how.begin(model, about), recipe)
        stream = batches(number)
        for _ in range(3):
            loss = step(model, how, what, optimizer, next(stream))
            assert loss == loss and abs(loss) != float("inf")
        how.end(model)
        what.end(model, fresh(stream), PLAINLY)
    assert list(model.state_dict()) == plain
    moved = float(model.logit_bias.detach()) != -10.0
    assert moved == (name == "siglip" and tuned == "full")
    assert model.logit_bias.requires_grad


def test_a_penalty_beside_a_sigmoid_holds_the_bias_too() -> None:
    """And lets it move."""
    model = with_bias(-10.0)
    params = {"l2_init": {"weight": 0.1, "anchor": "start"}}
    learn(model, tuning("full"), objective("siglip+l2_init", params), 3)
    assert float(model.logit_bias.detach()) != -10.0


def test_a_softmax_is_the_same_with_a_bias_and_without() -> None:
    batch = next(batches(1))
    found = []
    for bias in (-10.0, 5.0):
        model = with_bias(bias)
        found.append(float(objective("contrastive", {}).loss(model, batch, PLAINLY).detach()))
    assert found[0] == found[1]


def test_a_sigmoid_goes_on_from_the_bias_of_the_backbone() -> None:
    model, batch = with_bias(-3.0), next(batches(1))
    before = snapshot(model)
    what = part("objectives", "siglip", {"bias": -10.0})
    other = with_bias(-10.0)
    assert float(what.loss(model, batch, PLAINLY).detach()) != float(
        what.loss(other, batch, PLAINLY).detach()
    )
    assert torch.equal(model.logit_bias, before["logit_bias"])
