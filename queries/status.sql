-- How far is each study?
-- grain: one row per study
-- trials = done + running + pending + waiting + failed + refused + cancelled + withdrawn; running includes those being submitted.
-- hours: wall time of all attempts, the lost and failed ones too; of an attempt that vanished, what its finished tasks took
-- that were not taken over from another trial.
-- audits: which audits found something in the last pass of sync, in whichever study (`health` says what).
-- gpu_hours: the same times the GPUs of the job each ran in (trials that share a job's GPUs are each charged all of them).
CREATE OR REPLACE VIEW status AS
WITH
charged AS (
    SELECT trial, attempt, sum(seconds) FILTER (WHERE NOT shared) AS seconds FROM cost GROUP BY trial, attempt
),
timed AS (
    SELECT a.trial, CASE WHEN o.state IN ('done', 'failed', 'cancelled') AND o.started_at IS NOT NULL
                         THEN greatest(epoch(o.finished_at - o.started_at), 0) END AS seconds, a.attempt
    FROM attempt a LEFT JOIN outcome o USING (trial, attempt)
),
spent AS (
    SELECT t.trial, sum(coalesce(t.seconds, c.seconds, 0)) AS seconds, sum(coalesce(t.seconds, c.seconds, 0) * coalesce(s.gpus, 0)) AS gpu_seconds
    FROM timed t LEFT JOIN charged c USING (trial, attempt) LEFT JOIN submission s USING (trial, attempt)
    GROUP BY t.trial
),
brought AS (
    SELECT trial, count(*) AS results FROM result GROUP BY trial
)
SELECT coalesce(s.study, '(none)') AS study,
       count(*) AS trials,
       count(*) FILTER (WHERE s.state = 'done') AS done,
       count(*) FILTER (WHERE s.state IN ('running', 'submitting')) AS running,
       count(*) FILTER (WHERE s.state = 'pending') AS pending,
       count(*) FILTER (WHERE s.state = 'waiting') AS waiting,
       count(*) FILTER (WHERE s.state = 'failed') AS failed,
       count(*) FILTER (WHERE s.state = 'refused') AS refused,
       count(*) FILTER (WHERE s.state = 'cancelled') AS cancelled,
       count(*) FILTER (WHERE s.state = 'withdrawn') AS withdrawn,
       coalesce(sum(b.results), 0)::BIGINT AS results,
       coalesce(sum(p.seconds), 0) / 3600 AS hours,
       coalesce(sum(p.gpu_seconds), 0) / 3600 AS gpu_hours,
       (SELECT string_agg(DISTINCT subject, ', ' ORDER BY subject) FROM problem
        WHERE starts_with(subject, 'audit_') OR subject = 'definition_drift') AS audits
FROM trial_state s
LEFT JOIN spent p ON p.trial = s.trial
LEFT JOIN brought b ON b.trial = s.trial
GROUP BY coalesce(s.study, '(none)')
ORDER BY study;
