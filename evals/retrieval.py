"""Retrieval: how often the matching text is among the k nearest texts of an image, and the reverse (recall at k, as in
https://arxiv.org/abs/2103.00020).

Images with the same caption match each other's: nothing in the text could tell them apart. A candidate that does not match and is
exactly as near as the best that does counts as nearer, so a model that gives every input the same embedding scores 0, not 1.
"""

# N pairs, D width, Q queries of a chunk

from collections.abc import Iterator

import torch
from torch import Tensor

from evals import Encoder, TestSet

KINDS = ("retrieval",)
RANKS = (1, 5)
CHUNK_ROWS = 2048  # of the N x N similarities held at once


def measure(model: Encoder, dataset: TestSet) -> Iterator[tuple[str, float]]:
    """Per k: `image_to_text_r<k>`, `text_to_image_r<k>`, and `r<k>`, the mean of both.

    Raises:
        ValueError: not one caption per image.
    """
    if not dataset.captions or len(dataset.captions) != len(dataset.images):
        raise ValueError(
            f"dataset {dataset.name!r} is of kind retrieval: its test split must hold one caption per image, not "
            f"{len(dataset.captions)} for {len(dataset.images)}; correct its captions, or make its kind classification"
        )
    images, texts = (
        model.encode_images(dataset.images),
        model.encode_texts(dataset.captions),
    )  # (N, D) each
    first: dict[str, int] = {}
    same = torch.tensor(
        [first.setdefault(caption, n) for n, caption in enumerate(dataset.captions)]
    )  # (N,)
    to_text, to_image = (
        nearer_than_match(images, texts, same),
        nearer_than_match(texts, images, same),
    )
    for k in RANKS:
        there, back = (float((nearer < k).double().mean()) for nearer in (to_text, to_image))
        yield f"image_to_text_r{k}", there
        yield f"text_to_image_r{k}", back
        yield f"r{k}", (there + back) / 2


def nearer_than_match(queries: Tensor, candidates: Tensor, same: Tensor) -> Tensor:
    """(N,) how many candidates that do not match a query are at least as near to it as its nearest match.

    Queries and candidates are (N, D); query i and candidate j match if `same[i] == same[j]`.
    """
    same = same.to(queries.device)
    found = []
    for rows, own in zip(
        torch.split(queries, CHUNK_ROWS), torch.split(same, CHUNK_ROWS), strict=True
    ):
        near = rows @ candidates.T  # (Q, N), as the two below
        match = own[:, None] == same[None, :]
        best = near.masked_fill(~match, -torch.inf).amax(dim=1, keepdim=True)  # (Q, 1)
        found.append(((near >= best) & ~match).sum(dim=1))
    return torch.cat(found)
