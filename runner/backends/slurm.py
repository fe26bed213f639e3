"""The backend for a Slurm cluster.

submitit is used only to write and submit the batch script, and to run our entry point on the node.
The states of jobs are queried here, by job name and array index (ids are reused, names are not):
`squeue` for queued, running and just ended jobs, `sacct` for older ones, with one call each for any
number of jobs. Every command has a time limit, and from a missing or unclear answer nothing is
concluded about any job.
"""

import contextlib
import io
import math
import re
import shlex
import shutil
import subprocess
import time
from collections.abc import Iterable, Sequence
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
from runner.backends._slurm_answers import Key, accounts, queued, short
from runner.submission import Submission
from schema.site import Site

# Slurm's commands wait 10 s per message for a controller that does not answer
COMMAND_S = 60
# When MaxJobCount is reached, sbatch would wait for two minutes
SBATCH_S = 30
# Errors of sbatch that mean that nothing was queued
REFUSED = re.compile(
    r"[Ii]nvalid |not available|violates accounting/QOS policy|not permitted|[Pp]ermission denied|"
    r"unrecognized option|temporarily unable to accept job|exceed|too long|not found|No such|"
    r"Unable to open|needs? to be|must be|is required|disabled"
)
# Errors of sbatch after which the controller may have queued the job all the same
LOST = re.compile(
    r"[Tt]imed out|Unable to contact|onnection|Zero Bytes|[Cc]ommunicat|receive failure|"
    r"not responding"
)


class Slurm:
    """Submits job arrays with the name of the submission.

    They are plain jobs where arrays are switched off.
    """

    name = "slurm"
    pause_s = 15.0

    def __init__(self, site: Site) -> None:
        self.site, self.patience_s = site, site.patience_s
        if shutil.which("sbatch") is None:
            raise BackendError(
                'backend "slurm": no sbatch on PATH. Run sync where jobs are submitted, or set '
                'backend = "local"'
            )
        for name, needs in {"": site.needs, **site.by_backbone}.items():
            if needs.time_limit_minutes <= 0:
                where = f"[backbone.{name}] of " if name else ""
                raise BackendError(
                    f'backend "slurm" wants time_limit_minutes in {where}site.toml: how long a job '
                    "may run"
                )

    def room(self, live: int) -> int:
        """Return `max_in_flight` minus the live jobs."""
        return max(0, self.site.max_in_flight - live)

    def positions(self) -> int:
        """Return MaxArraySize, the limit for the indices of an array.

        It is 1 where arrays are switched off.
        """
        settings, problem = _asked(["scontrol", "show", "config"])
        match = re.search(r"^MaxArraySize\s*=\s*(\d+)", settings or "", re.MULTILINE)
        if match is None:
            raise UnreachableError(problem or "scontrol show config names no MaxArraySize")
        return max(1, int(match[1]))

    # ------------------------------------------------ submission

    def submit(self, batch: Submission) -> list[str]:
        """Start a submission with one sbatch."""
        from submitit.core.utils import DelayedSubmission, FailedJobError, FailedSubmissionError

        from runner.job import main

        DelayedSubmission(main, str(batch.folder)).dump(batch.folder / "entry.pkl")
        executor = _executor(batch.folder)
        executor.update_parameters(**self.parameters(batch))
        try:
            # submitit also prints the errors that it raises
            with contextlib.redirect_stderr(io.StringIO()):
                job_id = executor.submit(main, str(batch.folder)).job_id
        except FailedSubmissionError as error:
            raise SubmissionUnknownError(short(str(error))) from error
        except FailedJobError as error:
            words = short(str(error)) or f"sbatch said nothing within {SBATCH_S} s"
            if REFUSED.search(words) and not LOST.search(words):
                raise SubmissionRefusedError(words) from error
            raise SubmissionUnknownError(words) from error
        if len(batch.positions) == 1:
            return [job_id]
        return [f"{job_id}_{index}" for index in range(len(batch.positions))]

    def parameters(self, batch: Submission) -> dict[str, Any]:
        """Return the parameters that submitit writes into the batch script."""
        needs, count = batch.needs, len(batch.positions)
        # %a is the index in the array
        log = str(batch.folder / ("%a_log.out" if count > 1 else "0_log.out"))
        extra: dict[str, Any] = {
            "no-requeue": True,
            "chdir": str(batch.code),
            "output": log,
            **dict(needs.slurm),
        }
        if count > 1:
            extra["array"] = f"0-{count - 1}"
            if self.site.trials_at_once:
                extra["array"] += f"%{self.site.trials_at_once}"
        # An option that is switched off in site.toml is left out
        written = {key: value for key, value in extra.items() if value is not False}
        options = {
            "job_name": batch.name,
            "time": math.ceil(needs.time_limit_minutes),
            "signal_delay_s": round(needs.early_s),
            "cpus_per_task": -(-needs.cpus_per_trial // needs.ranks)
            or batch.threads + self.site.workers_per_trial,
            "stderr_to_stdout": True,
            "srun_args": ["--output", log, "--open-mode", "append"],
            "wckey": None,
            "setup": [*needs.setup, *_preamble(batch)],
            "additional_parameters": written,
        }
        if needs.ranks > 1:
            options |= {"nodes": needs.nodes, "ntasks_per_node": needs.tasks_per_node}
        if needs.gpus_per_node:
            options["gpus_per_node"] = needs.gpus_per_node
        if needs.memory_gb:
            options["mem"] = f"{math.ceil(needs.memory_gb * 1024)}M"
        return options

    # ------------------------------------------------ looking

    def look(self, places: Sequence[Place]) -> Look:
        """Query squeue, then sacct for jobs that squeue no longer lists."""
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
        seen, whole = queued(queue, {place.batch for place in places}, look)
        left = []
        for place in places:
            sighting = seen.get(_key(place))
            if sighting is None or sighting.state is State.ENDED:
                left.append(place)
        ended, complete = dict[Key, Sighting](), True
        if left:
            # Only the accounting records how a job ended
            ended, complete = _accounted(left, look)
        # A job is absent only if both answers were complete and neither has it
        missing = Sighting(State.ABSENT if whole and complete else State.UNSURE)
        for place in places:
            look.sightings[place] = ended.get(_key(place)) or seen.get(_key(place)) or missing
        return look

    def wait(self, folders: Sequence[Path], longest_s: float) -> None:
        """Wait for the whole time, so that the cluster is not queried too often."""
        time.sleep(longest_s)

    def cancel(self, places: Sequence[Place]) -> None:
        """End the jobs with one scancel."""
        jobs = sorted({place.job_id for place in places if place.job_id})
        if jobs:
            _asked(["scancel", *jobs])


def _accounted(places: list[Place], look: Look) -> tuple[dict[Key, Sighting], bool]:
    """Return the accounting's sightings of these jobs, and whether its answer was complete."""
    since = min(place.since for place in places) - timedelta(days=1)
    names = ",".join(sorted({place.batch for place in places}))
    fields = "JobID,JobName,State,ExitCode,DerivedExitCode"
    start = since.astimezone().strftime("%Y-%m-%dT%H:%M:%S")
    text, problem = _asked(["sacct", "-n", "-P", "-S", start, f"--name={names}", "-o", fields])
    if text is not None:
        return accounts(text, {place.batch for place in places}, look)
    if "accounting storage is disabled" in problem:
        # This cluster has no accounting, so squeue is the only source
        return {}, True
    look.problems.append(("sacct", problem))
    return {}, False


def _executor(folder: Path) -> Any:
    """Return submitit's executor, with a time limit for its call of sbatch."""
    import submitit

    class Executor(submitit.SlurmExecutor):
        def _make_submission_command(self, submission_file_path: Path) -> list[str]:
            return ["timeout", "--kill-after=5", str(SBATCH_S), "sbatch", str(submission_file_path)]

    return Executor(folder=folder, max_num_timeout=0)


def _preamble(batch: Submission) -> list[str]:
    """Return the shell lines before the entry point.

    On the node, submitit looks for a pickle named by the job's id, which is unknown before sbatch
    answers. The job itself creates it, so the job runs even if sync dies in between.
    """
    folder = shlex.quote(str(batch.folder))
    return [
        f"export OMP_NUM_THREADS={batch.threads} MKL_NUM_THREADS={batch.threads} "
        "OMP_WAIT_POLICY=passive PYTHONUNBUFFERED=1",
        # Since Slurm 22.05 srun does not inherit this by itself
        'export SRUN_CPUS_PER_TASK="${SLURM_CPUS_PER_TASK:-1}"',
        'job="${SLURM_ARRAY_JOB_ID:-$SLURM_JOB_ID}${SLURM_ARRAY_TASK_ID:+_$SLURM_ARRAY_TASK_ID}"',
        f'ln -sf entry.pkl {folder}/"${{job}}_submitted.pkl"',
    ]


def _key(place: Place) -> Key:
    return place.batch, place.position


def _asked(words: Iterable[str]) -> tuple[str | None, str]:
    """Return a command's output and "", or None and the reason why there is none."""
    command = list(words)
    try:
        ended = subprocess.run(
            command, capture_output=True, text=True, timeout=COMMAND_S, errors="replace"
        )
    except subprocess.TimeoutExpired:
        return None, f"{command[0]} did not answer within {COMMAND_S} s"
    except OSError as error:
        return None, f"{command[0]} cannot be run: {error}"
    if ended.returncode != 0:
        words = short(ended.stderr or ended.stdout)
        return None, f"{command[0]} failed (exit code {ended.returncode}): {words}"
    return ended.stdout, ""
