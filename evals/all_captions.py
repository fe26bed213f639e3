"""Retrieval over every caption of an image, where a test set has several.

    all_image_to_text_r<k>  images whose k nearest of all texts hold one of theirs
    all_text_to_image_r<k>  texts, each a query of its own, whose k nearest images hold theirs
    all_r<k>                the mean of both

COCO and Flickr30k have five captions an image. These are `text_retrieval_recall@k` and
`image_retrieval_recall@k` of CLIP_benchmark (https://github.com/LAION-AI/CLIP_benchmark); matches
and ties are as in `evals.retrieval`. Measured only where a suite asks for it: there are several
times as many texts to encode.
"""

import itertools
from collections.abc import Iterator

import torch

from evals import Encoder, Judged, TestSet, _matching, similar_of
from evals._matching import RANKS, Matches, nearer_than_match, numbered, same_pixels

KINDS = ("retrieval",)
WAYS = ("all_image_to_text_r", "all_text_to_image_r", "all_r")
PROBES = tuple(f"{way}{k}" for way in WAYS for k in RANKS)


def measure(model: Encoder, dataset: TestSet) -> Iterator[tuple[str, float]]:
    """Yield the three recalls at each k.

    Raises:
        ValueError: an image without a caption.
    """
    texts, to_text, to_image = _pairs(dataset)
    near_images, near_texts = model.encode_images(dataset.images), model.encode_texts(texts)
    similar = similar_of(model)
    before_text = nearer_than_match(near_images, near_texts, to_text, similar)
    before_image = nearer_than_match(near_texts, near_images, to_image, similar)
    yield from _matching.recalls(before_text, before_image, prefix="all_")


def judged(model: Encoder, dataset: TestSet) -> Iterator[Judged]:
    """Yield which text each image finds (`all_image_to_text`), and which image each text.

    Texts are counted over the images, in the order of each image's captions.

    Raises:
        ValueError: as `measure`.
    """
    texts, to_text, to_image = _pairs(dataset)
    images, near_texts = model.encode_images(dataset.images), model.encode_texts(texts)
    similar = similar_of(model)
    yield _matching.judged("all_image_to_text", images, near_texts, to_text, similar)
    yield _matching.judged("all_text_to_image", near_texts, images, to_image, similar)


def _pairs(dataset: TestSet) -> tuple[list[str], Matches, Matches]:
    """Return every caption, and the matches of images among them and of them among images.

    Raises:
        ValueError: an image without a caption.
    """
    captions = dataset.every_caption
    if captions is None:
        captions = [[caption] for caption in dataset.captions]
    if len(captions) != len(dataset.images) or not all(captions):
        raise ValueError(
            f"dataset {dataset.name!r}: {PROBES[0]} needs a caption of every image, and some have "
            "none; correct its captions, or take the probe out of the suite"
        )
    texts = list(itertools.chain.from_iterable(captions))
    counts = torch.tensor(list(map(len, captions)))
    # (texts,) int64: the index of the image that each text is a caption of
    owners = torch.repeat_interleave(torch.arange(len(captions)), counts)
    pixels, words = same_pixels(dataset.images), numbered(texts)
    to_text = Matches(pixels, words, (pixels[owners], words))
    to_image = Matches(words, pixels, (words, pixels[owners]))
    return texts, to_text, to_image
