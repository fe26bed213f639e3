"""Backward compatibility: whether an image index can be kept when the model is updated.

Texts encoded by the updated model are matched to image embeddings of the untouched backbone (the
cross-test of https://arxiv.org/abs/2003.11942; the drift that is taken back is that of
https://github.com/dipamgoswami/QDC).

    index_r<k>          recall at k of the updated model's texts on the old images
    index_shifted_r<k>  the same after the mean drift of the queries, mean_q (new(q) - old(q)), is
                        taken from each of them

They are read beside `text_to_image_r<k>`, the recall on an index rebuilt with the updated model.
Its value at task 0 is that of the old model on the old index: an update is backward compatible if
`index_r<k>` is no less than this value. Matches and ties are as in `evals.retrieval`; for the
untouched backbone both metrics equal `text_to_image_r<k>`. Measured only where a suite asks for it.
"""

# N pairs, D width

from collections.abc import Iterator

from torch.nn import functional

from evals import Encoder, TestSet
from evals._matching import RANKS, both_ways, nearer_than_match

KINDS = ("retrieval",)
PROBES = tuple(f"{name}_r{k}" for name in ("index", "index_shifted") for k in RANKS)


def measure(model: Encoder, dataset: TestSet) -> Iterator[tuple[str, float]]:
    """Yield both recalls at each k.

    Raises:
        ValueError: the test set comes without the untouched backbone, or the model is an ensemble.
    """
    old = dataset.untouched
    if old is None:
        raise ValueError(
            f"dataset {dataset.name!r}: {PROBES[0]} compares with the untouched backbone, and none "
            "was given"
        )
    _, to_image = both_ways(dataset.images, dataset.captions)
    index = old.encode_images(dataset.images)  # (N, D), as the queries
    before = old.encode_texts(dataset.captions)
    queries = model.encode_texts(dataset.captions)
    if queries.shape[1] != index.shape[1]:
        raise ValueError(
            f"dataset {dataset.name!r}: an index of the untouched backbone cannot be asked by an "
            "ensemble, whose embeddings are those of all members side by side; leave the metrics "
            "of the index out of the suite, or deploy one model"
        )
    shifted = functional.normalize(queries - (queries - before).mean(dim=0), dim=-1)
    for name, texts in (("index", queries), ("index_shifted", shifted)):
        nearer = nearer_than_match(texts, index, to_image)
        for k in RANKS:
            yield f"{name}_r{k}", float((nearer < k).double().mean())
