-- How sure are we of each combination, over its seeds?
-- grain: one row per (backbone, stream, mixture, method, recipe, budget, measure) at its end
-- mean over the seeds whose last task is measured, and its 95 % interval: mean -/+ t(.975, n - 1) *
-- s / sqrt(n), NULL for one seed. With 3 seeds t is 4.30, not 1.96. measure: a_ka, a_zs, gm, d_ka,
-- d_zs, zs_ratio as in `trajectory`.
CREATE OR REPLACE VIEW spread AS
WITH
named AS (
    SELECT cells.backbone, cells.stream, cells.mixture, cells.method, cells.recipe, cells.budget,
           cells.gflops, unnest([
           {'measure': 'a_ka', 'seeds': cells.a_ka_seeds, 'mean': cells.a_ka,
            'deviation': cells.a_ka_deviation, 'half': cells.a_ka_half},
           {'measure': 'a_zs', 'seeds': cells.a_zs_seeds, 'mean': cells.a_zs,
            'deviation': cells.a_zs_deviation, 'half': cells.a_zs_half},
           {'measure': 'gm', 'seeds': cells.gm_seeds, 'mean': cells.gm,
            'deviation': cells.gm_deviation, 'half': cells.gm_half},
           {'measure': 'd_ka', 'seeds': cells.d_ka_seeds, 'mean': cells.d_ka,
            'deviation': cells.d_ka_deviation, 'half': cells.d_ka_half},
           {'measure': 'd_zs', 'seeds': cells.d_zs_seeds, 'mean': cells.d_zs,
            'deviation': cells.d_zs_deviation, 'half': cells.d_zs_half},
           {'measure': 'zs_ratio', 'seeds': cells.zs_ratio_seeds, 'mean': cells.zs_ratio,
            'deviation': cells.zs_ratio_deviation, 'half': cells.zs_ratio_half}
           ]) AS of_
    FROM cells
)
SELECT named.backbone, named.stream, named.mixture, named.method, named.recipe, named.budget,
       named.of_.measure, named.of_.seeds, named.of_.mean, named.of_.deviation,
       named.of_.mean - named.of_.half AS low, named.of_.mean + named.of_.half AS high, named.gflops
FROM named
WHERE named.of_.seeds > 0
ORDER BY ALL;
