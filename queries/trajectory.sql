-- How do learning and retention develop along the stream, and at what cost?
-- grain: one row per (trial, task) that has results
-- d_ka, d_zs and zs_ratio compare with task 0, the untouched backbone. spent_*: everything but evaluation, summed over the tasks
-- so far, of the attempts that hold; what lost attempts spent besides is in `status`.
CREATE OR REPLACE VIEW trajectory AS
WITH
charged AS (
    SELECT c.trial, c.task, sum(c.flops) AS flops, sum(c.seconds) AS seconds, sum(c.steps) AS steps, sum(c.pairs) AS pairs
    FROM cost c JOIN standing s USING (trial, task, attempt)
    WHERE c.phase <> 'evaluate'
    GROUP BY c.trial, c.task
),
based AS (
    SELECT p.*,
           max(a_ka) FILTER (WHERE task = 0) OVER (PARTITION BY trial) AS a_ka_0,
           max(a_zs) FILTER (WHERE task = 0) OVER (PARTITION BY trial) AS a_zs_0
    FROM point p
)
SELECT t.study, t.backbone, t.stream, t.mixture, t.method, t.recipe, t.budget, t.seed, b.trial, b.task, st.tasks,
       b.a_ka, b.a_zs, b.gm,
       b.a_ka - b.a_ka_0 AS d_ka, b.a_zs - b.a_zs_0 AS d_zs, b.a_zs / nullif(b.a_zs_0, 0) AS zs_ratio,
       coalesce(sum(c.flops) OVER so_far, 0) AS spent_flops,
       coalesce(sum(c.seconds) OVER so_far, 0) AS spent_s,
       coalesce(sum(c.steps) OVER so_far, 0)::BIGINT AS spent_steps,
       coalesce(sum(c.pairs) OVER so_far, 0)::BIGINT AS spent_pairs
FROM based b
JOIN trial t ON t.id = b.trial
JOIN stream st ON st.name = t.stream
LEFT JOIN charged c ON c.trial = b.trial AND c.task = b.task
WINDOW so_far AS (PARTITION BY b.trial ORDER BY b.task)
ORDER BY b.trial, b.task;
