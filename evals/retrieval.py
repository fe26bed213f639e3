"""Retrieval: how often a matching text is among the k nearest of an image, and the reverse.

This is recall at k, as in https://arxiv.org/abs/2103.00020. Matches are defined in
`evals._matching`: images of the same pixels share their matching texts, and so do texts of the same
words. A candidate that does not match and is exactly as near as the best match counts as nearer, so
a model that gives every input the same embedding scores 0, not 1.
"""

from collections.abc import Iterator

from torch import Tensor

from evals import Encoder, Judged, TestSet, _matching, similar_of
from evals._matching import both_ways, nearer_than_match

KINDS = ("retrieval",)


def measure(model: Encoder, dataset: TestSet) -> Iterator[tuple[str, float]]:
    """Yield per k: `image_to_text_r<k>`, `text_to_image_r<k>`, and `r<k>`, the mean of both.

    Raises:
        ValueError: not one caption per image.
    """
    images, texts = _embeddings(model, dataset)
    to_text, to_image = both_ways(dataset.images, dataset.captions)
    similar = similar_of(model)
    before_text = nearer_than_match(images, texts, to_text, similar)
    before_image = nearer_than_match(texts, images, to_image, similar)
    yield from _matching.recalls(before_text, before_image, prefix="")


def judged(model: Encoder, dataset: TestSet) -> Iterator[Judged]:
    """Yield which text each image finds (`image_to_text`), and which image each text.

    Raises:
        ValueError: as `measure`.
    """
    images, texts = _embeddings(model, dataset)
    to_text, to_image = both_ways(dataset.images, dataset.captions)
    similar = similar_of(model)
    yield _matching.judged("image_to_text", images, texts, to_text, similar)
    yield _matching.judged("text_to_image", texts, images, to_image, similar)


def _embeddings(model: Encoder, dataset: TestSet) -> tuple[Tensor, Tensor]:
    """Return (N, D) the embeddings of the images, and those of their captions.

    Raises:
        ValueError: not one caption per image.
    """
    if not dataset.captions or len(dataset.captions) != len(dataset.images):
        raise ValueError(
            f"dataset {dataset.name!r} is of kind retrieval: its test split must hold one caption "
            f"per image, not {len(dataset.captions)} for {len(dataset.images)}; correct its "
            "captions, or make its kind classification"
        )
    return model.encode_images(dataset.images), model.encode_texts(dataset.captions)
