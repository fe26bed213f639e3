-- What does each method reach, and what does it cost, beside full fine-tuning?
-- grain: one row per (backbone, stream, mixture, method, recipe, budget) at the end of its stream
-- a_ka, a_zs: means over seeds after the last task, *_half: the half width of their 95 %
-- t-intervals. flops_ratio, seconds_ratio: all that its trials spent outside evaluation (one-off
-- phases and merges too), over the same of the row `finetune` of equal backbone, stream, mixture
-- and budget. Seconds are of shared machines, and rougher. memory_multiplier: of its profile, NULL
-- where there is none (python -m runner.profiling).
CREATE OR REPLACE MACRO beside_full(budget VARCHAR := NULL, stream VARCHAR := NULL) AS TABLE
WITH
reached AS (
    SELECT spread.backbone, spread.stream, spread.mixture, spread.method, spread.recipe,
           spread.budget, min(spread.seeds) AS seeds,
           max(spread.mean) FILTER (WHERE spread.measure = 'a_ka') AS a_ka,
           max(spread.high - spread.mean) FILTER (WHERE spread.measure = 'a_ka') AS a_ka_half,
           max(spread.mean) FILTER (WHERE spread.measure = 'a_zs') AS a_zs,
           max(spread.high - spread.mean) FILTER (WHERE spread.measure = 'a_zs') AS a_zs_half
    FROM spread
    WHERE spread.measure IN ('a_ka', 'a_zs')
      AND (budget IS NULL OR spread.budget = budget) AND (stream IS NULL OR spread.stream = stream)
    GROUP BY ALL
),
spent AS (
    SELECT phases.backbone, phases.stream, phases.mixture, phases.method, phases.recipe,
           phases.budget,
           sum(phases.gflops) AS gflops, sum(phases.seconds) AS seconds
    FROM phases
    WHERE phases.phase NOT IN ('evaluate', 'measure')
    GROUP BY ALL
),
plain AS (
    SELECT spent.backbone, spent.stream, spent.mixture, spent.budget, avg(spent.gflops) AS gflops,
           avg(spent.seconds) AS seconds FROM spent WHERE spent.method = 'finetune' GROUP BY ALL
)
SELECT reached.backbone, reached.stream, reached.mixture, reached.method, reached.recipe,
       reached.budget, reached.seeds, reached.seeds < 3 AS few_seeds,
       reached.a_ka, reached.a_ka_half, reached.a_zs, reached.a_zs_half,
       spent.gflops / plain.gflops AS flops_ratio, spent.seconds / plain.seconds AS seconds_ratio,
       price.multiplier AS memory_multiplier
FROM reached
LEFT JOIN spent ON spent.backbone = reached.backbone AND spent.stream = reached.stream
    AND spent.mixture = reached.mixture AND spent.method = reached.method
    AND spent.recipe = reached.recipe AND spent.budget = reached.budget
LEFT JOIN plain ON plain.backbone = reached.backbone AND plain.stream = reached.stream
    AND plain.mixture = reached.mixture AND plain.budget = reached.budget
LEFT JOIN price ON price.backbone = reached.backbone AND price.mixture = reached.mixture
    AND price.method = reached.method AND price.recipe = reached.recipe
ORDER BY ALL;
