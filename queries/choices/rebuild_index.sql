-- Must the image index be rebuilt?
-- grain: one row per (backbone, stream, mixture, method, recipe, budget, dataset, label_space, rank, task) with the probe `index`
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
    SELECT DISTINCT metric, regexp_extract(metric, '_r(\d+)$', 1)::INTEGER AS rank, regexp_replace(metric, '_r\d+$', '') AS kind
    FROM suite_member
    WHERE regexp_matches(metric, '^(index|index_shifted|text_to_image)_r\d+$')
),
probed AS MATERIALIZED (
    SELECT t.id, t.backbone, t.stream, t.mixture, t.method, t.recipe, t.budget
    FROM trial t JOIN stream st ON st.name = t.stream
    WHERE st.suite IN (SELECT m.suite FROM suite_member m JOIN probe p USING (metric))
),
value AS (
    SELECT t.*, m.task, m.dataset, m.label_space, p.rank, p.kind, m.value
    FROM measured m JOIN probed t ON t.id = m.trial JOIN probe p ON p.metric = m.metric
    WHERE m.weights = 'deployed' AND m.fraction = 1 AND m.at_end
),
each AS (
    SELECT backbone, stream, mixture, method, recipe, budget, id, task, dataset, label_space, rank,
           any_value(v.value) FILTER (WHERE kind = 'index') AS kept, any_value(v.value) FILTER (WHERE kind = 'index_shifted') AS shifted,
           any_value(v.value) FILTER (WHERE kind = 'text_to_image') AS rebuilt
    FROM value v
    GROUP BY ALL
),
beside AS (
    SELECT e.*, max(rebuilt) FILTER (WHERE task = 0) OVER probe_of AS before, greatest(kept, shifted) AS best
    FROM each e
    WINDOW probe_of AS (PARTITION BY backbone, stream, mixture, method, recipe, budget, id, dataset, label_space, rank)
),
mean AS (
    SELECT b.backbone, b.stream, b.mixture, b.method, b.recipe, b.budget, b.dataset, b.label_space, b.rank, b.task, count(*) AS seeds,
           avg(b.before) AS before, avg(b.kept) AS kept, avg(b.shifted) AS shifted, avg(b.rebuilt) AS rebuilt, avg(b.before - b.best) AS falls,
           stddev_samp(b.before - b.best) / sqrt(count(*)) AS error, avg(b.rebuilt - b.best) AS rebuilding_gains
    FROM beside b
    WHERE b.task > 0 AND b.kept IS NOT NULL AND b.shifted IS NOT NULL AND b.rebuilt IS NOT NULL AND b.before IS NOT NULL
    GROUP BY ALL
)
SELECT m.backbone, m.stream, m.mixture, m.method, m.recipe, m.budget, m.dataset, m.label_space, m.rank, m.task, m.seeds, m.seeds < 3 AS few_seeds,
       m.before, m.kept, m.shifted, m.rebuilt, m.falls, m.falls - q.t * m.error AS falls_low, m.falls + q.t * m.error AS falls_high,
       m.rebuilding_gains,
       CASE WHEN m.falls <= 0 OR m.rebuilding_gains <= 0 THEN 'no' WHEN m.falls > q.t * m.error THEN 'yes' ELSE 'open' END AS must
FROM mean m LEFT JOIN student q ON q.df = m.seeds - 1
ORDER BY m.backbone, m.stream, m.budget, m.recipe, m.mixture, m.method, m.dataset, m.label_space, m.rank, m.task;
