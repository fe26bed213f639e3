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
    SELECT s.backbone AS b, s.stream AS st, s.mixture AS mx, s.method AS me, s.recipe AS r, s.budget AS bu, min(s.seeds) AS seeds,
           max(s.mean) FILTER (WHERE s.measure = 'a_ka') AS a_ka, max(s.high - s.mean) FILTER (WHERE s.measure = 'a_ka') AS a_ka_half,
           max(s.mean) FILTER (WHERE s.measure = 'a_zs') AS a_zs, max(s.high - s.mean) FILTER (WHERE s.measure = 'a_zs') AS a_zs_half
    FROM spread s
    WHERE s.measure IN ('a_ka', 'a_zs')
      AND (budget IS NULL OR s.budget = budget) AND (stream IS NULL OR s.stream = stream)
    GROUP BY ALL
),
spent AS (
    SELECT p.backbone AS b, p.stream AS st, p.mixture AS mx, p.method AS me, p.recipe AS r, p.budget AS bu,
           sum(p.gflops) AS gflops, sum(p.seconds) AS seconds
    FROM phases p
    WHERE p.phase <> 'evaluate'
    GROUP BY ALL
),
plain AS (
    SELECT s.b, s.st, s.mx, s.bu, avg(s.gflops) AS gflops, avg(s.seconds) AS seconds FROM spent s WHERE s.me = 'finetune' GROUP BY ALL
)
SELECT t.b AS backbone, t.st AS stream, t.mx AS mixture, t.me AS method, t.r AS recipe, t.bu AS budget, t.seeds, t.seeds < 3 AS few_seeds,
       t.a_ka, t.a_ka_half, t.a_zs, t.a_zs_half, s.gflops / f.gflops AS flops_ratio, s.seconds / f.seconds AS seconds_ratio,
       p.multiplier AS memory_multiplier
FROM reached t
LEFT JOIN spent s ON s.b = t.b AND s.st = t.st AND s.mx = t.mx AND s.me = t.me AND s.r = t.r AND s.bu = t.bu
LEFT JOIN plain f ON f.b = t.b AND f.st = t.st AND f.mx = t.mx AND f.bu = t.bu
LEFT JOIN price p ON p.backbone = t.b AND p.mixture = t.mx AND p.method = t.me AND p.recipe = t.r
ORDER BY ALL;
