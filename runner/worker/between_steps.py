"""Between two steps a trial reports, writes a checkpoint, and ends where it is told to.

Nothing of it changes a number: a trial that is never interrupted comes to the same.
"""

import time
from dataclasses import asdict
from typing import Any

from methods.compute import distributed
from runner.run_files import Assignment
from runner.run_folder import STOPS, RunFolder, crash_point, now, write_json
from runner.worker import checkpoint
from runner.worker.checkpoint import Position
from runner.worker.outcome import StopFlag, StoppedError
from runner.worker.shared_work import Work
from runner.worker.step_plan import StepPlan
from runner.worker.step_trace import Tracer
from runner.worker.training import Training
from schema.spec import Spec

# How often at most the run folder says how far the trial is
REPORT_S = 1.0


class BetweenSteps:
    """The clock of one attempt, and what it is told to do from outside."""

    def __init__(
        self,
        run: RunFolder,
        spec: Spec,
        assignment: Assignment,
        plan: StepPlan,
        stop: StopFlag,
        tracer: Tracer | None = None,
    ) -> None:
        self.run, self.spec, self.assignment = run, spec, assignment
        self.plan, self.stop, self.tracer = plan, stop, tracer
        # When the last checkpoint and the last report were written
        self.saved_at = self.reported_at = time.monotonic()
        # What was reported last, which holds while the trial does something else than training
        self.progress: dict[str, Any] = {
            "task": 0,
            "tasks": spec.stream["tasks"],
            "step": 0,
            "steps": plan.steps,
            "loss": None,
            "pairs_per_s": 0.0,
            "batch_pairs": spec.recipe["batch_pairs"],
            "lr": None,
            "curve": [],
        }

    def after(self, step: int, training: Training, work: Work) -> None:
        """Do what is due after `step` steps of a task; `work` goes into its checkpoint.

        Raises:
            StoppedError: the trial was told to end; its checkpoint is written.
            DivergedError: the loss is not finite.
        """
        if self.tracer is not None:
            self.tracer.step()
        self.report(step, training)
        crash_point("step")
        # Of several processes each may be told, or be late: what one does all do
        word, due = distributed.most(STOPS.index(self.stop.raised), self._checkpoint_is_due())
        kind = STOPS[word]
        if step == training.steps or not (kind or due):
            return
        state = training.state_dict() | asdict(work) | {"choice": training.choice.facts}
        position = Position(task=training.task, step=step, state=state)
        checkpoint.save(self.run, self.spec.id, position)
        self.saved_at = time.monotonic()
        if kind:
            where = f"in task {training.task} after {step} of {training.steps} steps"
            raise StoppedError(kind, f"told to end ({kind}) {where}; the checkpoint is written")

    def report(self, step: int, training: Training) -> None:
        """Tell `--watch` how far the trial is, at most every second."""
        if time.monotonic() - self.reported_at < REPORT_S or distributed.rank():
            return
        self.reported_at = time.monotonic()
        self.progress |= {
            "task": training.task,
            "step": step,
            "loss": training.look(),
            "pairs_per_s": training.curve.pairs_per_s,
        }
        curve = [[row["step"], row["loss"]] for row in training.curve.rows]
        self.progress |= {"lr": training.lr(max(step - 1, 0)), "curve": curve}
        self._write("train")

    def enter(self, phase: str, task: int) -> None:
        """Tell who watches what begins now in a task: train, fold, merge or evaluate."""
        if distributed.rank():
            return
        if phase == "train":
            self.progress |= {"step": 0, "lr": None, "curve": []}
        elif task:
            # A task that is past its training has all steps behind it, whatever was reported last.
            self.progress["step"] = self.plan.steps
        self.progress["task"] = task
        self._write(phase)

    def _write(self, phase: str) -> None:
        report = {**self.progress, "phase": phase, "at": now()}
        write_json(self.run.path / "progress.json", report)

    def _checkpoint_is_due(self) -> bool:
        """Return whether the last checkpoint is older than the site wants."""
        return time.monotonic() - self.saved_at >= 60 * self.assignment.checkpoint_minutes
