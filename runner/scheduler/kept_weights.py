"""The weights of a trial that are still on the disk, by the receipts that vouch for them.

A trial keeps what its newest task deployed. What an earlier one did is removed when the next task
has its receipt (`runner.worker.weights.drop_before`), unless `keep_weights` of site.toml keeps it.
What is gone comes back, to the same bits, by a wish `retrain` (`runner.scheduler.retrained`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from runner import tensor_store
from runner.records import DamagedFileError
from runner.run_files import Receipt, is_kept
from runner.run_folder import RunFolder, done_tasks
from schema.site import Site
from schema.spec import Spec


class NotKeptError(LookupError):
    """The weights of a task are not on the disk; the message says which are, and what to do."""


@dataclass(frozen=True, kw_only=True)
class KeptWeights:
    """What a task of a trial deployed, and the definition that the trial ran."""

    task: int
    spec: Spec
    # The file of weights; None: task 0, which deploys the untouched backbone
    weights: str | None
    # The file that the backbone is read from, where it is what another trial deployed
    backbone_weights: str | None


def find(site: Site, trial: int, task: int | None) -> KeptWeights:
    """Return the weights that a trial deployed after `task`; None: after the last of its stream.

    Raises:
        NotKeptError: the trial has not done the task, or its weights are gone.
    """
    tasks = done_tasks(training_attempts(site, trial))
    if not tasks:
        raise NotKeptError(
            f"trial {trial} has finished no task yet, so it has deployed nothing. "
            "Run it: python -m runner.sync --watch"
        )
    newest = max(tasks)
    run, _ = tasks[newest]
    spec, assignment = run.spec(), run.assignment()
    if task is None:
        task = _last_task(trial, newest, spec)
    elif task not in tasks:
        raise NotKeptError(
            f"trial {trial} has no task {task} that is done; it has done tasks 0 to {newest} of "
            f"{spec.stream['tasks']}"
        )
    if task and spec.method.get("ensemble") is not None:
        raise NotKeptError(
            f"trial {trial} deploys an ensemble ({spec.method['ensemble']}), several models that "
            f"no single file holds. Its members lie in {run.path} as task-*.safetensors, each a "
            "state dict of its own; a trial of the same method with deploy = 'last' deploys one"
        )
    weights = None if task == 0 else _file(site, trial, task, newest)
    return KeptWeights(
        task=task, spec=spec, weights=weights, backbone_weights=assignment.backbone_weights
    )


def tasks_on_disk(site: Site, trial: int, spec: Spec) -> set[int]:
    """Return the tasks whose deployed weights lie where a receipt of this definition says.

    Their digests are not looked at here: whoever reads them does.
    """
    tasks, sizes = set(), tensor_store.present(site.runs)
    for run in training_attempts(site, trial):
        for task, receipt in run.receipts().items():
            deployed = receipt.weights.get("deployed")
            if deployed is None or not tensor_store.is_there(run.path / deployed.file, sizes):
                continue
            if receipt.spec_id == spec.id:
                tasks.add(task)
    return tasks


def retrain_wish(trial: int, wish: str = "retrain") -> str:
    """Return the SQL that wishes something of a trial: that it is trained again."""
    return f"INSERT INTO request (trial, wish) VALUES ({trial}, '{wish}')"


def gone(site: Site, trial: int, spec: Spec, keep: str) -> list[int]:
    """Return the tasks whose weights should be on the disk and are not, or are not as written.

    keep: which tasks before the last one keep what they deployed, as `keep_weights` has it. Reads
    every file of weights of the trial until one is found to be whole.
    """
    last = int(spec.stream["tasks"])
    wanted = {last}
    if spec.method.get("ensemble") is None:
        wanted |= {task for task in range(1, last) if is_kept(keep, task)}
    for run in training_attempts(site, trial):
        held = run.receipts()
        for task in sorted(wanted & set(held)):
            receipt = held[task]
            if receipt.spec_id == spec.id and _holds_deployed(run, receipt):
                wanted.remove(task)
    return sorted(wanted)


def last_is_there(site: Site, trial: int, tasks: int, sizes: Mapping[str, int]) -> bool:
    """Return whether a file of weights of the last of so many tasks is there, by names alone.

    sizes: what lies in the lab's store of tensors, as `tensor_store.present` returns it.
    """
    folder = site.runs / f"{trial:06d}"
    paths = folder.glob(f"[0-9]*/task-{tasks:04d}.*.safetensors")
    return any(tensor_store.is_there(path, sizes) for path in paths)


def damage_in(run: RunFolder, receipt: Receipt | None) -> str:
    """Return sentences about the tensors that deployed weights lack in the lab's store.

    "" where they lack none, or their own file is gone. Begins with a space.
    """
    if receipt is None or "deployed" not in receipt.weights:
        return ""
    sentences = tensor_store.damages(run.path / receipt.weights["deployed"].file)
    return "".join(f" {sentence[0].upper()}{sentence[1:]}." for sentence in sentences)


def _holds_deployed(run: RunFolder, receipt: Receipt) -> bool:
    """Return whether a folder has what a task deployed, as the receipt says it was written."""
    entries = receipt.weights
    # An ensemble deploys several models, each a file of its own
    if "deployed" in entries:
        entries = {"deployed": entries["deployed"]}
    return bool(entries) and all(run.holds(entry) for entry in entries.values())


def training_attempts(site: Site, trial: int) -> list[RunFolder]:
    """Return the run folders of the attempts of a trial that train, newest first."""
    folder = site.runs / f"{trial:06d}"
    numbered = [path for path in folder.glob("[0-9]*") if path.name.isdecimal()]
    numbered.sort(key=lambda path: int(path.name), reverse=True)
    return [RunFolder(path) for path in numbered if _trains(RunFolder(path))]


def _trains(run: RunFolder) -> bool:
    """Return whether an attempt trains; one that cannot be read is judged by its receipts."""
    try:
        return run.assignment().measures is None
    except DamagedFileError:
        return True


def _last_task(trial: int, newest: int, spec: Spec) -> int:
    """Return the last task of the stream, which must be done."""
    last = int(spec.stream["tasks"])
    if newest < last:
        raise NotKeptError(
            f"trial {trial} has done {newest} of its {last} tasks. --task {newest} exports what it "
            "has deployed so far; python -m runner.sync --watch runs the others"
        )
    return last


def _file(site: Site, trial: int, task: int, newest: int) -> str:
    """Return the file of what a task deployed, in whichever attempt still has it as written."""
    vouched: list[tuple[RunFolder, Receipt]] = []
    for run in training_attempts(site, trial):
        receipt = run.receipts().get(task)
        if receipt is not None and "deployed" in receipt.weights:
            vouched.append((run, receipt))
    for run, receipt in vouched:
        entry = receipt.weights["deployed"]
        # A changed byte would be another model under this trial's name
        if run.holds(entry):
            return str(run.path / entry.file)
    damage = _damage(vouched)
    if task < newest and not damage:
        raise NotKeptError(
            f"the weights that task {task} of trial {trial} deployed are gone: a trial keeps those "
            f"of its newest task, here {newest}, unless keep_weights in site.toml says otherwise. "
            'Leave --task out to export these; for those of every task set keep_weights = "all" '
            f"and have it trained again, to the same bits: {retrain_wish(trial)}"
        )
    folder = site.runs / f"{trial:06d}"
    raise NotKeptError(
        f"the weights that task {task} of trial {trial} deployed are gone from {folder}, or are no "
        f"longer as they were written.{damage} Put the file back from a copy, or have it trained "
        f"again, to the same bits: {retrain_wish(trial)}"
    )


def _damage(vouched: Sequence[tuple[RunFolder, Receipt]]) -> str:
    """Return which tensors the weights of a task lack in each attempt that vouches for them."""
    return "".join(damage_in(run, receipt) for run, receipt in vouched)
