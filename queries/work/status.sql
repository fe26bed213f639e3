-- How far is each study?
-- grain: one row per study
-- trials = done + running + pending + waiting + failed + refused + cancelled + withdrawn; running
-- includes those being submitted. hours: wall time of all attempts, the lost and failed ones too;
-- of an attempt that vanished, what its finished tasks took that were not taken over from another
-- trial; of what was run elsewhere, none. audits: which audits found something in the last pass of sync, in whichever study
-- (`health` says what). gpu_hours: the same times the GPUs of the job each ran in (trials that
-- share a job's GPUs are each charged all of them).
CREATE OR REPLACE VIEW status AS
WITH
studied AS (
    SELECT id AS trial, coalesce(study, '(none)') AS study FROM trial
),
counted AS (
    SELECT studied.study, count(*) AS trials,
           count(*) FILTER (WHERE stage.state = 'done') AS done,
           count(*) FILTER (WHERE stage.state IN ('running', 'submitting')) AS running,
           count(*) FILTER (WHERE stage.state = 'pending') AS pending,
           count(*) FILTER (WHERE stage.state = 'waiting') AS waiting,
           count(*) FILTER (WHERE stage.state = 'failed') AS failed,
           count(*) FILTER (WHERE stage.state = 'refused') AS refused,
           count(*) FILTER (WHERE stage.state = 'cancelled') AS cancelled,
           count(*) FILTER (WHERE stage.state = 'withdrawn') AS withdrawn
    FROM studied JOIN stage USING (trial)
    GROUP BY studied.study
),
timed AS (
    SELECT attempt.trial, attempt.attempt,
           CASE WHEN outcome.state IN ('done', 'failed', 'cancelled')
                AND outcome.started_at IS NOT NULL
                                    THEN greatest(epoch(outcome.finished_at - outcome.started_at),
                                                  0) END AS seconds
    FROM attempt LEFT JOIN outcome USING (trial, attempt)
    ANTI JOIN (SELECT id AS trial FROM trial WHERE source IS NOT NULL) elsewhere USING (trial)
),
charged AS (
    -- of what was not timed; the costs of all attempts are many
    SELECT cost.trial, cost.attempt, sum(cost.seconds) FILTER (WHERE NOT cost.shared) AS seconds
    FROM cost SEMI JOIN (FROM timed WHERE seconds IS NULL) untimed USING (trial, attempt)
    GROUP BY cost.trial, cost.attempt
),
spent AS (
    SELECT studied.study, sum(coalesce(timed.seconds, charged.seconds, 0)) AS seconds,
           sum(coalesce(timed.seconds, charged.seconds, 0) * coalesce(submission.gpus,
               0)) AS gpu_seconds
    FROM studied JOIN timed USING (trial) LEFT JOIN charged USING (trial, attempt)
    LEFT JOIN submission USING (trial, attempt)
    GROUP BY studied.study
),
brought AS (
    SELECT studied.study, count(*) AS results FROM result JOIN studied USING (trial)
    GROUP BY studied.study
)
SELECT counted.study, counted.trials, counted.done, counted.running, counted.pending,
       counted.waiting, counted.failed, counted.refused, counted.cancelled, counted.withdrawn,
       coalesce(brought.results, 0) AS results,
       coalesce(spent.seconds, 0) / 3600 AS hours,
       coalesce(spent.gpu_seconds, 0) / 3600 AS gpu_hours,
       (SELECT string_agg(DISTINCT subject, ', ' ORDER BY subject) FROM problem
        WHERE starts_with(subject, 'audit_') OR subject = 'definition_drift') AS audits
FROM counted
LEFT JOIN spent USING (study)
LEFT JOIN brought USING (study)
ORDER BY study;
