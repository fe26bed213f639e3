-- Which tasks are missing or half measured? (No rows is good.)
-- grain: one row per (trial, task) with something missing
-- Tasks are finished in order and task 0, the untouched backbone, comes first: a trial with results of task t has those of 0 ... t,
-- and one that is done has all of its stream. A task lacking suite members, or with one twice, has no a_ka or a_zs in `point`.
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
    FROM expected e LEFT JOIN point p USING (trial, task)
)
SELECT trial, task, problem FROM judged WHERE problem IS NOT NULL ORDER BY trial, task;
