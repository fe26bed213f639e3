-- How deep does a trial fall within a task?
-- grain: one row per (trial, dataset, metric, label_space, fraction) measured within a task
-- gap: the largest, over tasks, of the value before the task minus the lowest within it or at its
-- end, and that task; at or below 0: it never fell. Both on the same fraction of the test set,
-- since a part and a whole are not compared. Deployed weights. (de Lange et al., arXiv 2205.13452)
CREATE OR REPLACE VIEW stability_gap AS
WITH
watched AS MATERIALIZED (
    SELECT DISTINCT summary.trial FROM summary WHERE summary.within > 0
),
fallen AS (
    SELECT trial.study, trial.backbone, trial.stream, trial.mixture, trial.method, trial.recipe,
           trial.budget, trial.seed,
           measured.trial, measured.role, measured.dataset, measured.metric, measured.label_space,
           measured.fraction, measured.task,
           min(measured.value) AS lowest,
           max(measured.value) FILTER (WHERE measured.at_end) AS ended,
           bool_or(NOT measured.at_end) AS watched
    FROM measured JOIN watched ON watched.trial = measured.trial
    JOIN trial ON trial.id = measured.trial
    WHERE measured.weights = 'deployed'
    GROUP BY ALL
),
beside AS (
    SELECT *, CASE
                   WHEN lag(task) OVER course_of = task - 1 THEN lag(ended)
                   OVER course_of END AS before
    FROM fallen
    WINDOW course_of AS (PARTITION BY study, backbone, stream, mixture, method, recipe, budget,
                         seed,
                         trial, role, dataset, metric, label_space, fraction ORDER BY task)
)
SELECT study, backbone, stream, mixture, method, recipe, budget, seed,
       trial, role, dataset, metric, label_space, fraction, count(*) AS tasks_watched,
       max(before - lowest) AS gap,
       arg_max(task, (before - lowest, -task)) AS task
FROM beside
WHERE watched AND before IS NOT NULL
GROUP BY ALL
ORDER BY trial, role, dataset, metric, label_space, fraction;
