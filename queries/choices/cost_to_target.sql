-- What does it cost to learn so much?
-- grain: one row per (backbone, stream, mixture, method, recipe, budget) with a trial at the end of its stream
-- Spent FLOPs at which a_ka first reaches `target`, linear between the tasks after which it was
-- measured. seeds_there of seeds got there; the mean is over these alone, so read it only where all
-- did. few_seeds: fewer than 3. A parameter left out means all.
CREATE OR REPLACE MACRO cost_to_target(target DOUBLE := 0.5, stream VARCHAR := NULL, backbone VARCHAR := NULL) AS TABLE
WITH
stepped AS (
    SELECT t.*, lag(CASE WHEN t.a_ka IS NOT NULL THEN t.spent_flops END IGNORE NULLS) OVER stream_of AS x0,
           lag(t.a_ka IGNORE NULLS) OVER stream_of AS y0
    FROM trajectory t
    WHERE (stream IS NULL OR t.stream = stream) AND (backbone IS NULL OR t.backbone = backbone)
    WINDOW stream_of AS (PARTITION BY t.backbone, t.stream, t.mixture, t.method, t.recipe, t.budget, t.trial ORDER BY t.task)
),
reached AS (
    SELECT s.backbone AS b, s.stream AS st, s.mixture AS mx, s.method AS me, s.recipe AS r, s.budget AS bu, s.trial,
           max(s.task) = any_value(s.tasks) AS at_end,
           min(CASE WHEN s.y0 IS NULL OR s.y0 >= target THEN s.spent_flops
                    ELSE s.x0 + (target - s.y0) / (s.a_ka - s.y0) * (s.spent_flops - s.x0) END) FILTER (WHERE s.a_ka >= target) AS flops
    FROM stepped s
    GROUP BY ALL
)
SELECT b AS backbone, st AS stream, mx AS mixture, me AS method, r AS recipe, bu AS budget,
       count(*) AS seeds, count(*) < 3 AS few_seeds, count(flops) AS seeds_there, avg(flops) / 1e9 AS gflops
FROM reached
WHERE at_end
GROUP BY ALL
ORDER BY 1, 2, count(flops) / count(*) DESC, gflops NULLS LAST, 4, 3, 5, 6;
