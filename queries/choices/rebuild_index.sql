-- Must the image index be rebuilt?
-- grain: one row per (setting, dataset, label_space, rank, task) with the probe `index`
-- setting: backbone, stream, mixture, method, recipe, budget.
-- Recall at `rank` of text queries encoded by the deployed weights: `kept` on the index that the
-- untouched backbone made, `shifted` the same after the mean drift of the queries is taken back,
-- `rebuilt` on an index made anew; `before`: the untouched backbone on its own index. Means over
-- the seeds that have all of them, on whole test sets. falls = before - the greater of kept and
-- shifted, with its 95 % interval (NULL for one seed); rebuilding_gains = rebuilt - that. must: no,
-- if the old index serves as well as it did (backward compatible, https://arxiv.org/abs/2003.11942)
-- or a new one no better; yes, if all of its interval is above 0; else open. The suite must name
-- index_r<k>, index_shifted_r<k> and text_to_image_r<k>, as world_probed does.
CREATE OR REPLACE VIEW rebuild_index AS
WITH
probe AS MATERIALIZED (
    SELECT DISTINCT metric, regexp_extract(metric, '_r(\d+)$', 1)::INTEGER AS rank,
                    regexp_replace(metric, '_r\d+$', '') AS kind
    FROM suite_member
    WHERE regexp_matches(metric, '^(index|index_shifted|text_to_image)_r\d+$')
),
probed AS MATERIALIZED (
    SELECT trial.id, trial.backbone, trial.stream, trial.mixture, trial.method, trial.recipe,
           trial.budget
    FROM trial JOIN asked_suite ON asked_suite.stream = trial.stream
    WHERE asked_suite.suite IN (SELECT suite_member.suite FROM suite_member
                                JOIN probe USING (metric))
),
value AS (
    SELECT probed.*, measured.task, measured.dataset, measured.label_space, probe.rank, probe.kind,
           measured.value
    FROM measured JOIN probed ON probed.id = measured.trial
    JOIN probe ON probe.metric = measured.metric
    WHERE measured.weights = 'deployed' AND measured.fraction = 1 AND measured.at_end
),
each AS (
    SELECT backbone, stream, mixture, method, recipe, budget, id, task, dataset, label_space, rank,
           any_value(value.value) FILTER (WHERE kind = 'index') AS kept,
           any_value(value.value) FILTER (WHERE kind = 'index_shifted') AS shifted,
           any_value(value.value) FILTER (WHERE kind = 'text_to_image') AS rebuilt
    FROM value
    GROUP BY ALL
),
beside AS (
    SELECT each.*, max(rebuilt) FILTER (WHERE task = 0) OVER probe_of AS before,
           greatest(kept, shifted) AS best
    FROM each
    WINDOW probe_of AS (PARTITION BY backbone, stream, mixture, method, recipe, budget, id, dataset,
                        label_space, rank)
),
mean AS (
    SELECT beside.backbone, beside.stream, beside.mixture, beside.method, beside.recipe,
           beside.budget, beside.dataset, beside.label_space, beside.rank, beside.task,
           count(*) AS seeds,
           avg(beside.before) AS before, avg(beside.kept) AS kept, avg(beside.shifted) AS shifted,
           avg(beside.rebuilt) AS rebuilt, avg(beside.before - beside.best) AS falls,
           stddev_samp(beside.before - beside.best) / sqrt(count(*)) AS error,
           avg(beside.rebuilt - beside.best) AS rebuilding_gains
    FROM beside
    WHERE beside.task > 0 AND beside.kept IS NOT NULL AND beside.shifted IS NOT NULL
      AND beside.rebuilt IS NOT NULL AND beside.before IS NOT NULL
    GROUP BY ALL
)
SELECT mean.backbone, mean.stream, mean.mixture, mean.method, mean.recipe, mean.budget,
       mean.dataset, mean.label_space, mean.rank, mean.task, mean.seeds,
       mean.seeds < 3 AS few_seeds,
       mean.before, mean.kept, mean.shifted, mean.rebuilt, mean.falls,
       mean.falls - student.t * mean.error AS falls_low,
       mean.falls + student.t * mean.error AS falls_high,
       mean.rebuilding_gains,
       CASE WHEN mean.falls <= 0 OR mean.rebuilding_gains <= 0 THEN 'no'
            WHEN mean.falls > student.t * mean.error THEN 'yes' ELSE 'open' END AS must
FROM mean LEFT JOIN student ON student.df = mean.seeds - 1
ORDER BY mean.backbone, mean.stream, mean.budget, mean.recipe, mean.mixture, mean.method,
         mean.dataset, mean.label_space, mean.rank, mean.task;
