"""Training within one task: from the tuning's parameters to weights that are a plain CLIP again."""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from functools import partial
from typing import Any, Protocol, TypeVar

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

import methods
from methods import Method, Task, Weights, optimizers, schedules
from methods.compute import compiled
from methods.compute.towers import Known, Towers
from methods.parameters import weights_in_use
from runner.run_folder import now
from runner.worker.autotune import Choice
from runner.worker.backbone import Backbone
from runner.worker.costs import Ledger, counted
from runner.worker.datasets import Desk
from runner.worker.embedding_cache import Embedded, Item
from runner.worker.outcome import DivergedError
from runner.worker.selection import Selector, candidates
from schema.checks.compute import Compute
from schema.checks.parts import CARRY
from schema.spec import Spec
from streams import Batch
from streams.seeds import seed_of

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
CURVE_POINTS = 20
REPAIR = "repair"  # the phase of a stage after the task
Done = TypeVar("Done")


class BatchSource(Protocol):
    """Where the batches of a task come from."""

    def draw(self) -> Batch:
        """Return the next batch as an objective sees it, on the model's device."""


class Training:
    """The steps of one task."""

    def __init__(
        self,
        spec: Spec,
        backbone: Backbone,
        method: Method,
        desk: Desk,
        task: Task,
        phase: str = "train",
        choice: Choice | None = None,
        source: BatchSource | None = None,
    ) -> None:
        """`choice`: how steps are computed, where tasks before this one had a say in it.

        `source`: where batches come from; None: the mixture, drawn from what the desk has.
        """
        self.source = source
        self.spec, self.backbone, self.method, self.about, self.phase = (
            spec,
            backbone,
            method,
            task,
            phase,
        )
        self.task, self.steps = task.number, task.steps
        self.model = backbone.model
        self.device = next(self.model.parameters()).device
        row, self.batch_pairs = spec.mixture, int(spec.recipe["batch_pairs"])
        chooses = row["selection"] != "none"
        self.selection = (
            methods.part("selection", row["selection"], row["selection_params"])
            if chooses
            else None
        )
        self.candidates = candidates(self.selection, self.batch_pairs)
        self.batches = desk.batches(task.number, row, self.candidates, self.steps)
        self.ledger = Ledger()
        self.step_flops: dict[str, float] = {}  # by phase, as counted at the first step of the task
        self.curve: list[dict[str, Any]] = []
        self.embedded: Embedded | None = (
            None  # what is known of a tower that does not move, where the recipe wants that
        )
        self.items: list[Item] = []  # of the batch drawn last, where that is so
        self.choice = choice or Choice(Towers.of(Compute.of(spec.recipe), self.model, task.ranks))
        self.mark: Callable[[str], AbstractContextManager[Any]] = (
            nullcontext  # around the parts of a step, for who looks at it
        )
        self.pairs_per_s = 0.0
        self.last = torch.zeros((), device=self.device)  # the loss of the last step
        self.bad = torch.zeros(
            (), dtype=torch.int64, device=self.device
        )  # the first step whose loss is not finite; 0: none
        self.beside: torch.cuda.Stream | None = (
            None  # on which pairs come to a GPU, or are decoded there
        )
        if self.device.type == "cuda":
            self.beside = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        self.at_once = (
            self.device.type == "cpu"
        )  # whether a step's loss can be looked at without waiting for the device
        self.memory: optimizers.Memory = {}  # of the optimizer at the end, where the recipe carries it on

    def begin(self, state: dict[str, Any] | None, memory: optimizers.Memory | None = None) -> None:
        """Set up the task, or put it back to where a checkpoint of it left off; `memory`: of the optimizer of the task before."""
        torch.manual_seed(
            seed_of(self.spec.seed, "task" if self.phase == "train" else self.phase, self.task)
        )
        recipe = self.spec.recipe
        if state is not None:
            self.method.tuning.load_state_dict(state["method"]["tuning"])
        self.method.objective.begin(self.model, self.about)
        self.selector = (
            Selector(self.selection, self.model, self.about, self.batch_pairs)
            if self.selection
            else None
        )
        self.method.merging.begin(self.model)
        self.parameters = self.method.tuning.begin(self.model, self.about)
        if self.phase == "train":
            self.choice.listened = compiled.listened(self.model)
        self.optimizer = optimizers.optimizer(recipe["optimizer"], self.parameters, recipe)
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=recipe["precision"] == "fp16")
        optimizers.remember(self.optimizer, dict(self.model.named_parameters()), memory or {})
        if state is not None:
            self.load_state_dict(state)
        self.model.train()
        if self.embedded is not None:
            self.embedded.begin(self.model)

    def steps_from(self, step: int) -> Iterator[int]:
        """Take the remaining steps; yields how many are done after each.

        Raises:
            DivergedError: the loss is not finite; said when it is next looked at, which never waits for a step on a GPU: at a
                point of the curve, before a checkpoint, and at the end.
        """
        pairs, began, every = 0, time.monotonic(), max(1, self.steps // CURVE_POINTS)
        while step < self.steps and self.parameters:
            with self.choice.timed(self.steps_left(step + 1)) if step else nullcontext():
                batch = None
                if self.selector is not None:
                    batch = self.charged(
                        "score", step, partial(self.selected, self.selector), self.candidates
                    )
                self.charged(self.phase, step, partial(self.take, step, batch), self.batch_pairs)
            step += 1
            pairs += self.batch_pairs
            if self.at_once:
                self.look()
            self.pairs_per_s = pairs / (time.monotonic() - began)
            if step % every == 0 or step == self.steps:
                point = {
                    "task": self.task,
                    "step": step,
                    "loss": self.look(),
                    "lr": self.lr(step - 1),
                    "pairs_per_s": self.pairs_per_s,
                }
                self.curve.append(point | {"written_at": now()})
                pairs, began = 0, time.monotonic()
            yield step

    def steps_left(self, step: int) -> int:
        """Of the trial, after so many of this task."""
        return (int(self.spec.stream["tasks"]) - self.task + 1) * self.steps - step

    def charged(self, phase: str, step: int, work: Callable[[], Done], pairs: int) -> Done:
        """Do a step's work and charge it to a phase. FLOPs are counted at the first step of a task, and are those of each."""
        with self.ledger.timed(phase) as entry:
            if step == 0:
                with counted() as counter:
                    done = work()
                self.step_flops[phase] = self.about.ranks.total(float(counter.get_total_flops()))
            else:
                done = work()
            entry.flops, entry.steps, entry.pairs = (
                (step + 1) * self.step_flops[phase],
                step + 1,
                (step + 1) * pairs,
            )
        return done

    def selected(self, selector: Selector) -> Batch:
        """The pairs of the next step, where a selection chooses them."""
        drawn = self.draw()
        with self.autocast():
            return selector.select(self.model, drawn, self.choice.towers)

    def take(self, step: int, batch: Batch | None) -> None:
        """One optimizer step, on a new batch of the mixture where none was selected."""
        batch = batch or self.draw()
        for group in self.optimizer.param_groups:
            group["lr"] = self.lr(step)
        with parametrize.cached():
            with self.mark("forward"):
                loss = self.scaler.scale(self.loss_of(batch))
            with self.mark("backward"):
                torch.autograd.backward(loss)
        with self.mark("optimizer"):
            self.step(step)

    def step(self, step: int) -> None:
        """From gradients to weights."""
        self.bad = torch.where((self.bad == 0) & ~self.last.isfinite(), step + 1, self.bad)
        self.about.ranks.average(
            [parameter.grad for parameter in self.parameters if parameter.grad is not None]
        )
        scale = (
            self.scaler.scale(torch.ones((), device=self.device))
            if self.scaler.is_enabled()
            else 1.0
        )  # never asked for
        self.scaler.unscale_(self.optimizer)
        if self.spec.recipe["clip_norm"] is not None:
            torch.nn.utils.clip_grad_norm_(self.parameters, self.spec.recipe["clip_norm"])
        how = self.method
        with (
            how.objective.stepping(self.model, scale),
            how.tuning.stepping(self.model, self.optimizer),
        ):
            self.scaler.step(self.optimizer)
        how.merging.step(partial(in_use, self.model))
        self.scaler.update()
        self.optimizer.zero_grad(set_to_none=True)

    def look(self) -> float:
        """The loss of the last step; waits for it.

        Raises:
            DivergedError: that of a step so far was not finite; says which was the first.
        """
        loss, bad = torch.stack([self.last.double(), self.bad.double()]).tolist()
        if bad:
            step = int(bad)
            raise DivergedError(
                f"the loss is not finite at step {step} of task {self.task} (lr {self.lr(step - 1):.3g}); lower lr or clip_norm"
            )
        return float(loss)

    def draw(self) -> Batch:
        """The next batch as an objective sees it: normalised images and token ids on the model's device."""
        if self.source is not None:
            return self.source.draw()
        pairs = self.candidates
        with (
            self.mark("data"),
            nullcontext() if self.beside is None else torch.cuda.stream(self.beside),
        ):
            drawn = self.batches.draw()
        with self.mark("tokenize"):
            tokens = self.backbone.tokenize(drawn.captions)
        if self.embedded is not None:
            self.items = self.embedded.items(drawn, tokens)
        with self.mark("transfer"):
            images = self.about.ranks.gathered(self.placed(drawn.images), pairs)
            texts = self.about.ranks.gathered(self.placed(tokens), pairs)
            return Batch(self.backbone.normalise(images), texts, torch.from_numpy(drawn.sources))

    def placed(self, rows: Tensor) -> Tensor:
        """On the model's device; to a GPU beside the steps that it is still taking, and without waiting for them."""
        if self.beside is None:
            return rows.to(self.device)
        with torch.cuda.stream(self.beside):
            there = rows if rows.is_cuda else rows.pin_memory().to(self.device, non_blocking=True)
        now = torch.cuda.current_stream()
        now.wait_stream(self.beside)
        there.record_stream(now)
        return there

    def loss_of(self, batch: Batch) -> Tensor:
        """The objective in the recipe's precision; also kept, to be looked at later."""
        with self.autocast():
            towers = self.looked_up(batch)
            loss = self.method.objective.loss(self.model, batch, towers)
        self.last = loss.detach()
        return loss

    def looked_up(self, batch: Batch) -> Towers:
        """How the towers run over a batch; what is known of it is looked up, but where that is counted."""
        towers = self.choice.towers
        if self.embedded is None or compiled.watched():
            return towers
        rows = batch.images if self.embedded.which == "image" else batch.texts
        found = self.placed(self.embedded.rows(self.model, self.items, rows, towers))
        known = Known(model=self.model, encode=self.embedded.encode, rows=rows, embeddings=found)
        return replace(towers, known=known)

    def autocast(self, keep_casts: bool = True) -> torch.autocast:
        """The recipe's precision. Weights that were cast within it are cast once, which must not be where some passes have
        gradients and others have none: the later ones would be given the casts of the earlier."""
        precision = self.spec.recipe["precision"]
        dtype, enabled = DTYPES[precision], precision != "fp32"
        return torch.autocast(
            self.device.type, dtype=dtype, enabled=enabled, cache_enabled=keep_casts
        )

    def lr(self, step: int) -> float:
        """Learning rate of a step, counted from 0."""
        recipe = self.spec.recipe
        schedule = getattr(schedules, recipe["schedule"])
        return float(
            recipe["lr"] * schedule(step, self.steps, self.task, **recipe["schedule_params"])
        )

    def end(self) -> Weights:
        """Fold the tuning away, let the objective look back, and return the plain CLIP's weights, on the CPU.

        The objective ends after the tuning, so that it, too, sees a plain CLIP whatever the tuning was; in the precision
        of a step.
        """
        if self.spec.recipe["optimizer_params"].get(CARRY):
            self.memory = optimizers.memory(self.optimizer, dict(self.model.named_parameters()))
        self.method.tuning.end(self.model)
        with (
            self.ledger.phase("objective"),
            self.autocast(keep_casts=False),
        ):
            self.method.objective.end(self.model, iter(self.draw, None), self.choice.towers)
        return {
            name: tensor.detach().cpu().clone() for name, tensor in self.model.state_dict().items()
        }

    def state_dict(self) -> dict[str, Any]:
        """Everything that the rest of the task depends on.

        Raises:
            DivergedError: nothing may go on from here.
        """
        self.look()
        cuda = (
            [torch.cuda.get_rng_state()] if torch.cuda.is_available() else []
        )  # the same on every device that takes part
        return {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "method": self.method.state_dict(),
            "mixture": self.batches.state_dict(),
            "scaler": self.scaler.state_dict(),
            "rng": {"cpu": torch.get_rng_state(), "cuda": cuda},
            "ledger": self.ledger.state_dict(),
            "step_flops": self.step_flops,
            "curve": self.curve,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """The reverse, after `begin` has set up the same parts."""
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.method.load_state_dict(state["method"])
        self.batches.load_state_dict(state["mixture"])
        self.scaler.load_state_dict(state["scaler"])
        self.ledger.load_state_dict(state["ledger"])
        self.step_flops, self.curve = state["step_flops"], state["curve"]
        torch.set_rng_state(state["rng"]["cpu"])
        if state["rng"]["cuda"]:
            torch.cuda.set_rng_state(state["rng"]["cuda"][0])


def repairing(spec: Spec, repair: methods.Repair) -> tuple[Spec, Method]:
    """What a repair trains with: pairs of the buffer alone, the contrastive loss, its share of the peak learning rate."""
    mixture = spec.mixture | {
        "update_share": 0.0,
        "buffer_share": 1.0,
        "pretraining_share": 0.0,
        "selection": "none",
    }
    recipe = spec.recipe | {"lr": spec.recipe["lr"] * repair.lr_scale}
    alone = Method(
        repair, methods.objective("contrastive", {}), methods.merger("none", {}, "last", "last")
    )
    return replace(spec, mixture=mixture, recipe=recipe), alone


def in_use(model: nn.Module) -> Weights:
    """What an average over steps is of, under the names of the plain CLIP: the weights in use, and the buffers."""
    return dict(model.named_buffers()) | weights_in_use(model)
