-- Does the order of the stream matter?
-- grain: one row per (backbone, stream, mixture, method, recipe, budget, sequence) with a trial at the end of its stream
-- `effect` along sequences that are cut into equally many tasks and watched by one suite. spread_of_orders: standard deviation of the means
-- over these sequences, NULL for one.
CREATE OR REPLACE MACRO ordering(measure VARCHAR := 'gm') AS TABLE
SELECT e.backbone, e.stream, e.mixture, e.method, e.recipe, e.budget, e.choice AS sequence, s.ordering, s.seed AS ordering_seed,
       e.others, e.seeds, e.few_seeds, e.mean, e.mean_low, e.mean_high, e.pairs, e.behind, e.behind_low, e.behind_high, e.verdict,
       stddev_samp(e.mean) OVER (PARTITION BY e.backbone, e.stream, e.mixture, e.method, e.recipe, e.budget) AS spread_of_orders
FROM effect(axis := 'ordering', measure := measure) e JOIN sequence s ON s.name = e.choice
ORDER BY 1, 2, 3, 4, 5, 6, e.mean DESC, 7;
