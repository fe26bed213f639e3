-- Which tasks are missing or half measured? (No rows is good.)
-- grain: one row per (trial, task) with something missing
-- Tasks are finished in order and task 0, the untouched backbone, comes first: a trial with results
-- of task t has those of 0 ... t, and one that is done has all of its stream. A task lacking suite
-- members, or with one twice, has no a_ka or a_zs in `point`; where the suite is measured on parts
-- between the ends, in `during`. What was run elsewhere may have less (`imports` says how much).
CREATE OR REPLACE VIEW audit_tasks AS
WITH
counted AS (
    SELECT trial, max(task) AS last_task,
           count(*) FILTER (WHERE task <= tasks AND adapt_measured = adapt_wanted
                            AND retain_measured = retain_wanted) AS whole
    FROM summary
    GROUP BY trial
),
done AS (
    SELECT DISTINCT outcome.trial FROM outcome JOIN attempt USING (trial, attempt)
    WHERE outcome.state = 'done'
),
reached AS MATERIALIZED (
    -- only trials of which not every task is there and whole
    SELECT trial.id AS trial,
           CASE WHEN done.trial IS NOT NULL THEN stream.tasks
                ELSE counted.last_task END AS last_task
    FROM trial
    JOIN stream ON stream.name = trial.stream
    LEFT JOIN counted ON counted.trial = trial.id
    LEFT JOIN done ON done.trial = trial.id
    WHERE trial.source IS NULL AND coalesce(counted.whole, 0)
    < CASE WHEN done.trial IS NOT NULL THEN stream.tasks ELSE counted.last_task END + 1
),
expected AS (
    SELECT trial, unnest(range(last_task + 1)) AS task FROM reached WHERE last_task IS NOT NULL
),
judged AS (
    SELECT expected.trial, expected.task,
           CASE WHEN part.trial IS NULL THEN 'no results'
                WHEN part.adapt_measured <> part.adapt_wanted
                    OR part.retain_measured <> part.retain_wanted
                THEN 'measured ' || (part.adapt_measured + part.retain_measured) || ' of '
                || (part.adapt_wanted + part.retain_wanted)
                     || ' adapt and retain members' END AS problem
    FROM expected
    JOIN trial ON trial.id = expected.trial
    JOIN stream ON stream.name = trial.stream
    JOIN asked_suite ON asked_suite.stream = trial.stream
    JOIN suite ON suite.name = asked_suite.suite
    LEFT JOIN (
        SELECT trial, task, adapt_measured, adapt_wanted, retain_measured, retain_wanted,
               false AS between FROM point SEMI JOIN reached USING (trial)
        UNION ALL
        SELECT trial, task, adapt_measured, adapt_wanted, retain_measured, retain_wanted, true
        FROM during SEMI JOIN reached USING (trial)
    ) part ON part.trial = expected.trial AND part.task = expected.task
        AND part.between = (suite.subset < 1 AND expected.task NOT IN (0, stream.tasks))
)
SELECT trial, task, problem FROM judged WHERE problem IS NOT NULL ORDER BY trial, task;
