"""What merging will read of the disk over a pending trial, and how long it takes.

A technique without a running form reads the weights of every earlier task after each of T tasks,
T (T - 1) / 2 models in all. What it reads of one is in the table `profile` (`merge_read`), and what
it reads of a running merge or form, which does not grow, too (`merge_form`).
"""

import duckdb

# Trials that read less are not worth a line
LEAST_BYTES = 1e9
SHOWN = 5
# A trial that has finished tells the seconds that merging takes per model that it combines: at task
# t these are t of them where earlier tasks are read, and else one
READS = """
WITH pending AS (
    SELECT DISTINCT outlook.backbone, outlook.mixture, outlook.method, outlook.recipe,
                    outlook.stream, stream.tasks
    FROM outlook JOIN stream ON stream.name = outlook.stream
),
size AS (
    SELECT backbone, mixture, method, recipe,
           coalesce(max(peak_bytes) FILTER (WHERE phase = 'merge_read'), 0) AS task_bytes,
           coalesce(max(peak_bytes) FILTER (WHERE phase = 'merge_form'), 0) AS form_bytes
    FROM profile WHERE phase IN ('merge_read', 'merge_form') GROUP BY ALL
),
reads AS (
    SELECT pending.backbone, pending.method, pending.stream, pending.tasks,
           max(task_bytes) AS task_bytes, max(form_bytes) AS form_bytes
    FROM pending JOIN size USING (backbone, mixture, method, recipe) GROUP BY ALL
),
pace AS (
    SELECT trial.backbone, trial.method, count(DISTINCT cost.trial) AS trials,
           sum(cost.seconds) / sum(cost.task) AS s_per_model,
           sum(cost.seconds) / count(*) AS s_per_task
    FROM cost JOIN trial ON trial.id = cost.trial
    WHERE cost.phase = 'merge' AND cost.task > 0 GROUP BY ALL
)
SELECT reads.backbone, reads.method, reads.stream, reads.tasks,
       task_bytes * (reads.tasks * (reads.tasks - 1) // 2)
       + form_bytes * (reads.tasks - 1) AS bytes,
       CASE WHEN task_bytes > 0 THEN s_per_model * (reads.tasks * (reads.tasks + 1) // 2)
            ELSE s_per_task * reads.tasks END AS seconds,
       pace.trials
FROM reads LEFT JOIN pace USING (backbone, method)
ORDER BY bytes DESC, 1, 2, 3
"""


def remarks(connection: duckdb.DuckDBPyConnection) -> list[str]:
    """Return a line per pending setting whose merging reads much, the largest first."""
    lines = []
    rows = connection.execute(READS).fetchall()
    large = [row for row in rows if row[4] >= LEAST_BYTES]
    for backbone, method, stream, tasks, size, seconds, trials in large[:SHOWN]:
        line = f"merging: {method} of {backbone} reads {_gigabytes(size)} over the {tasks} tasks "
        line += f"of {stream}, "
        if seconds is None:
            line += "for a time not known until a trial of it has merged"
        else:
            line += f"and merges for {_hours(seconds)} (as {trials} trials did)"
        lines.append(line)
    if len(large) > SHOWN:
        lines.append(f"merging: {len(large) - SHOWN} more settings read more than 1 GB each")
    return lines


def _gigabytes(size: float) -> str:
    """Return a size in words: `3.4 GB`, `12 TB`."""
    if size >= 1e12:
        return f"{size / 1e12:.3g} TB"
    return f"{size / 1e9:.3g} GB"


def _hours(seconds: float) -> str:
    """Return a time in words: `9.2 h`, `4 min`."""
    if seconds >= 3600:
        return f"{seconds / 3600:.3g} h"
    return f"{max(seconds / 60, 0.01):.2g} min"
