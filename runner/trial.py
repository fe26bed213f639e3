"""Run or resume one trial from its run folder: `python -m runner.trial FOLDER [--trace]`.

This is what a job executes. `learn_tasks` is the whole journey of the GPU half, in the order in
which things happen. It always begins by asking the run folders what is done: the first start is the
empty answer. Killed at any moment and run again (as a new attempt, in a new folder), a trial gives
bit-identical results.

With --trace, where the time of its steps went is written, too (`runner.worker.step_trace`).
"""

import logging
import mmap
import sys
from pathlib import Path

from methods.compute import distributed
from runner import code_snapshot
from runner.run_folder import RunFolder, crash_point, done_tasks, now, read_json
from runner.worker import processes, reuse
from runner.worker.checkpoint import Position
from runner.worker.commit import Finished, commit
from runner.worker.costs import Ledger
from runner.worker.crew import Crew
from runner.worker.deployment import merge
from runner.worker.evaluate import evaluate, inference
from runner.worker.given import take_given
from runner.worker.measuring import Bench, log_to, measure_later, waiting_beside
from runner.worker.outcome import StopFlag, outcome_of
from runner.worker.restore import restore
from runner.worker.routing import learn_routes
from runner.worker.step_trace import Tracer
from runner.worker.task_training import begin_training, fold
from runner.worker.trained import Trained
from runner.worker.trial_parts import Trial, set_up
from schema import logs
from schema.checks.compute import Compute
from schema.checks.given import is_given

USAGE = "python -m runner.trial FOLDER [--trace]"

# Under `python -m` the name of this module is `__main__`
log = logging.getLogger("runner.trial")


def learn_tasks(trial: Trial) -> None:
    """Learn every task that is not on disk yet, and commit each with its results.

    Raises:
        StoppedError: the trial was told to end; its checkpoint is written.
        DivergedError: a loss is not finite.
    """
    # Restore: the run folders say what is done; a first start is the empty answer.
    finished = done_tasks(trial.relatives)
    position = restore(trial, finished)
    if 0 not in finished:
        # Task 0 is the untouched backbone, which every later result is held against.
        ledger = Ledger()
        trial.between_steps.enter("evaluate", 0)
        evaluation = evaluate(trial, 0, trial.initial, ledger)
        untouched = Finished(
            task=0,
            evaluation=evaluation,
            ledger=ledger,
            inference=inference(trial, 0),
            deployed=trial.initial,
        )
        commit(trial, untouched)
    while position.task <= trial.tasks:
        learn_task(trial, position)
        position = Position(task=position.task + 1)


def learn_task(trial: Trial, position: Position) -> None:
    """Learn one task from where it stands, and leave the learner where the next one starts."""
    task = position.task
    # Train: step by step on the task's mixture, or take the checkpoint that stands for it.
    if is_given(trial.spec.method):
        trial.between_steps.enter("train", task)
        trained = take_given(trial, task)
    else:
        trained = _train(trial, position)
    trial.learner.remember(trained.memory)
    # Merge: the method's rules say what is deployed and what the next task starts from.
    trial.between_steps.enter("merge", task)
    weights = merge(trial, task, trained)
    # Route: an ensemble that asks one member for an image learns what the task's images are.
    learn_routes(trial, task, trained.last, trained.ledger)
    # Evaluate: the suite is measured on the deployed weights, whatever is learned from next.
    trial.between_steps.enter("evaluate", task)
    evaluation = evaluate(trial, task, weights.deployed, trained.ledger, weights.members)
    # Commit: the receipt is written last, so that a task is there as a whole or not at all.
    finished = Finished(
        task=task,
        evaluation=evaluation,
        ledger=trained.ledger,
        curve=trained.curve,
        pictures=trained.pictures,
        mixed=trained.mixed,
        inference=inference(trial, task, weights.members),
        deployed=weights.deployed,
        following=weights.following,
    )
    commit(trial, finished)


def _train(trial: Trial, position: Position) -> Trained:
    """Return what a task's training comes to, on a plain CLIP again."""
    task = position.task
    # Another trial may have left the same work in the store, which comes to the same bits.
    work = reuse.work_of(trial, position)
    trained = reuse.take_over(trial, work)
    if trained is not None:
        return trained
    trial.between_steps.enter("train", task)
    training = begin_training(trial, position)
    for step in training.steps_from(position.step):
        trial.between_steps.after(step, training, work)
    # Fold: what the method added becomes plain weights, so that nothing after this line asks
    # which method ran.
    trial.between_steps.enter("fold", task)
    trained = fold(trial, training)
    # The optimizer's memory on the device is wanted for what follows.
    del training
    reuse.leave(trial, work, trained)
    return trained


def learn(run: RunFolder, word: mmap.mmap | None = None, traced: bool = False) -> int:
    """Claim a run folder, learn its trial or measure what it deployed, and record how that ended.

    `word` is how a job tells its worker to end; None: it is run by hand. `traced`: see
    `runner.worker.step_trace`. The trial is learned by as many processes as its recipe says, or by
    those that were started together. A worker that measures goes on with the measurements of its
    job that nobody has begun.

    Returns the exit code: 0 when the trial is done, and when the attempt was claimed before, which
    is left untouched; 1 when an attempt did not get to its end.
    """
    logs.configure()
    place = processes.launched()
    if place is not None:
        processes.join(place)
    stop, bench = StopFlag(word), Bench()
    code = _one(run, stop, bench, traced)
    # What is measured without training shares what was opened for it, so one process goes on
    for other in waiting_beside(run):
        if word is None or stop.raised is not None:
            break
        log_to(other)
        code = max(code, _one(other, stop, bench, traced))
    return code


def _one(run: RunFolder, stop: StopFlag, bench: Bench, traced: bool) -> int:
    """Claim a run folder, do what its definition says, and record how that ended."""
    # The claim is the first act, by one process: whoever finds it claimed leaves it untouched.
    claimed = distributed.rank() == 0 and run.claim()
    if not distributed.agreed(claimed)[0]:
        holder = read_json(run.path / "claim") or "by something that cannot be read"
        log.warning("%s is claimed already (%s); nothing done", run.path, holder)
        processes.leave()
        return 0
    crash_point("claimed")
    crew = Crew(run, now())
    outcome = outcome_of(lambda: _attempt(run, crew, stop, bench, traced))
    if crew.rank == 0:
        crash_point("outcome")
    crew.end(outcome)
    return crew.leave(0 if outcome.state == "done" else 1)


def _attempt(run: RunFolder, crew: Crew, stop: StopFlag, bench: Bench, traced: bool) -> None:
    """Do everything of an attempt that can fail."""
    with crew:
        assignment = run.assignment()
        # Before anything is trained: results of other code would not be what the rows say.
        code_snapshot.check(assignment.code, assignment.code_folder, assignment.versions)
        spec = run.spec()
        if spec.measures is not None:
            measure_later(run, stop, bench)
            return
        crew.gather(Compute.of(spec.recipe).ranks)
        tracer = Tracer(run.path) if traced and crew.rank == 0 else None
        learn_tasks(set_up(run, stop, tracer))
        if tracer is not None:
            tracer.close()


def main(arguments: list[str] | None = None) -> int:
    """Run one attempt by hand, as its job would; returns the exit code."""
    words = sys.argv[1:] if arguments is None else arguments
    folders = [word for word in words if not word.startswith("-")]
    options = {word for word in words if word.startswith("-")}
    if "--profile" in options:
        return _refuse(f"--profile is called --trace: {USAGE}")
    if len(folders) != 1 or not options <= {"--trace"}:
        return _refuse(f"usage: {USAGE}\n\n{__doc__}")
    run = RunFolder(Path(folders[0]).absolute())
    if not (run.path / "spec.json").exists():
        return _refuse(
            f"{run.path} holds no spec.json; runner.sync makes run folders from rows of the catalog"
        )
    return learn(run, traced=bool(options))


def _refuse(message: str) -> int:
    """Say why nothing was run; returns the exit code."""
    print(message, file=sys.stderr)
    return 2


if __name__ == "__main__":
    raise SystemExit(main())
