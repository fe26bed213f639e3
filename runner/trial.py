"""`python -m runner.trial FOLDER`: run or resume one trial from its `spec.json`; what a job executes. With `--profile`, where
the time of its steps went is written too (`runner.worker.step_trace`).

The loop below is the whole journey of the GPU half. It always begins by asking the run folders what is done: the first start
is the empty answer. Killed at any moment and run again (as a new attempt, in a new folder), a trial gives bit-identical results.
"""

import mmap
import sys
import time
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

import methods
from methods import Task, Weights, optimizers
from methods.compute import compiled, distributed
from methods.compute.towers import Towers
from runner import code_snapshot
from runner.result_files import write_tables
from runner.run_folder import STOPS, RunFolder, crash_point, done_tasks, now, sha256, write_json
from runner.worker import backbone as backbones
from runner.worker import checkpoint, processes, shared_store
from runner.worker.autotune import Choice
from runner.worker.costs import Entry, Ledger
from runner.worker.datasets import Desk
from runner.worker.embedding_cache import Embedded
from runner.worker.evaluation import Untouched, drift, measure_suite, shares
from runner.worker.outcome import StopFlag, StoppedError, ended_by
from runner.worker.profiler.budget_steps import solve
from runner.worker.step_trace import Tracer, mark
from runner.worker.training import REPAIR, Training, repairing
from runner.worker.weights import History
from schema.checks.compute import Compute
from streams.seeds import seed_of

KEPT = {
    "all": "last",
    "running": "running",
}  # what is combined -> what is kept on disk of each task


class Trial:
    """One sentence, learned task by task."""

    def __init__(self, run: RunFolder, stop: StopFlag, tracer: Tracer | None = None) -> None:
        self.run, self.stop, self.tracer = run, stop, tracer
        self.spec, self.job = run.spec(), run.job()
        torch.set_num_threads(self.job.threads)
        torch.backends.mha.set_fastpath_enabled(
            False
        )  # the FLOPs of its fused kernel are not counted
        self.tasks: int = self.spec.stream["tasks"]
        self.relatives = run.relatives(self.spec)
        self.backbone = backbones.load(
            self.spec.backbone, self.job.backbone_weights, self.spec.seed, Path(self.job.data)
        )
        self.initial = {
            name: tensor.cpu().clone() for name, tensor in self.backbone.model.state_dict().items()
        }
        self.desk = Desk(
            self.spec,
            Path(self.job.data),
            self.job.workers,
            self.backbone.image_px,
            self.backbone.device,
        )
        self.method = methods.method(self.spec.method)
        row = self.spec.method
        repair: methods.Repair | None = (
            methods.part("repair", row["repair"], row["repair_params"]) if row["repair"] else None
        )
        self.repair = repair
        self.memory: optimizers.Memory = {}
        self.history = History(self.initial, run, self.relatives)
        self.trunk, self.untouched, embeddings = shared_store.shelves(
            self.job, tracer is None
        )  # what is taken over cannot be looked at
        self.solved = solve(self.spec)
        self.steps = self.solved.steps
        towers = Towers.of(Compute.of(self.spec.recipe), self.backbone.model, distributed.joined())
        self.choice = Choice(towers)
        self.embedded = Embedded.of(self.spec, self.backbone, self.method.tuning.leaves, embeddings)
        self.saved_at = self.said_at = time.monotonic()

    def learn(self) -> None:
        """Every task that is not yet on disk."""
        done = set(done_tasks(self.relatives))
        task, step, state = checkpoint.newest(self.relatives, self.spec.id, done) or (1, 0, None)
        distributed.agreed()  # all have read before one writes
        if 0 not in done:
            self.finish(0, 0, Ledger(), [], self.initial)
        if done >= set(range(1, self.tasks + 1)):
            return
        if state is not None:
            self.choice.facts = state.get("choice", {})
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
        begun = state.get("begun") if state is not None else self.begun()
        key = self.key(task, begun) if begun else None
        if state is not None and state.get("key") != key:
            key = None  # begun by other code or elsewhere: what comes of it is nobody else's
        found = self.trunk.get(key)
        if found is not None:
            trained = shared_store.Trained.of(*found)
            self.method = methods.method(self.spec.method)
            self.method.load_state_dict(trained.method)
            self.choice.load_state_dict(trained.choice)
        else:
            trained = self.train(task, step, state, {"begun": begun, "key": key})
            self.trunk.put(key, trained.state_dict())
            crash_point("stored")
        self.memory, last = trained.memory, trained.last
        with trained.ledger.phase("merge"):
            merged = self.merge(task, last)
        deployed = distributed.as_first(merged.get(self.method.merging.deploy, last))
        following = distributed.as_first(self.start_of(task + 1, last, merged))
        self.backbone.model.load_state_dict(deployed)
        self.finish(task, self.steps, trained.ledger, trained.curve, deployed, following)

    def begun(self) -> str | None:
        """What a task that begins now begins from, as a number; None where nothing is shared."""
        if self.trunk.folder is None:
            return None
        model = self.backbone.model.state_dict()
        return checkpoint.digest(
            {"model": dict(model), "method": self.method.state_dict(), "memory": self.memory}
        )

    def key(self, task: int, begun: str) -> str | None:
        """The name of a task's training in the store; None where it can have none."""
        learned = shared_store.learned_from(self.spec, self.desk.tasks[:task])
        steps = [self.steps, self.repair_steps(task)]
        compiler = compiled.version() if self.choice.said.compile != "off" else None
        return self.trunk.key(
            learned=learned,
            task=task,
            steps=steps,
            begun=begun,
            initial=self.initial_digest,
            compiler=compiler,
        )

    @cached_property
    def initial_digest(self) -> str:
        """The untouched backbone as a number."""
        return checkpoint.digest({"model": self.initial})

    def train(
        self, task: int, step: int, state: dict[str, Any] | None, about: dict[str, Any]
    ) -> shared_store.Trained:
        """The steps of a task, and its repair; `about` goes into its checkpoints."""
        repair_steps = self.repair_steps(task)
        about_task = Task(task, self.steps - repair_steps, self.initial)
        training = Training(
            self.spec, self.backbone, self.method, self.desk, about_task, choice=self.choice
        )
        training.embedded = self.embedded
        training.begin(state, self.memory)
        if self.tracer is not None:
            training.mark = mark
        for done in training.steps_from(step):
            if self.tracer is not None:
                self.tracer.step()
            self.say(task, done, training)
            crash_point("step")
            word, due = distributed.most(STOPS.index(self.stop.raised), self.checkpoint_is_due())
            told, more = STOPS[word], done < training.steps
            if more and (told or due):
                self.save(task, done, training.state_dict() | about)
                self.saved_at = time.monotonic()
            if more and told:
                where = f"in task {task} after {done} of {training.steps} steps"
                raise StoppedError(told, f"told to end ({told}) {where}; the checkpoint is written")
        last = training.end()
        if self.embedded is not None:
            self.embedded.end(task)
        if repair_steps:
            last = self.repaired(Task(task, repair_steps, self.initial), training.ledger)
        remembered, choice = self.method.state_dict(), self.choice.state_dict()
        return shared_store.Trained(
            last, remembered, training.memory, training.ledger, training.curve, choice
        )

    def save(self, task: int, step: int, state: dict[str, Any]) -> None:
        """A checkpoint, by the one process that writes: all of them are in the same state, and none ends before it is there."""
        if distributed.rank() == 0:
            checkpoint.save(
                self.run, self.spec.id, task, step, state | {"choice": self.choice.facts}
            )
        distributed.agreed()

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
        training = Training(spec, self.backbone, alone, self.desk, about, REPAIR, self.choice)
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
        tables = {
            "result": self.measured(task, step, ledger),
            "cost": ledger.rows(task),
            "progress": curve,
            "statistic": drift(deployed, self.initial, task)
            + (self.choice.rows(task) if task else [])
            + self.desk.statistics(task),
        }
        if task == 0 and self.solved.profile:
            tables["profile"] = self.solved.profile
            tables["statistic"] += self.solved.statistics
        for line in self.desk.unreadable():
            print(line, file=sys.stderr, flush=True)  # in log.txt: how many there were is no result
        first = distributed.rank() == 0
        written = write_tables(self.run, task, tables) if first else {}
        weights = self.write_weights(task, deployed) if task and first else {}
        crash_point("results")
        if following is not None and task < self.tasks:
            self.backbone.model.load_state_dict(following)
            state = {
                "model": dict(following),
                "method": self.method.state_dict(),
                "memory": self.memory,
            }
            self.save(task + 1, 0, state)
        if distributed.rank():
            return
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

    def measured(self, task: int, step: int, ledger: Ledger) -> list[dict[str, Any]]:
        """What the suite says of the weights at hand, charged as the phase `evaluate`. Of the untouched backbone every trial
        would come to the same, so it is asked once."""
        suite, key = self.spec.stream["suite"], None
        parts = shares(suite, task, self.tasks)
        if task == 0:
            measured = shared_store.measured_on(self.spec, self.desk.tasks)
            key = self.untouched.key(measured=measured, parts=parts, initial=self.initial_digest)
            found = self.untouched.get(key)
            if found is not None:
                state, shared = found
                ledger.entries["evaluate"] = Entry(**state["entry"] | {"shared": shared})
                return list(state["results"])
        with ledger.phase("evaluate") as entry:
            untouched = Untouched(self.backbone, self.initial)
            results = measure_suite(
                self.backbone,
                suite,
                self.desk.tests,
                self.desk.brought,
                parts,
                task,
                step,
                untouched,
            )
            entry.pairs = sum(
                {(row["dataset"], row["fraction"]): row["examples"] for row in results}.values()
            )
        self.untouched.put(key, {"results": results, "entry": vars(entry)})
        return results

    def write_weights(self, task: int, deployed: Weights) -> dict[str, dict[str, str]]:
        """The deployed weights, and what a later task's merging will ask for; name -> file and sha256."""
        path = self.run.path / f"task-{task:04d}.deployed.safetensors"
        checkpoint.save_weights(path, dict(deployed))
        kept = {"deployed": path}
        asked = self.method.merging.asked
        kept |= {
            kind: self.history.file(self.run, task, kind)
            for over, kind in KEPT.items()
            if over in asked
        }
        return {name: {"file": file.name, "sha256": sha256(file)} for name, file in kept.items()}

    def drop_before(self, task: int) -> None:
        """Only what was deployed last, and the newest running merge, are ever asked for again."""
        for kind in ("deployed", "running"):
            for path in self.run.path.glob(f"task-[0-9]*.{kind}.safetensors"):
                if int(path.name[5:9]) < task:
                    path.unlink()

    def merge(self, task: int, last: Weights) -> dict[str | None, Weights]:
        """The merged weights after a task, by what is combined; what a later task's merging will ask for is written first. Only
        the first of several processes merges."""
        merging, running = self.method.merging, None
        if distributed.rank():
            merging.end()
            return {}
        if "all" in merging.asked:
            checkpoint.save_weights(self.history.file(self.run, task, "last"), dict(last))
        if "running" in merging.asked:
            running = merging.fold(self.initial, self.history.running(task - 1), last, task)
            checkpoint.save_weights(self.history.file(self.run, task, "running"), dict(running))
        merged: dict[str | None, Weights] = {
            over: merging.merge(over, self.history.until(task, last), running)
            for over in sorted(merging.asked)
        }
        merging.end()
        return merged

    def start_of(self, task: int, last: Weights, merged: Mapping[str | None, Weights]) -> Weights:
        """The weights a task begins from, by the method's rule."""
        start = self.spec.method["start"]
        if start == "random":
            fresh = backbones.build(
                self.spec.backbone["architecture"],
                seed_of(self.spec.seed, "start", task),
                data=Path(self.job.data),
            )
            return dict(fresh.model.state_dict())
        rules: dict[str, Weights] = {
            "last": last,
            "merged": merged.get(self.method.merging.start, last),
            "initial": self.initial,
        }
        return rules[start]

    def checkpoint_is_due(self) -> bool:
        """Whether the last checkpoint is older than the site wants."""
        return time.monotonic() - self.saved_at >= 60 * self.job.checkpoint_minutes

    def say(self, task: int, step: int, training: Training) -> None:
        """Tell `--watch` how far it is, at most every second."""
        if time.monotonic() - self.said_at >= 1 and distributed.rank() == 0:
            self.said_at = time.monotonic()
            about = {
                "task": task,
                "tasks": self.tasks,
                "step": step,
                "steps": self.steps,
                "loss": training.look(),
            }
            rate = {
                "pairs_per_s": training.pairs_per_s,
                "batch_pairs": self.spec.recipe["batch_pairs"],
            }
            write_json(self.run.path / "progress.json", about | rate | {"at": now()})


def learn(run: RunFolder, word: mmap.mmap | None = None, traced: bool = False) -> int:
    """Claim the folder and learn; `word` is how a job tells its worker to end, `traced`: see `runner.worker.step_trace`. Exit code 0 also
    when the attempt was claimed before, and is left untouched; 1 when it did not get to its end. The trial is learned by as many
    processes as its recipe says, or by those that were started together."""
    place = processes.launched()
    if place is not None:
        processes.join(place)
    if not distributed.agreed(distributed.rank() == 0 and run.claim())[0]:
        print(f"{run.path} is claimed already ({(run.path / 'claim').read_text()}); nothing done")
        processes.leave()
        return 0
    crash_point("claimed")
    started_at, stop = now(), StopFlag(word)
    with ended_by() as end, processes.together(run, started_at) as crew:
        job = run.job()
        code_snapshot.check(job.code, job.code_folder, job.versions)
        crew.gather(Compute.of(run.spec().recipe).ranks)
        tracer = Tracer(run.path) if traced and crew.rank == 0 else None
        Trial(run, stop, tracer).learn()
        if tracer is not None:
            tracer.close()
    if crew.rank == 0:
        crash_point("outcome")
    crew.end(crew.cause(end.said))
    return crew.leave(0 if end.said["state"] == "done" else 1)


def main(arguments: list[str] | None = None) -> int:
    """Run one attempt by hand, as its job would."""
    said = sys.argv[1:] if arguments is None else arguments
    folders, options = (
        [word for word in said if word.startswith("-") is option] for option in (False, True)
    )
    if len(folders) != 1 or not set(options) <= {"--profile"}:
        print(
            "usage: python -m runner.trial FOLDER [--profile]\n\n" + (__doc__ or ""),
            file=sys.stderr,
        )
        return 2
    run = RunFolder(Path(folders[0]).absolute())
    if not (run.path / "spec.json").exists():
        print(
            f"{run.path} holds no spec.json; runner.sync makes run folders from rows of the catalog",
            file=sys.stderr,
        )
        return 2
    return learn(run, traced=bool(options))


if __name__ == "__main__":
    raise SystemExit(main())
