-- What is wrong with the lab?
-- grain: one row per thing that the last pass of sync could not trust or reach
-- Nothing is decided while something is unknown: a queue that does not answer, a batch that is
-- refused, a job that will not start by itself, a receipt whose files are not as they were written.
-- A row goes when a pass finds it in order.
CREATE OR REPLACE VIEW health AS
SELECT p.subject, p.message, p.since, any_value(t.study) AS study, count(DISTINCT a.trial) AS trials
FROM problem p
LEFT JOIN attempt a ON a.batch = p.subject
LEFT JOIN trial t ON t.id = a.trial
GROUP BY p.subject, p.message, p.since
ORDER BY p.since, p.subject;
