"""An ensemble as an evaluation sees it: one encoder, whose members are asked one by one."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from torch import Tensor

from evals import Images
from methods import Weights
from methods.ensembling import Rule, scales_of
from runner.worker.backbone import Backbone


class EnsembleEncoder:
    """Several plain CLIPs that answer as one; the model holds one of them at a time."""

    def __init__(
        self, backbone: Backbone, rule: Rule, members: Sequence[Weights], initial: Weights
    ) -> None:
        """Ask `members` by a rule; `initial` is the untouched backbone, by which some rules route,
        and which some fall back to.

        A rule that routes has learned the tasks that the members are of.
        """
        self.backbone, self.rule, self.initial = backbone, rule, initial
        self.members = rule.weights(members)
        if rule.falls_back:
            self.members = [initial, *self.members]
        self.scales = scales_of(self.members).to(backbone.device)

    def encode_images(self, images: Images) -> Tensor:
        """Return (N, K D) float32 embeddings of N images.

        They are read once for each member, or where the rule routes once to choose a member, and
        once for that member.
        """
        if self.rule.routes:
            return self._routed(images)
        embeddings = self._each(lambda: self.backbone.encode_images(images))
        return self.rule.side_by_side(embeddings, self.scales)

    def encode_texts(self, texts: list[str]) -> Tensor:
        """Return (N, K D) float32 embeddings of N texts."""
        embeddings = self._each(lambda: self.backbone.encode_texts(texts))
        return self.rule.texts(embeddings, self.scales)

    def similarities(self, queries: Tensor, candidates: Tensor) -> Tensor:
        """Return (N, M) how near embeddings are to each other, as the rule compares them."""
        return self.rule.similarities(queries, candidates, self.scales.to(queries.device))

    def _routed(self, images: Images) -> Tensor:
        """Return embeddings that are 0 but for the part of the member that is asked."""
        self.backbone.model.load_state_dict(dict(self.initial))
        features = self.backbone.encode_images(images)
        chosen = self.rule.chosen(features).cpu()
        parts = features.new_zeros(len(self.members), *features.shape)
        for place, weights in enumerate(self.members):
            items = (chosen == place).nonzero().squeeze(1)
            if len(items):
                self.backbone.model.load_state_dict(dict(weights))
                own = some(images, items.numpy())
                parts[place, items.to(parts.device)] = self.backbone.encode_images(own)
        return parts.transpose(0, 1).flatten(1)

    def _each(self, encode: Callable[[], Tensor]) -> list[Tensor]:
        embeddings = []
        for weights in self.members:
            self.backbone.model.load_state_dict(dict(weights))
            embeddings.append(encode())
        return embeddings


def some(images: Any, items: np.ndarray) -> Images:
    """Return some images by their places, whether they are held or decoded when asked for."""
    part: Images = images[items] if isinstance(images, np.ndarray) else images.some(items)
    return part
