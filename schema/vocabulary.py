"""The allowed words and default settings of a catalog.

They are separate from the tables because a pass of sync needs these but no table class, and
SQLAlchemy takes longer to import than the pass takes.
"""

STATES = ("done", "failed", "lost", "refused", "cancelled")
OUTCOME_KINDS = (
    "oom_gpu",
    "oom_host",
    "timeout",
    "preempted",
    "node_fail",
    "killed",
    "diverged",
    "error",
    "no_result",
    "submit",
    "code_drift",
    "disk_full",
)
PROVENANCES = ("seen", "compared", "told", "derived", "unverified")
# The rows of `policy`: name, value, note
POLICY = (
    ("retries_killed", 3, "workers that died"),
    ("retries_no_result", 3, "attempts said to be done without results"),
    ("retries_submit", 10, "attempts that never started"),
    ("retries_node_fail", 10, "failed nodes"),
    ("retries_disk_full", 1000, "no room for a checkpoint; tried again when there is"),
    ("retries_timeout", 100, "jobs whose time was up; the next goes on from the checkpoint"),
    ("retries_preempted", 1000, "as timeout"),
    (
        "share_trunks",
        1,
        "1: what trials train in common is trained once, by one, and the others wait for it; "
        "0: each trains all",
    ),
    (
        "same_errors",
        5,
        "trials of a study that fail the same way before the rest of it waits for a person",
    ),
)
