-- What did each phase of these trials cost, by the facts?
-- grain: one row per (trial, phase) that was charged, of the trials in the view `trials`
-- `trials` names a view or table with a column `trial`.
-- The columns of `kept_cost`, from `cost` anew. held_*: of the attempts that hold, as `standing`
-- says; done_*: what of it was not taken over from another trial. What training a trial again
-- cost (`attempt.retrains`) is left out: it says nothing of what such a trial costs.
CREATE OR REPLACE MACRO reckoned_costs(trials VARCHAR := 'unkept') AS TABLE
WITH
asked AS MATERIALIZED (
    SELECT DISTINCT named.trial AS id FROM query_table(trials) named
),
measuring AS (
    SELECT trial, attempt FROM attempt WHERE measures IS NOT NULL
),
trained_again AS (
    SELECT trial, attempt FROM attempt WHERE retrains IS NOT NULL
),
holds AS (
    SELECT result.trial, result.task, max(result.attempt) AS attempt FROM result
    JOIN asked ON asked.id = result.trial
    ANTI JOIN measuring ON measuring.trial = result.trial AND measuring.attempt = result.attempt
    ANTI JOIN trained_again AS again ON again.trial = result.trial AND again.attempt = result.attempt
    GROUP BY result.trial, result.task
    UNION ALL
    -- what a measurement cost is lost only where it brought nothing
    SELECT DISTINCT result.trial, result.task, result.attempt FROM result
    JOIN asked ON asked.id = result.trial
    JOIN measuring ON measuring.trial = result.trial AND measuring.attempt = result.attempt
),
charged AS (
    SELECT cost.trial, cost.phase, cost.attempt, cost.task, sum(cost.flops) AS flops,
           sum(cost.seconds) AS seconds, max(cost.peak_bytes) AS peak_bytes,
           sum(cost.flops) FILTER (WHERE NOT cost.shared) AS done_flops,
           sum(cost.seconds) FILTER (WHERE NOT cost.shared) AS done_s, count(*) AS rows
    FROM cost JOIN asked ON asked.id = cost.trial
    ANTI JOIN trained_again AS again ON again.trial = cost.trial AND again.attempt = cost.attempt
    GROUP BY ALL
)
SELECT charged.trial, charged.phase, sum(charged.flops) AS flops, sum(charged.seconds) AS seconds,
       max(charged.peak_bytes) AS peak_bytes,
       coalesce(sum(charged.flops) FILTER (WHERE holds.attempt IS NULL), 0) AS lost_flops,
       sum(charged.flops) FILTER (WHERE holds.attempt IS NOT NULL) AS held_flops,
       sum(charged.seconds) FILTER (WHERE holds.attempt IS NOT NULL) AS held_s,
       max(charged.peak_bytes) FILTER (WHERE holds.attempt IS NOT NULL) AS held_peak_bytes,
       sum(charged.done_flops) FILTER (WHERE holds.attempt IS NOT NULL) AS done_flops,
       sum(charged.done_s) FILTER (WHERE holds.attempt IS NOT NULL) AS done_s,
       count(*) FILTER (WHERE charged.rows > 1) AS repeated
FROM charged
LEFT JOIN holds ON holds.trial = charged.trial AND holds.task = charged.task
    AND holds.attempt = charged.attempt
GROUP BY charged.trial, charged.phase
ORDER BY charged.trial, charged.phase;
