"""A Slurm cluster. submitit writes and sends the batch script and runs our entry point on the node,
and is asked nothing else.

What jobs do is read here, by job name and array index (ids are reused, names are not): `squeue` for
what is queued or ended a moment ago, `sacct` for what has left it, one call each however many jobs.
Every command has a time limit, and an answer that did not come or is not understood says nothing
about any job.
"""

import contextlib
import io
import math
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from runner.backends import (
    BackendError,
    Look,
    Place,
    Sighting,
    State,
    SubmissionRefusedError,
    SubmissionUnknownError,
    UnreachableError,
)
from runner.submission import Submission
from schema.site import Site

# Slurm's own patience with a controller that does not answer is 10 s a message
COMMAND_S = 60
# At MaxJobCount sbatch would wait for two minutes
SBATCH_S = 30
PENDING = {
    "PENDING",
    "CONFIGURING",
    "REQUEUED",
    "REQUEUE_FED",
    "REQUEUE_HOLD",
    "SPECIAL_EXIT",
    "RESV_DEL_HOLD",
}
RUNNING = {"RUNNING", "COMPLETING", "SUSPENDED", "STOPPED", "SIGNALING", "STAGE_OUT", "RESIZING"}
# Slurm's word -> what it says about the attempt when the worker said nothing
ENDED = {
    "COMPLETED": "no_result",
    "FAILED": "killed",
    "CANCELLED": "cancelled",
    "TIMEOUT": "timeout",
    "DEADLINE": "timeout",
    "OUT_OF_MEMORY": "oom_host",
    "NODE_FAIL": "node_fail",
    "BOOT_FAIL": "node_fail",
    "LAUNCH_FAILED": "submit",
    "PREEMPTED": "preempted",
    "REVOKED": "preempted",
}
STUCK = re.compile(
    r"[Hh]eld|NeverSatisfied|BadConstraints|PartitionNodeLimit|PartitionTimeLimit|Invalid|PerJob|NotAllowed"
)
# Answers of sbatch that mean: nothing was queued
REFUSED = re.compile(
    r"[Ii]nvalid |not available|violates accounting/QOS policy|not permitted|[Pp]ermission denied|unrecognized option|"
    r"temporarily unable to accept job|exceed|too long|not found|No such|Unable to open|needs? to be|must be|is required|disabled"
)
LOST = re.compile(
    r"[Tt]imed out|Unable to contact|onnection|Zero Bytes|[Cc]ommunicat|receive failure|not responding"
)


class Slurm:
    """Batches are job arrays (plain jobs where arrays are switched off), whose name is the batch's."""

    name = "slurm"
    pause_s = 15.0

    def __init__(self, site: Site) -> None:
        self.site, self.patience_s = site, site.patience_s
        if shutil.which("sbatch") is None:
            raise BackendError(
                'backend "slurm": no sbatch on PATH. Run sync where jobs are submitted, or set backend = "local"'
            )
        for name, needs in {"": site.needs, **site.by_backbone}.items():
            if needs.time_limit_minutes <= 0:
                where = f"[backbone.{name}] of " if name else ""
                raise BackendError(
                    f'backend "slurm" wants time_limit_minutes in {where}site.toml: how long a job may run'
                )

    def room(self, live: int) -> int:
        """What `max_in_flight` leaves."""
        return max(0, self.site.max_in_flight - live)

    def positions(self) -> int:
        """MaxArraySize, which bounds the largest index of an array; 1 where arrays are switched
        off.
        """
        said, problem = _asked(["scontrol", "show", "config"])
        found = re.search(r"^MaxArraySize\s*=\s*(\d+)", said or "", re.MULTILINE)
        if found is None:
            raise UnreachableError(problem or "scontrol show config names no MaxArraySize")
        return max(1, int(found[1]))

    # ------------------------------------------------ submission

    def submit(self, batch: Submission) -> list[str]:
        """One sbatch."""
        from submitit.core.utils import DelayedSubmission, FailedJobError, FailedSubmissionError

        from runner.job import main

        DelayedSubmission(main, str(batch.folder)).dump(batch.folder / "entry.pkl")
        executor = _executor(batch.folder)
        executor.update_parameters(**self.parameters(batch))
        try:
            with contextlib.redirect_stderr(io.StringIO()):
                # Submitit prints what it raises
                job_id = executor.submit(main, str(batch.folder)).job_id
        except FailedSubmissionError as error:
            raise SubmissionUnknownError(_short(str(error))) from error
        except FailedJobError as error:
            words = _short(str(error)) or f"sbatch said nothing within {SBATCH_S} s"
            if REFUSED.search(words) and not LOST.search(words):
                raise SubmissionRefusedError(words) from error
            raise SubmissionUnknownError(words) from error
        return (
            [f"{job_id}_{n}" for n in range(len(batch.positions))]
            if len(batch.positions) > 1
            else [job_id]
        )

    def parameters(self, batch: Submission) -> dict[str, Any]:
        """What submitit writes into the batch script."""
        needs, count = batch.needs, len(batch.positions)
        log = str(batch.folder / ("%a_log.out" if count > 1 else "0_log.out"))
        extra: dict[str, Any] = {
            "no-requeue": True,
            "chdir": str(batch.code),
            "output": log,
            **dict(needs.slurm),
        }
        if count > 1:
            at_once = f"%{self.site.trials_at_once}" if self.site.trials_at_once else ""
            extra["array"] = f"0-{count - 1}{at_once}"
        said = {
            "job_name": batch.name,
            "time": math.ceil(needs.time_limit_minutes),
            "signal_delay_s": round(needs.early_s),
            "cpus_per_task": -(-needs.cpus_per_trial // needs.ranks)
            or batch.threads + self.site.workers_per_trial,
            "stderr_to_stdout": True,
            "srun_args": ["--output", log, "--open-mode", "append"],
            "wckey": None,
            "setup": [*needs.setup, *_preamble(batch)],
            "additional_parameters": {
                key: value for key, value in extra.items() if value is not False
            },
        }
        if needs.ranks > 1:
            said |= {"nodes": needs.nodes, "ntasks_per_node": needs.tasks_per_node}
        if needs.gpus_per_node:
            said["gpus_per_node"] = needs.gpus_per_node
        if needs.memory_gb:
            said["mem"] = f"{math.ceil(needs.memory_gb * 1024)}M"
        return said

    # ------------------------------------------------ looking

    def look(self, places: Sequence[Place]) -> Look:
        """squeue, then sacct for what is not there any more."""
        look = Look()
        if not places:
            return look
        queue, problem = _asked(
            ["squeue", "--me", "-h", "-r", "-t", "all", "-o", "%A|%F|%K|%T|%r|%j"]
        )
        if queue is None:
            look.answered = False
            look.problems.append(("squeue", problem))
            look.sightings = dict.fromkeys(places, Sighting(State.UNSURE))
            return look
        queued, whole = _queued(queue, {place.batch for place in places}, look)
        left = [
            place
            for place in places
            if (seen := queued.get(_key(place))) is None or seen.state is State.ENDED
        ]
        ended, complete = self._accounted(left, look) if left else ({}, True)
        for place in places:
            missing = Sighting(State.ABSENT if whole and complete else State.UNSURE)
            look.sightings[place] = ended.get(_key(place)) or queued.get(_key(place)) or missing
        return look

    def _accounted(
        self, places: list[Place], look: Look
    ) -> tuple[dict[tuple[str, int], Sighting], bool]:
        """What accounting knows about these, and whether it said all that it could."""
        since = min(place.since for place in places) - timedelta(days=1)
        names = ",".join(sorted({place.batch for place in places}))
        fields = "JobID,JobName,State,ExitCode,DerivedExitCode"
        start = since.astimezone().strftime("%Y-%m-%dT%H:%M:%S")
        said, problem = _asked(["sacct", "-n", "-P", "-S", start, f"--name={names}", "-o", fields])
        if said is not None:
            return _accounts(said, {place.batch for place in places}, look)
        if "accounting storage is disabled" in problem:
            # This cluster has none: squeue is all there is to know
            return {}, True
        look.problems.append(("sacct", problem))
        return {}, False

    def cancel(self, places: Sequence[Place]) -> None:
        """One scancel."""
        jobs = sorted({place.job_id for place in places if place.job_id})
        if jobs:
            _asked(["scancel", *jobs])


def _executor(folder: Path) -> Any:
    """submitit's executor, with a time limit on its sbatch."""
    import submitit

    class Executor(submitit.SlurmExecutor):
        def _make_submission_command(self, submission_file_path: Path) -> list[str]:
            return ["timeout", "--kill-after=5", str(SBATCH_S), "sbatch", str(submission_file_path)]

    return Executor(folder=folder, max_num_timeout=0)


def _preamble(batch: Submission) -> list[str]:
    """Shell lines before the entry point. submitit's node half looks for a pickle named by the
    job's id, which nobody knows before sbatch has answered; the job itself puts it there, so a sync
    that dies just then leaves a job that runs.
    """
    folder = shlex.quote(str(batch.folder))
    return [
        f"export OMP_NUM_THREADS={batch.threads} MKL_NUM_THREADS={batch.threads} OMP_WAIT_POLICY=passive PYTHONUNBUFFERED=1",
        # Srun does not take it over by itself since 22.05
        'export SRUN_CPUS_PER_TASK="${SLURM_CPUS_PER_TASK:-1}"',
        'job="${SLURM_ARRAY_JOB_ID:-$SLURM_JOB_ID}${SLURM_ARRAY_TASK_ID:+_$SLURM_ARRAY_TASK_ID}"',
        f'ln -sf entry.pkl {folder}/"${{job}}_submitted.pkl"',
    ]


def _queued(text: str, names: set[str], look: Look) -> tuple[dict[tuple[str, int], Sighting], bool]:
    """squeue's lines by (job name, index), and whether it could be read to the end."""
    found: dict[tuple[str, int], Sighting] = {}
    lines, whole = _lines(text, 6, look, "squeue")
    for job_id, array_id, index, word, reason, name in lines:
        if name not in names:
            continue
        plain = not index.isdigit()
        key, job = (name, 0 if plain else int(index)), job_id if plain else f"{array_id}_{index}"
        _keep(found, key, _sighting(job, word, reason, look, "squeue"))
    return found, whole


def _accounts(
    text: str, names: set[str], look: Look
) -> tuple[dict[tuple[str, int], Sighting], bool]:
    """sacct's jobs by (job name, index), and whether it could be read to the end; a step that ran
    out of memory speaks for its job.
    """
    found: dict[tuple[str, int], Sighting] = {}
    keys: dict[str, tuple[str, int]] = {}
    lines, whole = _lines(text, 5, look, "sacct")
    for job, name, word, exit_code, derived in lines:
        base, _, step = job.partition(".")
        if step:
            if base in keys and word.startswith("OUT_OF_MEMORY"):
                found[keys[base]] = Sighting(State.ENDED, base, word, ENDED["OUT_OF_MEMORY"])
            continue
        if name not in names:
            continue
        array, _, indices = base.partition("_")
        said = f"{word}, exit code {exit_code}" + (
            f", derived {derived}" if derived not in ("", "0:0") else ""
        )
        for index in _indices(indices):
            one = f"{array}_{index}" if indices else array
            keys[one] = (name, index)
            _keep(found, keys[one], _sighting(one, word, said, look, "sacct"))
    return found, whole


def _lines(text: str, count: int, look: Look, source: str) -> tuple[list[list[str]], bool]:
    """Lines of so many fields, and whether there are no others (a banner, half an answer), which
    are a problem.
    """
    lines = [line.split("|", count - 1) for line in text.splitlines() if line.strip()]
    odd = [line for line in lines if len(line) != count]
    if odd:
        look.problems.append(
            (
                source,
                f"{source} says {_short('|'.join(odd[0]))!r}, which is not what it was asked for",
            )
        )
    return [line for line in lines if len(line) == count], not odd


def _indices(text: str) -> Iterator[int]:
    """The array indices of `3`, `[0-2,5%4]` (tasks that ended before they started share a row) or
    nothing (a plain job: 0).
    """
    for piece in (text.strip("[]").partition("%")[0] or "0").split(","):
        first, _, last = piece.partition("-")
        if first.isdigit() and (last or first).isdigit():
            yield from range(int(first), int(last or first) + 1)


def _sighting(job: str, said: str, reason: str, look: Look, source: str) -> Sighting:
    word = said.split(" ")[0].rstrip("+")
    if word in PENDING:
        return Sighting(
            State.PENDING,
            job,
            reason,
            stuck=bool(STUCK.search(reason)) or word in ("REQUEUE_HOLD", "SPECIAL_EXIT"),
        )
    if word in RUNNING:
        return Sighting(State.RUNNING, job, word)
    if word in ENDED:
        return Sighting(State.ENDED, job, said if source == "squeue" else reason, ENDED[word])
    problem = (
        source,
        f"{source} says {word!r} of a job, which is no state that Weir knows; the job is left as it is",
    )
    if problem not in look.problems:
        look.problems.append(problem)
    return Sighting(State.UNSURE, job, word)


def _keep(found: dict[tuple[str, int], Sighting], key: tuple[str, int], seen: Sighting) -> None:
    """Of several jobs under one name (a submission whose answer was lost and that was made again)
    the one that is not over.
    """
    if key not in found or found[key].state is State.ENDED:
        found[key] = seen


def _key(place: Place) -> tuple[str, int]:
    return place.batch, place.position


def _asked(words: Iterable[str]) -> tuple[str | None, str]:
    """What a command printed, or None and why there is nothing."""
    command = list(words)
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=COMMAND_S, errors="replace"
        )
    except subprocess.TimeoutExpired:
        return None, f"{command[0]} did not answer within {COMMAND_S} s"
    except OSError as error:
        return None, f"{command[0]} cannot be run: {error}"
    if done.returncode != 0:
        return (
            None,
            f"{command[0]} failed (exit code {done.returncode}): {_short(done.stderr or done.stdout)}",
        )
    return done.stdout, ""


def _short(words: str) -> str:
    """The telling end of what a command printed, on one line."""
    return " ".join(words.split())[-300:]
