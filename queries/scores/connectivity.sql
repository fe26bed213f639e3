-- Does a line of good models lead from each task's weights to the next?
-- grain: one row per (setting, dataset, label_space, metric, task) whose suite names `between`
-- setting: backbone, stream, mixture, method, recipe, budget. Values of the deployed weights before
-- the task and now, and of theta_before + a (theta_now - theta_before) between them for a = 1/4,
-- 1/2, 3/4 (between25, between50, between75); means over seeds, on whole test sets. ridge: by how
-- much a model on the line is below the straight line from before to now, at most, with its 95 %
-- interval (NULL for one seed); 0: the two are linearly connected (error barrier:
-- https://arxiv.org/abs/1912.05671, between ends of unlike height https://arxiv.org/abs/2110.06296).
-- better: by how much the best model on the line is above the one that is deployed now. Both are
-- taken seed by seed, so that chance makes them larger than 0 by about `resolution`. The suite must
-- name the metric and its three places between, as world_connected does.
CREATE OR REPLACE VIEW connectivity AS
WITH
line AS MATERIALIZED (
    SELECT DISTINCT suite, dataset, label_space,
                    regexp_extract(metric, '^between\d+_(.*)$', 1) AS counted
    FROM suite_member
    WHERE regexp_matches(metric, '^between\d+_')
),
on_line AS (
    SELECT trial.id AS trial, line.dataset, line.label_space, line.counted
    FROM trial
    JOIN asked_suite ON asked_suite.stream = trial.stream
    JOIN line ON line.suite = asked_suite.suite
),
each AS MATERIALIZED (
    SELECT measured.trial, measured.dataset, measured.label_space, on_line.counted, measured.task,
           any_value(measured.value) FILTER (WHERE measured.metric = counted) AS now,
           any_value(measured.value) FILTER (WHERE measured.metric = 'between25_' || counted) AS at25,
           any_value(measured.value) FILTER (WHERE measured.metric = 'between50_' || counted) AS at50,
           any_value(measured.value) FILTER (WHERE measured.metric = 'between75_' || counted) AS at75
    FROM measured
    JOIN on_line ON on_line.trial = measured.trial AND on_line.dataset = measured.dataset
        AND on_line.label_space = measured.label_space
    WHERE measured.weights = 'deployed' AND measured.fraction = 1 AND measured.at_end
    GROUP BY ALL
),
beside AS (
    SELECT trial.backbone, trial.stream, trial.mixture, trial.method, trial.recipe, trial.budget,
           each.*, before_.now AS before
    FROM each
    JOIN each AS before_ ON before_.trial = each.trial AND before_.dataset = each.dataset
        AND before_.label_space = each.label_space AND before_.counted = each.counted
        AND before_.task = each.task - 1
    JOIN trial ON trial.id = each.trial
    WHERE each.now + each.at25 + each.at50 + each.at75 + before_.now IS NOT NULL
),
height AS (
    SELECT *,
           greatest(0, 0.75 * before + 0.25 * now - at25, 0.5 * before + 0.5 * now - at50,
                    0.25 * before + 0.75 * now - at75) AS ridge,
           greatest(before, at25, at50, at75, now) - now AS better
    FROM beside
),
mean AS (
    SELECT backbone, stream, mixture, method, recipe, budget, dataset, label_space,
           counted AS metric, task, count(*) AS seeds, avg(before) AS before,
           avg(at25) AS between25, avg(at50) AS between50, avg(at75) AS between75, avg(now) AS now,
           avg(ridge) AS ridge, stddev_samp(ridge) / sqrt(count(*)) AS error,
           avg(better) AS better
    FROM height
    GROUP BY ALL
)
SELECT mean.backbone, mean.stream, mean.mixture, mean.method, mean.recipe, mean.budget,
       mean.dataset, mean.label_space, mean.metric, mean.task, mean.seeds,
       mean.seeds < 3 AS few_seeds, mean.before, mean.between25, mean.between50, mean.between75,
       mean.now, mean.ridge, mean.ridge - student.t * mean.error AS ridge_low,
       mean.ridge + student.t * mean.error AS ridge_high, mean.better
FROM mean LEFT JOIN student ON student.df = mean.seeds - 1
ORDER BY mean.backbone, mean.stream, mean.budget, mean.recipe, mean.mixture, mean.method,
         mean.dataset, mean.label_space, mean.metric, mean.task;
