-- What is wrong with the lab?
-- grain: one row per thing that the last pass of sync could not trust or reach
-- Nothing is decided while something is unknown: a queue that does not answer, a batch that is refused, a job that will not start
-- by itself, a receipt whose files are not as they were written. A row goes when a pass finds it in order.
CREATE OR REPLACE VIEW health AS
WITH
about AS (
    -- a submission, a trial by name, a file of a trial's run folder (`000042/02/outcome.json`) or of a submission's
    SELECT DISTINCT p.subject, p.message, a.trial
    FROM problem p JOIN attempt a ON a.batch = p.subject OR starts_with(p.subject, 'batches/' || a.batch || '/')
    UNION
    SELECT subject, message, try_cast(regexp_extract(subject, '^(?:trial )?(\d+)(?:/|$)', 1) AS BIGINT) FROM problem
)
SELECT p.subject, p.message, p.since, any_value(t.study) AS study, count(DISTINCT t.id) AS trials
FROM problem p
LEFT JOIN about b ON b.subject = p.subject AND b.message = p.message
LEFT JOIN trial t ON t.id = b.trial
GROUP BY p.subject, p.message, p.since
ORDER BY p.since, p.subject;
