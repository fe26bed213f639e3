"""One optimizer step: a batch, the objective's loss of it, gradients, and new weights."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from methods import Objective
from methods.compute import compiled
from methods.compute.towers import Known, Towers
from runner.worker.autotune import Choice
from runner.worker.batches import BatchSource, Marker, Transfer
from runner.worker.embedding_cache import EmbeddingCache
from runner.worker.loss_watch import LossWatch
from runner.worker.selection import Selector
from runner.worker.weight_update import WeightUpdate, autocast
from schema.spec import Row
from streams import Batch


@dataclass(frozen=True, kw_only=True)
class Stepper:
    """Takes the steps of a task, which are all made of the same parts."""

    recipe: Row
    model: nn.Module
    objective: Objective
    update: WeightUpdate
    watch: LossWatch
    choice: Choice
    # Embeddings of a tower that does not move, where the recipe wants them kept
    embeddings: EmbeddingCache | None
    mark: Marker
    transfer: Transfer

    def select(self, selector: Selector, batches: BatchSource) -> Batch:
        """Return the pairs to learn from, chosen among the next candidates."""
        drawn = batches.draw()
        with autocast(self.recipe, self.transfer.device):
            return selector.select(self.model, drawn, self.choice.towers)

    def take(self, step: int, lr: float, batch: Batch | None, batches: BatchSource) -> None:
        """Take step `step` of a task, counted from 0; on the next batch where none was selected."""
        if batch is None:
            batch = batches.draw()
        self.update.set_lr(lr)
        # A weight that the tuning computes is computed once for the whole step
        with parametrize.cached():
            with self.mark("forward"):
                loss = self.update.scaled(self._loss_of(batch))
            with self.mark("backward"):
                torch.autograd.backward(loss)
        with self.mark("optimizer"):
            self.watch.check(step)
            self.update.take()

    def _loss_of(self, batch: Batch) -> Tensor:
        """Return the objective's loss in the recipe's precision."""
        with autocast(self.recipe, self.transfer.device):
            loss = self.objective.loss(self.model, batch, self._towers_for(batch))
        self.watch.note(loss)
        return loss

    def _towers_for(self, batch: Batch) -> Towers:
        """Return how the towers run over a batch, with what is known of it before they do."""
        towers, embeddings = self.choice.towers, self.embeddings
        # What is counted is computed in full, so that the FLOPs that are charged are the full ones
        if embeddings is None or compiled.watched():
            return towers
        rows = batch.images if embeddings.which == "image" else batch.texts
        looked_up = embeddings.rows_of_batch(self.model, rows, towers)
        known = Known(
            model=self.model,
            encode=embeddings.encode,
            rows=rows,
            embeddings=self.transfer.place(looked_up),
        )
        return replace(towers, known=known)
