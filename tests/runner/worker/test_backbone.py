"""The backbone: random weights that depend on a seed alone, a tokenizer that loses nothing, and refusals that help."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from runner.worker.backbone import ArchitectureError, Backbone, build, load
from runner.worker.tokenizer import WordTokenizer

WORDS = ["a", "blue", "circle", "of", "photo", "red", "square"]
CONFIG: dict[str, Any] = {
    "embed_dim": 16,
    "vision_cfg": {"image_size": 16, "patch_size": 8, "width": 32, "layers": 1, "head_width": 16},
    "text_cfg": {"context_length": 8, "width": 32, "heads": 2, "layers": 1},
    "words": WORDS,
    "position_std": 0.5,
}
TINY = json.dumps(CONFIG)


@pytest.fixture(scope="module")
def tiny() -> Backbone:
    return build(TINY, 0)


def equal(one: Backbone, other: Backbone) -> bool:
    """Whether the weights are equal to the bit."""
    others = other.model.state_dict()
    return all(torch.equal(tensor, others[name]) for name, tensor in one.model.state_dict().items())


def test_weights_depend_on_the_seed_alone(tiny: Backbone) -> None:
    torch.manual_seed(7)
    before = torch.get_rng_state()
    again = build(TINY, 0)
    assert equal(tiny, again) and not equal(tiny, build(TINY, 1))
    assert torch.equal(before, torch.get_rng_state()), "building draws from no one else's numbers"


def test_it_encodes_in_chunks_to_unit_norm(tiny: Backbone) -> None:
    images = np.random.default_rng(0).integers(0, 256, (300, 3, 16, 16)).astype(np.uint8)
    images.flags.writeable = False  # as a memory-mapped array is
    encoded = tiny.encode_images(images)
    assert (
        encoded.shape == (300, 16) and encoded.dtype == torch.float32 and not encoded.requires_grad
    )
    assert torch.allclose(encoded.norm(dim=1), torch.ones(300), atol=1e-5)
    assert torch.allclose(encoded[270:], tiny.encode_images(images[270:]), atol=1e-5)
    texts = tiny.encode_texts(["a photo of a red square"] * 300)
    assert texts.shape == (300, 16) and torch.allclose(
        texts.norm(dim=1), torch.ones(300), atol=1e-5
    )


def test_images_are_normalised_to_plus_and_minus_one(tiny: Backbone) -> None:
    ends = torch.tensor([0, 255], dtype=torch.uint8).view(2, 1, 1, 1).expand(2, 3, 16, 16)
    normalised = tiny.normalise(ends).cpu()
    assert normalised.dtype == torch.float32
    assert torch.allclose(normalised[:, 0, 0, 0], torch.tensor([-1.0, 1.0]))


def test_words_are_tokens_and_the_end_has_the_highest() -> None:
    """open_clip pools the text where the token is highest."""
    tokenize = WordTokenizer(WORDS, 8)
    start, end, unknown = 9, 10, 8
    said = tokenize(["a photo of a Blue circle", "a plaid square", "a a a a a a a a a a"]).tolist()
    assert said[0] == [start, 1, 5, 4, 1, 2, 3, end]
    assert said[1] == [start, 1, unknown, 7, end, 0, 0, 0]
    assert said[2] == [start, 1, 1, 1, 1, 1, 1, end], "a text too long keeps its end"
    assert tokenize(["red"]).dtype == torch.int64


def test_the_order_of_words_matters(tiny: Backbone) -> None:
    one, other = tiny.encode_texts(["red circle blue square", "blue circle red square"])
    assert not torch.allclose(one, other, atol=1e-4)


def test_position_std_is_the_scale_of_the_image_positions(tiny: Backbone) -> None:
    plain = build(
        json.dumps({key: value for key, value in CONFIG.items() if key != "position_std"}), 0
    )
    assert 0.4 < float(tiny.model.visual.positional_embedding.detach().std()) < 0.6
    assert float(plain.model.visual.positional_embedding.detach().std()) < 0.3


def test_a_configuration_without_words_has_open_clips_tokenizer() -> None:
    config = {key: value for key, value in CONFIG.items() if key not in ("words", "position_std")}
    made = build(json.dumps(config), 0)
    assert made.tokenize(["a photo of a cat"]).shape == (1, 8)
    assert made.encode_texts(["a photo of a cat"]).shape == (1, 16)


def test_weights_come_back_from_a_file(tiny: Backbone, tmp_path: Path) -> None:
    path = tmp_path / "some weights.safetensors"
    save_file({name: tensor.contiguous() for name, tensor in tiny.model.state_dict().items()}, path)
    row = {"name": "mine", "architecture": TINY, "pretrained": str(path)}
    assert equal(load(row, None, 5), tiny)
    assert equal(load(row | {"pretrained": "trial:3"}, str(path), 5), tiny)
    with pytest.raises(
        FileNotFoundError, match=r"backbone 'mine': no weights at .*nothing.safetensors"
    ):
        load(row | {"pretrained": "nothing.safetensors"}, None, 5)


def test_random_weights_follow_from_the_trials_seed() -> None:
    row = {"name": "mine", "architecture": TINY, "pretrained": None}
    assert equal(load(row, None, 5), load(row, None, 5))
    assert not equal(load(row, None, 5), load(row, None, 6))


@pytest.mark.parametrize(
    ("architecture", "message"),
    [
        (
            "ViT-B-23",
            r"unknown architecture 'ViT-B-23'; it must be an open_clip model name. Did you mean .*'ViT-B-32'",
        ),
        ("{not json", "begins like JSON and is not"),
        ('{"embed_dim": 8}', "it needs embed_dim, vision_cfg and text_cfg"),
        (
            json.dumps(CONFIG | {"colour": 1}),
            "open_clip does not take this configuration: .*colour",
        ),
        (
            json.dumps(CONFIG | {"vision_cfg": {"deepness": 1}}),
            "open_clip does not take this configuration: .*deepness",
        ),
    ],
)
def test_what_open_clip_cannot_build_is_refused(architecture: str, message: str) -> None:
    with pytest.raises(ArchitectureError, match=message):
        build(architecture, 0)


def test_an_unknown_tag_is_refused_with_those_there_are() -> None:
    row = {"name": "mine", "architecture": "ViT-B-32", "pretrained": "laion2b"}
    with pytest.raises(
        ArchitectureError,
        match=r"ViT-B-32 has no pretrained tag 'laion2b', and no file .* Tags: openai, ",
    ):
        load(row, None, 0)
