-- Where is each measurement, and why?
-- grain: one row per (trial, suite) that is to be measured without training
-- tasks: all or last. state: done; running or submitting; pending; waiting (for its trial, or for a
-- person); failed, refused, cancelled (over, until a `retry` request); withdrawn. missing: how many
-- datasets of so many tasks are not measured yet, of `wanted`. attempt: its newest.
CREATE OR REPLACE VIEW measurements AS
WITH
declared AS (
    SELECT trial, suite, CASE WHEN bool_or(tasks = 'all') THEN 'all' ELSE 'last' END AS tasks,
           min(created_at) AS created_at
    FROM measurement GROUP BY trial, suite
),
member AS (
    SELECT suite, count(DISTINCT dataset) AS datasets FROM suite_member GROUP BY suite
),
lacking AS (
    SELECT trial, suite, count(*) AS missing FROM unmeasured GROUP BY trial, suite
),
newest AS (
    SELECT trial, measures AS suite, max(attempt) AS attempt, count(*) AS attempts FROM attempt
    WHERE measures IS NOT NULL GROUP BY trial, measures
),
wish AS (
    SELECT declared.trial, declared.suite, arg_max(request.wish, request.serial) AS wish,
           arg_max(request.reason, request.serial) AS reason
    FROM declared
    JOIN request ON request.trial = declared.trial
        AND (request.suite IS NULL OR request.suite = declared.suite)
    GROUP BY declared.trial, declared.suite
),
known AS (
    SELECT declared.*, trial.study, trial.backbone, trial.stream, trial.method, trial.seed,
           stage.state AS of_trial,
           CASE declared.tasks WHEN 'all' THEN stream.tasks + 1 ELSE 2 END
           * coalesce(member.datasets, 0) AS wanted,
           coalesce(lacking.missing, 0) AS missing, coalesce(newest.attempts, 0) AS attempts,
           newest.attempt, outcome.state AS ended, outcome.kind, outcome.message,
           submission.job_id, submission.folder, wish.wish, wish.reason,
           measurable.trial IS NOT NULL AS could,
           exhausted.trial IS NOT NULL AS over,
           declared.trial IN (SELECT retraining.trial FROM retraining
                              WHERE NOT retraining.over) AS again
    FROM declared
    LEFT JOIN trial ON trial.id = declared.trial
    LEFT JOIN stream ON stream.name = trial.stream
    LEFT JOIN stage ON stage.trial = declared.trial
    LEFT JOIN member ON member.suite = declared.suite
    LEFT JOIN lacking ON lacking.trial = declared.trial AND lacking.suite = declared.suite
    LEFT JOIN newest ON newest.trial = declared.trial AND newest.suite = declared.suite
    LEFT JOIN outcome ON outcome.trial = newest.trial AND outcome.attempt = newest.attempt
    LEFT JOIN submission ON submission.trial = newest.trial
        AND submission.attempt = newest.attempt
    LEFT JOIN wish ON wish.trial = declared.trial AND wish.suite = declared.suite
    LEFT JOIN measurable ON measurable.trial = declared.trial
        AND measurable.measures = declared.suite
    LEFT JOIN (SELECT DISTINCT trial, measures FROM exhausted) exhausted
        ON exhausted.trial = declared.trial AND exhausted.measures = declared.suite
),
judged AS (
    SELECT known.*,
           CASE WHEN attempt IS NOT NULL AND ended IS NULL
                THEN if(job_id IS NOT NULL, 'running', 'submitting')
                WHEN of_trial IS NULL OR wanted = 0 THEN 'waiting'
                WHEN missing = 0 THEN 'done'
                WHEN wish = 'withdraw' THEN 'withdrawn'
                WHEN could THEN 'pending'
                WHEN again THEN 'waiting'
                WHEN over THEN CASE ended WHEN 'lost' THEN 'failed' ELSE ended END
                ELSE 'waiting' END AS state
    FROM known
)
SELECT trial, suite, tasks, study, backbone, stream, method, seed, state,
       CASE WHEN of_trial IS NULL THEN 'there is no such trial'
            WHEN wanted = 0 THEN 'the suite has no members'
            WHEN state = 'withdrawn' THEN reason
            WHEN state IN ('failed', 'refused', 'cancelled') THEN concat_ws(': ', kind, message)
            WHEN state = 'pending' AND attempts > 0 AND ended <> 'done'
            THEN 'again after: ' || coalesce(kind, ended)
            WHEN state = 'waiting' AND of_trial <> 'done'
            THEN 'is measured when its trial is done, which is ' || of_trial
            WHEN state = 'waiting' AND again
            THEN 'is measured when its trial has been trained again'
            WHEN state = 'waiting'
            THEN 'held: too many trials failed the same way on this suite; '
                 'insert a retry request to go on' END AS reason,
       wanted, missing, attempts, attempt, folder, created_at
FROM judged
ORDER BY trial, suite;
