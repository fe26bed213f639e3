-- How sure are we of each combination, over its seeds?
-- grain: one row per (backbone, stream, mixture, method, recipe, budget, measure) with at least one trial at the end of its stream
-- mean over the seeds whose last task is measured, and its 95 % interval: mean -/+ t(.975, n - 1) *
-- s / sqrt(n), NULL for one seed. With 3 seeds t is 4.30, not 1.96. measure: a_ka, a_zs, gm, d_ka,
-- d_zs, zs_ratio as in `trajectory`.
CREATE OR REPLACE VIEW spread AS
WITH
named AS (
    SELECT c.backbone, c.stream, c.mixture, c.method, c.recipe, c.budget, c.gflops, unnest([
           {'measure': 'a_ka', 'seeds': c.a_ka_seeds, 'mean': c.a_ka, 'deviation': c.a_ka_deviation, 'half': c.a_ka_half},
           {'measure': 'a_zs', 'seeds': c.a_zs_seeds, 'mean': c.a_zs, 'deviation': c.a_zs_deviation, 'half': c.a_zs_half},
           {'measure': 'gm', 'seeds': c.gm_seeds, 'mean': c.gm, 'deviation': c.gm_deviation, 'half': c.gm_half},
           {'measure': 'd_ka', 'seeds': c.d_ka_seeds, 'mean': c.d_ka, 'deviation': c.d_ka_deviation, 'half': c.d_ka_half},
           {'measure': 'd_zs', 'seeds': c.d_zs_seeds, 'mean': c.d_zs, 'deviation': c.d_zs_deviation, 'half': c.d_zs_half},
           {'measure': 'zs_ratio', 'seeds': c.zs_ratio_seeds, 'mean': c.zs_ratio, 'deviation': c.zs_ratio_deviation, 'half': c.zs_ratio_half}
           ]) AS of_
    FROM cells c
)
SELECT n.backbone, n.stream, n.mixture, n.method, n.recipe, n.budget, n.of_.measure, n.of_.seeds, n.of_.mean, n.of_.deviation,
       n.of_.mean - n.of_.half AS low, n.of_.mean + n.of_.half AS high, n.gflops
FROM named n
WHERE n.of_.seeds > 0
ORDER BY ALL;
