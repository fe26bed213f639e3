"""The measures of CLIP_benchmark 1.6.2, copied to stand beside ours.

From clip_benchmark/metrics/zeroshot_classification.py and zeroshot_retrieval.py of
https://github.com/LAION-AI/CLIP_benchmark (MIT licence). One
`keepdim` is left out, which newer releases of NumPy refuse. The package itself would bring scikit-learn,
transformers and a captioning toolkit along. Its mean per class recall is scikit-learn's
balanced_accuracy_score: the mean of the recalls of the classes that have images.
"""

import torch
from torch import Tensor


def accuracy(output: Tensor, target: Tensor, topk: tuple[int, ...] = (1,)) -> list[float]:
    """Return the top-k accuracies of logits (N, C)."""
    pred = output.topk(max(topk), 1, True, True)[1].t()
    correct = pred.eq(target.view(1, -1).expand_as(pred))
    n = len(target)
    return [float(correct[:k].reshape(-1).float().sum(0)) / n for k in topk]


def recall_at_k(scores: Tensor, positive_pairs: Tensor, k: int) -> Tensor:
    """Return the recall at k of each row of scores (queries, candidates)."""
    queries, candidates = scores.shape
    topk_indices = torch.topk(scores, k, dim=1)[1]
    nb_positive = positive_pairs.sum(dim=1)
    topk_indices_onehot = torch.nn.functional.one_hot(topk_indices, num_classes=candidates)
    positive_pairs_reshaped = positive_pairs.view(queries, 1, candidates)
    nb_true_positive = (topk_indices_onehot * positive_pairs_reshaped).sum(dim=(1, 2))
    return nb_true_positive / nb_positive


def retrieval(images: Tensor, texts: Tensor, owners: Tensor, k: int) -> dict[str, float]:
    """Return the recalls of its `evaluate`; owners: the image of each text."""
    scores = texts @ images.t()
    positive_pairs = torch.zeros_like(scores, dtype=torch.bool)
    positive_pairs[torch.arange(len(scores)), owners] = True
    image_recall = (recall_at_k(scores, positive_pairs, k) > 0).float().mean().item()
    text_recall = (recall_at_k(scores.T, positive_pairs.T, k) > 0).float().mean().item()
    return {"image_retrieval_recall": image_recall, "text_retrieval_recall": text_recall}
