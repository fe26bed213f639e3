"""Augmented images: torchvision's transforms, as open_clip chains them, each image by a seed of its own.

What becomes of an image follows from (trial's seed, task, number of the draw, place in the batch) alone, so a trial that is
resumed augments as one that was never killed. Images are the squares that a format gives: a crop is of
the square in the middle of the original, not of all of it. There is no flip, in FoMo-in-Flux
(https://arxiv.org/abs/2408.14471) and open_clip alike.
"""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torchvision.transforms import v2

from schema.augmentation import Augmentation


def augmented(images: np.ndarray, how: Augmentation, seed_of: Callable[[int], int]) -> np.ndarray:
    """(B, 3, P, P) uint8 to the same; `seed_of` gives the seed of a place in the batch. Torch's own random state stays."""
    change = transform(how, images.shape[-1])
    if change is None:
        return images
    made = np.empty_like(images)
    state = torch.get_rng_state()
    try:
        for place, image in enumerate(images):
            torch.default_generator.manual_seed(seed_of(place))
            made[place] = change(torch.from_numpy(image.copy())).numpy()
    finally:
        torch.set_rng_state(state)
    return made


def transform(how: Augmentation, image_px: int) -> Callable[[Tensor], Tensor] | None:
    """Of one (3, P, P) uint8 image; None if nothing is to be done."""
    steps: list[torch.nn.Module] = []
    if how.scale is not None:
        bicubic = v2.InterpolationMode.BICUBIC
        steps.append(v2.RandomResizedCrop(image_px, scale=how.scale, ratio=how.ratio, interpolation=bicubic, antialias=True))
    if how.color_jitter is not None:
        steps.append(v2.RandomApply([v2.ColorJitter(*how.color_jitter)], p=how.color_jitter_prob))
    if how.gray_scale_prob:
        steps.append(v2.RandomGrayscale(p=how.gray_scale_prob))
    return v2.Compose(steps) if steps else None
