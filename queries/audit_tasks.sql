-- Which tasks are missing or half measured? (No rows is good.)
-- grain: one row per (trial, task) with something missing
-- Tasks are finished in order and task 0, the untouched backbone, comes first: a trial with results of task t has those of 0 ... t,
-- and one that is done has all of its stream. A task lacking suite members, or with one twice, has no a_ka or a_zs in `point`;
-- where the suite is measured on parts between the ends, in `during`.
CREATE OR REPLACE VIEW audit_tasks AS
WITH
reached AS (
    SELECT t.trial, CASE WHEN t.state = 'done' THEN st.tasks ELSE max(s.task) END AS last_task
    FROM trial_state t
    JOIN stream st ON st.name = t.stream
    LEFT JOIN standing s ON s.trial = t.trial
    GROUP BY t.trial, t.state, st.tasks
),
expected AS (
    SELECT trial, unnest(range(last_task + 1)) AS task FROM reached WHERE last_task IS NOT NULL
),
judged AS (
    SELECT e.trial, e.task,
           CASE WHEN p.trial IS NULL THEN 'no results'
                WHEN p.adapt_measured <> p.adapt_wanted OR p.retain_measured <> p.retain_wanted
                THEN 'measured ' || (p.adapt_measured + p.retain_measured) || ' of ' || (p.adapt_wanted + p.retain_wanted)
                     || ' adapt and retain members' END AS problem
    FROM expected e
    JOIN trial t ON t.id = e.trial
    JOIN stream st ON st.name = t.stream
    JOIN suite u ON u.name = st.suite
    LEFT JOIN (
        SELECT trial, task, adapt_measured, adapt_wanted, retain_measured, retain_wanted, false AS between FROM point
        UNION ALL
        SELECT trial, task, adapt_measured, adapt_wanted, retain_measured, retain_wanted, true FROM during
    ) p ON p.trial = e.trial AND p.task = e.task AND p.between = (u.subset < 1 AND e.task NOT IN (0, st.tasks))
)
SELECT trial, task, problem FROM judged WHERE problem IS NOT NULL ORDER BY trial, task;
