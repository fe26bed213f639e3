"""An ensemble as an evaluation sees it: one encoder, whose members are asked one by one."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from evals import Images
from methods import Weights
from methods.ensembling import Rule, scales_of
from runner.worker.backbone import Backbone


class EnsembleEncoder:
    """Several plain CLIPs that answer as one; the model holds one of them at a time."""

    def __init__(self, backbone: Backbone, rule: Rule, members: Sequence[Weights]) -> None:
        self.backbone, self.rule = backbone, rule
        self.members = rule.weights(members)
        self.scales = scales_of(self.members).to(backbone.device)

    def encode_images(self, images: Images) -> Tensor:
        """Return (N, K D) float32 embeddings of N images; they are read once for each member."""
        return self._each(lambda: self.backbone.encode_images(images))

    def encode_texts(self, texts: list[str]) -> Tensor:
        """Return (N, K D) float32 embeddings of N texts."""
        return self._each(lambda: self.backbone.encode_texts(texts))

    def similarities(self, queries: Tensor, candidates: Tensor) -> Tensor:
        """Return (N, M) how near embeddings are to each other, as the rule compares them."""
        return self.rule.similarities(queries, candidates, self.scales.to(queries.device))

    @torch.no_grad()
    def _each(self, encode: Callable[[], Tensor]) -> Tensor:
        embeddings = []
        for weights in self.members:
            self.backbone.model.load_state_dict(dict(weights))
            embeddings.append(encode())
        return self.rule.side_by_side(embeddings, self.scales)
