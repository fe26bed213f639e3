-- What does it cost to learn so much?
-- grain: one row per (backbone, stream, mixture, method, recipe, budget) with a trial at the end of its stream
-- Spent FLOPs at which a_ka first reaches `target`, linear between the tasks after which it was
-- measured. seeds_there of seeds got there; the mean is over these alone, so read it only where all
-- did. few_seeds: fewer than 3. A parameter left out means all.
CREATE OR REPLACE MACRO cost_to_target(target DOUBLE := 0.5, stream VARCHAR := NULL, backbone VARCHAR := NULL) AS TABLE
WITH
stepped AS (
    SELECT trajectory.*, lag(CASE WHEN trajectory.a_ka IS NOT NULL THEN trajectory.spent_flops END IGNORE NULLS) OVER stream_of AS x0,
           lag(trajectory.a_ka IGNORE NULLS) OVER stream_of AS y0
    FROM trajectory
    WHERE (stream IS NULL OR trajectory.stream = stream) AND (backbone IS NULL OR trajectory.backbone = backbone)
    WINDOW stream_of AS (PARTITION BY trajectory.backbone, trajectory.stream, trajectory.mixture, trajectory.method, trajectory.recipe, trajectory.budget, trajectory.trial ORDER BY trajectory.task)
),
reached AS (
    SELECT stepped.backbone AS b, stepped.stream AS st, stepped.mixture AS mx, stepped.method AS me, stepped.recipe AS r, stepped.budget AS bu, stepped.trial,
           max(stepped.task) = any_value(stepped.tasks) AS at_end,
           min(CASE WHEN stepped.y0 IS NULL OR stepped.y0 >= target THEN stepped.spent_flops
                    ELSE stepped.x0 + (target - stepped.y0) / (stepped.a_ka - stepped.y0) * (stepped.spent_flops - stepped.x0) END) FILTER (WHERE stepped.a_ka >= target) AS flops
    FROM stepped
    GROUP BY ALL
)
SELECT b AS backbone, st AS stream, mx AS mixture, me AS method, r AS recipe, bu AS budget,
       count(*) AS seeds, count(*) < 3 AS few_seeds, count(flops) AS seeds_there, avg(flops) / 1e9 AS gflops
FROM reached
WHERE at_end
GROUP BY ALL
ORDER BY 1, 2, count(flops) / count(*) DESC, gflops NULLS LAST, 4, 3, 5, 6;
