"""Training within one task: from a plain CLIP, by the method's parts, to a plain CLIP again."""

from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial

import torch
from torch import nn

from methods import Method, Task, Weights, optimizers
from methods.compute import compiled, devices
from methods.compute.towers import Towers
from runner.worker.autotune import Choice
from runner.worker.backbone import Backbone
from runner.worker.batches import BatchSource, Marker, Transfer
from runner.worker.checkpoint import State
from runner.worker.costs import Ledger, StepCosts
from runner.worker.curve import Curve
from runner.worker.embedding_cache import EmbeddingCache
from runner.worker.loss_watch import LossWatch
from runner.worker.mixing import Mixer
from runner.worker.selection import Selector, selector_of
from runner.worker.step import Stepper
from runner.worker.validation import Validation
from runner.worker.weight_update import WeightUpdate, autocast, learning_rate
from schema.checks.compute import Compute
from schema.spec import Spec
from streams.seeds import seed_of

# Phases of a task, in the table `cost`: its steps, choosing their pairs, and a stage after the task
TRAIN, SCORE, REPAIR = "train", "score", "repair"


@dataclass(frozen=True, kw_only=True)
class Options:
    """How the steps of a task are taken, beside what the definition says."""

    # TRAIN or REPAIR: what the steps are charged to
    phase: str = TRAIN
    # How steps are computed, where tasks before this one had a say in it
    choice: Choice | None = None
    # Where costs are put down; None: in a new ledger
    ledger: Ledger | None = None
    # The held-out pairs that the mixture's mixing measures; None: it measures none
    validation: Validation | None = None
    # Embeddings of a tower that does not move
    embeddings: EmbeddingCache | None = None
    # What the optimizer of the task before remembered, where the recipe carries it on
    memory: optimizers.Memory | None = None
    # The checkpoint to go on from; None: the task begins
    state: State | None = None
    # Put around the parts of a step, for whoever looks at it
    mark: Marker = nullcontext
    # Whether the loss is looked at after every step; None: where nobody waits for that, on the CPU
    looks_at_every_step: bool | None = None
    # Whether tensors hold values. Where they do not, no loss is looked at or scaled, and a
    # selection takes the first candidates
    has_values: bool = True


class Training:
    """The steps of one task. Making one begins the task: the method's parts are then at work."""

    def __init__(
        self,
        spec: Spec,
        backbone: Backbone,
        method: Method,
        task: Task,
        batches: BatchSource,
        options: Options,
    ) -> None:
        self.spec, self.method, self.options = spec, method, options
        self.model, self.batches, self.task = backbone.model, batches, task.number
        self.device = next(self.model.parameters()).device
        self.steps, self.batch_pairs = task.steps, int(spec.recipe["batch_pairs"])
        self.choice = options.choice or _own_choice(spec, self.model, task)
        self.costs = StepCosts(options.ledger or Ledger(task.ranks))
        self.mixer = Mixer(spec, task.number, batches, options.validation)
        self.selector, self.parameters = _begin_parts(spec, self.model, method, task, options)
        self._note_listeners()
        self.update = WeightUpdate(
            spec.recipe, self.model, method, self.parameters, task.ranks, options.has_values
        )
        self.update.remember(options.memory or {})
        # The learning rate of a step, counted from 0
        self.lr = partial(learning_rate, spec.recipe, self.task, self.steps)
        # Not `self.lr`: a task that refers to itself would keep its memory until a collection
        lr_of_step = partial(learning_rate, spec.recipe, self.task, self.steps)
        self.watch = LossWatch(self.device, self.task, lr_of_step)
        self.stepper = Stepper(
            recipe=spec.recipe,
            model=self.model,
            objective=method.objective,
            update=self.update,
            watch=self.watch,
            choice=self.choice,
            embeddings=options.embeddings,
            mark=options.mark,
            transfer=Transfer(self.device),
        )
        self.memory: optimizers.Memory = {}
        self.curve = Curve(self.task, self.steps)
        if options.state is not None:
            self._load_state_dict(options.state)
        self.model.train()
        if options.embeddings is not None:
            options.embeddings.begin(self.model)

    # ------------------------------------------------ steps

    def steps_from(self, step: int) -> Iterator[int]:
        """Take the remaining steps, and yield after each how many are done.

        Raises:
            DivergedError: the loss is not finite, as seen when it is next looked at: after every
                step on the CPU; at a point of the curve or a checkpoint on a GPU, to wait less.
        """
        while step < self.steps and self.parameters:
            self.mixer.before(step, self.costs.ledger, self.model, self.choice.towers)
            # The first step of a task is counted, so it is slow, and tells nothing of the others
            with self.choice.timed(_steps_left(self, step + 1)) if step else nullcontext():
                self._take(step)
            step += 1
            self.curve.count(self.batch_pairs)
            if self._looks_at_every_step():
                self.look()
            if self.curve.is_due(step):
                self.curve.add(step, self.look(), self.lr(step - 1))
            yield step

    def _take(self, step: int) -> None:
        """Take one optimizer step, and charge it."""
        batch, lr = None, self.lr(step)
        if self.selector is not None:
            select = partial(self.stepper.select, self.selector, self.batches)
            batch = self.costs.charge(SCORE, step, self.selector.candidates, select)
        learn = partial(self.stepper.take, step, lr, batch, self.batches)
        self.costs.charge(self.options.phase, step, self.batch_pairs, learn)

    def _note_listeners(self) -> None:
        """Let the choice know whether hooks listen to the towers; a repair has no say in it."""
        if self.options.phase == TRAIN:
            self.choice.begin_task(compiled.listened(self.model))

    def _looks_at_every_step(self) -> bool:
        every = self.options.looks_at_every_step
        return bool(self.device.type == "cpu" if every is None else every)

    def look(self) -> float:
        """Return the loss of the last step, which is waited for; 0 where tensors hold no values.

        Raises:
            DivergedError: the loss of a step so far was not finite.
        """
        return self.watch.look() if self.options.has_values else 0.0

    # ------------------------------------------------ the end of the task

    def fold(self) -> Weights:
        """Fold the tuning into the model, let the objective look back, and return the weights.

        They are a plain CLIP's, on the CPU. The objective ends after the tuning, so that it, too,
        sees a plain CLIP whatever the tuning was; in the precision of a step.
        """
        # What the optimizer remembers, where the recipe carries it on. Read before the tuning ends,
        # as what it adds goes by names of its own
        self.memory = self.update.end()
        self.method.tuning.end(self.model)
        with (
            self.costs.ledger.phase("objective"),
            autocast(self.spec.recipe, self.device, keep_casts=False),
        ):
            self.method.objective.end(self.model, self.batches.fresh(), self.choice.towers)
        weights = self.model.state_dict()
        return {name: tensor.detach().cpu().clone() for name, tensor in weights.items()}

    # ------------------------------------------------ checkpoints

    def state_dict(self) -> State:
        """Return everything that the rest of the task depends on.

        Raises:
            DivergedError: nothing may go on from here.
        """
        self.look()
        return self.update.state_dict() | {
            "model": self.model.state_dict(),
            "method": self.method.state_dict(),
            "mixture": self.batches.state_dict(),
            "mixing": self.mixer.state_dict(),
            "rng": _random_state(),
            "ledger": self.costs.ledger.state_dict(),
            "step_flops": self.costs.step_flops,
            "curve": self.curve.rows,
        }

    def _load_state_dict(self, state: State) -> None:
        """Put everything back, after the parts have begun the same task."""
        self.model.load_state_dict(state["model"])
        self.update.load_state_dict(state)
        self.method.load_state_dict(state["method"])
        self.batches.load_state_dict(state["mixture"])
        self.mixer.load_state_dict(state.get("mixing", []))
        self.costs.ledger.load_state_dict(state["ledger"])
        self.costs.load_step_flops(state["step_flops"])
        self.curve.load_rows(state["curve"])
        _set_random_state(state["rng"])


def _steps_left(training: Training, step: int) -> int:
    """Return how many steps the trial has left after so many of a task."""
    tasks_left = int(training.spec.stream["tasks"]) - training.task + 1
    return tasks_left * training.steps - step


def _own_choice(spec: Spec, model: nn.Module, task: Task) -> Choice:
    """Return how steps are computed in a task that no other came before."""
    return Choice(Towers.of(Compute.of(spec.recipe), model, task.ranks))


def _begin_parts(
    spec: Spec, model: nn.Module, method: Method, task: Task, options: Options
) -> tuple[Selector | None, list[nn.Parameter]]:
    """Begin a task with each part of a method in turn.

    Returns the selector of pairs, if there is one, and the parameters that move.
    """
    stage = "task" if options.phase == TRAIN else options.phase
    torch.manual_seed(seed_of(spec.seed, stage, task.number))
    # A tuning is told what it remembers of earlier tasks before it begins this one
    if options.state is not None:
        method.tuning.load_state_dict(options.state["method"]["tuning"])
    method.objective.begin(model, task)
    selector = selector_of(spec, model, task, options.has_values)
    method.merging.begin(model, task.steps)
    # The tuning comes last, because the other parts see the plain CLIP
    return selector, method.tuning.begin(model, task)


def _random_state() -> State:
    """Return the state of torch's generators; a GPU's is the same on each that takes part."""
    gpu = devices.accelerator()
    of_gpu = [] if gpu is None else [gpu.get_rng_state()]
    return {"cpu": torch.get_rng_state(), "cuda": of_gpu}


def _set_random_state(state: State) -> None:
    """Put the generators back; what is of a GPU, where there is one on this machine, too."""
    torch.set_rng_state(state["cpu"])
    gpu = devices.accelerator()
    if state["cuda"] and gpu is not None:
        gpu.set_rng_state(state["cuda"][0])
