-- What is wrong with the lab?
-- grain: one row per thing that the last pass of sync could not trust or reach
-- Nothing is decided while something is unknown: a queue that does not answer, a batch that is
-- refused, a job that will not start by itself, a receipt whose files are not as they were written.
-- A row goes when a pass finds it in order.
CREATE OR REPLACE VIEW health AS
WITH
about AS (
    -- a submission, a trial by name, a file of a trial's run folder (`000042/02/outcome.json`) or
    -- of a submission's
    SELECT DISTINCT problem.subject, problem.message, attempt.trial
    FROM problem
    JOIN attempt ON attempt.batch = problem.subject
                 OR starts_with(problem.subject, 'batches/' || attempt.batch || '/')
    UNION
    SELECT subject, message,
           try_cast(regexp_extract(subject, '^(?:trial )?(\d+)(?:/|$)', 1) AS BIGINT)
    FROM problem
)
SELECT problem.subject, problem.message, problem.since, any_value(trial.study) AS study,
       count(DISTINCT trial.id) AS trials
FROM problem
LEFT JOIN about ON about.subject = problem.subject AND about.message = problem.message
LEFT JOIN trial ON trial.id = about.trial
GROUP BY problem.subject, problem.message, problem.since
ORDER BY problem.since, problem.subject;
