-- How deep does a trial fall within a task?
-- grain: one row per (trial, dataset, metric, label_space, fraction) measured within some task, not only at its end
-- gap: the largest, over tasks, of the value before the task minus the lowest within it or at its end, and that task; at or below 0: it
-- never fell. Both on the same fraction of the test set, since a part and a whole are not compared. Deployed weights.
-- (de Lange et al., arXiv 2205.13452)
CREATE OR REPLACE VIEW stability_gap AS
WITH
deployed AS (
    SELECT trial, role, dataset, metric, label_space, fraction, task, value, at_end FROM measured WHERE weights = 'deployed'
),
fallen AS (
    SELECT d.trial, d.role, d.dataset, d.metric, d.label_space, d.fraction, d.task, min(d.value) AS lowest
    FROM deployed d
    WHERE d.task > 0
    GROUP BY ALL
    HAVING bool_or(NOT d.at_end)
)
SELECT f.trial, f.role, f.dataset, f.metric, f.label_space, f.fraction, count(*) AS tasks_watched, max(b.value - f.lowest) AS gap,
       arg_max(f.task, b.value - f.lowest) AS task
FROM fallen f
JOIN deployed b ON b.trial = f.trial AND b.role = f.role AND b.dataset = f.dataset AND b.metric = f.metric
               AND b.label_space = f.label_space AND b.fraction = f.fraction AND b.task = f.task - 1 AND b.at_end
GROUP BY ALL
ORDER BY ALL;
