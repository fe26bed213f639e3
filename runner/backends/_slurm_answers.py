"""Parses Slurm's answers: lines of squeue and sacct become sightings of jobs.

A line that is not understood says nothing about any job, and is recorded as a problem.
"""

import re
from collections.abc import Iterator

from runner.backends import Look, Sighting, State

# Identifies a job: its name, which is its submission's, and its index in the array
Key = tuple[str, int]
# Slurm's states of a job that waits
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
# For each of Slurm's states, what it says about an attempt whose worker left no outcome
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
# Reasons to wait that do not end without intervention
STUCK = re.compile(
    r"[Hh]eld|NeverSatisfied|BadConstraints|PartitionNodeLimit|PartitionTimeLimit|Invalid|PerJob|"
    r"NotAllowed"
)


def queued(text: str, names: set[str], look: Look) -> tuple[dict[Key, Sighting], bool]:
    """Return squeue's sightings by job, and whether all lines were understood."""
    sightings: dict[Key, Sighting] = {}
    lines, whole = _lines(text, 6, look, "squeue")
    for job_id, array_id, index, word, reason, name in lines:
        if name not in names:
            continue
        key, job = (name, 0), job_id
        if index.isdigit():
            key, job = (name, int(index)), f"{array_id}_{index}"
        _keep(sightings, key, _sighting(job, word, reason, look, "squeue"))
    return sightings, whole


def accounts(text: str, names: set[str], look: Look) -> tuple[dict[Key, Sighting], bool]:
    """Return sacct's sightings by job, and whether all lines were understood.

    A step that ran out of memory determines the state of its job.
    """
    sightings: dict[Key, Sighting] = {}
    keys: dict[str, Key] = {}
    lines, whole = _lines(text, 5, look, "sacct")
    for job, name, word, exit_code, derived in lines:
        base, _, step = job.partition(".")
        if step:
            if base in keys and word.startswith("OUT_OF_MEMORY"):
                sightings[keys[base]] = Sighting(State.ENDED, base, word, ENDED["OUT_OF_MEMORY"])
            continue
        if name not in names:
            continue
        array, _, indices = base.partition("_")
        words = f"{word}, exit code {exit_code}"
        if derived not in ("", "0:0"):
            words += f", derived {derived}"
        for index in _indices(indices):
            one = f"{array}_{index}" if indices else array
            keys[one] = (name, index)
            _keep(sightings, keys[one], _sighting(one, word, words, look, "sacct"))
    return sightings, whole


def _lines(text: str, count: int, look: Look, source: str) -> tuple[list[list[str]], bool]:
    """Return the lines with `count` fields, and whether there are no others.

    Other lines, such as a banner or a truncated answer, are recorded as a problem.
    """
    lines, odd = list[list[str]](), list[list[str]]()
    for line in text.splitlines():
        if line.strip():
            cells = line.split("|", count - 1)
            (lines if len(cells) == count else odd).append(cells)
    if odd:
        first = short("|".join(odd[0]))
        problem = f"{source} says {first!r}, which is not what it was asked for"
        look.problems.append((source, problem))
    return lines, not odd


def _indices(text: str) -> Iterator[int]:
    """Yield the array indices in a job id of sacct.

    They are written as `3`, as `[0-2,5%4]` (tasks that ended before they started share a row), or
    not at all (a plain job, whose index is 0).
    """
    for piece in (text.strip("[]").partition("%")[0] or "0").split(","):
        first, _, last = piece.partition("-")
        if first.isdigit() and (last or first).isdigit():
            yield from range(int(first), int(last or first) + 1)


def _sighting(job: str, state: str, reason: str, look: Look, source: str) -> Sighting:
    """Return a job's sighting; an unknown state is recorded as a problem."""
    # Only the first word counts in states such as "CANCELLED by 1000" and "TIMEOUT+"
    word = state.split(" ")[0].rstrip("+")
    if word in PENDING:
        stuck = bool(STUCK.search(reason)) or word in ("REQUEUE_HOLD", "SPECIAL_EXIT")
        return Sighting(State.PENDING, job, reason, stuck=stuck)
    if word in RUNNING:
        return Sighting(State.RUNNING, job, word)
    if word in ENDED:
        return Sighting(State.ENDED, job, state if source == "squeue" else reason, ENDED[word])
    problem = (
        source,
        f"{source} says {word!r} of a job, which is no state that Weir knows; the job is left as "
        "it is",
    )
    if problem not in look.problems:
        look.problems.append(problem)
    return Sighting(State.UNSURE, job, word)


def _keep(sightings: dict[Key, Sighting], key: Key, seen: Sighting) -> None:
    """Add a sighting; of several jobs with the same name the one that has not ended is kept.

    A submission that was repeated because its answer was lost has several.
    """
    if key not in sightings or sightings[key].state is State.ENDED:
        sightings[key] = seen


def short(words: str) -> str:
    """Return the end of a command's output, which has the reason, on one line."""
    return " ".join(words.split())[-300:]
