"""The parts of a trial, made once when an attempt starts and handed to every stage."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from methods import Repair, Task, Weights, part
from methods.compute import devices
from runner.run_files import Assignment
from runner.run_folder import RunFolder
from runner.worker import backbone as backbones
from runner.worker import step_trace
from runner.worker.backbone import Backbone
from runner.worker.between_steps import BetweenSteps
from runner.worker.checkpoint import digest
from runner.worker.datasets import Datasets, ImageSettings
from runner.worker.embedding_cache import EmbeddingCache
from runner.worker.learner import Learner
from runner.worker.outcome import StopFlag
from runner.worker.pixel_store import open_pixels
from runner.worker.profiler.budget_steps import Solved, solve
from runner.worker.shared_store import Store, open_store
from runner.worker.step_plan import StepPlan
from runner.worker.step_trace import Tracer
from runner.worker.weights import History
from schema.spec import Spec
from streams import FetchedTo


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One sentence on this machine. What it learns is in `learner`; the rest stays."""

    run: RunFolder
    # This attempt and the earlier ones of the same definition, newest first
    relatives: list[RunFolder]
    spec: Spec
    assignment: Assignment
    learner: Learner
    # The untouched backbone, on the CPU
    initial: Weights
    datasets: Datasets
    repair: Repair | None
    solved: Solved
    plan: StepPlan
    history: History
    store: Store
    # Embeddings of a tower that does not move, where the recipe wants them kept
    embeddings: EmbeddingCache | None
    between_steps: BetweenSteps
    # Put around the parts of a step, for the tracer
    mark: Callable[[str], AbstractContextManager[Any]]

    @property
    def tasks(self) -> int:
        """Return how many tasks the stream has."""
        return int(self.spec.stream["tasks"])

    @cached_property
    def initial_digest(self) -> str:
        """Return the sha256 of the untouched backbone."""
        return digest({"model": dict(self.initial)})

    def task(self, number: int, steps: int) -> Task:
        """Return what the method's parts are told of a task."""
        return Task(number, steps, self.initial)


def set_up(run: RunFolder, stop: StopFlag, tracer: Tracer | None = None) -> Trial:
    """Open everything that the definition and the assignment of a run folder name.

    Sets torch's threads for this process. A trial that is traced shares nothing with others, as
    what is taken over cannot be looked at.
    """
    spec, assignment = run.spec(), run.assignment()
    torch.set_num_threads(assignment.threads)
    devices.settle()
    # The FLOPs of its fused kernel are not counted
    torch.backends.mha.set_fastpath_enabled(False)
    data = Path(assignment.data)
    backbone = backbones.load(spec.backbone, assignment.backbone_weights, spec.seed, data)
    initial = _untouched(backbone)
    images = ImageSettings(
        px=backbone.image_px,
        device=backbone.device,
        preprocessing=backbone.preprocessing,
        decoded=open_pixels(assignment, backbone.image_px),
    )
    learner = Learner(spec, backbone)
    repair = _repair(spec)
    relatives = run.relatives(spec)
    store = open_store(assignment, shared=tracer is None)
    solved = solve(spec)
    plan = StepPlan(steps=solved.steps, repair_share=repair.share if repair else None)
    leaves = learner.method.tuning.leaves
    return Trial(
        run=run,
        relatives=relatives,
        spec=spec,
        assignment=assignment,
        learner=learner,
        initial=initial,
        datasets=Datasets(spec, data, assignment.workers, images, _fetched_to(assignment)),
        repair=repair,
        solved=solved,
        plan=plan,
        history=History(initial, run, relatives, has_siblings=bool(assignment.stem)),
        store=store,
        embeddings=EmbeddingCache.of(spec, backbone, leaves, store.embeddings),
        between_steps=BetweenSteps(run, spec, assignment, plan, stop, tracer),
        mark=nullcontext if tracer is None else step_trace.mark,
    )


def _fetched_to(assignment: Assignment) -> FetchedTo | None:
    """Return where this node keeps shards of streams; None: an older version did not say."""
    if not assignment.cache:
        return None
    return FetchedTo(Path(assignment.cache), int(assignment.cache_gb * 1e9))


def _untouched(backbone: Backbone) -> Weights:
    """Return a copy of the weights of a backbone, on the CPU."""
    weights = backbone.model.state_dict()
    return {name: tensor.cpu().clone() for name, tensor in weights.items()}


def _repair(spec: Spec) -> Repair | None:
    if not spec.method["repair"]:
        return None
    repair: Repair = part("repair", spec.method["repair"], spec.method["repair_params"])
    return repair
