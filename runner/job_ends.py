"""What a job says of attempts whose workers could not say themselves how they ended.

Standard library only.
"""

import signal

from runner.run_files import Outcome
from runner.run_folder import now


def too_short(told: str | None) -> Outcome:
    """Return the end of an attempt whose worker still loaded its packages when it was told to end.

    `told`: why it was told to.
    """
    message = (
        "the job ended before its worker had begun. Where that was its time limit, raise "
        "time_limit_minutes in site.toml"
    )
    return Outcome(state="lost", kind=told, message=message)


def not_begun(told: str | None) -> Outcome:
    """Return the end of an attempt whose turn did not come before the job was told to end."""
    message = "the job ended before its turn"
    return Outcome(state="lost", kind=told, message=message, finished_at=now())


def of_worker(code: int, oom: bool, stop: str | None) -> Outcome:
    """Return the outcome of a worker by its exit code, which is negative for a signal.

    `oom`: the kernel killed somebody for want of memory. `stop`: why the worker was told to end.
    """
    if code >= 0:
        words = f"the worker ended with exit code {code} and said nothing"
        return Outcome(state="failed", kind="error", message=words)
    words, kind = f"the worker was killed by {signal.Signals(-code).name}", stop or "killed"
    if oom:
        kind = "oom_host"
        words += (
            "; the kernel says: out of memory. Raise memory_gb in site.toml, then request a retry"
        )
    elif stop:
        words += (
            f": told to end ({stop}), it had not done so in time; the next attempt goes on from "
            "its last checkpoint"
        )
    return Outcome(state="lost", kind=kind, message=words)
