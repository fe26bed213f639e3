"""How an attempt ended, by the precedence of evidence: the outcome file, a claim with a live job, what the scheduler says.

Unsure is a state, and nothing follows from it. An attempt that no worker took is given up by creating its claim, which none can
then take; one that a worker took is given up after its job has been missed twice, with no sign of life between.
"""

from typing import Any

from runner import run_folder as files
from runner.backends import Sighting, State
from runner.run_folder import read_json, write_json
from runner.scheduler.attempts import Live
from runner.submission import batch_folder
from schema.vocabulary import OUTCOME_KINDS, STATES

WORDS = {  # why an attempt ended that left no word of its own
    "killed": "the worker died without saying why; the next attempt goes on from its last checkpoint",
    "timeout": "the job's time was up; the next attempt goes on from its last checkpoint",
    "preempted": "the job was preempted; the next attempt goes on from its last checkpoint",
    "node_fail": "the node failed; the next attempt goes on from its last checkpoint",
    "oom_host": "out of memory. Raise memory_gb in site.toml, then request a retry",
    "no_result": "the job ended well, but the worker left no outcome",
    "submit": "never started",
}


End = dict[str, Any]


def open_question(said: End | None) -> bool:
    """Whether the scheduler is to be asked about an attempt: its worker left no word, or does not know who ended it."""
    return said is None or said.get("kind") == "preempted"


def end_of(live: Live, said: End | None, seen: Sighting, patience_s: float) -> End | None:
    """How an attempt ended: its worker's word, or what follows from the rest. None: it has not, or nobody knows."""
    judged = None if live.lost else read_json(live.place.folder / "verdict.json")
    if judged is not None and open_question(
        said
    ):  # by a sync that did not live to record it, or whose catalog was lost
        return dict(judged)
    if said is not None:
        return _told(live, said, seen, patience_s)
    if live.lost:
        return None
    if live.withdrawn and live.place.folder.exists() and (live.run.revoke() or live.run.revoked):
        return kept(
            live,
            {
                "state": "cancelled",
                "message": "withdrawn before it started",
                "finished_at": files.now(),
            },
        )
    if seen.state in (State.PENDING, State.RUNNING):
        live.run.trust()
    if seen.state not in (State.ENDED, State.ABSENT) or (
        live.backend is None and live.waits and not live.run.revoked
    ):
        return None  # a batch that was refused, or not yet offered, will be
    return _judged(live, seen, patience_s)


def _told(live: Live, said: End, seen: Sighting, patience_s: float) -> End | None:
    """The worker's own word, completed by what only others know."""
    end = _understood(said) | {"log_tail": _log_tail(live)}
    if end["kind"] != "preempted":
        return end
    if live.lost:
        return None  # it was judged by what the scheduler said; the worker knows that it was told to end, not by whom
    if live.withdrawn:
        return end | {"state": "cancelled", "kind": None, "message": f"withdrawn; {end['message']}"}
    if seen.state is State.UNSURE or (
        seen.state in (State.PENDING, State.RUNNING) and not live.run.doubted(patience_s)
    ):
        return None  # the scheduler will say who ended it; one that never does holds on to a dead job, which sync then ends
    if seen.kind == "cancelled":
        return end | {
            "state": "cancelled",
            "kind": None,
            "message": f"cancelled by somebody else than sync ({seen.reason})",
        }
    if (
        seen.kind == "timeout"
    ):  # its clock began before the shim's: the limit was met as a SIGTERM like any other
        return end | {"kind": "timeout"}
    return end


def _judged(live: Live, seen: Sighting, patience_s: float) -> End | None:
    """The end of an attempt that left no word: its job has ended or is not there."""
    run = live.run
    if not live.place.folder.exists():  # sync died before it made the folder
        return {
            "state": "lost",
            "kind": "submit",
            "message": WORDS["submit"],
            "finished_at": files.now(),
        }
    if not run.claimed:
        if live.backend is not None and seen.state is State.ABSENT and not run.doubted(patience_s):
            return None
        if run.revoke():
            kind = seen.kind if seen.kind in ("cancelled", "node_fail", "preempted") else "submit"
            return _verdict(
                live,
                seen,
                kind,
                f"never started ({seen.reason})" if seen.reason else WORDS["submit"],
            )
        return None  # a worker took it a moment ago
    if run.revoked:
        return _verdict(live, seen, "submit", WORDS["submit"])
    if not run.doubted(patience_s):
        return None
    said = run.outcome()  # it may have been written a moment ago
    return (
        _told(live, said, seen, patience_s)
        if said is not None
        else _verdict(live, seen, seen.kind or "killed", None)
    )


def _verdict(live: Live, seen: Sighting, kind: str, message: str | None) -> End:
    """Sync's own judgement."""
    words = message or WORDS.get(kind, WORDS["killed"])
    end: End = {
        "state": "lost",
        "kind": kind,
        "message": words,
        "log_tail": _log_tail(live),
        "finished_at": files.now(),
    }
    if kind == "cancelled":
        end |= {
            "state": "cancelled",
            "kind": None if not live.run.claimed or live.run.revoked else "killed",
        }
        end["message"] = (
            "withdrawn"
            if live.withdrawn
            else f"cancelled by somebody else than sync ({seen.reason})"
        )
    elif seen.reason and message is None:
        end["message"] = f"{words} ({seen.reason})"
    return kept(live, end)


def kept(live: Live, end: End) -> End:
    """A judgement, also left in the folder, so that a lost catalog can be made again from it."""
    write_json(live.place.folder / "verdict.json", end)
    return end


def _log_tail(live: Live) -> str:
    """The end of the worker's log, or of its job's where the worker never wrote one."""
    batch = batch_folder(live.place.folder.parent.parent, live.batch)
    return files.tail(live.place.folder / "log.txt") or files.tail(
        batch / f"{live.place.position}_log.out"
    )


def _understood(said: End) -> End:
    """An outcome with words that the catalog knows; whoever wrote others must not stop the rest of the grid."""
    if said.get("state") in STATES and said.get("kind") in (None, *OUTCOME_KINDS):
        return {"kind": None, "message": None} | said
    message = f"outcome.json says state {said.get('state')!r}, kind {said.get('kind')!r}; known are {', '.join(STATES)}"
    return {"state": "failed", "kind": "error", "message": message, "finished_at": files.now()}
