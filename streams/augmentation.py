"""Image augmentation: torchvision's transforms, chained as in open_clip, with a seed per image.

The result depends only on the image and (trial's seed, task, number of the draw, place in the
batch), so a resumed trial augments like one that was never killed, and several processes like one.
A crop is taken from the whole picture, so its box is drawn here and cut where pictures are decoded.
There is no flip, as in FoMo-in-Flux (https://arxiv.org/abs/2408.14471) and open_clip.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor
from torchvision.transforms import RandomResizedCrop, v2

from schema.checks.augmentation import Augmentation
from streams.pictures import Box

# Held while torch's random state is seeded, which all decoding threads share.
ALONE = threading.Lock()


def box(how: Augmentation, seed: int, size: tuple[int, int]) -> Box:
    """Return what is cut from a picture of some width and height: a share of its area between the
    two of `how.scale`, which must be there.
    """
    assert how.scale is not None
    width, height = size
    # Only its shape is looked at, so it takes one byte
    picture = torch.empty(1, dtype=torch.uint8).expand(1, height, width)
    with seeded(seed):
        top, left, height, width = RandomResizedCrop.get_params(
            picture, list(how.scale), list(how.ratio)
        )
    return left, top, left + width, top + height


def coloured(images: Tensor, how: Augmentation, seed_of: Callable[[int], int]) -> Tensor:
    """Return (B, 3, P, P) uint8, jittered and without colours by chance, in place; `seed_of` gives
    the seed of a place.
    """
    change = transform(how)
    if change is None:
        return images
    for place, image in enumerate(images):
        with seeded(seed_of(place)):
            images[place] = change(image)
    return images


def transform(how: Augmentation) -> Callable[[Tensor], Tensor] | None:
    """Return the colour transform of one image (3, P, P), uint8; None if there is none."""
    steps: list[torch.nn.Module] = []
    if how.color_jitter is not None:
        steps.append(v2.RandomApply([v2.ColorJitter(*how.color_jitter)], p=how.color_jitter_prob))
    if how.gray_scale_prob:
        steps.append(v2.RandomGrayscale(p=how.gray_scale_prob))
    return v2.Compose(steps) if steps else None


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed torch's random state within the block, one thread at a time, and restore it."""
    with ALONE, torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        yield
