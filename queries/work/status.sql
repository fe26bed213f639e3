-- How far is each study?
-- grain: one row per study
-- trials = done + running + pending + waiting + failed + refused + cancelled + withdrawn; running
-- includes those being submitted. hours: wall time of all attempts, the lost and failed ones too;
-- of an attempt that vanished, what its finished tasks took that were not taken over from another
-- trial. audits: which audits found something in the last pass of sync, in whichever study
-- (`health` says what). gpu_hours: the same times the GPUs of the job each ran in (trials that
-- share a job's GPUs are each charged all of them).
CREATE OR REPLACE VIEW status AS
WITH
studied AS (
    SELECT id AS trial, coalesce(study, '(none)') AS study FROM trial
),
counted AS (
    SELECT t.study, count(*) AS trials,
           count(*) FILTER (WHERE g.state = 'done') AS done,
           count(*) FILTER (WHERE g.state IN ('running', 'submitting')) AS running,
           count(*) FILTER (WHERE g.state = 'pending') AS pending,
           count(*) FILTER (WHERE g.state = 'waiting') AS waiting,
           count(*) FILTER (WHERE g.state = 'failed') AS failed,
           count(*) FILTER (WHERE g.state = 'refused') AS refused,
           count(*) FILTER (WHERE g.state = 'cancelled') AS cancelled,
           count(*) FILTER (WHERE g.state = 'withdrawn') AS withdrawn
    FROM studied t JOIN stage g USING (trial)
    GROUP BY t.study
),
timed AS (
    SELECT a.trial, a.attempt, CASE WHEN o.state IN ('done', 'failed', 'cancelled') AND o.started_at IS NOT NULL
                                    THEN greatest(epoch(o.finished_at - o.started_at), 0) END AS seconds
    FROM attempt a LEFT JOIN outcome o USING (trial, attempt)
),
charged AS (
    -- of what was not timed; the costs of all attempts are many
    SELECT c.trial, c.attempt, sum(c.seconds) FILTER (WHERE NOT c.shared) AS seconds
    FROM cost c SEMI JOIN (FROM timed WHERE seconds IS NULL) t USING (trial, attempt)
    GROUP BY c.trial, c.attempt
),
spent AS (
    SELECT t.study, sum(coalesce(a.seconds, c.seconds, 0)) AS seconds,
           sum(coalesce(a.seconds, c.seconds, 0) * coalesce(s.gpus, 0)) AS gpu_seconds
    FROM studied t JOIN timed a USING (trial) LEFT JOIN charged c USING (trial, attempt) LEFT JOIN submission s USING (trial, attempt)
    GROUP BY t.study
),
brought AS (
    SELECT t.study, count(*) AS results FROM result r JOIN studied t USING (trial) GROUP BY t.study
)
SELECT c.study, c.trials, c.done, c.running, c.pending, c.waiting, c.failed, c.refused, c.cancelled, c.withdrawn,
       coalesce(b.results, 0) AS results,
       coalesce(p.seconds, 0) / 3600 AS hours,
       coalesce(p.gpu_seconds, 0) / 3600 AS gpu_hours,
       (SELECT string_agg(DISTINCT subject, ', ' ORDER BY subject) FROM problem
        WHERE starts_with(subject, 'audit_') OR subject = 'definition_drift') AS audits
FROM counted c
LEFT JOIN spent p USING (study)
LEFT JOIN brought b USING (study)
ORDER BY study;
