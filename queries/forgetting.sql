-- What was known once and lost again?
-- grain: one row per (trial, dataset, metric, label_space) of the suite
-- forgotten = best value after any earlier task (task 0 too) minus the value after the last task measured; negative: never better
-- than now. role_mean: the weighted mean of `forgotten` over the trial's members of the same role, NULL if one is missing.
CREATE OR REPLACE VIEW forgetting AS
WITH
ended AS (
    SELECT trial, max(task) AS task FROM standing GROUP BY trial
),
wanted AS (
    SELECT e.trial, e.task, m.role, m.dataset, m.metric, m.label_space, m.weight
    FROM ended e
    JOIN trial t ON t.id = e.trial
    JOIN stream st ON st.name = t.stream
    JOIN suite_member m ON m.suite = st.suite
),
followed AS (
    SELECT trial, dataset, metric, label_space, task, value
    FROM measured
    WHERE weights = 'deployed' AND fraction = 1 AND at_end
),
lost AS (
    SELECT w.*, max(f.value) FILTER (WHERE f.task < w.task) AS best,
           arg_max(f.task, f.value) FILTER (WHERE f.task < w.task) AS best_task,
           max(f.value) FILTER (WHERE f.task = w.task) AS now
    FROM wanted w LEFT JOIN followed f USING (trial, dataset, metric, label_space)
    GROUP BY ALL
)
SELECT trial, role, dataset, metric, label_space, task, best_task, best, now, best - now AS forgotten,
       CASE WHEN count(best - now) OVER role_of = count(*) OVER role_of
            THEN sum((best - now) * weight) OVER role_of / sum(weight) OVER role_of END AS role_mean
FROM lost
WINDOW role_of AS (PARTITION BY trial, role)
ORDER BY trial, role, dataset, metric, label_space;
