-- Which trials has sync given up?
-- grain: one row per (trial, kind) of which there were more ends than the policy's retries allow
-- kind: that of the outcome, or its state where it has none or is cancelled (somebody wanted that,
-- whatever became of the worker). Ends before the trial's newest `retry` request do not count. A
-- kind without a `retries_<kind>` in `policy` is not tried again: its first end is the last.
CREATE OR REPLACE VIEW exhausted AS
WITH
ended AS (
    SELECT o.trial, CASE WHEN o.state = 'cancelled' THEN o.state ELSE coalesce(o.kind, o.state) END AS kind, count(*) AS ends
    FROM outcome o
    JOIN attempt a USING (trial, attempt)
    LEFT JOIN (SELECT trial, max(serial) AS retried FROM request WHERE wish = 'retry' GROUP BY trial) r USING (trial)
    WHERE o.state <> 'done' AND a.serial > coalesce(r.retried, 0)
    GROUP BY ALL
)
SELECT e.trial, e.kind, e.ends, coalesce(p.value, 0) AS retries
FROM ended e LEFT JOIN policy p ON p.name = 'retries_' || e.kind
WHERE e.ends > coalesce(p.value, 0);
