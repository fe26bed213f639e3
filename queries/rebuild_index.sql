-- Must the image index be rebuilt?
-- grain: one row per (backbone, stream, mixture, method, recipe, budget, dataset, label_space, rank, task) with the probe `index`
-- Recall at `rank` of text queries encoded by the deployed weights: `kept` on the index that the untouched backbone made, `shifted` the same
-- after the mean drift of the queries is taken back, `rebuilt` on an index made anew; `before`: the untouched backbone on its own index. Means
-- over the seeds that have all of them, on whole test sets. falls = before - the greater of kept and shifted, with its 95 % interval
-- (NULL for one seed); rebuilding_gains = rebuilt - that. must: no, if the old index serves as well as it did (backward compatible,
-- https://arxiv.org/abs/2003.11942) or a new one no better; yes, if all of its interval is above 0; else open. The suite must name index_r<k>,
-- index_shifted_r<k> and text_to_image_r<k>, as world_probed does.
CREATE OR REPLACE VIEW rebuild_index AS
WITH
value AS (
    SELECT trial, task, dataset, label_space, regexp_extract(metric, '_r(\d+)$', 1)::INTEGER AS rank,
           regexp_replace(metric, '_r\d+$', '') AS kind, value
    FROM measured
    WHERE weights = 'deployed' AND fraction = 1 AND at_end AND regexp_matches(metric, '^(index|index_shifted|text_to_image)_r\d+$')
),
each AS (
    SELECT v.trial, v.task, v.dataset, v.label_space, v.rank, any_value(v.value) FILTER (WHERE kind = 'index') AS kept,
           any_value(v.value) FILTER (WHERE kind = 'index_shifted') AS shifted,
           any_value(v.value) FILTER (WHERE kind = 'text_to_image') AS rebuilt
    FROM value v
    GROUP BY ALL
),
beside AS (
    SELECT e.*, o.rebuilt AS before, greatest(e.kept, e.shifted) AS best
    FROM each e JOIN each o USING (trial, dataset, label_space, rank)
    WHERE o.task = 0 AND e.task > 0 AND e.kept IS NOT NULL AND e.shifted IS NOT NULL AND e.rebuilt IS NOT NULL AND o.rebuilt IS NOT NULL
),
mean AS (
    SELECT t.backbone, t.stream, t.mixture, t.method, t.recipe, t.budget, b.dataset, b.label_space, b.rank, b.task, count(*) AS seeds,
           avg(b.before) AS before, avg(b.kept) AS kept, avg(b.shifted) AS shifted, avg(b.rebuilt) AS rebuilt, avg(b.before - b.best) AS falls,
           stddev_samp(b.before - b.best) / sqrt(count(*)) AS error, avg(b.rebuilt - b.best) AS rebuilding_gains
    FROM beside b JOIN trial t ON t.id = b.trial
    GROUP BY ALL
)
SELECT m.backbone, m.stream, m.mixture, m.method, m.recipe, m.budget, m.dataset, m.label_space, m.rank, m.task, m.seeds, m.before, m.kept,
       m.shifted, m.rebuilt, m.falls, m.falls - q.t * m.error AS falls_low, m.falls + q.t * m.error AS falls_high, m.rebuilding_gains,
       CASE WHEN m.falls <= 0 OR m.rebuilding_gains <= 0 THEN 'no' WHEN m.falls > q.t * m.error THEN 'yes' ELSE 'open' END AS must
FROM mean m LEFT JOIN student q ON q.df = m.seeds - 1
ORDER BY m.backbone, m.stream, m.budget, m.recipe, m.mixture, m.method, m.dataset, m.label_space, m.rank, m.task;
