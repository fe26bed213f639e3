-- What does each method reach, and what does it cost, beside full fine-tuning?
-- grain: one row per (backbone, stream, mixture, method, recipe, budget) measured at the end of its stream
-- a_ka, a_zs: means over seeds after the last task, *_half: the half width of their 95 %
-- t-intervals. flops_ratio, seconds_ratio: all that its trials spent outside evaluation (one-off
-- phases and merges too), over the same of the row `finetune` of equal backbone, stream, mixture
-- and budget. Seconds are of shared machines, and rougher. memory_multiplier: of its profile, NULL
-- where there is none (python -m runner.profiling).
CREATE OR REPLACE MACRO beside_full(budget VARCHAR := NULL, stream VARCHAR := NULL) AS TABLE
WITH
reached AS (
    SELECT spread.backbone AS b, spread.stream AS st, spread.mixture AS mx, spread.method AS me, spread.recipe AS r, spread.budget AS bu, min(spread.seeds) AS seeds,
           max(spread.mean) FILTER (WHERE spread.measure = 'a_ka') AS a_ka, max(spread.high - spread.mean) FILTER (WHERE spread.measure = 'a_ka') AS a_ka_half,
           max(spread.mean) FILTER (WHERE spread.measure = 'a_zs') AS a_zs, max(spread.high - spread.mean) FILTER (WHERE spread.measure = 'a_zs') AS a_zs_half
    FROM spread
    WHERE spread.measure IN ('a_ka', 'a_zs')
      AND (budget IS NULL OR spread.budget = budget) AND (stream IS NULL OR spread.stream = stream)
    GROUP BY ALL
),
spent AS (
    SELECT phases.backbone AS b, phases.stream AS st, phases.mixture AS mx, phases.method AS me, phases.recipe AS r, phases.budget AS bu,
           sum(phases.gflops) AS gflops, sum(phases.seconds) AS seconds
    FROM phases
    WHERE phases.phase <> 'evaluate'
    GROUP BY ALL
),
plain AS (
    SELECT spent.b, spent.st, spent.mx, spent.bu, avg(spent.gflops) AS gflops, avg(spent.seconds) AS seconds FROM spent WHERE spent.me = 'finetune' GROUP BY ALL
)
SELECT reached.b AS backbone, reached.st AS stream, reached.mx AS mixture, reached.me AS method, reached.r AS recipe, reached.bu AS budget, reached.seeds, reached.seeds < 3 AS few_seeds,
       reached.a_ka, reached.a_ka_half, reached.a_zs, reached.a_zs_half, spent.gflops / plain.gflops AS flops_ratio, spent.seconds / plain.seconds AS seconds_ratio,
       price.multiplier AS memory_multiplier
FROM reached
LEFT JOIN spent ON spent.b = reached.b AND spent.st = reached.st AND spent.mx = reached.mx AND spent.me = reached.me AND spent.r = reached.r AND spent.bu = reached.bu
LEFT JOIN plain ON plain.b = reached.b AND plain.st = reached.st AND plain.mx = reached.mx AND plain.bu = reached.bu
LEFT JOIN price ON price.backbone = reached.b AND price.mixture = reached.mx AND price.method = reached.me AND price.recipe = reached.r
ORDER BY ALL;
