-- What did each phase of these trials cost, by the facts?
-- grain: one row per (trial, phase) that was charged, of the trials in the view or table that `trials` names (a column `trial`)
-- The columns of `kept_cost`, from `cost` anew. held_*: of the attempts that hold, as `standing`
-- says; done_*: what of it was not taken over from another trial.
CREATE OR REPLACE MACRO reckoned_costs(trials VARCHAR := 'unkept') AS TABLE
WITH
asked AS MATERIALIZED (
    SELECT DISTINCT q.trial AS id FROM query_table(trials) q
),
holds AS (
    SELECT r.trial, r.task, max(r.attempt) AS attempt FROM result r JOIN asked a ON a.id = r.trial GROUP BY ALL
),
charged AS (
    SELECT c.trial, c.phase, c.attempt, c.task, sum(c.flops) AS flops, sum(c.seconds) AS seconds, max(c.peak_bytes) AS peak_bytes,
           sum(c.flops) FILTER (WHERE NOT c.shared) AS done_flops, sum(c.seconds) FILTER (WHERE NOT c.shared) AS done_s, count(*) AS rows
    FROM cost c JOIN asked a ON a.id = c.trial
    GROUP BY ALL
)
SELECT c.trial, c.phase, sum(c.flops) AS flops, sum(c.seconds) AS seconds, max(c.peak_bytes) AS peak_bytes,
       coalesce(sum(c.flops) FILTER (WHERE h.attempt IS NULL), 0) AS lost_flops,
       sum(c.flops) FILTER (WHERE h.attempt IS NOT NULL) AS held_flops, sum(c.seconds) FILTER (WHERE h.attempt IS NOT NULL) AS held_s,
       max(c.peak_bytes) FILTER (WHERE h.attempt IS NOT NULL) AS held_peak_bytes,
       sum(c.done_flops) FILTER (WHERE h.attempt IS NOT NULL) AS done_flops, sum(c.done_s) FILTER (WHERE h.attempt IS NOT NULL) AS done_s,
       count(*) FILTER (WHERE c.rows > 1) AS repeated
FROM charged c LEFT JOIN holds h ON h.trial = c.trial AND h.task = c.task AND h.attempt = c.attempt
GROUP BY c.trial, c.phase
ORDER BY c.trial, c.phase;
