"""Embeddings of a tower that does not move, computed once and then looked up: `cache_frozen`.

In towers without statistics of a batch no row sees another, and an item is always encoded at its
own place in a batch of one size (`embedding_items.py`). So a trial that resumes, or another one,
comes to the same bits. Beside the plain pass, whose batch has another size, they are the same to
rounding; steps that are counted (the first of a task) take the plain one, so the FLOPs that are
charged are the full ones.

Other trials know an item by what it is (`shared_embeddings.py`). A task begins with all that they
have left. With `compile` auto nothing is shared, as the numbers depend on a clock.

Rows are kept on the CPU, in the precision that the tower gives them, up to BOUND_BYTES; what comes
later is computed each time, to the same bits. What is known ends when the tower's weights are
others, as after a merging or a repair.
"""

import logging
from collections import defaultdict
from collections.abc import Hashable, Sequence
from dataclasses import asdict
from typing import Any

import torch
from torch import Tensor, nn

from methods.compute import devices
from methods.compute.towers import Towers
from runner.worker.backbone import Backbone
from runner.worker.checkpoint import digest
from runner.worker.embedding_items import AT_ONCE, Item, items_of
from runner.worker.shared_embeddings import SharedEmbeddings
from runner.worker.shared_store import Shelf
from runner.worker.shared_work import SEES_BY
from schema.checks.compute import Compute, ComputeError
from schema.spec import Spec
from streams import Draw

# What is held in memory at most, and what is left in the store
BOUND_BYTES = 4 * 2**30
LEFT_BYTES = 16 * 2**30
ENCODERS = {"image": "encode_image", "text": "encode_text"}
GB = 1e9

log = logging.getLogger(__name__)


class EmbeddingCache:
    """The embeddings, in one trial, of the tower that its tuning leaves."""

    def __init__(self, which: str, shelf: Shelf, about: dict[str, Any]) -> None:
        """`which` tower it is of: `image` or `text`.

        `shelf` is where trials leave what they computed, and `about` what a number depends on
        beside the tower's weights.
        """
        self.which, self.encode = which, ENCODERS[which]
        self.shelf, self.about = shelf, about
        # The digest of the weights that computed what is known
        self.weights = ""
        # (D,) each, on the CPU
        self.known: dict[Hashable, Tensor] = {}
        self.shared = SharedEmbeddings(shelf.part(None))
        # The items of the batch drawn last
        self.items: list[Item] = []
        self.bytes = 0
        # Embeddings that the task's steps asked for, and those of them that were computed
        self.requested = self.computed = 0

    @classmethod
    def of(
        cls, spec: Spec, backbone: Backbone, leaves: Sequence[str], shelf: Shelf
    ) -> "EmbeddingCache | None":
        """Return the cache of a trial whose tuning leaves a tower as it is.

        None: its recipe does not want one.
        """
        compute, recipe = Compute.of(spec.recipe), spec.recipe
        if not compute.cache_frozen or not leaves:
            return None
        about = {
            "backbone": {name: spec.backbone.get(name) for name in SEES_BY},
            "pixels": asdict(backbone.preprocessing),
            "precision": recipe["precision"],
            "compute": vars(compute),
        }
        # What `auto` computes depends on a clock
        if compute.compile == "auto":
            shelf = Shelf(None, shelf.assignment)
        return cls(leaves[0], shelf, about)

    def begin(self, model: nn.Module) -> None:
        """Begin a task, whose tuning is at work in the model.

        Raises:
            ComputeError: the tower would not make the same of an item each time.
        """
        check_still(model, self.which)
        weights = digest(tower_of(model, self.which))
        if weights != self.weights:
            self.weights, self.known, self.bytes = weights, {}, 0
            key = self.shelf.key(tower=weights, which=self.which, **self.about)
            self.shared = SharedEmbeddings(self.shelf.part(key))
        self.bytes += self.shared.take_over(BOUND_BYTES - self.bytes)

    def note(self, draw: Draw, tokens: Tensor) -> None:
        """Note which items the batch holds that was drawn now; `tokens` are (B, L) on the CPU."""
        self.items = items_of(self.which, draw, tokens)

    def rows_of_batch(self, model: nn.Module, inputs: Tensor, towers: Towers) -> Tensor:
        """Return (B, D), on the CPU, for the batch drawn last: (B, ...) on the model's device."""
        return self.rows(model, self.items, inputs, towers)

    @torch.no_grad()
    def rows(
        self, model: nn.Module, items: Sequence[Item], inputs: Tensor, towers: Towers
    ) -> Tensor:
        """Return (B, D), on the CPU, for items whose (B, ...) inputs are on the model's device."""
        self._look_up(items)
        # By place in the batch, the items that wait for it: their key, and where they are in
        # `items`
        waiting: dict[int, dict[Hashable, int]] = defaultdict(dict)
        for number, item in enumerate(items):
            if item.key not in self.known:
                waiting[item.place].setdefault(item.key, number)
        self.requested += len(items)
        self.computed += sum(len(keys) for keys in waiting.values())
        computed: dict[Hashable, Tensor] = {}
        while any(waiting.values()):
            # One item for each place
            chosen = {place: keys.popitem() for place, keys in waiting.items() if keys}
            numbers = {place: number for place, (_, number) in chosen.items()}
            rows = self._encoded(model, inputs, numbers, towers)
            for place, (key, number) in chosen.items():
                computed[key] = rows[place].clone()
                self._keep(items[number], computed[key])
        return torch.stack([self._row(item, computed) for item in items])

    def _encoded(
        self, model: nn.Module, inputs: Tensor, numbers: dict[int, int], towers: Towers
    ) -> Tensor:
        """Return (AT_ONCE, D), on the CPU, for one batch; `numbers`: at each place an input's."""
        batch = inputs.new_zeros(AT_ONCE, *inputs.shape[1:])
        places = devices.sent(torch.tensor(list(numbers)), inputs.device)
        chosen = devices.sent(torch.tensor(list(numbers.values())), inputs.device)
        batch[places] = inputs[chosen]
        rows: Tensor = getattr(towers, self.encode)(model, batch)
        # Waits: what is computed is kept on the host; what is known already is not computed
        return rows.cpu()

    def _row(self, item: Item, computed: dict[Hashable, Tensor]) -> Tensor:
        row = self.known.get(item.key)
        return computed[item.key] if row is None else row

    def _look_up(self, items: Sequence[Item]) -> None:
        """Know from now on, of these items, what other trials have left."""
        for item in items if self.shared.rows else ():
            if item.key not in self.known:
                row = self.shared.rows.get(item.name)
                if row is not None:
                    self.known[item.key] = row

    def _keep(self, item: Item, row: Tensor) -> None:
        """Know a row that was computed from now on, if there is room for it."""
        if self.bytes + row.nbytes > BOUND_BYTES:
            return
        self.known[item.key] = row
        self.bytes += row.nbytes
        self.shared.add(item, row)

    def end(self, task: int) -> None:
        """End a task: leave what it computed for others, and log what its steps did not compute.

        FLOPs are charged as if they had.
        """
        if self.shared.leave():
            self.shelf.keep(LEFT_BYTES)
        if self.requested:
            log.info(
                "task %d: %.0f%% of %d %s embeddings were known already (%.2f GB held)",
                task,
                100 * (1 - self.computed / self.requested),
                self.requested,
                self.which,
                self.bytes / GB,
            )
        self.requested = self.computed = 0


def tower_of(model: nn.Module, which: str) -> dict[str, Tensor]:
    """Return the state of a tower; the temperature belongs to neither."""
    tower = {}
    for name, tensor in model.state_dict().items():
        if name.startswith("visual.") == (which == "image") and not name.startswith("logit_"):
            tower[name] = tensor
    return tower


def check_still(model: nn.Module, which: str) -> None:
    """Check that a tower makes the same of an item each time.

    Raises:
        ComputeError: it draws at random in training, or its weights move.
    """
    for path, module in model.named_modules():
        chance = getattr(module, "p" if isinstance(module, nn.Dropout) else "prob", 0.0)
        if path.startswith("visual.") != (which == "image") or not isinstance(chance, float):
            continue
        if chance > 0:
            raise ComputeError(
                f"cache_frozen: {path} drops {chance:.0%} at random in training. "
                "Leave cache_frozen out"
            )
    tower = tower_of(model, which)
    moving = []
    for name, parameter in model.named_parameters():
        if name in tower and parameter.requires_grad:
            moving.append(name)
    if moving or not tower:
        listed = ", ".join(moving[:3]) or "it has no weights of its own"
        raise ComputeError(
            f"cache_frozen: the {which} tower moves ({listed}). Leave cache_frozen out"
        )
