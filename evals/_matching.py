"""Find which images and texts of a retrieval test set match, and rank a query's matches.

A test set is a list of pairs. Images with the same pixels are one image, and texts with the same
words are one text, as nothing could distinguish them. An image and a text match if some pair has
both.
"""

# P pairs, N queries or candidates, Q queries of a chunk, D width

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from evals import Judged, Similar, product

# The k of recalls
RANKS = (1, 5)
# Rows of the similarities held at once, which bounds their memory
CHUNK_ROWS = 2048


@dataclass(frozen=True)
class Matches:
    """The matches of queries and candidates; equal images or texts share a number."""

    # (N,) int64: the number of each query's image or text
    queries: Tensor
    # (M,) int64: the number of each candidate's image or text
    candidates: Tensor
    # (P,) int64 each: the numbers of a query and a candidate that match
    pairs: tuple[Tensor, Tensor]

    def of(self, rows: Tensor) -> Tensor:
        """Return (Q, M) bool: which candidates match queries of these numbers (Q,)."""
        own, other = self.pairs[0].to(rows.device), self.pairs[1].to(rows.device)
        candidates = self.candidates.to(rows.device)
        largest = max(int(other.max()), int(candidates.max()))
        query, pair = (rows[:, None] == own[None, :]).nonzero(as_tuple=True)
        related = torch.zeros(len(rows), largest + 1, dtype=torch.bool, device=rows.device)
        related[query, other[pair]] = True
        return related[:, candidates]


def numbered(things: Sequence[object]) -> Tensor:
    """Return, for each item, the index of the first item equal to it, (N,) int64."""
    first: dict[object, int] = {}
    places = [first.setdefault(thing, place) for place, thing in enumerate(things)]
    return torch.tensor(places)


def same_pixels(images: Any) -> Tensor:
    """Return, for each image, the index of the first with the same pixels, (N,) int64.

    Images that are decoded when they are read give digests of their pixels, so that they need not
    all be held in memory.
    """
    if hasattr(images, "digests"):
        return numbered(images.digests())
    return numbered([digest_of(image) for image in images])


def digest_of(image: np.ndarray) -> bytes:
    """Return a digest of an image's pixels, 16 bytes."""
    return hashlib.blake2b(np.ascontiguousarray(image).data, digest_size=16).digest()


def both_ways(images: Any, captions: Sequence[str]) -> tuple[Matches, Matches]:
    """Return the matches of images to texts and of texts to images, given one caption per image."""
    pixels, words = same_pixels(images), numbered(captions)
    to_text = Matches(pixels, words, (pixels, words))
    to_image = Matches(words, pixels, (words, pixels))
    return to_text, to_image


def nearer_than_match(
    queries: Tensor, candidates: Tensor, matches: Matches, similar: Similar = product
) -> Tensor:
    """Return, per query, how many non-matching candidates are no farther than the best match.

    The result is (N,). Queries are (N, D) and candidates (M, D), of unit norm; `similar` compares
    them.
    """
    counts = []
    for near, match in _compared(queries, candidates, matches, similar):
        best = near.masked_fill(~match, -torch.inf).amax(dim=1, keepdim=True)  # (Q, 1)
        counts.append(((near >= best) & ~match).sum(dim=1))
    return torch.cat(counts)


def judged(
    way: str, queries: Tensor, candidates: Tensor, matches: Matches, similar: Similar = product
) -> Judged:
    """Return what each query finds, whose match has the rank of `nearer_than_match`.

    The arguments are those of that function. A query with a match as its nearest finds it, and any
    other the nearest that does not match, the first among equals.
    """
    ranks, margins, answers = [], [], []
    for near, match in _compared(queries, candidates, matches, similar):
        of_match = near.masked_fill(~match, -torch.inf)
        others = near.masked_fill(match, -torch.inf)
        best, place = of_match.max(dim=1)  # (Q,) each, as the next two
        second, wrong = others.max(dim=1)
        ranks.append((others >= best[:, None]).logical_and(~match).sum(dim=1).cpu())
        margins.append((best - second).float().cpu())
        answers.append(torch.where(best > second, place, wrong).cpu())
    count = len(queries)
    return Judged(
        way=way,
        labels=None,
        rank=torch.cat(ranks).numpy(),
        margin=torch.cat(margins).numpy(),
        answer=torch.cat(answers).numpy(),
        candidates=np.full(count, len(candidates), np.int64),
    )


def _compared(
    queries: Tensor, candidates: Tensor, matches: Matches, similar: Similar
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield, part by part, how near queries are to candidates (Q, M), and which match (Q, M)."""
    things = matches.queries.to(queries.device)
    chunks = zip(torch.split(queries, CHUNK_ROWS), torch.split(things, CHUNK_ROWS), strict=True)
    for rows, own in chunks:
        yield similar(rows, candidates), matches.of(own)


def recalls(before_text: Tensor, before_image: Tensor, prefix: str) -> Iterator[tuple[str, float]]:
    """Yield, for each k, the recall from image to text, from text to image, and their mean.

    `before_text`: for each image, (N,), how many texts are nearer than its nearest match;
    `before_image`: the same for each text, (M,). `prefix` begins the names of the metrics.
    """
    for k in RANKS:
        there = float((before_text < k).double().mean())
        back = float((before_image < k).double().mean())
        yield f"{prefix}image_to_text_r{k}", there
        yield f"{prefix}text_to_image_r{k}", back
        yield f"{prefix}r{k}", (there + back) / 2
