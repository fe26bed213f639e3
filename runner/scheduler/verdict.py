"""How an attempt ended, by the precedence of evidence.

The outcome file comes first, then a claim with a live job, then what the scheduler says. Unsure is
a state, and nothing follows from it. An attempt that no worker took is given up by creating its
claim, which none can then take; one that a worker took is given up after its job has been missed
twice, with no sign of life between. A file that cannot be read is no evidence: it is named, and the
rest decides.
"""

import contextlib
from dataclasses import dataclass, replace

from runner import run_folder as files
from runner.backends import Sighting, State
from runner.records import DamagedFileError, sealed
from runner.run_files import Outcome
from runner.run_folder import write_json
from runner.scheduler import doubt
from runner.scheduler.attempts import Live
from runner.scheduler.report import LAB_WIDE, Report
from runner.submission import submission_folder
from schema.vocabulary import OUTCOME_KINDS, STATES

# Why an attempt ended that left no word of its own
WORDS = {
    "killed": "the worker died without saying why; the next attempt goes on from its last "
    "checkpoint",
    "timeout": "the job's time was up; the next attempt goes on from its last checkpoint",
    "preempted": "the job was preempted; the next attempt goes on from its last checkpoint",
    "node_fail": "the node failed; the next attempt goes on from its last checkpoint",
    "oom_host": "out of memory. Raise memory_gb in site.toml, then request a retry",
    "no_result": "the job ended well, but the worker left no outcome",
    "submit": "never started",
}
TOO_SHORT = (
    "the job's time was up before its worker had begun. Raise time_limit_minutes in site.toml: a "
    "worker needs minutes to load its packages and its data"
)
# Kinds of an end that the scheduler's word decides even where no worker had begun
BEFORE_ITS_START = ("cancelled", "node_fail", "preempted", "timeout")


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """Knowledge of how one attempt goes, beside its own files."""

    live: Live
    # Its worker's word; None: there is none, or none that can be read
    outcome: Outcome | None
    sighting: Sighting
    # How long a missed job is waited for
    patience_s: float


def outcome_of(live: Live, report: Report) -> Outcome | None:
    """Return the worker's word; one that cannot be read is noted, and is none."""
    consequence = "it is taken for no word of the worker, until it is right again"
    with report.one(live.run.words(), consequence):
        outcome = live.run.outcome()
        if outcome is not None:
            _check_words(live, outcome)
        return outcome
    return None


def _check_words(live: Live, outcome: Outcome) -> None:
    if outcome.state not in STATES or outcome.kind not in (None, *OUTCOME_KINDS):
        raise DamagedFileError(
            live.run.words(),
            f"says state {outcome.state!r}, kind {outcome.kind!r}; known are {', '.join(STATES)}",
        )


def open_question(outcome: Outcome | None) -> bool:
    """Return whether the scheduler is to be asked about an attempt.

    It is when the worker left no word, or does not know who ended it.
    """
    return outcome is None or outcome.kind == "preempted"


def end_of(evidence: Evidence, report: Report) -> Outcome | None:
    """Return how an attempt ended; None: it has not, or nobody knows."""
    live, outcome = evidence.live, evidence.outcome
    # A judgement of a sync that did not live to record it, or whose catalog was lost
    judged = None if live.lost else _judged_before(live)
    if judged is not None and open_question(outcome):
        return judged
    if outcome is not None:
        return _told(evidence, outcome)
    if live.lost:
        return None
    if live.withdrawn and live.place.folder.exists() and (live.run.revoke() or live.run.revoked):
        message = "withdrawn before it started"
        return kept(live, Outcome(state="cancelled", message=message, finished_at=files.now()))
    state = evidence.sighting.state
    if state in (State.PENDING, State.RUNNING):
        _going_on(live, state, report)
        return None
    # A submission that was refused, or not yet offered, will be
    unoffered = live.backend is None and live.waits and not live.run.revoked
    if state not in (State.ENDED, State.ABSENT) or unoffered:
        return None
    return _judged(evidence, report)


def _judged_before(live: Live) -> Outcome | None:
    """Return the judgement that lies in the folder; one that cannot be read is made anew."""
    with contextlib.suppress(DamagedFileError):
        judged = Outcome.read(live.place.folder / "verdict.json")
        if judged is None:
            return None
        _check_words(live, judged)
        # Those of older versions do not say whose they are
        own = judged.trial in (None, live.trial) and judged.attempt in (None, live.attempt)
        return judged if own else None
    return None


def _going_on(live: Live, state: State, report: Report) -> None:
    """Its job waits or runs: nothing has ended, but a folder that is not there is named."""
    if live.place.folder.exists():
        doubt.trust(live.run)
    else:
        word = "runs" if state is State.RUNNING else "waits"
        report.damaged(
            live.place.folder,
            f"is not there, and its job {word}",
            "put it back, or what it has done is done again when the job has ended",
        )


def _told(evidence: Evidence, outcome: Outcome) -> Outcome | None:
    """Return the worker's own word, completed by what only others know."""
    live, seen = evidence.live, evidence.sighting
    # Its own log alone: its job's goes on after it, and a rebuild would read another end of it
    end = replace(outcome, log_tail=files.tail(live.place.folder / "log.txt"))
    if end.kind != "preempted":
        return end
    if live.lost:
        # It was judged by what the scheduler said; the worker knows that it was told to end, not
        # by whom
        return None
    if live.withdrawn:
        return replace(end, state="cancelled", kind=None, message=f"withdrawn; {end.message}")
    # The scheduler will say who ended it; one that never does holds on to a dead job, which sync
    # then ends
    going_on = seen.state in (State.PENDING, State.RUNNING)
    if seen.state is State.UNSURE or (
        going_on and not doubt.doubted(live.run, evidence.patience_s)
    ):
        return None
    if seen.kind == "cancelled":
        message = f"cancelled by somebody else than sync ({seen.reason})"
        return replace(end, state="cancelled", kind=None, message=message)
    if seen.kind == "timeout":
        # Its clock began before the job's own: the limit was met as a SIGTERM like any other
        return replace(end, kind="timeout")
    return end


def _judged(evidence: Evidence, report: Report) -> Outcome | None:
    """Return the end of an attempt that left no word: its job has ended or is not there."""
    live, seen, run = evidence.live, evidence.sighting, evidence.live.run
    if not live.place.folder.exists():
        return _without_folder(live, report)
    if not run.claimed:
        missed = live.backend is not None and seen.state is State.ABSENT
        if missed and not doubt.doubted(run, evidence.patience_s):
            return None
        # Whoever creates the claim first has the attempt: after this no worker can begin it
        if not run.revoke():
            return None
        return _never_started(live, seen, report)
    if run.revoked:
        return _verdict(live, seen, "submit", WORDS["submit"])
    if not doubt.doubted(run, evidence.patience_s):
        return None
    # The worker's word may have been written a moment ago
    outcome = outcome_of(live, report)
    if outcome is not None:
        return _told(evidence, outcome)
    return _verdict(live, seen, seen.kind or "killed", None)


def _without_folder(live: Live, report: Report) -> Outcome:
    """Return the end of an attempt whose folder is gone, or was never made."""
    if live.place.job_id is None:
        # Sync died before it made the folder
        message, kind = WORDS["submit"], "submit"
    else:
        message = "its run folder is gone, and its job has ended"
        kind = "no_result"
        report.damaged(
            live.place.folder,
            message,
            "what it had not yet brought home is done again; put the folder back to have it count",
        )
    return Outcome(state="lost", kind=kind, message=message, finished_at=files.now())


def _never_started(live: Live, seen: Sighting, report: Report) -> Outcome:
    kind = seen.kind if seen.kind in BEFORE_ITS_START else "submit"
    if kind == "timeout":
        report.problem(f"trial {live.trial}", TOO_SHORT)
        return _verdict(live, seen, kind, TOO_SHORT)
    words = f"never started ({seen.reason})" if seen.reason else WORDS["submit"]
    return _verdict(live, seen, str(kind), words)


def _verdict(live: Live, seen: Sighting, kind: str, message: str | None) -> Outcome:
    """Return sync's own judgement, after it is on disk."""
    words = message or WORDS.get(kind, WORDS["killed"])
    if seen.reason and message is None:
        words = f"{words} ({seen.reason})"
    end = Outcome(
        state="lost",
        kind=kind,
        message=words,
        log_tail=_log_tail(live),
        finished_at=files.now(),
    )
    if kind == "cancelled":
        began = live.run.claimed and not live.run.revoked
        by = f"cancelled by somebody else than sync ({seen.reason})"
        message = "withdrawn" if live.withdrawn else by
        end = replace(end, state="cancelled", kind="killed" if began else None, message=message)
    return kept(live, end)


def kept(live: Live, end: Outcome) -> Outcome:
    """Leave a judgement in the folder, so that a lost catalog can be made again from it."""
    end = replace(end, trial=live.trial, attempt=live.attempt)
    try:
        write_json(live.place.folder / "verdict.json", sealed(vars(end)))
    except OSError as error:
        # Something else in the file's place costs a rebuild that word, and this pass nothing
        if error.errno in LAB_WIDE:
            raise
    return end


def _log_tail(live: Live) -> str:
    """Return the end of the worker's log, or of its job's where the worker never wrote one."""
    batch = submission_folder(live.place.folder.parent.parent, live.batch)
    own = files.tail(live.place.folder / "log.txt")
    return own or files.tail(batch / f"{live.place.position}_log.out")
