"""`python -m runner.trial FOLDER`: run or resume one trial from its `spec.json`; what a job executes.

The loop below is the whole journey of the GPU half. It always begins by asking the run folders what is done: the first start
is the empty answer. Killed at any moment and run again (as a new attempt, in a new folder), a trial gives bit-identical results.
"""

import mmap
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

import methods
from methods import Task, Weights, optimizers
from runner import backbone as backbones
from runner import checkpoint, code
from runner.desk import Desk
from runner.folder import RunFolder, crash_point, done_tasks, now, sha256, write_json
from runner.history import History
from runner.ledger import Ledger
from runner.measure import Untouched, drift, measure_suite, shares
from runner.outcome import StopFlag, StoppedError, ended_by, surroundings
from runner.seeds import seed_of
from runner.solving import solve
from runner.tables import write_tables
from runner.training import REPAIR, Training, repairing

KEPT = {"all": "last", "running": "running"}  # what is combined -> what is kept on disk of each task


class Trial:
    """One sentence, learned task by task."""

    def __init__(self, run: RunFolder, stop: StopFlag) -> None:
        self.run, self.stop = run, stop
        self.spec, self.job = run.spec(), run.job()
        torch.set_num_threads(self.job.threads)
        torch.backends.mha.set_fastpath_enabled(False)  # the FLOPs of its fused kernel are not counted
        self.tasks: int = self.spec.stream["tasks"]
        self.relatives = run.relatives(self.spec)
        self.backbone = backbones.load(self.spec.backbone, self.job.backbone_weights, self.spec.seed)
        self.initial = {name: tensor.cpu().clone() for name, tensor in self.backbone.model.state_dict().items()}
        self.desk = Desk(self.spec, Path(self.job.data), self.job.workers, self.backbone.image_px)
        self.method = methods.method(self.spec.method)
        row = self.spec.method
        repair: methods.Repair | None = methods.part("repair", row["repair"], row["repair_params"]) if row["repair"] else None
        self.repair = repair
        self.memory: optimizers.Memory = {}
        self.history = History(self.initial, run, self.relatives)
        self.solved = solve(self.spec)
        self.steps = self.solved.steps
        self.saved_at = self.said_at = time.monotonic()

    def learn(self) -> None:
        """Every task that is not yet on disk."""
        if 0 not in done_tasks(self.relatives):
            self.finish(0, 0, Ledger(), [], self.initial)
        done = set(done_tasks(self.relatives))
        if done >= set(range(self.tasks + 1)):
            return
        task, step, state = checkpoint.newest(self.relatives, self.spec.id, done) or (1, 0, None)
        if state is not None and step == 0:
            self.backbone.model.load_state_dict(state["model"])
            self.method.load_state_dict(state["method"])
            self.memory = state["memory"]
            state = None
        while task <= self.tasks:
            self.learn_task(task, step, state)
            task, step, state = task + 1, 0, None

    def learn_task(self, task: int, step: int, state: dict[str, Any] | None) -> None:
        """Train, fold what the method added, deploy, measure, write, and set the weights the next task begins from."""
        repair_steps = self.repair_steps(task)
        about = Task(task, self.steps - repair_steps, self.initial)
        training = Training(self.spec, self.backbone, self.method, self.desk, about)
        training.begin(state, self.memory)
        for done in training.steps_from(step):
            self.say(task, done, training)
            crash_point("step")
            told = self.stop.raised
            if done < about.steps and (told or self.checkpoint_is_due()):
                checkpoint.save(self.run, self.spec.id, task, done, training.state_dict())
                self.saved_at = time.monotonic()
            if done < about.steps and told:
                where = f"in task {task} after {done} of {about.steps} steps"
                raise StoppedError(told, f"told to end ({told}) {where}; the checkpoint is written")
        last, self.memory = training.end(), training.memory
        if repair_steps:
            last = self.repaired(Task(task, repair_steps, self.initial), training.ledger)
        with training.ledger.phase("merge"):
            merged = self.merge(task, last)
        deployed = merged.get(self.method.merging.deploy, last)
        self.backbone.model.load_state_dict(deployed)
        self.finish(task, self.steps, training.ledger, training.curve, deployed, self.start_of(task + 1, last, merged))

    def repair_steps(self, task: int) -> int:
        """How many of a task's steps its repair takes."""
        if self.repair is None or task == 1:
            return 0
        return min(max(1, round(self.repair.share * self.steps)), self.steps - 1)

    def repaired(self, about: Task, ledger: Ledger) -> Weights:
        """The weights after the repair of a task, which begins from what the model holds; charged as the phase `repair`.

        A repair is short, and not checkpointed: an attempt that dies in it goes back to the last checkpoint of the task.
        """
        assert self.repair is not None
        spec, alone = repairing(self.spec, self.repair)
        training = Training(spec, self.backbone, alone, self.desk, about, REPAIR)
        training.begin(None)
        for _ in training.steps_from(0):
            pass
        weights = training.end()
        ledger.add(training.ledger)
        return weights

    def finish(
        self,
        task: int,
        step: int,
        ledger: Ledger,
        curve: list[dict[str, Any]],
        deployed: Weights,
        following: Weights | None = None,
    ) -> None:
        """Measure the deployed weights and write what the task brought: tables, weights, checkpoint, and the receipt last."""
        suite = self.spec.stream["suite"]
        with ledger.phase("evaluate") as entry:
            parts, untouched = shares(suite, task, self.tasks), Untouched(self.backbone, self.initial)
            results = measure_suite(self.backbone, suite, self.desk.tests, self.desk.brought, parts, task, step, untouched)
            entry.pairs = sum({(row["dataset"], row["fraction"]): row["examples"] for row in results}.values())
        tables = {
            "result": results,
            "cost": ledger.rows(task),
            "progress": curve,
            "statistic": drift(deployed, self.initial, task),
        }
        if task == 0 and self.solved.profile:
            tables["profile"] = self.solved.profile
            tables["statistic"] += self.solved.statistics
        for line in self.desk.unreadable():
            print(line, file=sys.stderr, flush=True)  # in log.txt: how many there were is no result
        written = write_tables(self.run, task, tables)
        weights = self.write_weights(task, deployed) if task else {}
        crash_point("results")
        if following is not None and task < self.tasks:
            self.backbone.model.load_state_dict(following)
            state = {"model": dict(following), "method": self.method.state_dict(), "memory": self.memory}
            checkpoint.save(self.run, self.spec.id, task + 1, 0, state)
        crash_point("receipt")
        receipt = {
            "trial": self.job.trial,
            "attempt": self.job.attempt,
            "spec_id": self.spec.id,
            "task": task,
            "files": written,
            "weights": weights,
        }
        write_json(self.run.path / f"task-{task:04d}.json", receipt)
        checkpoint.drop_before(self.run, task + 1)
        self.drop_before(task)

    def write_weights(self, task: int, deployed: Weights) -> dict[str, dict[str, str]]:
        """The deployed weights, and what a later task's merging will ask for; name -> file and sha256."""
        path = self.run.path / f"task-{task:04d}.deployed.safetensors"
        checkpoint.save_weights(path, dict(deployed))
        kept = {"deployed": path}
        asked = self.method.merging.asked
        kept |= {kind: self.history.file(self.run, task, kind) for over, kind in KEPT.items() if over in asked}
        return {name: {"file": file.name, "sha256": sha256(file)} for name, file in kept.items()}

    def drop_before(self, task: int) -> None:
        """Only what was deployed last, and the newest running merge, are ever asked for again."""
        for kind in ("deployed", "running"):
            for path in self.run.path.glob(f"task-[0-9]*.{kind}.safetensors"):
                if int(path.name[5:9]) < task:
                    path.unlink()

    def merge(self, task: int, last: Weights) -> dict[str | None, Weights]:
        """The merged weights after a task, by what is combined; what a later task's merging will ask for is written first."""
        merging, running = self.method.merging, None
        if "all" in merging.asked:
            checkpoint.save_weights(self.history.file(self.run, task, "last"), dict(last))
        if "running" in merging.asked:
            running = merging.fold(self.initial, self.history.running(task - 1), last, task)
            checkpoint.save_weights(self.history.file(self.run, task, "running"), dict(running))
        merged: dict[str | None, Weights] = {
            over: merging.merge(over, self.history.until(task, last), running) for over in sorted(merging.asked)
        }
        merging.end()
        return merged

    def start_of(self, task: int, last: Weights, merged: Mapping[str | None, Weights]) -> Weights:
        """The weights a task begins from, by the method's rule."""
        start = self.spec.method["start"]
        if start == "random":
            fresh = backbones.build(self.spec.backbone["architecture"], seed_of(self.spec.seed, "start", task))
            return dict(fresh.model.state_dict())
        rules: dict[str, Weights] = {"last": last, "merged": merged.get(self.method.merging.start, last), "initial": self.initial}
        return rules[start]

    def checkpoint_is_due(self) -> bool:
        """Whether the last checkpoint is older than the site wants."""
        return time.monotonic() - self.saved_at >= 60 * self.job.checkpoint_minutes

    def say(self, task: int, step: int, training: Training) -> None:
        """Tell `--watch` how far it is, at most every second."""
        if time.monotonic() - self.said_at >= 1:
            self.said_at = time.monotonic()
            about = {"task": task, "tasks": self.tasks, "step": step, "steps": self.steps, "loss": training.loss}
            rate = {"pairs_per_s": training.pairs_per_s, "batch_pairs": self.spec.recipe["batch_pairs"]}
            write_json(self.run.path / "progress.json", about | rate | {"at": now()})


def learn(run: RunFolder, word: mmap.mmap | None = None) -> int:
    """Claim the folder and learn; `word` is how a job tells its worker to end. Exit code 0 also when the attempt was claimed
    before, and is left untouched; 1 when it did not get to its end."""
    if not run.claim():
        print(f"{run.path} is claimed already ({(run.path / 'claim').read_text()}); nothing done")
        return 0
    crash_point("claimed")
    started_at, stop = now(), StopFlag(word)
    with ended_by() as end:
        job = run.job()
        code.check(job.code, job.code_folder, job.versions)
        Trial(run, stop).learn()
    crash_point("outcome")
    write_json(run.path / "outcome.json", end.said | surroundings() | {"started_at": started_at, "finished_at": now()})
    return 0 if end.said["state"] == "done" else 1


def main(arguments: list[str] | None = None) -> int:
    """Run one attempt by hand, as its job would."""
    said = sys.argv[1:] if arguments is None else arguments
    if len(said) != 1 or said[0].startswith("-"):
        print("usage: python -m runner.trial FOLDER\n\n" + (__doc__ or ""), file=sys.stderr)
        return 2
    run = RunFolder(Path(said[0]).absolute())
    if not (run.path / "spec.json").exists():
        print(f"{run.path} holds no spec.json; runner.sync makes run folders from rows of the catalog", file=sys.stderr)
        return 2
    return learn(run)


if __name__ == "__main__":
    raise SystemExit(main())
