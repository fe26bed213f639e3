-- What is wrong with the lab?
-- grain: one row per thing that the last pass of sync could not trust or reach
-- Nothing is decided while something is unknown: a queue that does not answer, a batch that is
-- refused, a job that will not start by itself, a receipt whose files are not as they were written.
-- A row goes when a pass finds it in order.
CREATE OR REPLACE VIEW health AS
SELECT problem.subject, problem.message, problem.since, any_value(trial.study) AS study, count(DISTINCT attempt.trial) AS trials
FROM problem
LEFT JOIN attempt ON attempt.batch = problem.subject
LEFT JOIN trial ON trial.id = attempt.trial
GROUP BY problem.subject, problem.message, problem.since
ORDER BY problem.since, problem.subject;
