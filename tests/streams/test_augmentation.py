"""Augmentations: what a recipe may say of its images, and that an image's colours follow from its seed alone."""

from typing import Any

import numpy as np
import pytest
import torch

from schema.checks.augmentation import Augmentation, AugmentationError
from streams.augmentation import coloured

IMAGES = np.random.default_rng(3).integers(0, 256, (6, 3, 24, 24), dtype=np.uint8)
EVERYTHING: dict[str, Any] = {
    "color_jitter": [0.4, 0.4, 0.4, 0.1], "color_jitter_prob": 1.0, "gray_scale_prob": 0.3,
}  # fmt: skip


def made(params: dict[str, Any], images: np.ndarray = IMAGES, first: int = 0) -> np.ndarray:
    found = coloured(
        torch.from_numpy(images.copy()),
        Augmentation.of(params, "recipe 'r'"),
        lambda place: 100 + first + place,
    )
    return found.numpy()


def test_without_keys_and_with_a_crop_colours_are_used_as_they_are() -> None:
    assert all(np.array_equal(made(params), IMAGES) for params in ({}, {"scale": [0.5, 0.8]}))


@pytest.mark.parametrize(
    "params", [{"color_jitter": [0.4, 0.4, 0.4, 0.1]}, {"gray_scale_prob": 0.5}, EVERYTHING]
)
def test_an_images_change_follows_from_its_own_seed(params: dict[str, Any]) -> None:
    """Whatever was augmented before, or else in the batch, and whatever torch's own state; which stays."""
    torch.manual_seed(1)
    before = torch.get_rng_state()
    whole = made(params)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    assert np.array_equal(made(params, IMAGES[3:], first=3), whole[3:])
    assert (
        whole.shape == IMAGES.shape
        and whole.dtype == np.uint8
        and not np.array_equal(whole, IMAGES)
    )
    assert not np.array_equal(made(params, first=50), whole)


def test_gray_has_three_equal_channels_as_often_as_said() -> None:
    gray = made({"gray_scale_prob": 1})
    assert np.array_equal(gray[:, 0], gray[:, 1]) and np.array_equal(gray[:, 0], gray[:, 2])
    many = np.repeat(IMAGES[:1], 400, axis=0)
    share = float(
        (made({"gray_scale_prob": 0.25}, many)[:, 0] == gray[0, 0]).all(axis=(1, 2)).mean()
    )
    assert 0.17 < share < 0.33


def test_jitter_as_often_as_said() -> None:
    many = np.repeat(IMAGES[:1], 400, axis=0)
    changed = (
        (made({"color_jitter": [0.4, 0, 0, 0], "color_jitter_prob": 0.25}, many) != many)
        .any(axis=(1, 2, 3))
        .mean()
    )
    assert 0.17 < changed < 0.33


@pytest.mark.parametrize(
    ("params", "message"),
    [
        (
            {"scal": [0.9, 1]},
            r"recipe 'r', augmentation_params: unknown key 'scal'. Allowed: scale, ratio, .* Did you mean 'scale'",
        ),
        (
            {"scale": [1, 0.9]},
            r"scale is two shares of the image's area, the smaller first.*not \[1, 0.9\]",
        ),
        ({"scale": 0.9}, "scale is two shares"),
        ({"scale": [0.9, 1.1]}, "at most 1"),
        ({"scale": [0.9, 1], "ratio": [0, 1]}, "ratio is two numbers above 0"),
        ({"color_jitter": 0.4}, "color_jitter is four strengths"),
        ({"color_jitter": [0, 0, 0, 0.6]}, r"hue \(at most 0.5\)"),
        ({"gray_scale_prob": True}, "gray_scale_prob is a chance from 0 to 1, not True"),
        ({"gray_scale_prob": [0.5]}, "gray_scale_prob is a chance"),
        ({"ratio": [1, 1]}, "ratio without scale does nothing. Give both, or neither"),
        ({"color_jitter_prob": 0.5}, "color_jitter_prob without color_jitter does nothing"),
    ],
)
def test_what_cannot_be_done_is_refused(params: dict[str, Any], message: str) -> None:
    with pytest.raises(AugmentationError, match=message):
        Augmentation.of(params, "recipe 'r'")


@pytest.mark.parametrize(
    ("key", "allowed", "refused"),
    [
        ("scale", ([1, 1], [1e-9, 0.5]), ([0, 1], [0.1, 0.2, 0.3], [0.5], ["0.1", "0.2"], [])),
        ("ratio", ([2, 2], [1e-9, 9]), ([0, 1], [2, 1], [1], [True, 2])),
        ("color_jitter", ([0, 0, 0, 0.5], [9, 9, 9, 0]), ([0, 0, 0], [0, 0, 0, -0.1], [0] * 5)),
        ("color_jitter_prob", (0, 0.5, 1), (-0.1, 1.1, "0.5", None)),
        ("gray_scale_prob", (0, 0.5, 1), (-0.1, 1.1, "0.5", None)),
    ],
)
def test_a_value_is_allowed_up_to_its_ends(
    key: str, allowed: tuple[Any, ...], refused: tuple[Any, ...]
) -> None:
    beside: dict[str, Any] = {"scale": [0.5, 1], "color_jitter": [0.1, 0.1, 0.1, 0.1]}
    for value in allowed:
        taken = getattr(Augmentation.of(beside | {key: value}, "recipe 'r'"), key)
        assert taken == (tuple(value) if isinstance(value, list) else value)
    for value in refused:
        with pytest.raises(AugmentationError, match=rf"recipe 'r'.*: {key} is "):
            Augmentation.of(beside | {key: value}, "recipe 'r'")
