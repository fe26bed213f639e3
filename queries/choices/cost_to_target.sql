-- What does it cost to learn so much?
-- grain: one row per (backbone, stream, mixture, method, recipe, budget) at the end of its stream
-- Spent FLOPs at which a_ka first reaches `target`, linear between the tasks after which it was
-- measured. seeds_there of seeds got there; the mean is over these alone, so read it only where all
-- did; NULL where what it cost is not known. few_seeds: fewer than 3. A parameter left out means all.
CREATE OR REPLACE MACRO cost_to_target(
    target DOUBLE := 0.5, stream VARCHAR := NULL, backbone VARCHAR := NULL
) AS TABLE
WITH
stepped AS (
    SELECT trajectory.*,
           lag(CASE WHEN trajectory.a_ka IS NOT NULL THEN trajectory.spent_flops END IGNORE NULLS)
           OVER stream_of AS flops_before,
           lag(trajectory.a_ka IGNORE NULLS) OVER stream_of AS a_ka_before
    FROM trajectory
    WHERE (stream IS NULL OR trajectory.stream = stream)
      AND (backbone IS NULL OR trajectory.backbone = backbone)
    WINDOW stream_of AS (PARTITION BY trajectory.backbone, trajectory.stream, trajectory.mixture,
                         trajectory.method, trajectory.recipe, trajectory.budget, trajectory.trial
                         ORDER BY trajectory.task)
),
reached AS (
    SELECT stepped.backbone, stepped.stream, stepped.mixture, stepped.method, stepped.recipe,
           stepped.budget, stepped.trial,
           max(stepped.task) = any_value(stepped.tasks) AS at_end,
           min(stepped.task) FILTER (WHERE stepped.a_ka >= target) AS there,
           min(CASE WHEN stepped.a_ka_before IS NULL
                    OR stepped.a_ka_before >= target THEN stepped.spent_flops
                    ELSE stepped.flops_before + (target - stepped.a_ka_before)
                    / (stepped.a_ka - stepped.a_ka_before) * (stepped.spent_flops
                        - stepped.flops_before) END) FILTER (WHERE stepped.a_ka >= target) AS flops
    FROM stepped
    GROUP BY ALL
)
SELECT reached.backbone, reached.stream, reached.mixture, reached.method, reached.recipe,
       reached.budget,
       count(*) AS seeds, count(*) < 3 AS few_seeds, count(reached.there) AS seeds_there,
       avg(flops) / 1e9 AS gflops
FROM reached
WHERE at_end
GROUP BY ALL
ORDER BY 1, 2, count(reached.there) / count(*) DESC, gflops NULLS LAST, 4, 3, 5, 6;
