-- Which trials, and which measurements of trials, has sync given up?
-- grain: one row per (trial, measures, kind) with more ends than the policy's retries allow
-- kind: that of the outcome, or its state where it has none or is cancelled (somebody wanted that,
-- whatever became of the worker). measures: the suite, of a measurement; NULL: of the trial itself,
-- as it trains. Ends before the trial's newest `retry` or `retrain` request do not count. A
-- kind without a `retries_<kind>` in `policy` is not tried again: its first end is the last.
CREATE OR REPLACE VIEW exhausted AS
WITH
ended AS (
    SELECT outcome.trial, attempt.measures,
           CASE WHEN outcome.state = 'cancelled' THEN outcome.state
                ELSE coalesce(outcome.kind, outcome.state) END AS kind, count(*) AS ends
    FROM outcome
    JOIN attempt USING (trial, attempt)
    LEFT JOIN (SELECT trial, max(serial) AS retried FROM request
               WHERE wish IN ('retry', 'retrain') AND suite IS NULL GROUP BY trial) retries
        USING (trial)
    LEFT JOIN (SELECT trial, suite, max(serial) AS retried FROM request
               WHERE wish = 'retry' AND suite IS NOT NULL GROUP BY trial, suite) of_suite
        ON of_suite.trial = outcome.trial AND of_suite.suite = attempt.measures
    WHERE outcome.state <> 'done'
      AND attempt.serial > greatest(coalesce(retries.retried, 0), coalesce(of_suite.retried, 0))
    GROUP BY ALL
)
SELECT ended.trial, ended.measures, ended.kind, ended.ends, coalesce(policy.value, 0) AS retries
FROM ended LEFT JOIN policy ON policy.name = 'retries_' || ended.kind
WHERE ended.ends > coalesce(policy.value, 0);
