-- Which of two methods wins, seed by seed?
-- grain: one row per (backbone, stream, mixture, recipe, budget, seed) at whose end method `a` or method `b` was measured
-- difference = value of a - value of b, everything else equal; NULL where the other one has not run with this seed. measure: a_ka, a_zs,
-- gm, d_ka, d_zs or zs_ratio.
CREATE OR REPLACE MACRO paired(a VARCHAR := 'finetune', b VARCHAR := 'ema_merge', measure VARCHAR := 'gm') AS TABLE
WITH
ended AS (
    SELECT t.*, CASE measure WHEN 'a_ka' THEN t.a_ka WHEN 'a_zs' THEN t.a_zs WHEN 'gm' THEN t.gm WHEN 'd_ka' THEN t.d_ka
                             WHEN 'd_zs' THEN t.d_zs WHEN 'zs_ratio' THEN t.zs_ratio
                             ELSE error('measure is one of a_ka, a_zs, gm, d_ka, d_zs, zs_ratio; not ' || measure) END AS value_
    FROM trajectory t
    WHERE t.task = t.tasks AND t.method IN (a, b)
),
side AS (
    SELECT e.backbone, e.stream, e.mixture, e.recipe, e.budget, e.seed,
           max(e.value_) FILTER (WHERE e.method = a) AS value_a, max(e.value_) FILTER (WHERE e.method = b) AS value_b
    FROM ended e
    GROUP BY ALL
)
SELECT s.*, s.value_a - s.value_b AS difference,
       CASE WHEN s.value_a > s.value_b THEN a WHEN s.value_a < s.value_b THEN b WHEN s.value_a = s.value_b THEN 'tie' END AS winner
FROM side s
ORDER BY ALL;
