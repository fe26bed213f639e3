-- Which trials has sync given up?
-- grain: one row per (trial, kind) of which there were more ends than the policy's retries allow
-- kind: that of the outcome, or its state where it has none or is cancelled (somebody wanted that,
-- whatever became of the worker). Ends before the trial's newest `retry` request do not count. A
-- kind without a `retries_<kind>` in `policy` is not tried again: its first end is the last.
CREATE OR REPLACE VIEW exhausted AS
WITH
ended AS (
    SELECT outcome.trial,
           CASE WHEN outcome.state = 'cancelled' THEN outcome.state
                ELSE coalesce(outcome.kind, outcome.state) END AS kind, count(*) AS ends
    FROM outcome
    JOIN attempt USING (trial, attempt)
    LEFT JOIN (SELECT trial, max(serial) AS retried FROM request WHERE wish = 'retry'
               GROUP BY trial) retries USING (trial)
    WHERE outcome.state <> 'done' AND attempt.serial > coalesce(retries.retried, 0)
    GROUP BY ALL
)
SELECT ended.trial, ended.kind, ended.ends, coalesce(policy.value, 0) AS retries
FROM ended LEFT JOIN policy ON policy.name = 'retries_' || ended.kind
WHERE ended.ends > coalesce(policy.value, 0);
